"""Compare results on the same episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from fewact.errors import ResultError
from fewact.evaluation.intervals import class_intervals, half_width
from fewact.evaluation.result import Result

SMALLEST_P = 1e-12
"""Smaller probabilities drown in the rounding of the sum they are read from."""


@dataclass(frozen=True)
class Comparison:
    """How two results on the same episodes differ, in points of per cent.

    Args:
        first: Position of the one among those given.
        second: Of the other.
        difference: Mean of first − second over the episodes.
        ci95: Half the 95 % interval of that mean.
        wins: Episodes in which the first is better.
        losses: In which the second is.
        p: Of the exact two-sided sign-flip test over episodes.
        p_holm: The same, corrected for the number of comparisons.
        class_interval: The 95 % interval of the difference by a bootstrap over classes: what other
            classes of the kind might give. None where all episodes have all classes.
    """

    first: int
    second: int
    difference: float
    ci95: float
    wins: int
    losses: int
    p: float
    p_holm: float
    class_interval: tuple[float, float] | None


def compare(results: Sequence[Result], names: Sequence[str] | None = None) -> list[Comparison]:
    """Compare all pairs of results, episode by episode.

    The test asks how often the difference would be so large if in each episode it were chance which
    of the two came out better. It is about these classes; ``class_interval`` is about others, too.

    Args:
        results: Two or more, on the same episodes of the same list.
        names: For messages, such as their files.

    Raises:
        ResultError: There are fewer than two, or their episodes differ.
    """
    called = names or [f"result {i + 1}" for i in range(len(results))]
    if len(results) < 2:
        raise ResultError("it takes two results to compare", got=str(len(results)))
    _check_same_episodes(results, called)
    accuracies = np.array([result.per_episode for result in results])  # (r N)
    protocol = results[0].asked.episodes.protocol
    queries = protocol.ways * protocol.queries
    right = np.rint(accuracies * queries / 100).astype(np.int64)
    pairs = list(combinations(range(len(results)), 2))
    p = [sign_flip_p(right[i] - right[j]) for i, j in pairs]
    differences = np.stack([accuracies[i] - accuracies[j] for i, j in pairs])  # (pairs N)
    classes = np.array(results[0].episode_classes)  # (N n)
    intervals: Sequence[tuple[float, float] | None]
    intervals = class_intervals(differences, classes, results[0].asked.videos.classes) or (
        [None] * len(pairs)
    )
    return [
        Comparison(
            first=i,
            second=j,
            difference=float(row.mean()),
            ci95=half_width(row),
            wins=int((right[i] > right[j]).sum()),
            losses=int((right[i] < right[j]).sum()),
            p=one,
            p_holm=corrected,
            class_interval=interval,
        )
        for (i, j), row, one, corrected, interval in zip(
            pairs, differences, p, holm(p), intervals, strict=True
        )
    ]


def sign_flip_p(differences: NDArray[np.int64]) -> float:
    """The exact two-sided sign-flip (permutation) test of paired differences.

    Under the null hypothesis each difference d_i has either sign with probability ½. The number of
    episodes of each size |d| follows a binomial law, and the sum that of their convolution.

    Args:
        differences: (N) whole numbers.

    Returns:
        P(|Σ ±d_i| ≥ |Σ d_i|), at least ``SMALLEST_P``.

    >>> sign_flip_p(np.array([1, 1, 1]))
    0.25
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    law = np.ones(1)  # of the sum of the positive ones, that is (Σ ±d + Σ |d|) / 2
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = _binomial(count)
        law = _convolve(law, spread)
    total = int(np.abs(differences).sum())
    sums = 2 * np.arange(len(law)) - total
    p = law[np.abs(sums) >= abs(int(differences.sum()))].sum()
    return float(min(1.0, max(p, SMALLEST_P)))


def holm(p: Sequence[float]) -> list[float]:
    """Probabilities corrected for their number (Holm 1979), in the same order.

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
    """The law of heads among so many fair coins: (count + 1)."""
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


def _check_same_episodes(results: Sequence[Result], names: Sequence[str]) -> None:
    first = results[0].asked
    for result, name in zip(results, names, strict=True):
        asked = result.asked
        if asked.episodes.sha256 != first.episodes.sha256:
            raise ResultError(
                f"its episodes are not those of {names[0]}",
                where=name,
                got=f"{asked.videos.name}, {_spelt(asked.episodes.protocol)}",
                expected=f"{first.videos.name}, {_spelt(first.episodes.protocol)}",
                hint="Only results on the same episodes of the same videos can be compared.",
            )


def _spelt(protocol: object) -> str:
    return str(protocol).removeprefix("Protocol")
