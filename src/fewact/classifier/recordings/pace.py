"""Which frames of a recording are looked at, and how many of them are kept."""

import math

FASTEST = 16.0
"""Largest number of frames that are looked at in a second: of a window of two seconds, all that the
default method compares. Chosen on development recordings."""

OVERSAMPLING = 2
"""Frames that are kept in the shortest window, as a multiple of those that the method reads."""

MOST_SAMPLES = 960
"""Largest number of frames that are kept: a minute, 130 MB with the default network
and their features."""

SLACK = 0.1
"""A frame may come earlier than its place in the grid by this fraction of a step."""


class Pace:
    """Chooses frames at a fixed rate from those that come.

    Args:
        rate: Frames per second.
    """

    def __init__(self, rate: float) -> None:
        self._step, self._next = 1 / rate, -math.inf

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time is due; rounding of times does not matter."""
        return time >= self._next - SLACK * self._step

    def take(self, time: float) -> None:
        """Take a frame. The next ones stay on a grid, so that the rate does not fall."""
        self._next = max(self._next + self._step, time + self._step / 2)
