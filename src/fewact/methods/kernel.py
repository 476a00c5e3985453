"""Class scores from similarities between pairs of videos."""

from collections.abc import Callable

import torch
from torch import Tensor

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


def compactness(
    similarity: PairSimilarity, nodes: Nodes, labels: Tensor, n: int, itself: float | None
) -> Tensor:
    """Mean similarity between the videos of one class, each pair in both orders.

    Half of it is subtracted from a class's mean similarity with a query: the squared distance to
    the class's mean in the kernel's feature space is, but for a term of the query's own,
    minus twice that difference. Only pairs inside a class are computed, each once.

    Args:
        similarity: Symmetric similarity of two sets of videos.
        nodes: Of the support videos (b s …).
        labels: (b s).
        n: Number of classes.
        itself: Similarity of a video with itself; None to compute it.

    Returns:
        (b n).
    """
    weights = one_hot_mean(labels, n, torch.get_default_dtype())  # (b n s)
    b, s = labels.shape
    same = (labels[:, :, None] == labels[:, None, :]).triu(1 if itself is not None else 0)
    at, first, second = same.nonzero(as_tuple=True)  # (p) each
    parts = [
        similarity(
            {name: value[at[i], first[i]][:, None] for name, value in nodes.items()},
            {name: value[at[i], second[i]][:, None] for name, value in nodes.items()},
        ).flatten()
        for i in torch.arange(len(at), device=labels.device).split(PAIRS_AT_ONCE)
    ]
    values = torch.cat(parts) if parts else weights.new_zeros(0)
    weights = weights.to(values.dtype)
    pairs = values.new_zeros(b, s, s)
    pairs[at, first, second] = values
    pairs[at, second, first] = values
    if itself is not None:
        pairs = pairs + itself * torch.eye(s, dtype=pairs.dtype, device=pairs.device)
    return torch.einsum("bns,bst,bnt->bn", weights, pairs, weights)
