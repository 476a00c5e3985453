"""Times at which the frames of a video are shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewact.core.errors import OptionError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RGBImage = NDArray[np.uint8]
"""One frame (h w 3), RGB."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Times at which the frames of a video, or of a segment of it, are shown.

    Args:
        times: Start of each frame (n,), float64, in seconds from 0, increasing.
        end: End of the last frame, in seconds.

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
        """Average number of frames per second."""
        return self.n / self.end

    def at(self, seconds: ArrayLike) -> Ints:
        """Return the indices of the frames shown at the times, of the nearest outside the video.

        Args:
            seconds: Times (…) in seconds.

        Returns:
            Indices (…), int64, in 0 … n−1.
        """
        # A millionth of a frame: a time that is on a boundary up to rounding belongs to the frame
        # that starts there.
        slack = 1e-6 * self.end / self.n
        shown = np.searchsorted(self.times, np.asarray(seconds, np.float64) + slack, side="right")
        return np.clip(shown - 1, 0, self.n - 1).astype(np.int64)


Sampler = Callable[[Timeline], Ints]
"""Function that chooses frames: int64 indices in any order, repeats allowed."""


def undo_rounding(bounds: Floats, step: float, rate: float | None) -> Floats:
    """Return evenly spaced times if the video has a constant rate up to rounding.

    Matroska, WebM and FLV round times to milliseconds, QuickTime to 1/600 s. At a constant rate the
    times then jitter by one step, and a sampler by time could choose a neighbour of the right
    frame.

    Args:
        bounds: Start of each frame and end of the last (n+1,), in seconds.
        step: Resolution of the times, in seconds.
        rate: Frames per second according to the container, if it says so.

    Returns:
        Evenly spaced times (n+1,) if all differ from ``bounds`` by rounding only, else ``bounds``.
    """
    count = np.arange(len(bounds))
    measured = (bounds[-2] - bounds[0]) / (len(bounds) - 2) if len(bounds) > 2 else 0.0
    for duration in (1 / rate if rate else 0.0, measured):
        even: Floats = bounds[0] + duration * count
        # The first bound and each other are rounded by half a step, the last frame's duration by
        # another half. With few steps per frame, a dropped frame could pass for rounding.
        if duration >= 4 * step and np.abs(bounds - even).max() <= 1.5 * step + 1e-9:
            return even
    return bounds
