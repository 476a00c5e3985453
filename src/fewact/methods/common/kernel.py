"""Class scores from similarities between pairs of videos; arrays or tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import is_tensor, namespace
from fewact.methods.base import Nodes, one_hot, one_hot_mean, rows

ClassSimilarity = Callable[[dict[str, Any], Any], Any]
"""Videos (r k …) of r classes and the episode (r) of each class → (r k k): pair similarities."""

VIDEOS_AT_ONCE = 64
"""Maximum number of videos whose intra-class similarities are computed in one call."""

LIKELIHOOD_WEIGHT = 0.25
"""Weight of ``likeliest_leave_one_out`` in a decision: the videos of a class are not independent.
Chosen for ``fusion`` on the vectors of development clips; see docs/decisions/fusion.md."""


def mean_over_shots(similarity: Any, labels: Any, n: int) -> Any:
    """Return the mean similarity with the videos of each class: (b q s), (b s) → (b q n)."""
    return similarity @ one_hot_mean(labels, n, similarity.dtype).mT


def intra_class_similarity(
    similarity: ClassSimilarity,
    nodes: Mapping[str, Any],
    labels: Any,
    n: int,
    redundancy: ClassSimilarity | None = None,
) -> Any:
    """Return the mean similarity between the videos of each class.

    The mean is over all ordered pairs of a class's videos. Subtracting half of it from the mean
    similarity with a query ranks classes by the squared distance between the query and the class
    mean in the kernel's feature space. The similarity of a video with itself is replaced by the
    mean over all intra-class pairs of the episode: it would favour classes with many shots. A class
    of one shot gets that mean. With equal numbers of shots this changes no ranking, if all videos
    are equally similar to themselves.

    Clips of one recording are more similar than clips of a class are: a class of few recordings
    would lose against classes of many. So a video weighs 1 / Σ over s' of its redundancies d, a
    pair the product of two weights times 1 − d, and a class has as many shots as its weights add up
    to.

    Args:
        similarity: Symmetric similarity; computed inside classes only.
        nodes: Nodes of the support videos (b s …).
        labels: (b s).
        n: Number of classes.
        redundancy: How far two videos of a class repeat each other, from 0 to 1, which is a video
            and itself; None if only that repeats.

    Returns:
        (b n); zero where no class has two videos.
    """
    xp = namespace(labels)
    shots = xp.sum(one_hot(labels, n, labels.dtype), axis=1)  # (b n)
    total = xp.zeros(shots.shape, dtype=_floating(nodes), device=labels.device)
    number, count = xp.zeros_like(total), xp.astype(shots, total.dtype)
    for k in xp.unique_values(shots).tolist():
        if k < 2:
            continue
        every_episode, every_class = xp.nonzero(shots == k)
        size = max(1, VIDEOS_AT_ONCE // k)
        for start in range(0, len(every_episode), size):
            episodes, classes = (x[start : start + size] for x in (every_episode, every_class))
            members = xp.nonzero(labels[episodes] == classes[:, None])[1].reshape(-1, k)
            videos = rows(nodes, (episodes[:, None], members))
            pairs = similarity(videos, episodes)  # (r k k)
            total, number, count = (xp.astype(x, pairs.dtype) for x in (total, number, count))
            repeated = xp.eye(k, dtype=pairs.dtype, device=labels.device)[None]
            if redundancy is not None:
                repeated = xp.astype(redundancy(videos, episodes), pairs.dtype)
            weight = 1 / xp.sum(repeated, axis=-1)  # (r k)
            weight_of_pair = weight[:, :, None] * weight[:, None] * (1 - repeated)
            total[episodes, classes] = xp.sum(weight_of_pair * pairs, axis=(1, 2))
            number[episodes, classes] = xp.sum(weight_of_pair, axis=(1, 2))
            count[episodes, classes] = xp.sum(weight, axis=-1)
    every = xp.sum(number, axis=-1, keepdims=True)
    mean = xp.sum(total, axis=-1, keepdims=True) / xp.where(every > 0, every, 1)
    return (total + (count**2 - number) * mean) / count**2


def _floating(nodes: Mapping[str, Any]) -> Any:
    """Return the data type of similarities of nodes."""
    xp = namespace(next(iter(nodes.values())))
    doubles = any(value.dtype == xp.float64 for value in nodes.values())
    return xp.float64 if doubles else xp.float32


def leave_one_out_logits(similarity: Any, labels: Any, n: int) -> tuple[Any, Any]:
    """Classify each video by its mean similarity with the other videos of each class.

    Args:
        similarity: (b s s).
        labels: (b s) in 0 … n−1, each class at least once.
        n: Number of classes.

    Returns:
        Logits (b s n), and whether the class of each video has another video (b s).
    """
    xp = namespace(similarity)
    member = one_hot(labels, n, similarity.dtype)  # (b s n)
    shots_left = xp.sum(member, axis=1, keepdims=True) - member
    itself = xp.linalg.diagonal(similarity)[..., None] * member
    logits = (similarity @ member - itself) / xp.clip(shots_left, min=1)
    return logits, xp.any(member * shots_left > 0, axis=-1)


def leave_one_out(similarity: Any, labels: Any, n: int, temperature: float) -> Any:
    """Return the log-likelihood of each episode's labels under leave-one-out classification.

    A video that is alone in its class does not contribute.

    Args:
        similarity: (b s s).
        labels: (b s) in 0 … n−1, each class at least once.
        n: Number of classes.
        temperature: The logits of ``leave_one_out_logits`` are divided by it; positive.

    Returns:
        (b), at most 0; 0 where no class has two videos.
    """
    return likeliest_leave_one_out(similarity, labels, n, (temperature,))


def likeliest_leave_one_out(
    similarity: Any, labels: Any, n: int, temperatures: Sequence[float]
) -> Any:
    """Return the largest log-likelihood (b) of ``leave_one_out`` over several temperatures."""
    xp = namespace(similarity)
    logits, counts = leave_one_out_logits(similarity, labels, n)
    member = one_hot(labels, n, similarity.dtype) * xp.astype(counts, similarity.dtype)[..., None]
    likelihoods = [
        xp.sum(log_softmax(logits / temperature) * member, axis=(1, 2))
        for temperature in temperatures
    ]
    return xp.max(xp.stack(likelihoods), axis=0)


def log_softmax(logits: Any) -> Any:
    """Return the logarithm of the softmax over the last axis."""
    xp = namespace(logits)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


TILE = 48
"""Videos on each side of a block of a table of pairs: their nodes should fit into the caches."""

MOST_NUMBERS = 2**26
"""Largest table of pairs, in float32 numbers: 256 MiB."""

Compare = Callable[[Any, Any], Any]
"""Rows (b q) of first videos, rows (b s) of second ones → (b q s …): values of pairs."""


class PairTable:
    """Values of pairs of videos, computed once for all episodes where that is less work.

    Args:
        compare: Compares the videos of some rows; must not depend on the other rows of a call.
        first: Rows (v) of all first videos: 0 … v−1.
        second: Rows (w) of all second videos.
        symmetric: Whether first and second videos are the same, and pairs the same in both orders.
        comparisons: Number of comparisons in all episodes. The table is filled if there are more of
            them than pairs, and if it fits into limited memory; else each call compares.
    """

    def __init__(
        self, compare: Compare, first: Any, second: Any, *, symmetric: bool, comparisons: int
    ) -> None:
        self._compare, self._table = compare, None
        pairs = len(first) * len(second)
        if comparisons < (pairs // 2 if symmetric else pairs):
            return
        like = compare(first[None, :1], second[None, :1])[0, 0, 0]
        numbers = 1
        for size in like.shape:
            numbers *= size
        if pairs * numbers <= MOST_NUMBERS:
            self._table = self._filled(first, second, like, symmetric)

    def __call__(self, first: Any, second: Any) -> Any:
        """Return what is needed of pairs: rows (b q), rows (b s) → (b q s …)."""
        if self._table is None:
            return self._compare(first, second)
        return self._table[first[:, :, None], second[:, None]]

    def _filled(self, first: Any, second: Any, like: Any, symmetric: bool) -> Any:
        xp = namespace(first)
        shape = (len(first), len(second), *like.shape)
        table = xp.empty(shape, dtype=like.dtype, device=first.device)
        for i in range(0, len(first), TILE):
            rows_of_tile = first[i : i + TILE]
            for j in range(i if symmetric else 0, len(second), TILE):
                columns_of_tile = second[j : j + TILE]
                block = self._compare(rows_of_tile[None], columns_of_tile[None])[0]  # (q s …)
                at = rows_of_tile[:, None], columns_of_tile[None]
                table[at] = block
                if symmetric:
                    table[at[1], at[0]] = block
        return table


@dataclass(frozen=True)
class KernelState:
    """Support of a method that averages pair similarities.

    Args:
        nodes: Nodes of the support videos (b s …).
        labels: Classes of the support videos (b s).
        intra_class_similarity: (b n), see ``intra_class_similarity``.
    """

    nodes: Nodes
    labels: NDArray[np.int64]
    intra_class_similarity: NDArray[Any]

    def logits(self, pairs: Any, intra_class_weight: Any) -> Any:
        """Return the class scores: mean similarity minus the weighted intra-class similarity.

        Args:
            pairs: Similarities (b q s) of the queries with the support videos.
            intra_class_weight: Weight of the intra-class similarity, or the weight (b q) for each
                query; 0.5 ranks by the distance to the class mean.

        Returns:
            (b q n).
        """
        inside = self.intra_class_similarity
        mean = mean_over_shots(pairs, self.labels, inside.shape[-1])
        if isinstance(intra_class_weight, np.ndarray) or is_tensor(intra_class_weight):
            intra_class_weight = intra_class_weight[..., None]  # (b q 1)
        return mean - intra_class_weight * inside[:, None]

    def logits_of_parts(
        self,
        parts: ClassSimilarity,
        pairs: Mapping[str, Any],
        intra_class_weight: Any,
        redundancy: ClassSimilarity | None = None,
    ) -> dict[str, Any]:
        """Return the class scores of each part of a similarity, by name.

        Args:
            parts: Similarity that returns its parts by name.
            pairs: Parts (b q s) of the queries' similarities with the support videos.
            intra_class_weight: As ``logits`` takes it.
            redundancy: As ``intra_class_similarity`` takes it.
        """

        def of_part(name: str) -> KernelState:
            inside = intra_class_similarity(
                lambda videos, episodes: parts(videos, episodes)[name],
                self.nodes,
                self.labels,
                self.intra_class_similarity.shape[-1],
                redundancy,
            )
            return replace(self, intra_class_similarity=inside)

        return {name: of_part(name).logits(x, intra_class_weight) for name, x in pairs.items()}
