"""When the frames of a video are shown, and which of them is shown at a given time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewact.errors import OptionError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Picture = NDArray[np.uint8]
"""One frame (h w 3), RGB."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the frames of a video, or of a stretch of one, are shown.

    Args:
        times: (n,) float64, when each frame appears, in seconds from 0, increasing.
        end: When the last frame disappears, in seconds.

    Raises:
        OptionError: No frame, times that do not increase, or an end before the last frame.

    >>> Timeline(np.array([0.0, 1.0, 1.5]), end=2.0).at([0.9, 1.0, 1.9]).tolist()
    [0, 1, 2]
    """

    times: Floats
    end: float

    def __post_init__(self) -> None:
        times = np.asarray(self.times, np.float64)
        if times.ndim != 1 or not times.size or (np.diff(times, append=self.end) <= 0).any():
            raise OptionError(
                "the times of frames do not increase up to the end",
                got=f"{times.shape} times, end {self.end}",
                expected="(n,) increasing times of at least one frame, and an end after the last",
            )
        object.__setattr__(self, "times", times)

    @property
    def n(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return self.n / self.end

    def at(self, seconds: ArrayLike) -> Ints:
        """Index of the frame that is shown at each of some times, the nearest where none is.

        Args:
            seconds: (…) times in seconds.

        Returns:
            (…) int64 in 0 … n−1.
        """
        # A millionth of a frame: a time that falls on a boundary but for rounding belongs to the
        # frame that begins there.
        slack = 1e-6 * self.end / self.n
        shown = np.searchsorted(self.times, np.asarray(seconds, np.float64) + slack, side="right")
        return np.clip(shown - 1, 0, self.n - 1).astype(np.int64)


Sampler = Callable[[Timeline], Ints]
"""Chooses frames: their int64 indices, in any order, repeats allowed."""


def straighten(bounds: Floats, tick: float, rate: float | None) -> Floats:
    """Undo the rounding of a container's clock where the rate is constant.

    Matroska, WebM and FLV write times in whole milliseconds, QuickTime in 1/600 s: at a constant
    rate the times then jitter by a tick, and frames chosen by time would by chance be neighbours
    of the right ones.

    Args:
        bounds: (n+1,) when each frame appears, and when the last disappears, in seconds.
        tick: The clock's unit in seconds.
        rate: Frames a second that the container claims, if it does.

    Returns:
        (n+1,) evenly spaced where all of ``bounds`` are within rounding of that, else ``bounds``.
    """
    steps = np.arange(len(bounds))
    measured = (bounds[-2] - bounds[0]) / (len(bounds) - 2) if len(bounds) > 2 else 0.0
    for step in (1 / rate if rate else 0.0, measured):
        even: Floats = bounds[0] + step * steps
        # The first bound and each other are rounded by half a tick, the last frame's duration by
        # another. A clock of few ticks a frame cannot tell rounding from a dropped frame.
        if step >= 4 * tick and np.abs(bounds - even).max() <= 1.5 * tick + 1e-9:
            return even
    return bounds
