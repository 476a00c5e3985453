"""Scores of vectors in a bank, for many episodes: the same logits as ``vectors``, much faster.

``vectors`` changes the frames of each video under each assumption, and takes differences of frames
with thousands of channels. Here the inner products of the frames are computed once under each
assumption, and all similarities are linear in them. With x̄ for the mean of a video's frames and
y_t = x_t − x̄, a unit frame is f_t = g_t (x̄ + y_t), g_t = 1 / ‖x_t‖. The motion is compared by
deviations and differences of f_t, to which only γ_t = g_t − const and y_t contribute. Both are
small where little moves, so that nothing is lost by rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact import align
from fewact.methods.base import Labels
from fewact.methods.common.kernel import TILE, KernelState, PairTable, intra_class_similarity
from fewact.methods.common.temporal import STATIC_NORM
from fewact.methods.fusion.terms import MotionTerm, Values
from fewact.methods.fusion.vectors import Channels, VectorDecision, VectorTerms, Weighted

Mask = NDArray[np.bool_]

AT_ONCE = 2**21
"""Approximate number of values whose products are computed at once."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of what is compared of videos, as factors (b v t) of the frames.

    Args:
        frame: g, one over the length of a frame; 0 for a frame of zeros.
        change: γ, the same minus a number for each video.
        deviation: One over the length of a unit frame's deviation from the mean; 0 if static.
        difference: One over the length of the change between its neighbours.
        motion: One over the length of both, joined.
        appearance: One over the length of all unit frames, joined: (b v).
        mean: One over the length of their mean: (b v).
    """

    frame: Values
    change: Values
    deviation: Values
    difference: Values
    motion: Values
    appearance: Values
    mean: Values

    def of(self, rows: Labels) -> "Lengths":
        """Return the lengths of some videos of a bank without b: (v …), (b s) → (b s …)."""
        return Lengths(*(value[rows] for value in vars(self).values()))


def rooted(vectors: Values) -> Values:
    """Return the signed square roots x_t of frames as x̄, then y_t: (… t d) → (… t+1 d)."""
    *videos, frames, channels = vectors.shape
    rooted = np.empty((*videos, frames + 1, channels), vectors.dtype)
    mean, changes = rooted[..., :1, :], rooted[..., 1:, :]
    np.abs(vectors, out=changes)
    np.sqrt(changes, out=changes)
    np.copysign(changes, vectors, out=changes)
    np.mean(changes, -2, keepdims=True, out=mean)
    changes -= mean
    return rooted


class Similarities:
    """Similarities of videos of t frames, from products of ``rooted``.

    Args:
        motion: How motion is compared.
        vectors: Vectors (v t d) of any videos.
    """

    def __init__(self, motion: MotionTerm, vectors: Values) -> None:
        self._motion, self._square = motion, motion.velocity**2
        identity = np.eye(vectors.shape[1], dtype=vectors.dtype)
        padded = np.concatenate([identity[:1], identity, identity[-1:]])
        operators = (identity - 1 / len(identity), padded[2:] - padded[:-2])
        # Both operators on both sides of a matrix (t t), as one matrix of t² columns each.
        columns = np.concatenate([np.kron(x, x) for x in operators]).T
        self._operators = np.ascontiguousarray(columns, vectors.dtype)

    def lengths(self, own: Values) -> Lengths:
        """Return the lengths of videos, from the products of each with itself (… t+1 t+1)."""
        t = own.shape[-1] - 1
        excess = 2 * own[..., 0, 1:] + _diagonal(own)[..., 1:]  # (… t)
        square = np.maximum(own[..., :1, 0] + excess, 0)
        length = np.sqrt(square)
        typical = np.sqrt(square.mean(-1, keepdims=True))
        frame = _inverse(length)
        less = excess.mean(-1, keepdims=True) - excess
        change = less * frame * _inverse(typical) * _inverse(length + typical)
        change = np.where(length == 0, -_inverse(typical), change)
        unit, changed = (_product(own, (x, frame), (x, frame)) for x in (frame, change))
        deviation, difference = (
            _diagonal(x.reshape(*own.shape[:-2], t, t)) for x in self._operated(changed)
        )
        smallest = STATIC_NORM**2 * (length > 0)
        moving = [x > smallest for x in (deviation, difference)]
        joined = moving[0] + self._square * moving[1]
        deviation, difference = (
            np.where(moves, x, 0) for x, moves in zip((deviation, difference), moving, strict=True)
        )
        return Lengths(
            frame,
            change,
            deviation=_inverse(np.sqrt(deviation)),
            difference=_inverse(np.sqrt(difference)),
            motion=_inverse(np.sqrt(joined).astype(own.dtype)),
            appearance=_inverse(np.sqrt((length > 0).sum(-1)).astype(own.dtype)),
            mean=_inverse(np.sqrt(np.maximum(unit.mean((-2, -1)), 0))),
        )

    def _operated(self, changed: Values) -> tuple[Values, Values]:
        """Return both operators on both sides of matrices: (… t t) → two of (… t²)."""
        flat = changed.reshape(*changed.shape[:-2], -1) @ self._operators
        half = flat.shape[-1] // 2
        return flat[..., :half], flat[..., half:]

    def of(
        self, products: Values, first: Lengths, second: Lengths, which: Mask | None = None
    ) -> Values:
        """Return similarities (b q s 4): appearance, motion, means, and motion approximately.

        Args:
            products: Products of ``rooted`` (b q s t+1 t+1).
            first: Lengths of the first videos (b q …).
            second: Lengths of the second videos (b s …).
            which: Pairs (b q s) whose motion is needed exactly; None for all, 0 for the others.
        """
        a, b = (
            Lengths(*(np.expand_dims(value, axis) for value in vars(x).values()))
            for x, axis in ((first, 2), (second, 1))
        )
        unit = _product(products, (a.frame, a.frame), (b.frame, b.frame))  # (b q s t t)
        appearance = _trace(unit) * a.appearance * b.appearance
        mean = unit.mean((-2, -1)) * a.mean * b.mean
        changed = _product(products, (a.change, a.frame), (b.change, b.frame))
        deviation, difference = (x.reshape(unit.shape) for x in self._operated(changed))
        cosine = deviation * _outer(a.deviation, b.deviation)
        difference *= _outer(self._square * a.difference, b.difference)
        cosine += difference
        cosine *= _outer(a.motion, b.motion)
        quick = _trace(cosine) / (2 * unit.shape[-1])
        needed = cosine if which is None else cosine[which]
        value = align.otam(1 - needed, self._motion.smoothing, plan=False).value
        motion = -value / sum(unit.shape[-2:])
        if which is not None:
            exact = np.zeros_like(quick)
            exact[which] = motion
            motion = exact
        return np.stack([appearance, motion, mean, quick], -1)


def _diagonal(matrices: Values) -> Values:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _trace(matrices: Values) -> Values:
    trace: Values = np.trace(matrices, axis1=-2, axis2=-1)
    return trace


def _inverse(lengths: Values) -> Values:
    """Return one over each length; 0 where it is 0."""
    inverse: Values = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverse


def _product(
    products: Values, first: tuple[Values, Values], second: tuple[Values, Values]
) -> Values:
    """Return products of combinations of frames: (… t+1 t+1) → (… t t).

    Args:
        products: Products of ``rooted``.
        first: Factors (… t) of x̄ and of y_t in the t-th combination of the first video.
        second: Factors of those in the second video's.
    """
    (mean, own), (other_mean, other) = first, second
    part = own[..., None] * products[..., 1:, :]
    part += mean[..., None] * products[..., :1, :]
    combined = part[..., 1:] * other[..., None, :]
    combined += part[..., :1] * other_mean[..., None, :]
    return combined


def _outer(first: Values, second: Values) -> Values:
    return first[..., None] * second[..., None, :]


def _products(first: Values, second: Values) -> Values:
    """Return the products of all frames of videos: (b q m d), (b s m d) → (b q s m m)."""
    (b, q, m, _), (_, s, n, _) = first.shape, second.shape
    products = first.reshape(b, q * m, -1) @ second.reshape(b, s * n, -1).mT
    return products.reshape(b, q, m, s, n).swapaxes(2, 3)


class VectorBank:
    """Scores episodes by the rows of their videos.

    Values of pairs of videos with unchanged channels are computed once, see ``PairTable``. Under
    the other assumptions they depend on the support.

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
        support: Values,
        query: Values,
        intra_class_weight: float,
        comparisons: int,
    ) -> None:
        self._intra_class_weight = intra_class_weight
        self._terms, self._similarities = terms, Similarities(terms.motion, support)
        same = np.array_equal(support, query)
        self._vectors = support if same else np.concatenate([support, query])
        self._first_query = 0 if same else len(support)
        self._variance, self._mean = self._vectors.var(1), self._vectors.mean(1)  # (v d)
        self._roots = rooted(self._vectors)
        tiles = (self._roots[i : i + TILE] for i in range(0, len(self._roots), TILE))
        self._lengths = self._similarities.lengths(np.concatenate([x @ x.mT for x in tiles]))
        rows = np.arange(len(self._vectors))
        self._table = PairTable(
            self._unchanged,
            rows,
            rows[: len(support)],
            symmetric=same,
            comparisons=comparisons,
        )

    def __call__(self, rows: Labels, labels: Labels, n: int, queries: Labels) -> Values:
        """Return logits (b q n), see ``BankScorer``."""
        queries = queries + self._first_query
        alike = labels[:, :, None] == labels[:, None] if rows.shape[1] > n else None  # (b s s)
        decision = self._prior(rows)
        across, within = self._compared(rows, queries, alike, decision)
        if alike is None:  # no class has two videos
            inside = np.zeros((len(rows), n), across[0].dtype)
        else:
            weighted = (self._weighted(values[..., [0, 3, 2]]) for values in within)
            decision = self._terms.posterior(decision, weighted, labels, n)
            pairs = self._mixed(within, decision)
            inside = intra_class_similarity(
                lambda videos, episodes: pairs[
                    episodes[:, None, None], videos["i"][:, :, None], videos["i"][:, None]
                ],
                {"i": np.broadcast_to(np.arange(rows.shape[1]), rows.shape)},
                labels,
                n,
            )
        state = KernelState({}, labels, inside)
        logits: Values = state.logits(self._mixed(across, decision), self._intra_class_weight)
        return logits

    def _prior(self, rows: Labels) -> VectorDecision:
        means = self._mean[rows]  # (b s d)
        mean = means.mean(1, keepdims=True)
        variance = self._variance[rows].mean(1) + np.square(means - mean).mean(1)
        return self._terms.prior(np.sqrt(variance), mean[:, 0])

    def _weighted(self, values: Values) -> Weighted:
        return self._terms.weighted(*np.moveaxis(values, -1, 0))

    def _mixed(self, compared: list[Values], decision: VectorDecision) -> Values:
        weighted = (self._weighted(values[..., :3]) for values in compared)
        appearance, motion = self._terms.mixed(weighted, decision).values()
        return appearance + motion

    def _compared(
        self, rows: Labels, queries: Labels, alike: Mask | None, decision: VectorDecision
    ) -> tuple[list[Values], list[Values]]:
        """Return ``Similarities.of`` under each assumption: (b q s 4), and (b s s 4) if needed."""
        across, within = [], []
        size = max(1, AT_ONCE // ((rows.shape[1] + queries.shape[1]) * self._roots[0].size))
        for channels in self._terms.channels:
            if not (channels.centred or channels.divided):
                across.append(self._table(queries, rows))
                within += [] if alike is None else [self._table(rows, rows)]
                continue
            parts = [
                self._changed(
                    channels,
                    rows[i : i + size],
                    queries[i : i + size],
                    None if alike is None else alike[i : i + size],
                    decision.of(slice(i, i + size)),
                )
                for i in range(0, len(rows), size)
            ]
            across.append(np.concatenate([part[0] for part in parts]))
            within += [] if alike is None else [np.concatenate([part[1] for part in parts])]
        return across, within

    def _changed(
        self,
        channels: Channels,
        rows: Labels,
        queries: Labels,
        alike: Mask | None,
        decision: VectorDecision,
    ) -> tuple[Values, ...]:
        """Return the same of changed channels: (b q s 4), and (b s s 4) if needed."""
        together, s = np.concatenate([queries, rows], 1), rows.shape[1]
        if channels.centred:
            centred = self._vectors[together]
            centred -= decision.mean
            frames = rooted(centred)
        else:
            frames = self._roots[together]
        if channels.divided:
            frames *= np.sqrt(decision.scale)
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

    def _unchanged(self, first: Labels, second: Labels) -> Values:
        products = _products(self._roots[first], self._roots[second])
        return self._similarities.of(products, self._lengths.of(first), self._lengths.of(second))
