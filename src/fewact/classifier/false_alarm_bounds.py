"""What can be promised about false alarms, from the number of clips of no class and their groups.

A new clip of no class is drawn like m others: it exceeds the k-th highest of their scores with a
probability of at most k / (m + 1) (conformal prediction). Clips of one person or one place resemble
each other. A new clip of another group is only drawn like one clip of each of the G groups; after
Lee, Barber, Willett, "Distribution-free inference with hierarchical data", 2023, the probability is

    P ≤ (1 + Σ_g fraction of group g above the threshold) / (G + 1)

Here the sum is the largest that k − 1 clips can have, so that the promise depends on the numbers of
clips alone, and not on scores.
"""

import math
from collections.abc import Sequence

FEWEST_NONE = 2
"""Smallest number of clips of no class: each is scored by the others."""


def rank_of(rate: float, count: int) -> int:
    """Return the rank k, 1 to ``count``, of the threshold among the scores of clips of no class."""
    return min(count, max(1, math.floor(rate * (count + 1) + 1e-9)))


def needed_clips(rate: float) -> int:
    """Return the smallest number of clips of no class that can promise a rate: m ≥ 1/rate − 1.

    >>> needed_clips(0.05), needed_clips(0.1)
    (19, 9)
    """
    return max(FEWEST_NONE, math.ceil(round(1 / rate - 1, 9)))


def promise_to_other_groups(rank: int, sizes: Sequence[int]) -> float:
    """Return the limit of false alarms for clips of groups that no clip of no class has.

    Args:
        rank: Rank k of the threshold; at most k − 1 scores are above it.
        sizes: Number of clips in each of the G groups.

    >>> promise_to_other_groups(1, (5, 5)), promise_to_other_groups(3, (1,) * 9)
    (0.3333333333333333, 0.3)
    """
    left, above = rank - 1, 0.0
    for size in sorted(sizes):
        above += min(left, size) / size
        left -= min(left, size)
    return (1 + above) / (len(sizes) + 1)
