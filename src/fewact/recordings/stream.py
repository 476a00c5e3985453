"""Recognise actions in a recording while its frames come in."""

import math
import threading
import time as clock
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from typing import Any, Self

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted
from fewact.classifier.names import Label, existing_classes
from fewact.classifier.pipeline import installed_estimator
from fewact.classifier.windows import MOST_SAMPLES, window_rate
from fewact.core.errors import OptionError, warn
from fewact.data.images import as_image
from fewact.data.joints import JointTrack
from fewact.features.extract import Timing
from fewact.features.request import Features
from fewact.features.ring import FeatureRing, PreparedWindow, WindowFrames
from fewact.recordings.events import EventFinder, WindowScore
from fewact.recordings.formats import Event
from fewact.recordings.repetitions import RepetitionCounter
from fewact.recordings.scoring import WindowScorer
from fewact.recordings.stages import Stages
from fewact.recordings.windows import CutWindow, Pace, SlidingWindows, check_watchable
from fewact.video.cleaning.correction import STILL

PARTIAL_WINDOW = 0.5
"""Fraction of a window that a recording must last to be scored."""

HOLD_AFTER = 0.5
"""Seconds without a frame after which the last frame is shown again. Between frames that are nearer
to each other, a window takes the nearest frame."""

LONGEST_HOLD = 60.0
"""Seconds that a frame is shown at most. Of a longer time without frames, the first half minute and
the last one are searched: nothing happens between."""

LARGEST_TIME = 1e11
"""Largest time of a frame, in seconds; sums of larger ones and of windows would not grow."""


@dataclass(frozen=True)
class StreamState:
    """What a stream shows now.

    Args:
        label: Class that the last windows show; None if they show none.
        confidence: Estimated probability that they show their most probable class, 0 … 1.
        time: End of these windows, in seconds.
        probabilities: Estimated probability of each class in the window that decides, none above
            the confidence.
    """

    label: Label | None
    confidence: float
    time: float
    probabilities: dict[Label, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


Begun = tuple[float, Future[WindowScore]]
"""Length of a window, in seconds, and its score, which may be computed later."""


class Stream:
    """Finds the actions of a recording whose frames are pushed one by one.

    Windows as long as the training clips slide over the recording. They share decoding, the network
    and, where the camera does not move, its estimate. All methods may be called from any thread.
    ``with Stream.of(classifier) as stream`` stops the stream at the end of the block, after errors,
    too. It warns if neither ``close`` nor ``stop`` was called, because the last events are lost.

    Args:
        fitted: What a classifier has learned, see ``FewShotClassifier.fitted_``.
        false_alarms: Requested limit of false alarms, 1 for no threshold; the promise is about
            clips, not about windows. By default the recording counts, too: between actions it shows
            other things, so that not every window can get a class.
        fps: Frames per second of frames that are pushed without a time; None takes the time at
            which they are pushed.
        ahead: Number of windows that may still be computed when ``push`` returns. With some, all
            cores are busy, and events come by so many windows later; they are the same. With none,
            ``push`` returns every event that is complete.
        only: Class or classes whose events are returned. The others compete with them, as clips of
            other movements do that are a class of their own. None returns all events.
        merge_gap: Events of one class with at most so many seconds between them are one; 0 joins
            only performances that follow each other closely.
        min_duration: Duration of the shortest event that is returned, in seconds.
        static: Whether the camera is known to be static: its motion is not estimated.
        joints: Joints of the recording at the times of its frames, where the classifier compares
            joints; None for those that its estimator finds, if it has one.

    Attributes:
        lengths: Durations of the windows, in seconds, ascending.
        rate: Number of frames per second that are looked at.
        timing: Time of each stage.

    Raises:
        DataError: ``only`` names a class that does not exist.
        ModelError: The classifier is one of precomputed features, or does not know the durations
            of its training clips.
        OptionError: ``fps`` or ``false_alarms`` is not a rate, ``ahead`` is not a number of
            windows, or ``merge_gap`` or ``min_duration`` is not a duration.
    """

    def __init__(
        self,
        fitted: Fitted,
        false_alarms: float | None = None,
        *,
        fps: float | None = None,
        ahead: int = 0,
        only: Label | Collection[Label] | None = None,
        merge_gap: float = 0.0,
        min_duration: float = 0.0,
        static: bool = False,
        joints: JointTrack | None = None,
    ) -> None:
        _check_numbers(fps, ahead, merge_gap=merge_gap, min_duration=min_duration)
        self._only = None
        if only is not None:
            self._only = existing_classes(only, fitted.classes, integers=fitted.integers)
        backbone, lengths = check_watchable(fitted)
        requests = fitted.pipeline.requests
        self._labels = fitted.labels
        self._frames = max(request.frames for request in requests)
        self.rate = window_rate(requests, lengths)
        longest = MOST_SAMPLES / self.rate
        self.lengths = tuple(dict.fromkeys(min(length, longest) for length in lengths))
        self.timing = Timing()
        self.scorer = WindowScorer(fitted, self.lengths, false_alarms, self.timing)
        pose = installed_estimator(fitted.pipeline)
        self._ring = FeatureRing(
            backbone, requests, self.timing, static=static, joints=joints, pose=pose
        )
        self._counter = RepetitionCounter(self.lengths)
        self._merge_gap = merge_gap
        self._finder = EventFinder(
            self.scorer.threshold,
            self.lengths[-1],
            adapts=self.scorer.adapts,
            merge_gap=merge_gap,
            min_duration=min_duration,
        )
        self._fps, self._begun, self._pushed = fps, clock.monotonic(), 0
        self._last, self._step = -math.inf, 0.0
        self._pace = Pace(self.rate)
        self._windows: SlidingWindows | None = None
        self._latest: dict[float, WindowScore] = {}
        self._ahead = ahead
        self._stages = Stages((self._prepare, self._compute, self._score), threads=ahead > 0)
        self._running: deque[tuple[list[Begun], float]] = deque()
        self._closed = False
        self._lock = threading.RLock()

    @classmethod
    def of(cls, classifier: FewShotClassifier, **options: Any) -> Self:
        """Return a stream of a classifier, with its limit of false alarms.

        What the classifier learns later does not change the stream.

        Args:
            classifier: Classifier that has learned classes.
            **options: Further arguments of ``Stream``.

        >>> with Stream.of(classifier, fps=25) as stream:  # doctest: +SKIP
        ...     events = [event for frame in frames for event in stream.push(frame)]
        ...     events += stream.close()
        """
        return cls(classifier.fitted_, classifier.false_alarms, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            is_lost = error is None and self._pushed > 0 and not self._closed
            self.stop()
        if is_lost:
            warn(
                "the stream was not closed: its last events are lost. Call close() at the end of "
                "the block, or stop() if they are not needed",
            )

    @property
    def state(self) -> StreamState:
        """What the last windows show."""
        with self._lock:
            latest = list(self._latest.values())
            if not latest:
                return StreamState(None, 0.0, self._last if math.isfinite(self._last) else 0.0)
            best = max(latest, key=lambda window: window.score)
            shown = best.score >= self._finder.threshold and self._is_requested(best.label)
            confidence = self._finder.confidence(best)
            scale = min(1.0, confidence / max(best.probabilities))
            return StreamState(
                best.label if shown else None,
                confidence,
                max(window.end for window in latest),
                {
                    label: scale * probability
                    for label, probability in zip(self._labels, best.probabilities, strict=True)
                },
            )

    @property
    def faults(self) -> tuple[str, ...]:
        """Faults of most windows so far, each with what to do; that nothing moves is none."""
        counts, windows = self._ring.faults.copy(), self._ring.windows
        return tuple(
            str(fault)
            for fault, count in counts.most_common()
            if fault is not STILL and 2 * count > windows
        )

    @property
    def going_on(self) -> list[Event]:
        """Events that are known so far, but not complete."""
        with self._lock:
            events = self._finder.going_on
            return [
                self._counter.count(event) for event in events if self._is_requested(event.label)
            ]

    @property
    def decided(self) -> float:
        """Time before which no performance can be found any more, in seconds."""
        with self._lock:
            return self._finder.decided

    @property
    def delay(self) -> float:
        """Seconds after which performances are known that began at a time.

        They are three windows: the window that shows a performance, a better window that overlaps
        it, and a third window for windows that wait for each other. Longer chains are rare.
        """
        return 3 * self.lengths[-1] + self._merge_gap

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time would be looked at; others need not be converted."""
        return self._pace.needs(time)

    def push(
        self, frame: Any, time: float | None = None, *, after_gap: bool = False
    ) -> list[Event]:
        """Look at the next frame. The last frame lasts until this one.

        Args:
            frame: Image (h w 3), RGB, uint8: an array or a tensor, also (3 h w), or a PIL image. It
                is not referred to afterwards.
            time: Time of the frame, in seconds, later than the last frame; None for the times that
                ``fps`` gives.
            after_gap: Whether nothing was recorded before this frame: the search begins again.

        Returns:
            Events that are complete now, in the order of their starts. An event is complete
            two to three of the longest windows after its end: the action may be repeated.

        Raises:
            OptionError: The time is not after the last frame, or the stream is closed.
            DataError: The frame is no such image.
        """
        with self._lock:
            if self._closed:
                raise OptionError("the stream is closed", hint="Begin another one.")
            frame = as_image(frame, f"frame {self._pushed}")
            time = self._time(time)
            self._pushed += 1
            self._counter.forget(self._finder.needed_from)
            events: list[Event] = []
            if self._windows is not None and not after_gap:
                events += self._hold(time)
                self._step = min(time - self._last, 1 / self.rate)
            if not self.needs(time) and not after_gap:
                self._last = time
                return self._requested(events)
            if self._windows is None or after_gap:
                events += self._end()
                self._restart(time)
            self._ring.add(time, frame)
            self._counter.add(time, frame, self._ring.last_joints())
            events += self._take(time)
            return self._requested(events)

    def close(self, end: float | None = None) -> list[Event]:
        """End the recording; return the events that were not complete. Later calls return none.

        Args:
            end: Time at which the recording ends, in seconds, if frames that are not needed were
                not pushed; by default the last frame is shown as long as the one before it.

        Raises:
            OptionError: ``end`` is not a finite number; the stream is not closed then.
        """
        if end is not None and not (isinstance(end, Real) and math.isfinite(end)):
            raise OptionError(
                "not a time", where="end", got=repr(end), expected="a number of seconds"
            )
        with self._lock:
            if self._closed:
                return []
            self._closed = True
            try:
                held: list[Event] = [] if end is None or self._windows is None else self._hold(end)
                if end is not None:
                    remaining = end - self._last
                    self._step = min(remaining, 1 / self.rate) if remaining > 0 else 0.0
                return self._requested(held + self._end(end))
            finally:
                self._release()

    def stop(self) -> None:
        """End the recording without the events that are not complete; ``close`` returns none."""
        with self._lock:
            self._closed = True
            self._release()

    def _release(self) -> None:
        """End the threads, and free frames: cycles of references would keep them for a while."""
        self._stages.close()
        self._ring.clear()
        self._counter.clear()

    def _requested(self, events: list[Event]) -> list[Event]:
        """Return the requested ones of these complete events, with their repetitions."""
        return [
            self._counter.complete(event) for event in events if self._is_requested(event.label)
        ]

    def _is_requested(self, label: Label) -> bool:
        return self._only is None or str(label) in self._only

    def _time(self, time: float | None) -> float:
        if time is None:
            time = clock.monotonic() - self._begun
            if self._fps is not None:
                time = self._pushed / self._fps
        if not (isinstance(time, Real) and abs(time) <= LARGEST_TIME):
            raise OptionError(
                "not a time",
                where="time",
                got=repr(time),
                expected=f"a number of seconds, at most {LARGEST_TIME:g}",
            )
        if time <= self._last:
            raise OptionError(
                "the time of a frame is not after that of the last frame",
                where="time",
                got=repr(time),
                expected=f"a number of seconds, more than {self._last:g}",
            )
        return float(time)

    def _take(self, time: float) -> list[Event]:
        """Look at the windows that a frame completes, which was added to the ring."""
        if self._windows is None:
            raise RuntimeError("no recording was begun")
        self._last = time
        self._pace.take(time)
        self._running.append((self._begin(self._windows.complete(time)), time))
        self._ring.forget(self._windows.needed_from)
        return self._collect(self._ahead)

    def _hold(self, time: float) -> list[Event]:
        """Show the last frame until a time; return the events that are complete then.

        The middle of a part without frames that is longer than ``LONGEST_HOLD`` is left out.
        """
        if time - self._last <= max(HOLD_AFTER, 2 / self.rate):
            return []
        if time - self._last <= LONGEST_HOLD:
            return self._repeat(time)
        until, begin = self._last + LONGEST_HOLD / 2, time - LONGEST_HOLD / 2
        events = self._repeat(until) + self._end(until)
        self._restart(begin, repeat=True)
        return [*events, *self._take(begin), *self._repeat(time)]

    def _repeat(self, until: float) -> list[Event]:
        """Show the last frame at the stream's rate before a time."""
        events: list[Event] = []
        while (due := max(self._pace.due, self._last + 0.5 / self.rate)) < until - 0.5 / self.rate:
            self._ring.repeat(due)
            self._counter.repeat(due)
            events += self._take(due)
        return events

    def _restart(self, time: float, *, repeat: bool = False) -> None:
        """Begin at a time, after the start or a gap; ``repeat`` shows the last frame from then."""
        if repeat:
            self._ring.repeat(time)
            self._counter.repeat(time)
        self._ring.forget(time if repeat else math.inf)
        self._latest.clear()
        self._pace = Pace(self.rate)
        self._windows = SlidingWindows(self.lengths, self._frames, time)

    def _end(self, recording_end: float | None = None) -> list[Event]:
        """Score the last windows; return the events of the recording, or of what is before a gap.

        The recording ends at ``recording_end``; None if its last frame is the last one pushed.
        """
        if self._windows is None:
            return []
        events = self._collect(0)
        end = self._last + self._step
        windows = []
        for length in self.lengths:
            # A recording that is a little shorter than a window is one window.
            start = max(end - length, self._windows.start)
            if end - start >= PARTIAL_WINDOW * length:
                windows.append(self._window(start, end))
        events += self._finder.add([window.result() for window in windows], self._last)
        return events + self._finder.close(max(end, recording_end or end))

    def _begin(self, windows: Sequence[CutWindow]) -> list[Begun]:
        return [(window.length, self._window(window.start, window.end)) for window in windows]

    def _collect(self, most: int) -> list[Event]:
        """Return the events of windows that are scored, until at most so many are not."""
        events: list[Event] = []
        while self._running:
            windows, time = self._running[0]
            behind = sum(len(group) for group, _ in self._running)
            if behind <= most and not all(window.done() for _, window in windows):
                break
            self._running.popleft()
            scores = [(length, window.result()) for length, window in windows]
            self._latest |= dict(scores)
            events += self._finder.add([window for _, window in scores], time)
        return events

    def _window(self, start: float, end: float) -> Future[WindowScore]:
        return self._stages.run((start, end, self._ring.window(start, end)))

    def _prepare(
        self, window: tuple[float, float, WindowFrames]
    ) -> tuple[float, float, PreparedWindow]:
        start, end, frames = window
        return start, end, self._ring.prepare(frames)

    def _compute(
        self, window: tuple[float, float, PreparedWindow]
    ) -> tuple[float, float, Features]:
        start, end, prepared = window
        return start, end, self._ring.compute(prepared)

    def _score(self, window: tuple[float, float, Features]) -> WindowScore:
        start, end, features = window
        return self.scorer.score(start, end, self.scorer.encode(features))


def _check_numbers(fps: float | None, ahead: int, **durations: float) -> None:
    if fps is not None and not (isinstance(fps, Real) and math.isfinite(fps) and fps > 0):
        raise OptionError(
            "invalid frame rate", where="fps", got=repr(fps), expected="frames per second, > 0"
        )
    if not (isinstance(ahead, Integral) and ahead >= 0):
        raise OptionError(
            "invalid number of windows", where="ahead", got=repr(ahead), expected="an integer, >= 0"
        )
    for name, seconds in durations.items():
        if not (isinstance(seconds, Real) and math.isfinite(seconds) and seconds >= 0):
            raise OptionError(
                "not a duration", where=name, got=repr(seconds), expected="seconds, >= 0"
            )
