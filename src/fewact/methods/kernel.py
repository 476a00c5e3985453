"""Class scores from similarities between pairs of videos."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fewact.methods.base import Nodes, one_hot_mean

PairSimilarity = Callable[[Nodes, Nodes], Tensor]
"""(b q …), (b s …) → (b q s): similarity of each query with each support video."""

PAIRS_AT_ONCE = 64


def mean_over_shots(similarity: Tensor, labels: Tensor, n: int) -> Tensor:
    """Mean similarity with the videos of each class.

    Args:
        similarity: (b q s).
        labels: (b s) classes of the support videos.
        n: Number of classes.

    Returns:
        (b q n).
    """
    return similarity @ one_hot_mean(labels, n, similarity.dtype).transpose(-1, -2)


def compactness(similarity: PairSimilarity, nodes: Nodes, labels: Tensor, n: int) -> Tensor:
    """How alike the videos of each class are: mean similarity over its pairs in both orders.

    Half of it, taken from a class's mean similarity with a query, leaves what ranks classes by the
    squared distance from the query to the class's mean in the kernel's feature space. A video's
    similarity with itself stands for no pair of videos: it would make classes of few shots look
    loose. In its place stands the mean over all pairs of the episode, so a class of one shot gets
    just that; with even shots this changes no ranking.

    Args:
        similarity: Symmetric similarity of two sets of videos; computed once a pair, inside classes
            only.
        nodes: Of the support videos (b s …).
        labels: (b s).
        n: Number of classes.

    Returns:
        (b n); zero where no class has two videos.
    """
    same = (labels[:, :, None] == labels[:, None, :]).triu(1)  # (b s s)
    at, first, second = same.nonzero(as_tuple=True)  # (p) each
    shots = functional.one_hot(labels, n).sum(1)  # (b n)
    total = next(iter(nodes.values())).new_zeros(shots.shape)
    for some in torch.arange(len(at), device=labels.device).split(PAIRS_AT_ONCE):
        pairs = similarity(
            {name: value[at[some], first[some]][:, None] for name, value in nodes.items()},
            {name: value[at[some], second[some]][:, None] for name, value in nodes.items()},
        ).flatten()
        classes = labels[at[some], first[some]]
        total = total.index_put((at[some], classes), 2 * pairs.to(total.dtype), accumulate=True)
    number = (shots * (shots - 1)).sum(-1, keepdim=True)
    typical = total.sum(-1, keepdim=True) / number.clamp_min(1)
    return (total + shots * typical) / shots**2
