"""Accuracy as a function of the number of episodes."""

from dataclasses import dataclass

import numpy as np

from fewact.evaluation.intervals import half_width
from fewact.evaluation.result import Result

FEWEST = 10
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Point:
    """Accuracy over the first episodes, in per cent.

    Args:
        episodes: Number of episodes.
        accuracy: Mean accuracy.
        ci95: Half-width of its 95 % interval; None for a single episode.
    """

    episodes: int
    accuracy: float
    ci95: float | None


def stability(result: Result) -> list[Point]:
    """Return the accuracy over the first 10, 20, 50, 100 … episodes and over all episodes.

    Each episode depends on the seed and its index alone. The first hundred are therefore the same
    as in a draw of only one hundred episodes.
    """
    accuracies = np.array(result.per_episode)  # (N)
    total = len(accuracies)
    decades = range(1, len(str(total)))
    counts = [step * 10**decade for decade in decades for step in STEPS]
    chosen = [count for count in counts if FEWEST <= count < total] + [total]
    return [
        Point(count, float(accuracies[:count].mean()), half_width(accuracies[:count]))
        for count in chosen
    ]
