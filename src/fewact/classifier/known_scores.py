"""The known score: how surely a clip shows one of the classes, computed from its similarities.

The known score of a clip q is

    g(c) = ½ · (mean_s K(q, s) − ½ · inside(c)) + ½ · max_s K(q, s)
    known score = max_c g(c) − w₁ · mean of g over the other classes − w₂ · mean_u K(q, u)

where s are the training clips of class c, inside(c) is their intra-class similarity (see
``methods.common.kernel``), and u are the clips of no class, if there are any. K is the similarity
of two clips; any method has it, as its score for a class of one clip. A threshold on the score
separates known from unknown. The weights and the form of g were chosen on development clips
(docs/results/unknown-actions.md).

Without clips of no class, training clips say how high the scores of unknown clips are: q of class c
is scored as if c were no class, but another one were that is as similar to q as c is to clips of
other classes. So g(c) is replaced by that of each of these clips, and the mean of the scores counts
(docs/decisions/unknown-actions.md).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fewact.classifier.open_set import OpenSet

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
    scores = _score(*_summary(_similarities(pairs, labels, inside, left_out)))
    return scores if none is None else scores - NONE_WEIGHT * none.double()


def untaught_scores(
    pairs: Tensor,
    own: Tensor,
    labels: Tensor,
    inside: Tensor,
    none: Tensor | None = None,
    *,
    left_out: Tensor,
) -> Tensor:
    """Return the scores (h) of training clips as if others were in place of their classes.

    Args:
        pairs: Similarities (h s) with the training clips.
        own: Class (h) of each.
        labels: Classes (s) of the training clips in 0 … n−1.
        inside: Intra-class similarities (h n).
        none: Mean similarity (h) with the clips of no class; None if there are none.
        left_out: Whether a clip is not compared with a training clip (h s): with none of its class.
    """
    similarity = _similarities(pairs, labels, inside, left_out)  # (h n)
    best, total, count = _summary(similarity)
    others = similarity[:, own].T  # (h h): of all clips with the class of each
    usable = others.isfinite() & (own[:, None] != own)
    others = others.masked_fill(~usable, 0.0)
    instead = _score(
        torch.maximum(best[:, None], others), total[:, None] + others, count[:, None] + 1
    )
    mean = (instead * usable).sum(1) / usable.sum(1).clamp_min(1)
    scores = torch.where(usable.any(1), mean, _score(best, total, count))
    return scores if none is None else scores - NONE_WEIGHT * none.double()


def _similarities(pairs: Tensor, labels: Tensor, inside: Tensor, left_out: Tensor) -> Tensor:
    """Return g (q n) of each class, float64; −inf where all of its clips are left out."""
    n, pairs = inside.shape[-1], pairs.double()
    shots = _sum_by_class(~left_out, labels, n)  # (q n)
    mean = _sum_by_class(pairs.masked_fill(left_out, 0), labels, n) / shots.clamp_min(1)
    nearest = torch.full_like(mean, -math.inf).scatter_reduce(
        1, labels.expand_as(pairs), pairs.masked_fill(left_out, -math.inf), "amax"
    )
    return (mean - inside / 2 + nearest) / 2


def _summary(similarity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest g (q) of the classes that count, the sum of all, and their number."""
    counts = similarity.isfinite()
    return similarity.amax(-1), similarity.masked_fill(~counts, 0.0).sum(-1), counts.sum(-1)


def _score(best: Tensor, total: Tensor, count: Tensor) -> Tensor:
    """Return the known scores from the largest g, the sum and the number of all.

    Of a class that is alone, g counts for the others, too.
    """
    rest = torch.where(count > 1, (total - best) / (count - 1).clamp_min(1), best)
    return best - OTHERS_WEIGHT * rest


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
    rows, kept = torch.tensor(list(positions)), (~left_out).double()  # (h), (q s)
    total, number = torch.zeros(2, len(kept), n, dtype=torch.float64)
    level, count = 0.0, 0
    for c in range(n):
        own = (labels[rows] == c).nonzero()[:, 0]  # rows of this class
        scored, members = rows[own], (labels == c).nonzero()[:, 0]
        other = (scored[:, None] != members).double()  # (r k)
        similarity = pairs[own][:, members].double() * other
        with_row, with_member = kept[:, scored], kept[:, members]  # (q r), (q k)
        total[:, c] = (with_row * (with_member @ similarity.T)).sum(1)
        number[:, c] = (with_row * (with_member @ other.T)).sum(1)
        level += similarity.sum().item()
        count += int(other.sum())
    mean, shots = level / max(count, 1), _sum_by_class(kept, labels, n)
    alone = torch.where(number > 0, total / number.clamp_min(1), mean)
    return ((shots - 1) * alone + mean) / shots.clamp_min(1)


def fit_open_set(
    pairs: Tensor,
    positions: Sequence[int],
    labels: Tensor,
    n: int,
    groups: Sequence[str | None],
    none: "NoneScores | None" = None,
) -> OpenSet:
    """Compute the scores that thresholds follow from.

    Args:
        pairs: Similarities (h s) of some training clips with all of them, with itself included.
        positions: Positions of the h clips among the training clips.
        labels: Classes (s) of the training clips.
        n: Number of classes.
        groups: Group of each training clip; a clip with None is a group by itself. A clip is not
            compared with its own group, if there is another.
        none: Similarities of the clips of no class.
    """
    rows = list(positions)
    own, same_group = labels[rows], _same(groups, rows)
    same_class = own[:, None] == labels
    both = same_class | same_group
    untaught = torch.where(both.all(1, keepdim=True), same_class, both)
    held = (same_class & ~same_group).any(1)
    outside = None if none is None else none.of_training

    beside = None if outside is None else outside[held]
    known = known_scores(
        pairs[held],
        labels,
        intra_class(pairs, rows, labels, n, same_group[held]),
        beside,
        left_out=same_group[held],
    )
    without = untaught_scores(
        pairs,
        own,
        labels,
        intra_class(pairs, rows, labels, n, untaught),
        outside,
        left_out=untaught,
    )
    nothing = torch.zeros(1, len(labels), dtype=torch.bool)
    inside = intra_class(pairs, rows, labels, n, nothing)[0]
    of_none: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    if none is not None:
        of_none = tuple(known_scores(none.pairs, labels, inside, none.of_none).tolist())
        sizes = () if None in none.groups else tuple(Counter(none.groups).values())
    return OpenSet(
        known=tuple(known.tolist()),
        untaught=tuple(without.tolist()),
        inside=tuple(inside.tolist()),
        none=of_none,
        none_groups=sizes,
        grouped=None not in groups,
    )


@dataclass(frozen=True)
class NoneScores:
    """Similarities of m clips of no class.

    Args:
        pairs: Similarities (m s) with the training clips.
        of_none: Mean similarity (m) of each with those of other groups.
        of_training: Mean similarity (h) of training clips with the clips of no class.
        groups: Group of each of the m clips; None if it is not known.
    """

    pairs: Tensor
    of_none: Tensor
    of_training: Tensor
    groups: Sequence[str | None]


def mean_of_other_groups(
    pairs: Tensor, references: Sequence[int], groups: Sequence[str | None]
) -> Tensor:
    """Return the mean similarity (m) of each clip of no class with references of other groups.

    A clip whose group has all references is compared with all but itself.

    Args:
        pairs: Similarities (m r) with the references.
        references: Positions of the references among the clips.
        groups: Group of each of the m clips; a clip with None is a group by itself.
    """
    other = ~_same(groups, references).T
    itself = torch.arange(len(pairs))[:, None] == torch.tensor(list(references))
    other = torch.where(other.any(1, keepdim=True), other, ~itself)
    return (pairs.double() * other).sum(1) / other.sum(1)


def _same(groups: Sequence[str | None], rows: Sequence[int]) -> Tensor:
    """Return whether clips at h positions are of the group of each clip: (h s)."""
    names = [i if group is None else group for i, group in enumerate(groups)]
    position = {name: i for i, name in enumerate(dict.fromkeys(names))}
    numbers = torch.tensor([position[name] for name in names])
    return numbers[list(rows)][:, None] == numbers
