"""Which classes a method confuses: counts, rates, and accuracies on pairs of similar classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ResultError
from fewact.evaluation.compare import check_same_episodes
from fewact.evaluation.intervals import half_width_of_ratio
from fewact.evaluation.predictions import hits
from fewact.evaluation.result import Result


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
        """Return the pairs of classes that are confused most often, the most frequent first.

        Args:
            count: Largest number of pairs; pairs that are never confused are left out.
        """
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
        confused: Queries of either class that got the other one, in per cent of ``queries``.
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
    """Count which class the queries of each class got.

    Args:
        result: Result.
        episodes: Episodes to count.
    """
    predicted, (names, labels) = result.predictions(), _labels(result)
    n = len(names)
    labels, predicted = labels[episodes], predicted[episodes]
    got = np.take_along_axis(labels, predicted.astype(np.int64), 1)  # (N q)
    each = predicted.shape[1] // labels.shape[1]
    true = labels.repeat(each, 1)
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

    Pairs that were chosen by the errors of a result look harder for it than they are: choose them
    on other episodes.

    Args:
        results: Results on the same episodes.
        pairs: Pairs of classes.
        episodes: Episodes to count.
        names: Names of the results for error messages.

    Raises:
        ResultError: The episodes differ, or none has both classes of a pair.
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
        both = first.any(1) & second.any(1)
        counted |= (first | second) & both[:, None]
    of_episode = counted.sum(1) * right.shape[2]  # (N)
    if not of_episode.any():
        raise ResultError(
            "no episode has both classes of a pair",
            where=result.setup.videos.name,
            got=", ".join(f"{pair.first} and {pair.second}" for pair in pairs),
        )
    some = of_episode > 0
    parts, wholes = (right & counted[..., None]).sum((1, 2))[some], of_episode[some]
    accuracy = 100 * parts.sum() / wholes.sum()
    return PairAccuracy(float(accuracy), half_width_of_ratio(parts, wholes), int(wholes.sum()))


def _labels(result: Result) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes that occur, and those of each episode as positions among them (N n)."""
    classes = np.array(result.episode_classes)
    occurring, labels = np.unique(classes, return_inverse=True)
    names = tuple(result.per_class)
    if len(names) != len(occurring):
        raise ResultError("the classes of the episodes are not those of the result")
    return names, labels.reshape(classes.shape)
