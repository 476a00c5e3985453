"""Recognise actions in a recording while its frames come in: windows, pace and stages."""

import math
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from statistics import median
from typing import Any, Self

import torch

from fewact.classifier.encoding import ClipEncoder
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.names import Label, existing_classes
from fewact.classifier.predict import FASTEST, MOST_SAMPLES, OVERSAMPLING, window_lengths
from fewact.core.errors import ModelError, OptionError, warn
from fewact.core.workers import on_one_core, one_core_threads
from fewact.data.clips import as_image
from fewact.features.extract import Timing
from fewact.features.request import Features
from fewact.features.ring import FeatureRing, PreparedWindow, WindowFrames
from fewact.networks import Backbone
from fewact.recordings.events import EventFinder, WindowScore
from fewact.recordings.formats import Event
from fewact.video.cleaning.correction import STILL


def check_watchable(fitted: Fitted) -> tuple[Backbone, tuple[float, ...]]:
    """Return the backbone of a classifier that can watch recordings, and the windows' durations.

    They are the ``window_lengths``, and the duration of each class that none of these fits.
    """
    backbone = fitted.pipeline.backbone
    if not isinstance(backbone, Backbone):
        raise ModelError(
            "a classifier of precomputed features cannot watch a recording",
            hint="Teach a classifier from videos.",
        )
    lengths = list(window_lengths(fitted.examples.durations))
    for durations in class_durations(fitted).values():
        if not any(fits(length, durations) for length in lengths):
            lengths.append(round(median(durations), 3))
    return backbone, tuple(sorted(lengths))


FITS = 2.0
"""A window is a performance of a class if it is at most this many times as long as the longest
training clip of the class, and the shortest one at most this many times as long as it."""


def class_durations(fitted: Fitted) -> dict[str, list[float]]:
    """Return the known durations of each class's training clips, in seconds."""
    durations: dict[str, list[float]] = {}
    for clip in fitted.examples.clips:
        if clip.duration is not None:
            durations.setdefault(str(clip.label), []).append(clip.duration)
    return durations


def fits(length: float, durations: Sequence[float]) -> bool:
    """Return whether a window may be a performance of a class with clips of these durations."""
    return min(durations) / FITS <= length <= max(durations) * FITS


def _fitting(fitted: Fitted, lengths: Sequence[float]) -> dict[str, set[float]]:
    """Return the lengths of windows that fit each class; the nearest one always does."""
    fitting = {}
    for label, durations in class_durations(fitted).items():
        nearest = min(lengths, key=lambda length: abs(math.log(length / median(durations))))
        fitting[label] = {nearest, *(length for length in lengths if fits(length, durations))}
    return fitting


def _check_arguments(fps: float | None, ahead: int) -> None:
    if fps is not None and not (isinstance(fps, Real) and math.isfinite(fps) and fps > 0):
        raise OptionError(
            "invalid frame rate", where="fps", got=repr(fps), expected="frames per second, > 0"
        )
    if not (isinstance(ahead, Integral) and ahead >= 0):
        raise OptionError(
            "invalid number of windows", where="ahead", got=repr(ahead), expected="an integer, >= 0"
        )


SLACK = 0.1
"""A frame may come earlier than its place in the grid by this fraction of a step."""


class Pace:
    """Chooses frames at a fixed rate per second from those that come."""

    def __init__(self, rate: float) -> None:
        self._step, self._next = 1 / rate, -math.inf

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time is due; rounding of times does not matter."""
        return time >= self._next - SLACK * self._step

    def take(self, time: float) -> None:
        """Take a frame. The next ones stay on a grid, so that the rate does not fall."""
        self._next = max(self._next + self._step, time + self._step / 2)


class Stages:
    """Passes values through stages, in the order in which they come.

    While one value is in a stage, the next one is in the stage before it, so that all cores are
    busy; the results are those of one thread.

    Args:
        stages: Each takes what the one before it returns.
        threads: Whether each stage runs in a thread of its own; without, ``run`` does all the work.
    """

    def __init__(self, stages: Sequence[Callable[[Any], Any]], *, threads: bool) -> None:
        self._stages, self._closed = stages, False
        # Each thread uses one core, and others help: torch's own threads wait by spinning.
        helpers = torch.get_num_threads() - 1
        self._threads = [
            one_core_threads(1, "fewact-stage", helped_by=helpers)
            for _ in (stages if threads else ())
        ]

    def run(self, value: Any) -> Future[Any]:
        """Return what the last stage will return for a value, or the error of a stage."""
        if not self._threads:
            for stage in self._stages:
                value = stage(value)
        done: Future[Any] = Future()
        done.set_result(value)
        for stage, thread in zip(self._stages, self._threads, strict=False):
            done = thread.submit(self._after, stage, done)
        return done

    def close(self) -> None:
        """End the threads when the stages that run are done; values that are not through are lost.

        No other stage begins, so that this takes no longer than one stage of one value.
        """
        self._closed = True
        for thread in self._threads:
            thread.shutdown()

    def _after(self, stage: Callable[[Any], Any], before: Future[Any]) -> Any:
        value = before.result()
        if self._closed:
            raise CancelledError
        return stage(value)


HOP = 1 / 6
"""Distance between the starts of windows, as a fraction of their length. Chosen on development
recordings, see docs/decisions/recordings.md."""

THRESHOLD = 0.75
"""Lowest score of a performance unless a rate is requested: the known score on the scale of
``OpenSet.relative`` plus how distinct its class is, 0 … 1. Chosen on development clips, as are the
constants of ``events``."""

DISTINCT = 10.0
"""Log-odds of a class against the second one from which on it is fully distinct."""

SHORTEST = 0.5
"""Duration of a recording that is scored although it is shorter than a window, as a fraction of the
window's."""

LATEST = 1e11
"""Largest time of a frame, in seconds; sums of larger ones and of windows would not grow."""


@dataclass(frozen=True)
class StreamState:
    """What a stream shows now.

    Args:
        label: Class that the last windows show; None if they show none.
        confidence: Estimated probability that they show their most probable class, 0 … 1.
        time: End of these windows, in seconds.
        probabilities: Estimated probability that they show each class: those of the window that
            decides, none above the confidence.
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
    ``with classifier.stream() as stream`` stops the stream at the end of the block, after errors,
    too. It warns if neither ``close`` nor ``stop`` was called, because the last events are lost.

    Args:
        fitted: What the classifier has learned; later changes of the classifier do not count.
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
    ) -> None:
        _check_arguments(fps, ahead)
        for name, seconds in (("merge_gap", merge_gap), ("min_duration", min_duration)):
            if not (isinstance(seconds, Real) and math.isfinite(seconds) and seconds >= 0):
                raise OptionError(
                    "not a duration", where=name, got=repr(seconds), expected="seconds, >= 0"
                )
        self._only = None
        if only is not None:
            self._only = existing_classes(only, fitted.classes, integers=fitted.integers)
        backbone, lengths = check_watchable(fitted)
        self._fitted = fitted
        self._encoder = ClipEncoder(fitted.pipeline, None, image_embedding=fitted.uses_text)
        requests = self._encoder.requests(backbone.card)
        self.lengths = lengths
        """Durations of the windows, in seconds, ascending."""
        self._frames = max(request.frames for request in requests)
        self.rate = min(FASTEST, OVERSAMPLING * self._frames / self.lengths[0])
        """Number of frames per second that are looked at."""
        longest = MOST_SAMPLES / self.rate
        self.lengths = tuple(dict.fromkeys(min(length, longest) for length in self.lengths))
        self.timing = Timing()
        """Time of each stage."""
        self._ring = FeatureRing(backbone, requests, self.timing, static=static)
        self._adapts, threshold = false_alarms is None, THRESHOLD
        if false_alarms is not None:
            scores = fitted.open_set
            threshold = scores.relative(scores.decision(false_alarms).threshold)
        self._merge_gap = merge_gap
        self._fitting = _fitting(fitted, self.lengths)
        self._finder = EventFinder(
            threshold,
            self.lengths[-1],
            adapts=self._adapts,
            merge_gap=merge_gap,
            min_duration=min_duration,
        )
        self._fps, self._begun, self._pushed = fps, clock.monotonic(), 0
        self._first: float | None = None
        self._last, self._step = -math.inf, 0.0
        self._pace = Pace(self.rate)
        self._next_end: dict[float, float] = {}
        self._latest: dict[float, WindowScore] = {}
        self._ahead = ahead
        stages = (self._prepare, self._compute, self._score)
        self._stages = Stages(stages, threads=ahead > 0)
        self._running: deque[tuple[list[Begun], float]] = deque()
        self._closed = False
        self._lock = threading.RLock()

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
            label = best.label if shown else None
            confidence = self._finder.confidence(best)
            scale = min(1.0, confidence / max(best.probabilities))
            return StreamState(
                label,
                confidence,
                max(window.end for window in latest),
                {
                    label: scale * probability
                    for label, probability in zip(
                        self._fitted.labels, best.probabilities, strict=True
                    )
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
            return self._requested(self._finder.going_on)

    @property
    def decided(self) -> float:
        """Time before which no performance can be found any more, in seconds."""
        with self._lock:
            return self._finder.decided

    @property
    def delay(self) -> float:
        """Seconds after which performances are known that began at a time.

        Two windows: one that shows it, and one that could overlap it and be better. A third one for
        windows that wait for each other; more of these are rare.
        """
        return 3 * self.lengths[-1] + self._merge_gap

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time would be looked at; others need not be converted."""
        return self._pace.needs(time)

    def push(self, frame: Any, time: float | None = None) -> list[Event]:
        """Look at the next frame.

        Args:
            frame: Image (h w 3), RGB, uint8: an array or a tensor, also (3 h w), or a PIL image. It
                is not referred to afterwards.
            time: Time of the frame, in seconds, later than that of the last frame; None as ``fps``
                says.

        Returns:
            Events that are complete now, in the order of their starts. An event is complete
            two to three of the longest windows after its end: the action may be repeated.

        Raises:
            OptionError: The time is not after that of the last frame, or the stream is closed.
            DataError: The frame is no such image.
        """
        with self._lock:
            if self._closed:
                raise OptionError("the stream is closed", hint="Begin another one.")
            frame = as_image(frame, f"frame {self._pushed}")
            time = self._time(time)
            self._pushed += 1
            if not self._is_gap(time):
                self._step = min(time - self._last, 1 / self.rate)
            if not self.needs(time):
                self._last = time
                return []
            events = self._restart(time) if self._is_gap(time) else []
            self._ring.add(time, frame)
            self._last = time
            self._pace.take(time)
            self._running.append((self._begin(time), time))
            return self._requested(events + self._collect(self._ahead))

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
            if end is not None:
                remaining = end - self._last
                self._step = min(remaining, 1 / self.rate) if remaining > 0 else 0.0
            try:
                return self._requested(self._end(end))
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

    def _requested(self, events: list[Event]) -> list[Event]:
        return [event for event in events if self._is_requested(event.label)]

    def _is_requested(self, label: Label) -> bool:
        return self._only is None or str(label) in self._only

    def _time(self, time: float | None) -> float:
        if time is None:
            time = clock.monotonic() - self._begun
            if self._fps is not None:
                time = self._pushed / self._fps
        if not (isinstance(time, Real) and abs(time) <= LATEST):
            raise OptionError(
                "not a time",
                where="time",
                got=repr(time),
                expected=f"a number of seconds, at most {LATEST:g}",
            )
        if time <= self._last:
            raise OptionError(
                "the time of a frame is not after that of the last frame",
                where="time",
                got=repr(time),
                expected=f"a number of seconds, more than {self._last:g}",
            )
        return float(time)

    def _is_gap(self, time: float) -> bool:
        """Return whether frames are missing: no window may contain such a gap."""
        return self._first is None or time - self._last > self.lengths[0]

    def _restart(self, time: float) -> list[Event]:
        """Begin at a time, after the start or a gap; return events of what was before."""
        events = [] if self._first is None else self._end()
        self._ring.forget(math.inf)
        self._latest.clear()
        self._first, self._pace = time, Pace(self.rate)
        self._next_end = {length: time + length for length in self.lengths}
        return events

    def _end(self, recording_end: float | None = None) -> list[Event]:
        """Return the events that are left; the last windows end with the last frame."""
        events, windows = self._collect(0), []
        end = self._last + self._step
        if self._first is not None:
            for length in self.lengths:
                # A recording that is a little shorter than a window is one window.
                start = max(end - length, self._first)
                if end - start >= SHORTEST * length:
                    windows.append(self._window(start, end))
        scores = [window.result() for window in windows]
        events += self._finder.add(scores, self._last)
        return events + self._finder.close(max(end, recording_end or end))

    def _begin(self, time: float) -> list[Begun]:
        """Begin to score the windows that end now."""
        begun = []
        for length in self.lengths:
            # The last frame of a window is in the middle of its last segment.
            late = length / (2 * self._frames)
            while self._next_end[length] - late <= time:
                end = self._next_end[length]
                self._next_end[length] += HOP * length
                begun.append((length, self._window(end - length, end)))
        # The last windows of a recording begin up to one step earlier.
        self._ring.forget(min(e - (1 + HOP) * n for n, e in self._next_end.items()))
        return begun

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
        return self._scored(start, end, on_one_core(lambda: self._encode(features)))

    def _scored(self, start: float, end: float, nodes: Nodes) -> WindowScore:
        with self.timing.stage("alignment"):
            logits, _, known_scores = score(self._fitted, nodes)
        first, second = logits[0].topk(2).values.tolist()
        distinct = min((first - second) / DISTINCT, 1.0)
        scores, known = self._fitted.open_set, known_scores.item()
        label = self._fitted.labels[int(logits[0].argmax())]
        fitting = self._fitting.get(str(label), self.lengths)
        relative = scores.relative(known)
        return WindowScore(
            start,
            end,
            label,
            scores.known_probability(known),
            relative + distinct if self._adapts else relative,
            distinct,
            min(self.lengths, key=lambda length: abs(length - (end - start))) in fitting,
            tuple(logits[0].softmax(-1).tolist()),
        )

    @torch.inference_mode()
    def _encode(self, features: Features) -> Nodes:
        with self.timing.stage("moments"):
            return self._encoder.encode(features)
