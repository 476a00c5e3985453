"""How many episodes it takes until an accuracy holds still."""

from dataclasses import dataclass

import numpy as np

from fewact.evaluation.intervals import half_width
from fewact.evaluation.result import Result

FEWEST = 10
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Point:
    """The accuracy over the first episodes, in per cent.

    Args:
        episodes: How many.
        accuracy: Their mean.
        ci95: Half its 95 % interval.
    """

    episodes: int
    accuracy: float
    ci95: float


def stability(result: Result) -> list[Point]:
    """The accuracy over the first 10, 20, 50, 100 … episodes, and over all.

    Each episode's draw depends on the seed and its index alone, so that the first hundred are a
    drawing of a hundred in their own right.
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
