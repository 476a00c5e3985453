"""The known score: whether a clip shows one of the classes at all, see ``classifier.unknown``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.methods.base import Labels

OTHERS_WEIGHT, NONE_WEIGHT = 0.3, 0.5
"""Weights w₁ and w₂."""

Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


def known_scores(
    pairs: NDArray[Any],
    labels: Labels,
    inside: Scores,
    none: NDArray[Any] | None = None,
    *,
    left_out: Mask | None = None,
) -> Scores:
    """Return the known scores (q) of clips, float64.

    Args:
        pairs: Similarities (q s) with the training clips.
        labels: Classes (s) of the training clips in 0 … n−1.
        inside: Intra-class similarities (n), or (q n) for each clip.
        none: Mean similarity (q) with the clips of no class; None if there are none.
        left_out: Whether a clip is not compared with a training clip (q s). A class without clips
            to compare does not count; at least one class must have some.
    """
    if left_out is None:
        left_out = np.zeros(pairs.shape, np.bool_)
    scores = score_of_summary(*summary(class_similarities(pairs, labels, inside, left_out)))
    return scores if none is None else scores - NONE_WEIGHT * none.astype(np.float64)


def class_similarities(
    pairs: NDArray[Any], labels: Labels, inside: Scores, left_out: Mask
) -> Scores:
    """Return g (q n) of each class, float64; −inf where all of its clips are left out."""
    n, pairs = inside.shape[-1], pairs.astype(np.float64)
    shots = _sum_by_class(~left_out, labels, n)  # (q n)
    mean = _sum_by_class(np.where(left_out, 0.0, pairs), labels, n) / np.maximum(shots, 1)
    nearest = np.full((n, len(pairs)), -np.inf)
    np.maximum.at(nearest, labels, np.where(left_out, -np.inf, pairs).T)
    similarity: Scores = (mean - inside / 2 + nearest.T) / 2
    return similarity


def summary(similarity: Scores) -> tuple[Scores, Scores, NDArray[np.int64]]:
    """Return the largest g (q) of the classes that count, the sum of all, and their number."""
    counts = np.isfinite(similarity)
    return similarity.max(-1), np.where(counts, similarity, 0.0).sum(-1), counts.sum(-1)


def score_of_summary(best: Scores, total: Scores, count: NDArray[np.int64]) -> Scores:
    """Return the known scores from the largest g, the sum and the number of all.

    If there is only one class, its g also replaces the mean of the others.
    """
    mean_of_rest = np.where(count > 1, (total - best) / np.maximum(count - 1, 1), best)
    scores: Scores = best - OTHERS_WEIGHT * mean_of_rest
    return scores


def _sum_by_class(values: NDArray[Any], labels: Labels, n: int) -> Scores:
    """Return the sums (q n) float64 of values (q s) over the clips of each class.

    Values of single precision are summed without rounding unless they differ by many orders of
    magnitude, so the sums hardly depend on the order of the clips.
    """
    sums = np.zeros((n, len(values)))
    np.add.at(sums, labels, values.T.astype(np.float64))
    return sums.T


def intra_class(
    pairs: NDArray[Any], positions: Sequence[int], labels: Labels, n: int, left_out: Mask
) -> Scores:
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
    rows, weights = np.array(positions, np.int64), (~left_out).astype(np.float64)  # (h), (q s)
    total, number = np.zeros((2, len(weights), n))
    level, count = 0.0, 0
    for c in range(n):
        in_class = np.flatnonzero(labels[rows] == c)  # rows of this class
        scored, members = rows[in_class], np.flatnonzero(labels == c)
        is_other = (scored[:, None] != members).astype(np.float64)  # (r k)
        similarity = pairs[np.ix_(in_class, members)].astype(np.float64) * is_other
        with_row, with_member = weights[:, scored], weights[:, members]  # (q r), (q k)
        total[:, c] = (with_row * (with_member @ similarity.T)).sum(1)
        number[:, c] = (with_row * (with_member @ is_other.T)).sum(1)
        level += float(similarity.sum())
        count += int(is_other.sum())
    mean, shots = level / max(count, 1), _sum_by_class(weights, labels, n)
    alone = np.where(number > 0, total / np.maximum(number, 1), mean)
    inside: Scores = ((shots - 1) * alone + mean) / np.maximum(shots, 1)
    return inside
