"""The known score: whether a clip shows one of the classes at all, see ``classifier.unknown``."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

OTHERS_WEIGHT, NONE_WEIGHT = 0.3, 0.5
"""Weights w₁ and w₂."""


def known_scores(
    pairs: Tensor,
    labels: Tensor,
    inside: Tensor,
    none: Tensor | None = None,
    *,
    left_out: Tensor | None = None,
) -> Tensor:
    """Return the known scores (q) of clips, float64.

    Args:
        pairs: Similarities (q s) with the training clips.
        labels: Classes (s) of the training clips in 0 … n−1.
        inside: Intra-class similarities (n), or (q n) for each clip.
        none: Mean similarity (q) with the clips of no class; None if there are none.
        left_out: Whether a clip is not compared with a training clip (q s). A class of which all
            clips are left out does not count; one class must be left.
    """
    if left_out is None:
        left_out = torch.zeros_like(pairs, dtype=torch.bool)
    scores = score_of_summary(*summary(class_similarities(pairs, labels, inside, left_out)))
    return scores if none is None else scores - NONE_WEIGHT * none.double()


def class_similarities(pairs: Tensor, labels: Tensor, inside: Tensor, left_out: Tensor) -> Tensor:
    """Return g (q n) of each class, float64; −inf where all of its clips are left out."""
    n, pairs = inside.shape[-1], pairs.double()
    shots = _sum_by_class(~left_out, labels, n)  # (q n)
    mean = _sum_by_class(pairs.masked_fill(left_out, 0), labels, n) / shots.clamp_min(1)
    nearest = torch.full_like(mean, -math.inf).scatter_reduce(
        1, labels.expand_as(pairs), pairs.masked_fill(left_out, -math.inf), "amax"
    )
    return (mean - inside / 2 + nearest) / 2


def summary(similarity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest g (q) of the classes that count, the sum of all, and their number."""
    counts = similarity.isfinite()
    return similarity.amax(-1), similarity.masked_fill(~counts, 0.0).sum(-1), counts.sum(-1)


def score_of_summary(best: Tensor, total: Tensor, count: Tensor) -> Tensor:
    """Return the known scores from the largest g, the sum and the number of all.

    Of a class that is alone, g counts for the others, too.
    """
    mean_of_rest = torch.where(count > 1, (total - best) / (count - 1).clamp_min(1), best)
    return best - OTHERS_WEIGHT * mean_of_rest


def _sum_by_class(values: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the sums (q n) float64 of values (q s) over the clips of each class.

    Values of single precision are summed without rounding unless they differ by many orders of
    magnitude, so the sums hardly depend on the order of the clips.
    """
    zeros = torch.zeros(len(values), n, dtype=torch.float64, device=values.device)
    return zeros.scatter_add(1, labels.expand(len(values), -1), values.double())


def intra_class(
    pairs: Tensor, positions: Sequence[int], labels: Tensor, n: int, left_out: Tensor
) -> Tensor:
    """Return the intra-class similarity (q n) of each class without some clips.

    inside(c) = ((k − 1) · m(c) + m) / k, with m(c) the mean similarity of two clips of class c, m
    that of two clips of any one class, and k the number of clips of the class: a clip's similarity
    with itself is replaced by m, as in ``methods.common.kernel.intra_class_similarity``. What is
    left out does not change m: it is the level for classes of one clip.

    Args:
        pairs: Similarities (h s) of some training clips with all of them.
        positions: Positions of the h clips among the training clips.
        labels: Classes (s) of the training clips.
        n: Number of classes.
        left_out: Training clips to leave out (q s).
    """
    rows, weights = torch.tensor(list(positions)), (~left_out).double()  # (h), (q s)
    total, number = torch.zeros(2, len(weights), n, dtype=torch.float64)
    level, count = 0.0, 0
    for c in range(n):
        in_class = (labels[rows] == c).nonzero()[:, 0]  # rows of this class
        scored, members = rows[in_class], (labels == c).nonzero()[:, 0]
        is_other = (scored[:, None] != members).double()  # (r k)
        similarity = pairs[in_class][:, members].double() * is_other
        with_row, with_member = weights[:, scored], weights[:, members]  # (q r), (q k)
        total[:, c] = (with_row * (with_member @ similarity.T)).sum(1)
        number[:, c] = (with_row * (with_member @ is_other.T)).sum(1)
        level += similarity.sum().item()
        count += int(is_other.sum())
    mean, shots = level / max(count, 1), _sum_by_class(weights, labels, n)
    alone = torch.where(number > 0, total / number.clamp_min(1), mean)
    return ((shots - 1) * alone + mean) / shots.clamp_min(1)
