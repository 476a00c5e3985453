"""Class scores from similarities between pairs of videos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fewact.methods.base import Nodes, one_hot_mean, rows

ClassSimilarity = Callable[[Nodes, Tensor], Tensor]
"""Videos (r k …) of r classes and the episode (r) of each class → (r k k): pair similarities."""

VIDEOS_AT_ONCE = 64
"""Maximum number of videos whose intra-class similarities are computed in one call."""

LIKELIHOOD_WEIGHT = 0.25
"""Weight of ``likeliest_leave_one_out`` in a decision: the videos of a class are not independent.
Chosen for ``fusion`` on the vectors of development clips; see docs/decisions/fusion.md."""


def mean_over_shots(similarity: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the mean similarity with the videos of each class: (b q s), (b s) → (b q n)."""
    return similarity @ one_hot_mean(labels, n, similarity.dtype).transpose(-1, -2)


def intra_class_similarity(
    similarity: ClassSimilarity, nodes: Nodes, labels: Tensor, n: int
) -> Tensor:
    """Return the mean similarity between the videos of each class.

    The mean is over all ordered pairs of a class's videos. Subtracting half of it from the mean
    similarity with a query ranks classes by the squared distance between the query and the class
    mean in the kernel's feature space. The similarity of a video with itself is replaced by the
    mean over all intra-class pairs of the episode: it would favour classes with many shots. A class
    of one shot gets that mean. With equal numbers of shots this changes no ranking, if all videos
    are equally similar to themselves.

    Args:
        similarity: Symmetric similarity; computed inside classes only.
        nodes: Nodes of the support videos (b s …).
        labels: (b s).
        n: Number of classes.

    Returns:
        (b n); zero where no class has two videos.
    """
    shots = functional.one_hot(labels, n).sum(1)  # (b n)
    total = next(iter(nodes.values())).new_zeros(shots.shape)
    for k in shots.unique().tolist():
        if k < 2:
            continue
        for part in (shots == k).nonzero().split(max(1, VIDEOS_AT_ONCE // k)):
            episodes, classes = part.unbind(1)  # (r)
            members = (labels[episodes] == classes[:, None]).nonzero()[:, 1].unflatten(0, (-1, k))
            pairs = similarity(rows(nodes, (episodes[:, None], members)), episodes)  # (r k k)
            between = pairs.sum((1, 2)) - pairs.diagonal(dim1=1, dim2=2).sum(1)
            total = total.to(between.dtype).index_put((episodes, classes), between)
    number = (shots * (shots - 1)).sum(-1, keepdim=True)
    mean = total.sum(-1, keepdim=True) / number.clamp_min(1)
    return (total + shots * mean) / shots**2


def leave_one_out_logits(similarity: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Classify each video by the other videos: by its mean similarity with those of each class.

    Args:
        similarity: (b s s).
        labels: (b s) in 0 … n−1, each class at least once.
        n: Number of classes.

    Returns:
        Logits (b s n), and whether the class of each video has another video (b s).
    """
    member = functional.one_hot(labels, n).to(similarity.dtype)  # (b s n)
    shots_left = member.sum(1, keepdim=True) - member
    itself = similarity.diagonal(dim1=1, dim2=2)[..., None] * member
    logits = (similarity @ member - itself) / shots_left.clamp_min(1)
    return logits, (member * (shots_left > 0)).any(-1)


def leave_one_out(similarity: Tensor, labels: Tensor, n: int, temperature: float) -> Tensor:
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
    logits, counts = leave_one_out_logits(similarity, labels, n)
    member = functional.one_hot(labels, n).to(similarity.dtype) * counts[..., None]
    likelihood: Tensor = ((logits / temperature).log_softmax(-1) * member).sum((1, 2))
    return likelihood


def likeliest_leave_one_out(
    similarity: Tensor, labels: Tensor, n: int, temperatures: Sequence[float]
) -> Tensor:
    """Return the largest log-likelihood (b) of ``leave_one_out`` over several temperatures."""
    likelihoods = [
        leave_one_out(similarity, labels, n, temperature) for temperature in temperatures
    ]
    return torch.stack(likelihoods).amax(0)


TILE = 48
"""Videos on each side of a block of a table of pairs: their nodes should fit into the caches."""

MOST_NUMBERS = 2**26
"""Largest table of pairs, in float32 numbers: 256 MiB."""

Compare = Callable[[Tensor, Tensor], Tensor]
"""Rows (b q) of first videos, rows (b s) of second ones → (b q s …): what pairs need."""


class PairTable:
    """What a method needs of pairs of videos, computed once for all episodes where that is less.

    Args:
        compare: Compares the videos of some rows; must not depend on the other rows of a call.
        first: Rows (v) of all first videos: 0 … v−1.
        second: Rows (w) of all second videos.
        symmetric: Whether first and second videos are the same, and pairs the same in both orders.
        comparisons: Number of comparisons in all episodes. The table is filled if there are more of
            them than pairs, and if it fits into limited memory; else each call compares.
    """

    def __init__(
        self, compare: Compare, first: Tensor, second: Tensor, *, symmetric: bool, comparisons: int
    ) -> None:
        self._compare, self._table = compare, None
        pairs = len(first) * len(second)
        if comparisons < (pairs // 2 if symmetric else pairs):
            return
        if pairs * compare(first[None, :1], second[None, :1]).numel() <= MOST_NUMBERS:
            self._table = self._filled(first, second, symmetric)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return what is needed of pairs: rows (b q), rows (b s) → (b q s …)."""
        if self._table is None:
            return self._compare(first, second)
        return self._table[first[:, :, None], second[:, None]]

    def _filled(self, first: Tensor, second: Tensor, symmetric: bool) -> Tensor:
        like = self._compare(first[None, :1], second[None, :1])[0, 0, 0]
        table = like.new_empty(len(first), len(second), *like.shape)
        columns = second.split(TILE)
        for i, rows_of_tile in enumerate(first.split(TILE)):
            for columns_of_tile in columns[i if symmetric else 0 :]:
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
    labels: Tensor
    intra_class_similarity: Tensor

    def logits(self, pairs: Tensor, intra_class_weight: float | Tensor) -> Tensor:
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
        if isinstance(intra_class_weight, Tensor):
            intra_class_weight = intra_class_weight[..., None]  # (b q 1)
        return mean - intra_class_weight * inside[:, None]
