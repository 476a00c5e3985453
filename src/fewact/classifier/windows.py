"""Windows in which an action is searched: as long as the training clips, with a rate of frames."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from fewact.core.errors import ModelError
from fewact.features.request import Request

LENGTH_RATIO, MOST_LENGTHS = 1.25, 3
"""Ratio of the durations of training clips from which there is one more window length; number of
lengths."""

FASTEST = 16.0
"""Largest number of frames of windows in a second: of a window of two seconds, all that the default
method compares. Chosen on development recordings."""

OVERSAMPLING = 2
"""Frames that are kept in the shortest window, as a multiple of those that the method reads."""

MOST_SAMPLES = 960
"""Largest number of frames that are kept: a minute, 130 MB with the default network
and their features."""

FEWEST_FRAMES = 2
"""Smallest number of kept frames of a window: one frame shows no movement."""


def window_lengths(durations: Sequence[float]) -> tuple[float, ...]:
    """Return the durations in seconds of windows for training clips of these durations, ascending.

    They are spread evenly, in their ratios, from the lower to the upper quartile of the durations.

    >>> window_lengths([2.0, 2.0, 2.1])
    (2.0,)
    >>> window_lengths([1.0, 2.0, 4.0, 4.0])
    (1.75, 2.646, 4.0)
    """
    if not durations:
        raise ModelError(
            "the model does not know how long its training clips are",
            hint="Teach again from the clips.",
        )
    low, high = np.quantile(durations, (0.25, 0.75))
    count = min(MOST_LENGTHS, 1 + int(math.log(high / low) / math.log(LENGTH_RATIO)))
    if count == 1:
        return (round(float(np.median(durations)), 3),)
    return tuple(float(x) for x in np.geomspace(low, high, count).round(3))


def window_rate(requests: Iterable[Request], lengths: Sequence[float]) -> float:
    """Return how many frames a second are kept for windows of these lengths, ascending."""
    frames = max(request.frames for request in requests)
    return min(FASTEST, OVERSAMPLING * frames / lengths[0])
