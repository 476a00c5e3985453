"""Confidence intervals of an accuracy: over episodes and over classes."""

import numpy as np
from numpy.typing import NDArray

from fewact.random import RandomStream

RESAMPLES = 1000

BLOCK = 50
"""Number of resamples whose weights are in memory at the same time."""

EPISODES = 1024
"""Number of episodes whose weights are in memory at the same time, in the caches."""

NOTE = (
    "ci95 is an interval over episodes: how precisely the accuracy on these classes is known. "
    "class_interval is a bootstrap over classes: the range to expect on other classes of the same "
    "type."
)
NOTE_WITHOUT = (
    "ci95 is an interval over episodes: how precisely the accuracy on these classes is known. It "
    "does not cover other classes. There is no class_interval, because every episode has all "
    "classes."
)


NOTE_ONE = (
    "There is neither ci95 nor class_interval: one episode does not say how precisely the accuracy "
    "is known."
)


def half_width(accuracies: NDArray[np.float64]) -> float | None:
    """Return the half-width of the 95 % interval of a mean over episodes, 1.96·s/√N.

    Args:
        accuracies: (N) accuracies of the episodes.

    Returns:
        Half-width in the unit of the accuracies; None for a single episode, which has no spread.

    >>> half_width(np.array([0.0, 100.0]))
    98.0
    """
    if len(accuracies) < 2:
        return None
    return float(1.96 * accuracies.std(ddof=1) / np.sqrt(len(accuracies)))


def class_intervals(
    values: NDArray[np.float64], classes: NDArray[np.int64], number: int
) -> list[tuple[float, float]] | None:
    """Return 95 % percentile intervals of a bootstrap over classes.

    A resample draws as many classes as there are, with replacement; all rows share the resamples.
    The weight of an episode in a resample is the product of the numbers of times that its classes
    were drawn, as for a U-statistic over classes.

    Args:
        values: (r N) values of the episodes: accuracies, or differences of two accuracies.
        classes: (N n) classes of each episode, different numbers in 0 … number−1.
        number: Number of all classes.

    Returns:
        Lower and upper end for each row; None if every episode has all classes, or there is a
        single episode.
    """
    if number <= classes.shape[1] or len(classes) < 2:
        return None
    stream = RandomStream("bootstrap over classes")
    means: list[NDArray[np.float64]] = []
    while len(means) < RESAMPLES:
        drawn = np.zeros((number, BLOCK))  # a row of all resamples is read at once
        for resample in range(BLOCK):
            for _ in range(number):
                drawn[stream.below(number), resample] += 1
        total, sums = np.zeros(BLOCK), np.zeros((BLOCK, len(values)))
        for first in range(0, len(classes), EPISODES):
            own = slice(first, first + EPISODES)
            weights = drawn[classes[own, 0]]  # (N BLOCK)
            for column in classes[own, 1:].T:
                weights *= drawn[column]
            total += weights.sum(0)
            # A matrix product is avoided: its sums depend on the number of threads.
            sums += np.stack([(weights * row[own, None]).sum(0) for row in values], 1)
        usable = total > 0  # A resample with fewer classes than an episode has no weight.
        if not usable.any():
            return None
        means += list(sums[usable] / total[usable, None])
    low, high = np.percentile(means[:RESAMPLES], (2.5, 97.5), axis=0)  # (r) each
    return list(zip(low.tolist(), high.tolist(), strict=True))
