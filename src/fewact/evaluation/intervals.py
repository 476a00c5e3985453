"""How sure an accuracy is: over episodes, and over classes."""

import numpy as np
from numpy.typing import NDArray

from fewact.random import RandomStream

RESAMPLES = 1000

AT_ONCE = 50
"""Resamples whose weights are in memory at the same time."""

WHY_CLASSES = (
    "Episodes are many, but of few classes: ci95 only says how well these classes are measured. "
    "class_interval resamples the classes and says what other classes of the kind might give."
)
WHY_NONE = (
    "There is no class_interval: it takes more classes than an episode has. ci95 only says how "
    "well these classes are measured, not what others of the kind might give."
)


def half_width(accuracies: NDArray[np.float64]) -> float:
    """Half the 95 % interval of a mean over episodes, 1.96·s/√N.

    Args:
        accuracies: (N) of episodes.

    Returns:
        In their unit; 0 for a single one.

    >>> half_width(np.array([0.0, 100.0]))
    98.0
    """
    if len(accuracies) < 2:
        return 0.0
    return float(1.96 * accuracies.std(ddof=1) / np.sqrt(len(accuracies)))


def class_intervals(
    values: NDArray[np.float64], classes: NDArray[np.int64], number: int
) -> list[tuple[float, float]] | None:
    """The 95 % percentile intervals of a bootstrap over classes, the same resamples for all rows.

    A resample draws as many classes as there are, with replacement. An episode counts in it as
    often as its classes were drawn, multiplied: as for a U-statistic over classes.

    Args:
        values: (r N) of episodes: accuracies, or differences of two.
        classes: (N n) which n different classes each has, in 0 … number−1.
        number: Classes in all.

    Returns:
        Lower and upper end of each row, or None where all episodes have all classes.
    """
    if number <= classes.shape[1]:
        return None
    draws = RandomStream("bootstrap over classes")
    means: list[NDArray[np.float64]] = []
    while len(means) < RESAMPLES:
        drawn = np.zeros((AT_ONCE, number), dtype=np.float64)
        for row in drawn:
            for _ in range(number):
                row[draws.below(number)] += 1
        weights = np.ones((AT_ONCE, len(classes)))
        for column in classes.T:
            weights *= drawn[:, column]
        total = weights.sum(1)
        there = total > 0  # A resample of fewer classes than an episode has says nothing.
        # Not as a matrix product, whose sums depend on the number of threads.
        sums = np.stack([(weights[there] * row).sum(1) for row in values], 1)  # (there r)
        means += list(sums / total[there, None])
        if not there.any():
            return None
    low, high = np.percentile(means[:RESAMPLES], (2.5, 97.5), axis=0)  # (r) each
    return list(zip(low.tolist(), high.tolist(), strict=True))
