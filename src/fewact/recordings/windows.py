"""Windows of a recording: how long they are, how far apart, and which frames they are made of."""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.fitted import Fitted
from fewact.classifier.windows import window_lengths
from fewact.core.errors import ModelError
from fewact.networks import Backbone

WINDOW_STEP = 1 / 6
"""Distance between the starts of windows, as a fraction of their length. Chosen on development
recordings, see docs/decisions/recordings.md."""

FIT_RATIO = 2.0
"""Largest ratio of the durations of a window and of training clips of a class that it fits: of the
window to the longest clip, and of the shortest clip to the window."""

FRAME_SLACK = 0.1
"""Fraction of the distance between two frames by which a frame may come early."""

START_ROUNDING = 1e-6
"""Seconds by which a window may end after its recording: sums of steps are rounded."""


class CutWindow(NamedTuple):
    """Times of a window.

    Args:
        length: Nominal length, in seconds.
        start: Start, in seconds.
        end: End, in seconds.
    """

    length: float
    start: float
    end: float


def check_watchable(fitted: Fitted) -> tuple[Backbone, tuple[float, ...]]:
    """Return the backbone of a classifier that can watch recordings, and the lengths of windows.

    The lengths, in seconds and ascending, are the ``window_lengths``, and the duration of each
    class that none of these fits.

    Raises:
        ModelError: The classifier is one of precomputed features, or does not know the durations of
            its training clips.
    """
    backbone = fitted.backbone
    if not isinstance(backbone, Backbone):
        raise ModelError(
            "a classifier of precomputed features cannot watch a recording",
            hint="Teach a classifier from videos.",
        )
    lengths = list(window_lengths(fitted.examples.durations))
    for durations in _class_durations(fitted).values():
        if not any(_fits(length, durations) for length in lengths):
            lengths.append(round(median(durations), 3))
    return backbone, tuple(sorted(lengths))


def fitting_lengths(fitted: Fitted, lengths: Sequence[float]) -> dict[str, set[float]]:
    """Return the lengths that fit each class; the nearest one always does."""
    fitting = {}
    for label, durations in _class_durations(fitted).items():
        nearest = min(lengths, key=lambda length: abs(math.log(length / median(durations))))
        fitting[label] = {nearest, *(length for length in lengths if _fits(length, durations))}
    return fitting


def _class_durations(fitted: Fitted) -> dict[str, list[float]]:
    """Return the known durations of each class's training clips, in seconds."""
    durations: dict[str, list[float]] = {}
    for clip in fitted.examples.clips:
        if clip.duration is not None:
            durations.setdefault(str(clip.label), []).append(clip.duration)
    return durations


def _fits(length: float, durations: Sequence[float]) -> bool:
    return min(durations) / FIT_RATIO <= length <= max(durations) * FIT_RATIO


class SlidingWindows:
    """Cuts windows of several lengths out of a recording while it goes on.

    Args:
        lengths: Lengths, in seconds.
        frames: Number of frames of a window. The last one is in the middle of its last segment.
        start: Start of the recording, in seconds.
    """

    def __init__(self, lengths: Sequence[float], frames: int, start: float) -> None:
        self.start = start
        self._frames = frames
        self._next_end = {length: start + length for length in lengths}

    def complete(self, time: float) -> list[CutWindow]:
        """Return the windows whose last frame has come, at the time of the latest frame."""
        windows = []
        for length in self._next_end:
            late = length / (2 * self._frames)
            while self._next_end[length] - late <= time:
                end = self._next_end[length]
                self._next_end[length] += WINDOW_STEP * length
                windows.append(CutWindow(length, end - length, end))
        return windows

    @property
    def needed_from(self) -> float:
        """Time before which no frame is needed: the last windows begin up to one step earlier."""
        return min(end - (1 + WINDOW_STEP) * length for length, end in self._next_end.items())


def window_starts(duration: float, length: float, step: float) -> NDArray[np.float64]:
    """Return the starts (w) of windows within a duration, at least one; all in seconds.

    >>> window_starts(2.0, 1.0, 0.5)
    array([0. , 0.5, 1. ])
    """
    return np.arange(0.0, max(duration - length, 0.0) + START_ROUNDING, step)


class Pace:
    """Chooses frames at a fixed rate per second from a stream of frames."""

    def __init__(self, rate: float) -> None:
        self._step, self._next = 1 / rate, -math.inf

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time is due; rounding of times does not matter."""
        return time >= self._next - FRAME_SLACK * self._step

    @property
    def due(self) -> float:
        """Time from which a frame is due, in seconds."""
        return self._next

    def take(self, time: float) -> None:
        """Take a frame. The next ones stay on a grid, so that the rate does not fall."""
        self._next = max(self._next + self._step, time + self._step / 2)
