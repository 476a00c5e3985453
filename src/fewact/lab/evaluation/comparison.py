"""Compare results on the same episodes: differences, confusions, and stability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ResultError
from fewact.core.intervals import class_intervals, half_width, half_width_of_ratio
from fewact.lab.evaluation.result import Result, hits

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
        open_set: Mean differences of the measures of open sets that both results have, with the
            half-widths of their 95 % intervals, by score and measure.
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
    open_set: Mapping[str, Mapping[str, tuple[float, float | None]]]


def compare(results: Sequence[Result], names: Sequence[str] | None = None) -> list[Comparison]:
    """Compare all pairs of results, episode by episode.

    The null hypothesis of the test is that in each episode either result is better with equal
    probability. The test is about these classes; ``class_interval`` covers other classes as well.
    Names of the results, such as their files, are for error messages.

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
            open_set=_open_set(results[i], results[j]),
        )
        for (i, j), row, p_value, corrected, interval in zip(
            pairs, differences, p, holm(p), intervals, strict=True
        )
    ]


def _open_set(first: Result, second: Result) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Return the paired differences of measures, and their half-widths, by score and measure."""
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for score, measures in first.open_set.items():
        for name, measure in measures.items() if score in second.open_set else ():
            other = second.open_set[score][name]
            difference = np.subtract(measure.per_episode, other.per_episode)
            found.setdefault(score, {})[name] = float(difference.mean()), half_width(difference)
    return found


def sign_flip_p(differences: NDArray[np.int64]) -> float:
    """Return the p-value of the exact two-sided sign-flip (permutation) test.

    Under the null hypothesis each difference d_i has either sign with probability ½. For each size
    |d| the number of positive signs has a binomial distribution; the distribution of the sum is the
    convolution over all sizes.

    Args:
        differences: (N) paired differences, whole numbers.

    Returns:
        P(|Σ ±d_i| ≥ |Σ d_i|), at least ``SMALLEST_P``.

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
    floor = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        floor = max(floor, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = floor
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
    """Refuse results whose episodes or videos differ; ``names`` are for the error."""
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
    return repr(protocol).removeprefix("Protocol")


@dataclass(frozen=True)
class Confusion:
    """Predicted classes of the queries of each class.

    An episode offers only some of the classes. ``rates`` are therefore fractions of the queries
    that could have got the predicted class.

    Args:
        classes: Classes that occur in the episodes, N of them.
        predicted: (N N) number of queries of a class (row) that got a class (column).
        offered: (N N) number of queries of a class in episodes that have the other class too.
    """

    classes: tuple[str, ...]
    predicted: NDArray[np.int64]
    offered: NDArray[np.int64]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Fractions predicted / offered (N N); 0 for classes that never meet."""
        rates: NDArray[np.float64] = self.predicted / np.maximum(self.offered, 1)
        return rates

    def most_confused(self, count: int) -> list["Pair"]:
        """Return at most ``count`` pairs of classes that are confused, the most frequent first."""
        wrong, met = self.predicted + self.predicted.T, self.offered + self.offered.T
        rate = np.triu(wrong / np.maximum(met, 1), 1)
        order = np.argsort(-rate, axis=None, kind="stable")[:count]
        rows, columns = np.unravel_index(order, rate.shape)
        return [
            Pair(self.classes[i], self.classes[j], float(100 * rate[i, j]), int(met[i, j]))
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
            if rate[i, j] > 0
        ]


@dataclass(frozen=True)
class Pair:
    """Two classes that are confused.

    Args:
        first: One class.
        second: The other class.
        confused: Queries of these two classes that were taken for each other, in per cent of
            ``queries``.
        queries: Number of queries of either class in episodes that have both.
    """

    first: str
    second: str
    confused: float
    queries: int


@dataclass(frozen=True)
class PairAccuracy:
    """Accuracy on queries of similar classes.

    Args:
        accuracy: Queries that got their own class, in per cent.
        ci95: Half-width of its 95 % interval over episodes; None if there is one.
        queries: Number of queries.
    """

    accuracy: float
    ci95: float | None
    queries: int


def confusion(result: Result, episodes: slice = slice(None)) -> Confusion:
    """Count which class the queries of each class got, in some or all episodes of a result."""
    predicted, (names, labels) = result.predictions(), _labels(result)
    n = len(names)
    labels, predicted = labels[episodes], predicted[episodes]
    got = np.take_along_axis(labels, predicted.astype(np.int64), 1)  # (N q)
    queries = predicted.shape[1] // labels.shape[1]
    true = labels.repeat(queries, 1)
    counts = np.zeros((2, n, n), dtype=np.int64)
    np.add.at(counts[0], (true, got), 1)
    np.add.at(counts[1], (true[:, :, None], labels[:, None, :]), 1)
    return Confusion(names, counts[0], counts[1])


def pair_accuracies(
    results: Sequence[Result],
    pairs: Sequence[Pair],
    episodes: slice = slice(None),
    names: Sequence[str] | None = None,
) -> list[PairAccuracy]:
    """Return the accuracy of each result on queries of pairs, where the episode has both classes.

    Choose pairs on other episodes: the accuracy on pairs chosen by a result's errors in the same
    episodes is biased against that result. Names of the results are for error messages.
    """
    check_same_episodes(results, names)
    return [_pair_accuracy(result, pairs, episodes) for result in results]


def _pair_accuracy(result: Result, pairs: Sequence[Pair], episodes: slice) -> PairAccuracy:
    names, labels = _labels(result)
    number = {name: i for i, name in enumerate(names)}
    labels, ways = labels[episodes], labels.shape[1]
    right = hits(result.predictions()[episodes], ways).reshape(*labels.shape, -1)  # (N n q)
    counted = np.zeros(labels.shape, dtype=np.bool_)
    for pair in pairs:
        if not {pair.first, pair.second} <= set(number):
            continue
        first, second = (labels == number[name] for name in (pair.first, pair.second))
        has_pair = first.any(1) & second.any(1)
        counted |= (first | second) & has_pair[:, None]
    of_episode = counted.sum(1) * right.shape[2]  # (N)
    if not of_episode.any():
        raise ResultError(
            "no episode has both classes of a pair",
            where=result.setup.videos.name,
            got=", ".join(f"{pair.first} and {pair.second}" for pair in pairs),
        )
    has_queries = of_episode > 0
    parts, wholes = (right & counted[..., None]).sum((1, 2))[has_queries], of_episode[has_queries]
    accuracy = 100 * parts.sum() / wholes.sum()
    return PairAccuracy(float(accuracy), half_width_of_ratio(parts, wholes), int(wholes.sum()))


def _labels(result: Result) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the occurring classes, and the classes of each episode as positions in them (N n)."""
    classes = np.array(result.episode_classes)
    occurring, labels = np.unique(classes, return_inverse=True)
    names = tuple(result.per_class)
    if len(names) != len(occurring):
        raise ResultError("the classes of the episodes are not those of the result")
    return names, labels.reshape(classes.shape)


FEWEST_EPISODES = 10
STEPS_OF_DECADE = (1, 2, 5)


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

    Each episode depends on the seed and its index alone, so a draw of only one hundred episodes has
    the same first hundred.
    """
    accuracies = np.array(result.per_episode)  # (N)
    total = len(accuracies)
    decades = range(1, len(str(total)))
    counts = [step * 10**decade for decade in decades for step in STEPS_OF_DECADE]
    selected = [count for count in counts if FEWEST_EPISODES <= count < total] + [total]
    return [
        Point(count, float(accuracies[:count].mean()), half_width(accuracies[:count]))
        for count in selected
    ]
