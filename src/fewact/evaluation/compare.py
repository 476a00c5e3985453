"""Compare results on the same episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ResultError
from fewact.evaluation.intervals import class_intervals, half_width
from fewact.evaluation.result import Result

LARGEST_SUM = 2**26
"""Largest sum of differences of a test; its distribution takes 8 bytes for each value."""

SMALLEST_P = 1e-12
"""Smallest p-value that is reported; smaller ones are below the rounding error of their sum."""


@dataclass(frozen=True)
class Comparison:
    """Paired difference of two results on the same episodes, in percentage points.

    Args:
        first: Position of the first result.
        second: Position of the second result.
        difference: Mean of first − second over the episodes.
        ci95: Half-width of the 95 % interval of the mean; None for a single episode.
        wins: Number of episodes in which the first is better.
        losses: Number of episodes in which the second is better.
        p: p-value of the exact two-sided sign-flip test over episodes.
        p_holm: p-value corrected for the number of comparisons (Holm).
        class_interval: 95 % interval of the mean difference over other classes; None if a class is
            in every episode.
    """

    first: int
    second: int
    difference: float
    ci95: float | None
    wins: int
    losses: int
    p: float
    p_holm: float
    class_interval: tuple[float, float] | None


def compare(results: Sequence[Result], names: Sequence[str] | None = None) -> list[Comparison]:
    """Compare all pairs of results, episode by episode.

    The null hypothesis of the test is that in each episode either result is better with equal
    probability. The test is about these classes; ``class_interval`` covers other classes as well.

    Args:
        results: Two or more results on the same episodes of the same list.
        names: Names of the results for error messages, such as their files.

    Raises:
        ResultError: There are fewer than two results, or their episodes differ.
    """
    if len(results) < 2:
        raise ResultError("a comparison needs two results", got=str(len(results)))
    check_same_episodes(results, names)
    accuracies = np.array([result.per_episode for result in results])  # (r N)
    protocol = results[0].setup.episodes.protocol
    queries = protocol.ways * protocol.queries
    correct = np.rint(accuracies * queries / 100).astype(np.int64)
    pairs = list(combinations(range(len(results)), 2))
    p = [sign_flip_p(correct[i] - correct[j]) for i, j in pairs]
    differences = np.stack([accuracies[i] - accuracies[j] for i, j in pairs])  # (pairs N)
    classes = np.array(results[0].episode_classes)  # (N n)
    intervals: Sequence[tuple[float, float] | None]
    intervals = class_intervals(differences, classes, results[0].setup.videos.classes) or (
        [None] * len(pairs)
    )
    return [
        Comparison(
            first=i,
            second=j,
            difference=float(row.mean()),
            ci95=half_width(row),
            wins=int((correct[i] > correct[j]).sum()),
            losses=int((correct[i] < correct[j]).sum()),
            p=p_value,
            p_holm=corrected,
            class_interval=interval,
        )
        for (i, j), row, p_value, corrected, interval in zip(
            pairs, differences, p, holm(p), intervals, strict=True
        )
    ]


def sign_flip_p(differences: NDArray[np.int64]) -> float:
    """Return the p-value of the exact two-sided sign-flip (permutation) test.

    Under the null hypothesis each difference d_i has either sign with probability ½. For each size
    |d| the number of positive signs has a binomial distribution; the distribution of the sum is the
    convolution over all sizes.

    Args:
        differences: (N) paired differences, whole numbers.

    Returns:
        P(|Σ ±d_i| ≥ |Σ d_i|), at least ``SMALLEST_P``.

    Raises:
        ResultError: The sum of all sizes is above ``LARGEST_SUM``.

    >>> round(sign_flip_p(np.array([1, 1, 1])), 6)
    0.25
    """
    total = int(np.abs(differences).sum())
    if total > LARGEST_SUM:
        raise ResultError(
            "the results differ in too many queries for an exact test",
            got=str(total),
            expected=f"at most {LARGEST_SUM}",
        )
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    # Distribution of the sum of the positive differences, (Σ ±d + Σ |d|) / 2.
    distribution = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = _binomial(count)
        distribution = _convolve(distribution, spread)
    sums = 2 * np.arange(len(distribution)) - total
    p = distribution[np.abs(sums) >= abs(int(differences.sum()))].sum()
    return float(min(1.0, max(p, SMALLEST_P)))


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979), in the same order.

    >>> holm([0.01, 0.5, 0.04])
    [0.03, 0.5, 0.08]
    """
    corrected = [0.0] * len(p)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = least
    return corrected


def _binomial(count: int) -> NDArray[np.float64]:
    """Return the probabilities of 0 … count heads in as many fair coin tosses: (count + 1)."""
    logs = [
        lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1) - count * log(2)
        for k in range(count + 1)
    ]
    return np.exp(logs)


def _convolve(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    length = len(first) + len(second) - 1
    if length < 1000:
        return np.convolve(first, second)
    spectrum = np.fft.rfft(first, length) * np.fft.rfft(second, length)
    return np.fft.irfft(spectrum, length).clip(0)


def check_same_episodes(results: Sequence[Result], names: Sequence[str] | None) -> None:
    """Check that results are of the same episodes of the same videos.

    Args:
        results: Results.
        names: Names of the results for error messages.

    Raises:
        ResultError: The episodes differ.
    """
    names = names or [f"result {i + 1}" for i in range(len(results))]
    first = results[0].setup
    for result, name in zip(results, names, strict=True):
        setup = result.setup
        if setup.episodes.sha256 != first.episodes.sha256:
            raise ResultError(
                f"the episodes differ from the episodes of {names[0]}",
                where=name,
                got=f"{setup.videos.name}, {_text(setup.episodes.protocol)}",
                expected=f"{first.videos.name}, {_text(first.episodes.protocol)}",
                hint="Only results on the same episodes of the same videos can be compared.",
            )


def _text(protocol: object) -> str:
    return str(protocol).removeprefix("Protocol")
