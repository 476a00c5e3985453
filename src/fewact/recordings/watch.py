"""Find the actions in a recording: a file, a camera, the network or a pipe."""

import math
import threading
import time as clock
from bisect import bisect
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.names import Label, existing_classes
from fewact.classifier.unknown import check_rate
from fewact.core.errors import OptionError
from fewact.data.joints import JointTrack
from fewact.poses.base import PoseEstimator
from fewact.recordings.bodies import BodyRegions, named_estimator
from fewact.recordings.formats import Event
from fewact.recordings.joins import clock_text, in_file
from fewact.recordings.people import typical_aspect
from fewact.recordings.stream import Stream
from fewact.recordings.subjects import SubjectStreams, tracks_of_recording
from fewact.recordings.windows import Pace, check_watchable
from fewact.video.cleaning.correction import COMPRESSED, is_compressed
from fewact.video.joined import JoinedFiles, JoinedRecording, open_joined
from fewact.video.recording import Recording, open_recording
from fewact.video.regions import RegionFinder
from fewact.video.samplers import RGBImage
from fewact.video.source import Span
from fewact.video.track import CameraPath, Track

FRAMES_AHEAD = 10
"""Number of frames of a live source that wait; older ones are dropped."""

WINDOWS_AHEAD = 4
"""Number of windows of a file or a camera that are computed while its next frames are read."""


class Watch:
    """Looks at a recording while it is read.

    Args:
        stream: Stream of the classifier, or streams of several subjects.
        recording: Open recording.
        stop: Ends the recording when it is set; the events so far are complete.
        spans: Parts of the recording that are watched, far from each other; None for all of it.

    Attributes:
        time: Time up to which the recording was read, in seconds.
        looked_at: Number of frames that were looked at.
        dropped: Number of frames of a live source that were dropped because they were late.
    """

    def __init__(
        self,
        stream: Stream | SubjectStreams,
        recording: Recording,
        stop: threading.Event | None = None,
        spans: Sequence[Span] | None = None,
    ) -> None:
        self.stream, self.recording, self._spans = stream, recording, spans
        self.time, self.looked_at, self.dropped = 0.0, 0, 0
        self._end: float | None = None
        self._after_gap = False
        self._stop = stop or threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it was ended before the recording."""
        return self._stop.is_set()

    @property
    def by_subject(self) -> bool:
        """Whether events have a subject and a box."""
        return isinstance(self.stream, SubjectStreams)

    @property
    def faults(self) -> tuple[str, ...]:
        """Faults of the recording so far, each with what to do."""
        compressed = (str(COMPRESSED),) if is_compressed(self.recording.quantiser) else ()
        return *self.stream.faults, *compressed

    def events(self) -> Iterator[Event]:
        """Yield events when they are complete, in the order of their starts."""
        for _, _, events in self.moments():
            yield from events
        yield from self.close()

    def clock(self, event: Event) -> str:
        """Return date and time of an event's start; empty if the recording does not say them."""
        return clock_text(self.recording.clock(event.start))

    def in_file(self, event: Event, name_of: Callable[[str], str]) -> Event:
        """Return an event with the file in which it starts, and the times and the clock there.

        Args:
            event: Event of the recording.
            name_of: Returns the name of a file, given its path.
        """
        if isinstance(self.recording, JoinedRecording):
            part = self.recording.joined.part(event.start)
            return in_file(event, part, name_of(str(part.path)))
        name = name_of(self.recording.name)
        return replace(event, recording=name, clock=self.clock(event))

    def close(self) -> list[Event]:
        """End the stream where the recording ends; return the events that were not complete.

        It warns of frames of the recording that are missing or damaged.
        """
        events = self.stream.close(self._end)
        self.recording.damage.warn(self.recording.name)
        return events

    def moments(self) -> Iterator[tuple[float, RGBImage, list[Event]]]:
        """Yield the frames that are used with their times, and the events that are complete then.

        ``close`` must be called afterwards.
        """
        frames = self._live() if self.recording.live else self._needed()
        for time, frame in frames:
            after_gap, self._after_gap = self._after_gap, False
            events = self.stream.push(frame, time, after_gap=after_gap)
            self.looked_at += 1
            yield time, frame, events

    def _needed(self) -> Iterator[tuple[float, RGBImage]]:
        """Yield the frames that the stream needs, as images."""
        for time, frame in self.recording.frames():
            if self._stop.is_set():
                return
            # The last frame is shown as long as the one before it.
            self._end = time + (time - self.time if self._end is not None else 0.0)
            self.time = time
            self._after_gap |= self.recording.after_gap
            if not self._is_watched(time):
                self._after_gap = True
            elif self._after_gap or self.stream.needs(time):
                yield time, self.recording.convert(frame)

    def _is_watched(self, time: float) -> bool:
        if self._spans is None:
            return True
        number = bisect(self._spans, time, key=attrgetter("start"))
        return number > 0 and time < self._spans[number - 1].end

    def _live(self) -> Iterator[tuple[float, RGBImage]]:
        """Yield the frames of a live source; a thread reads them, so that none is late."""
        waiting: deque[tuple[float, RGBImage]] = deque()
        changed = threading.Condition()
        ended: list[BaseException | None] = []
        stopped = threading.Event()  # the caller's event may stop other recordings, too

        def read() -> None:
            pace = Pace(self.stream.rate)
            error: BaseException | None = None
            delay = -math.inf  # of the latest frame: time of the clock minus that of the frame
            try:
                for time, frame in self.recording.frames():
                    if stopped.is_set():
                        break
                    delay = max(delay, clock.monotonic() - time)
                    self.time = time
                    if not pace.needs(time):
                        continue
                    pace.take(time)
                    image = self.recording.convert(frame)
                    with changed:
                        # Segments of a playlist, a download and what a camera kept come faster than
                        # they were recorded: their frames are not late before they are due.
                        changed.wait_for(
                            lambda: len(waiting) < FRAMES_AHEAD or stopped.is_set(),
                            timeout=delay + time - clock.monotonic(),
                        )
                        if stopped.is_set():
                            break
                        if len(waiting) == FRAMES_AHEAD:
                            waiting.popleft()
                            self.dropped += 1
                        waiting.append((time, image))
                        changed.notify()
            except BaseException as problem:  # raised again by the thread that watches
                error = problem
            with changed:
                ended.append(error)
                changed.notify()

        reader = threading.Thread(target=read, name="fewact-camera", daemon=True)
        reader.start()
        try:
            while True:
                with changed:
                    while not waiting and not ended and not self._stop.is_set():
                        changed.wait(0.2)
                    if self._stop.is_set() or not waiting:
                        break
                    time, image = waiting.popleft()
                    changed.notify()
                if self.stream.needs(time):
                    yield time, image
        finally:
            stopped.set()
            with changed:
                changed.notify()
            reader.join()  # the recording is closed next: no frame may be read any more
        if ended and ended[0] is not None:
            raise ended[0]


@contextmanager
def watching(
    classifier: FewShotClassifier,
    source: str | Path | JoinedFiles,
    *,
    stop: threading.Event | None = None,
    only: Label | Collection[Label] | None = None,
    merge_gap: float = 0.0,
    min_duration: float = 0.0,
    regions: bool | RegionFinder | str | Path = False,
    spans: Sequence[Span] | None = None,
    joints: JointTrack | None = None,
) -> Iterator[Watch]:
    """Open a recording to watch; it is closed, and no window is computed, after the block.

    Args:
        classifier: Classifier whose actions are found.
        source: Recording, see ``fewact.video.recording``; or files that are one recording.
        stop: Ends the recording when it is set.
        only: Classes whose events are found, see ``Stream``; None for all classes.
        merge_gap: Largest time between two events of one class that are one, in seconds.
        min_duration: Duration of the shortest event, in seconds.
        regions: Whether each subject that moves is watched, with a ``subject`` and a ``box`` for
            each event; or a pose estimator, or its name, that finds people in what moves; or what
            finds subjects, whose ``time`` grows meanwhile; or the table of their boxes, see
            ``fewact.data.tracks``.
        spans: Parts of a file that are watched, see ``find.spans_to_watch``; None for all of it.
        joints: Joints of the recording, see ``Stream``; not of its subjects.

    Raises:
        VideoError: The recording cannot be opened.
        OptionError: Subjects are requested of a camera, a pipe or an address, which is read once.
    """
    fitted = classifier.fitted_
    check_watchable(fitted)  # before anything is opened
    check_rate(classifier.false_alarms)
    if only is not None:
        existing_classes(only, fitted.classes, integers=fitted.integers)
    subjects = _subjects(source, regions, stop)
    with _opened(source, stop) as recording:
        # A pipe may wait as long as it likes, and events must not wait for its next frame.
        ahead = WINDOWS_AHEAD if recording.again or recording.live else 0
        begin = partial(
            Stream.of,
            classifier,
            ahead=ahead,
            only=only,
            merge_gap=merge_gap,
            min_duration=min_duration,
        )
        stream: Stream | SubjectStreams
        if subjects is None:
            stream = begin(joints=joints)
        else:
            tracks, camera = subjects
            begin = partial(begin, static=bool(tracks))
            stream = SubjectStreams(begin, tracks, typical_aspect(fitted), camera)
        try:
            yield Watch(stream, recording, stop, spans)
        finally:
            stream.stop()


@contextmanager
def _opened(source: str | Path | JoinedFiles, stop: threading.Event | None) -> Iterator[Recording]:
    opening = (
        open_joined(source)
        if isinstance(source, JoinedFiles)
        else open_recording(source, stop=stop)
    )
    with opening as recording:
        yield recording


def _subjects(
    source: str | Path | JoinedFiles,
    regions: bool | PoseEstimator | RegionFinder | str | Path,
    stop: threading.Event | None,
) -> tuple[list[Track], CameraPath | None] | None:
    """Return the subjects and the camera of a recording; None if all of the picture is watched."""
    if regions is False:
        return None
    if isinstance(source, JoinedFiles) or not Path(source).is_file():
        raise OptionError(
            "subjects are followed through the recording before they are watched",
            where="regions",
            got=str(source),
            expected="a video file",
            hint="Watch the files one by one: --join off."
            if isinstance(source, JoinedFiles)
            else "Record the camera or the stream first.",
        )
    if not isinstance(regions, bool | RegionFinder):
        found_by = named_estimator(regions)
        regions = found_by if isinstance(found_by, Path) else BodyRegions(found_by)
    return tracks_of_recording(source, RegionFinder() if regions is True else regions, stop)


def watch(
    classifier: FewShotClassifier,
    source: str | Path,
    *,
    only: Label | Collection[Label] | None = None,
) -> Iterator[Event]:
    """Yield the events of a recording when they are complete; for arguments see ``watching``.

    >>> for event in watch(classifier, "monday.mp4"):  # doctest: +SKIP
    ...     print(event.label, event.start, event.end, event.repetitions)
    """
    with watching(classifier, source, only=only) as opened:
        yield from opened.events()
