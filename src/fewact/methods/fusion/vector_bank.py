"""Scores of vectors in a bank, for many episodes: the same logits as ``vectors``, much faster.

``vectors`` changes the frames of each video under each assumption, and takes differences of frames
with thousands of channels. Here the inner products of the frames are computed once under each
assumption, and all similarities are linear in them. With x̄ for the mean of a video's frames and
y_t = x_t − x̄, a unit frame is f_t = g_t (x̄ + y_t), g_t = 1 / ‖x_t‖. What is compared of motion are
deviations and differences of f_t, to which only γ_t = g_t − const and y_t contribute: both are
small where little moves, so that nothing is lost by rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact import align
from fewact.methods.common.kernel import TILE, KernelState, PairTable, intra_class_similarity
from fewact.methods.common.temporal import STATIC_NORM
from fewact.methods.fusion.terms import MotionTerm
from fewact.methods.fusion.vectors import Channels, VectorDecision, VectorTerms

AT_ONCE = 2**21
"""Approximate number of values whose products are computed at once."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of what is compared of videos, as factors (b v t) of the frames.

    Args:
        frame: g, one over the length of a frame; 0 for a frame of zeros.
        change: γ, the same minus a number for each video.
        deviation: One over the length of a unit frame's deviation from the mean; 0 if static.
        difference: One over that of the change between its neighbours.
        motion: One over the length of both, joined.
        appearance: One over the length of all unit frames, joined: (b v).
        mean: One over the length of their mean: (b v).
    """

    frame: Tensor
    change: Tensor
    deviation: Tensor
    difference: Tensor
    motion: Tensor
    appearance: Tensor
    mean: Tensor

    def of(self, rows: Tensor) -> "Lengths":
        """Return the lengths of some videos of a bank without b: (v …), (b s) → (b s …)."""
        return Lengths(*(value[rows] for value in vars(self).values()))


def rooted(vectors: Tensor) -> Tensor:
    """Return the signed square roots x_t of frames as x̄, then y_t: (… t d) → (… t+1 d)."""
    *videos, frames, channels = vectors.shape
    rooted = vectors.new_empty(*videos, frames + 1, channels)
    mean, changes = rooted[..., :1, :], rooted[..., 1:, :]
    torch.abs(vectors, out=changes)
    changes.sqrt_().copysign_(vectors)
    torch.mean(changes, -2, keepdim=True, out=mean)
    changes.sub_(mean)
    return rooted


class Similarities:
    """Similarities of videos of t frames, from products of ``rooted``.

    Args:
        motion: How motion is compared.
        vectors: Vectors (v t d) of any videos.
    """

    def __init__(self, motion: MotionTerm, vectors: Tensor) -> None:
        self._motion, self._square = motion, motion.velocity**2
        identity = torch.eye(vectors.shape[1], dtype=vectors.dtype, device=vectors.device)
        padded = torch.cat([identity[:1], identity, identity[-1:]])
        operators = (identity - 1 / len(identity), padded[2:] - padded[:-2])
        # Both operators on both sides of a matrix (t t), as one matrix of t² columns each.
        self._operators = torch.cat([torch.kron(x, x) for x in operators]).T.contiguous()

    def lengths(self, own: Tensor) -> Lengths:
        """Return the lengths of videos, from the products of each with itself (… t+1 t+1)."""
        excess = 2 * own[..., 0, 1:] + own.diagonal(dim1=-2, dim2=-1)[..., 1:]  # (… t)
        square = (own[..., :1, 0] + excess).clamp_min(0)
        length, typical = square.sqrt(), square.mean(-1, keepdim=True).sqrt()
        frame = _inverse(length)
        less = excess.mean(-1, keepdim=True) - excess
        change = less * frame * _inverse(typical) * _inverse(length + typical)
        change = torch.where(length == 0, -_inverse(typical), change)
        unit, changed = (_product(own, (x, frame), (x, frame)).flatten(-2) for x in (frame, change))
        deviation, difference = (
            x.unflatten(-1, (frame.shape[-1], -1)).diagonal(dim1=-2, dim2=-1)
            for x in (changed @ self._operators).chunk(2, -1)
        )
        smallest = STATIC_NORM**2 * (length > 0)
        moving = [x > smallest for x in (deviation, difference)]
        joined = moving[0].to(own) + self._square * moving[1]
        deviation, difference = (
            torch.where(moves, x, 0)
            for x, moves in zip((deviation, difference), moving, strict=True)
        )
        return Lengths(
            frame,
            change,
            deviation=_inverse(deviation.sqrt()),
            difference=_inverse(difference.sqrt()),
            motion=_inverse(joined.sqrt()),
            appearance=_inverse((length > 0).sum(-1).to(own).sqrt()),
            mean=_inverse(unit.mean(-1).clamp_min(0).sqrt()),
        )

    def of(
        self, products: Tensor, first: Lengths, second: Lengths, which: Tensor | None = None
    ) -> Tensor:
        """Return similarities (b q s 4): appearance, motion, means, and motion approximately.

        Args:
            products: Products of ``rooted`` (b q s t+1 t+1).
            first: Lengths of the first videos (b q …).
            second: Lengths of the second videos (b s …).
            which: Pairs (b q s) whose motion is needed exactly; None for all, 0 for the others.
        """
        a, b = (
            Lengths(*(value.unsqueeze(axis) for value in vars(x).values()))
            for x, axis in ((first, 2), (second, 1))
        )
        unit = _product(products, (a.frame, a.frame), (b.frame, b.frame))  # (b q s t t)
        appearance = unit.diagonal(dim1=-2, dim2=-1).sum(-1) * a.appearance * b.appearance
        mean = unit.mean((-2, -1)) * a.mean * b.mean
        changed = _product(products, (a.change, a.frame), (b.change, b.frame))
        deviation, difference = (
            x.view(unit.shape) for x in (changed.flatten(-2) @ self._operators).chunk(2, -1)
        )
        cosine = deviation * _outer(a.deviation, b.deviation)
        cosine += self._square * difference * _outer(a.difference, b.difference)
        cosine *= _outer(a.motion, b.motion)
        quick = cosine.diagonal(dim1=-2, dim2=-1).mean(-1) / 2
        needed = cosine if which is None else cosine[which]
        value = align.otam(1 - needed, self._motion.smoothing, plan=False).value
        motion = -value / sum(unit.shape[-2:])
        if which is not None:
            motion = torch.zeros_like(quick).masked_scatter_(which, motion)
        return torch.stack([appearance, motion, mean, quick], -1)


def _inverse(lengths: Tensor) -> Tensor:
    """Return one over each length; 0 where it is 0."""
    return torch.where(lengths > 0, 1 / lengths, 0)


def _product(
    products: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> Tensor:
    """Return products of combinations of frames: (… t+1 t+1) → (… t t).

    Args:
        products: Products of ``rooted``.
        first: Factors (… t) of x̄ and of y_t in the t-th combination of the first video.
        second: Factors of those in the second video's.
    """
    (mean, own), (other_mean, other) = first, second
    part = mean[..., None] * products[..., :1, :] + own[..., None] * products[..., 1:, :]
    return part[..., :1] * other_mean[..., None, :] + part[..., 1:] * other[..., None, :]


def _outer(first: Tensor, second: Tensor) -> Tensor:
    return first[..., None] * second[..., None, :]


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Return the products of all frames of videos: (b q m d), (b s m d) → (b q s m m)."""
    products = first.flatten(1, 2) @ second.flatten(1, 2).mT
    return products.view(*first.shape[:3], *second.shape[1:3]).transpose(2, 3)


class VectorBank:
    """Scores episodes by the rows of their videos.

    What pairs of videos need where the channels are as they are is computed once, see
    ``PairTable``; under the other assumptions it depends on the support.

    Args:
        terms: What is compared.
        support: Vectors (v t d) of all support videos.
        query: Vectors (w t d) of all queries.
        intra_class_weight: Weight of the intra-class similarity.
        comparisons: Number of comparisons in all episodes.
    """

    def __init__(
        self,
        terms: VectorTerms,
        support: Tensor,
        query: Tensor,
        intra_class_weight: float,
        comparisons: int,
    ) -> None:
        self._intra_class_weight = intra_class_weight
        self._terms, self._similarities = terms, Similarities(terms.motion, support)
        same = torch.equal(support, query)
        self._vectors = support if same else torch.cat([support, query])
        self._first_query = 0 if same else len(support)
        self._variance, self._mean = torch.var_mean(self._vectors, 1, correction=0)  # (v d)
        self._roots = rooted(self._vectors)
        self._lengths = self._similarities.lengths(
            torch.cat([x @ x.mT for x in self._roots.split(TILE)])
        )
        rows = torch.arange(len(self._vectors), device=support.device)
        self._table = PairTable(
            self._unchanged,
            rows,
            rows[: len(support)],
            symmetric=same,
            comparisons=comparisons,
        )

    def __call__(self, rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        """Return logits (b q n), see ``BankScorer``."""
        queries = queries + self._first_query
        alike = labels[:, :, None] == labels[:, None] if rows.shape[1] > n else None  # (b s s)
        decision = self._prior(rows)
        across, within = self._compared(rows, queries, alike, decision)
        if alike is None:  # no class has two videos
            inside = across[0].new_zeros(len(rows), n)
        else:
            weighted = (
                self._terms.weighted(*values[..., [0, 3, 2]].unbind(-1)) for values in within
            )
            decision = self._terms.posterior(decision, weighted, labels, n)
            pairs = self._mixed(within, decision)
            inside = intra_class_similarity(
                lambda videos, episodes: pairs[
                    episodes[:, None, None], videos["i"][:, :, None], videos["i"][:, None]
                ],
                {"i": torch.arange(rows.shape[1], device=rows.device).expand(rows.shape)},
                labels,
                n,
            )
        state = KernelState({}, labels, inside)
        return state.logits(self._mixed(across, decision), self._intra_class_weight)

    def _prior(self, rows: Tensor) -> VectorDecision:
        means = self._mean[rows]  # (b s d)
        mean = means.mean(1, keepdim=True)
        variance = self._variance[rows].mean(1) + (means - mean).square().mean(1)
        return self._terms.prior(variance.sqrt(), mean[:, 0])

    def _mixed(self, compared: list[Tensor], decision: VectorDecision) -> Tensor:
        weighted = (self._terms.weighted(*values[..., :3].unbind(-1)) for values in compared)
        appearance, motion = self._terms.mixed(weighted, decision).values()
        return appearance + motion

    def _compared(
        self, rows: Tensor, queries: Tensor, alike: Tensor | None, decision: VectorDecision
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return ``Similarities.of`` under each assumption: (b q s 4), and (b s s 4) if needed."""
        across, within = [], []
        size = max(1, AT_ONCE // ((rows.shape[1] + queries.shape[1]) * self._roots[0].numel()))
        for channels in self._terms.channels:
            if not (channels.centred or channels.divided):
                across.append(self._table(queries, rows))
                within += [] if alike is None else [self._table(rows, rows)]
                continue
            parts = [
                self._changed(
                    channels,
                    rows[i],
                    queries[i],
                    None if alike is None else alike[i],
                    decision.of(i),
                )
                for i in torch.arange(len(rows), device=rows.device).split(size)
            ]
            across.append(torch.cat([part[0] for part in parts]))
            within += [] if alike is None else [torch.cat([part[1] for part in parts])]
        return across, within

    def _changed(
        self,
        channels: Channels,
        rows: Tensor,
        queries: Tensor,
        alike: Tensor | None,
        decision: VectorDecision,
    ) -> tuple[Tensor, ...]:
        """Return the same of changed channels: (b q s 4), and (b s s 4) if needed."""
        together, s = torch.cat([queries, rows], 1), rows.shape[1]
        if channels.centred:
            frames = rooted(self._vectors[together].sub_(decision.mean))
        else:
            frames = self._roots[together]
        if channels.divided:
            frames *= decision.scale.sqrt()
        lengths = self._similarities.lengths(frames @ frames.mT)
        query, support = (
            (frames[:, part], Lengths(*(x[:, part] for x in vars(lengths).values())))
            for part in (slice(-s), slice(-s, None))
        )
        sides = ((query, None),) if alike is None else ((query, None), (support, alike))
        return tuple(
            self._similarities.of(_products(x, support[0]), its_lengths, support[1], which)
            for (x, its_lengths), which in sides
        )

    def _unchanged(self, first: Tensor, second: Tensor) -> Tensor:
        products = _products(self._roots[first], self._roots[second])
        return self._similarities.of(products, self._lengths.of(first), self._lengths.of(second))
