"""Confidence intervals of an accuracy: over episodes and over classes."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

NOTE = (
    "ci95 is an interval over episodes: how precisely the accuracy on these classes is known. "
    "class_interval is an interval over classes: where the mean over other classes of the same "
    "type is to be expected."
)
NOTE_WITHOUT = (
    "ci95 is an interval over episodes: how precisely the accuracy on these classes is known. It "
    "does not cover other classes. There is no class_interval, because a class is in every episode."
)

NOTE_ONE = (
    "There is neither ci95 nor class_interval: one episode does not say how precisely the accuracy "
    "is known."
)


def half_width(accuracies: NDArray[np.float64]) -> float | None:
    """Return the half-width of the 95 % interval of a mean over episodes (N), 1.96·s/√N.

    None for a single episode, which has no spread.

    >>> half_width(np.array([0.0, 100.0]))
    98.0
    """
    if len(accuracies) < 2:
        return None
    return float(1.96 * accuracies.std(ddof=1) / np.sqrt(len(accuracies)))


def half_width_of_ratio(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> float | None:
    """Return the half-width of the 95 % interval of Σ parts / Σ wholes, in per cent.

    Queries of an episode share its support: the sampling unit is the episode, not the query.

    Args:
        parts: (N) number of correct queries of each episode.
        wholes: (N) number of counted queries of each episode, at least one.
    """
    residuals = parts - parts.sum() / wholes.sum() * wholes  # (N), of mean 0
    return half_width(100 * residuals / wholes.mean())


def class_intervals(
    values: NDArray[np.float64], classes: NDArray[np.int64], number: int
) -> list[tuple[float, float]] | None:
    """Return 95 % intervals over classes, by the jackknife that leaves out one class at a time.

    With the mean m_i of the episodes without class i, the squared standard error is
    (c − 1)/c · Σ_i (m_i − m̄)², and the interval has Student's t distribution of c − 1 degrees of
    freedom. It grows with the number of classes in an episode, and is a little too wide for few
    episodes, whose own spread it includes more than once.

    Args:
        values: (r N) values of the episodes: accuracies, or differences of two accuracies.
        classes: (N n) classes of each episode, different numbers in 0 … number−1.
        number: Number c of all classes.

    Returns:
        Lower and upper end for each row; None if a class is in every episode.
    """
    ways = classes.shape[1]
    without_class = len(classes) - np.bincount(classes.ravel(), minlength=number)  # (c)
    if not without_class.all():
        return None
    intervals = []
    for row in values:
        with_class = np.bincount(classes.ravel(), np.repeat(row, ways), number)  # (c)
        without = (row.sum() - with_class) / without_class
        error = np.sqrt((number - 1) / number * ((without - without.mean()) ** 2).sum())
        half, mean = float(student_t(number - 1) * error), float(row.mean())
        intervals.append((mean - half, mean + half))
    return intervals


@cache
def student_t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t distribution of ``freedom`` degrees of freedom.

    With x = √f·tan θ its density is proportional to cos(θ)^(f − 1), which is summed.

    >>> round(student_t(4), 3)
    2.776
    """
    angles = np.linspace(0, np.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    area = np.append(0, np.cumsum(density[1:] + density[:-1]))
    return float(np.sqrt(freedom) * np.tan(np.interp(0.95 * area[-1], area, angles)))
