"""Small vectors of windows: what an index keeps of frames along time, and how it is compared.

They are projections of the vectors that ``fusion`` compares: appearance of moving parts, appearance
of full frames, and learned motion. So an index is for ``fusion`` over maps alone. The similarity of
small vectors is a correlation along time: all windows of any duration are scored by a few products
of matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ModelError
from fewact.features.request import DifferenceImageRequest, View
from fewact.methods.base import Method, Nodes
from fewact.methods.common.reduction import orthogonal_projection
from fewact.methods.common.temporal import normalised
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.motion_network import FRAMES, LENGTH
from fewact.methods.fusion.terms import AppearanceTerm, LearnedMotionTerm, MotionTerm

Array = NDArray[np.floating]
Rows = Mapping[str, Array]
"""Vectors (n d) along time, by track."""


class TrackSize(NamedTuple):
    """Vectors a second, and their length."""

    rate: int
    width: int


INDEX_TRACKS: Final = {
    "appearance": TrackSize(4, 256),
    "layout": TrackSize(4, 256),
    "motion": TrackSize(8, LENGTH),
}
"""What is kept of a recording. Row r of a track is of the time (r + 0.5) / rate."""

COMPARED_FRAMES: Final = 8
"""Frames of a clip whose appearance and layout ``fusion`` compares by default."""

LEARNED_FRAMES: Final = 32
"""Frames of a clip of whose differences ``fusion`` makes the images of learned motion."""

EVEN_POSITIONS: Final = (np.arange(COMPARED_FRAMES) + 0.5) / COMPARED_FRAMES

POSITIONS: Final = {
    "appearance": EVEN_POSITIONS,
    "layout": EVEN_POSITIONS,
    "motion": (np.linspace(0, LEARNED_FRAMES - 1, FRAMES) + 0.5) / LEARNED_FRAMES,
}
"""Positions at which the rows of a window are compared, as fractions of its duration. They are the
positions of the frames that ``fusion`` compares."""

CELL_SECONDS: Final = 0.5
"""Duration of the cells of time in which variances are computed and spans begin, in seconds."""

VARIANCE_FLOOR: Final = {"layout": 1.0, "motion": 1.0}
"""Constant that is added to the variance of a window: in a still window the rows are noise."""

ALIGNED_UNLIKE = -0.5
"""Similarity of aligned motion, minus its cost per frame, that different movements reach. Chosen on
development recordings, see docs/results/archive.md."""

ALIGNED_SOFTNESS = 0.05
"""How gently what is above it begins to count."""

SMALLEST_LENGTH = 1e-6
"""Length of a vector below which it counts as zero."""

ALIGNMENT: Final = LearnedMotionTerm(DifferenceImageRequest(View(FRAMES)))


@dataclass(frozen=True)
class SmallVectors:
    """Small vectors of a clip or a window.

    Args:
        length: Duration, in seconds.
        vectors: Vectors (k d) at ``POSITIONS``, by track; their sum of squares is 1.
    """

    length: float
    vectors: Rows

    @classmethod
    def of_nodes(cls, method: Method, nodes: Nodes, length: float) -> "SmallVectors":
        """Return the small vectors of a clip, from its nodes (…) by ``fusion``.

        Raises:
            ModelError: The method is not ``fusion``, or its terms or numbers of frames differ.
        """
        frames = _frame_vectors(method, nodes)
        if {name: len(values) for name, values in frames.items()} != {
            name: len(positions) for name, positions in POSITIONS.items()
        }:
            raise ModelError(
                "only clips that are compared by fusion, with its default frames, can be found in "
                "an index",
                got=", ".join(nodes),
            )
        return cls._of(length, {name: projected(name, values) for name, values in frames.items()})

    @classmethod
    def of_rows(cls, rows: Rows, start: float, length: float) -> "SmallVectors":
        """Return the small vectors of a window of an index."""
        at = np.array([start])
        vectors = {n: rows[n][rows_at(n, at, length, len(rows[n]))[0]] for n in INDEX_TRACKS}
        return cls._of(length, vectors)

    @classmethod
    def _of(cls, length: float, vectors: Rows) -> "SmallVectors":
        return cls(length, {name: _normalised(name, value) for name, value in vectors.items()})

    def joined(self, weights: Mapping[str, float]) -> Array:
        """Return the vectors of all tracks as one (d) of length 1.

        The products of such vectors add up the similarities by these weights.
        """
        total = sum(weights.values())
        return np.concatenate(
            [self.vectors[name].ravel() * (weights[name] / total) ** 0.5 for name in INDEX_TRACKS]
        )


def _frame_vectors(method: Method, nodes: Nodes) -> dict[str, Array]:
    """Return the vectors (t c) of the frames of a clip by track, as far as the method has them."""
    vectors: dict[str, Array] = {}
    for weighted in method.terms.terms if isinstance(method, Fusion) else ():
        term, node = weighted.term, nodes[weighted.name]
        if isinstance(term, AppearanceTerm):
            vectors["appearance"] = node.reshape(term.view.frames, -1)
        elif isinstance(term, LearnedMotionTerm):
            vectors["motion"] = node[:, :LENGTH]
        elif isinstance(term, MotionTerm) and weighted.when == "static" and not term.crop:
            vectors["layout"] = node[:, : node.shape[1] // 2]  # deviations, without the changes
    return vectors


def motion_of_nodes(method: Method, nodes: Nodes) -> Array:
    """Return the vectors of learned motion of clips (s t d), of length 1, from nodes (s …)."""
    names = [
        weighted.name
        for weighted in (method.terms.terms if isinstance(method, Fusion) else ())
        if isinstance(weighted.term, LearnedMotionTerm)
    ]
    return nodes[names[0]][..., :LENGTH]


def _normalised(name: str, vectors: Array) -> Array:
    if name == "appearance":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(SMALLEST_LENGTH)
    else:
        vectors = vectors - vectors.mean(0)
    scaled: Array = vectors / max(float(np.linalg.norm(vectors)), SMALLEST_LENGTH)
    return scaled


def projected(track: str, vectors: NDArray[Any]) -> Array:
    """Return what a track keeps of vectors (… c), before they are rounded: (… d).

    A component of a random unit vector has a standard deviation of 1.
    """
    channels, width = vectors.shape[-1], INDEX_TRACKS[track].width
    if channels == width:
        return vectors
    scaled: Array = vectors @ orthogonal_projection(channels, width).T
    scaled *= np.float32(channels**0.5)
    return scaled


def rows_at(track: str, starts: Array, length: float, rows: int) -> NDArray[np.int64]:
    """Return the rows (w k) of windows that start at times (w) in seconds."""
    times = starts[:, None] + length * POSITIONS[track]
    return (times * INDEX_TRACKS[track].rate).astype(np.int64).clip(0, rows - 1)


def row_products(rows: Rows, examples: Sequence[SmallVectors]) -> dict[str, Array]:
    """Return the products (k q n) of all rows with the vectors of q examples, by track."""
    products: dict[str, Array] = {}
    for name, values in rows.items():
        queries = np.stack([example.vectors[name] for example in examples], 1)  # (k q d)
        across = queries.reshape(-1, queries.shape[-1]).astype(np.float32)
        product = (across @ values.T).reshape(*queries.shape[:2], len(values))
        if name == "appearance":
            product /= np.sqrt(np.einsum("nd,nd->n", values, values)).clip(SMALLEST_LENGTH)
        products[name] = product
    return products


def window_similarities(
    products: Rows, variances: Rows, starts: Array, length: float
) -> dict[str, Array]:
    """Return the similarities (w q) of windows with examples, by track, about −1 to 1.

    Args:
        products: Products of the rows with the examples, see ``row_products``.
        variances: Variances of the rows, see ``row_variances``.
        starts: Starts (w) of the windows, in seconds.
        length: Their duration, in seconds.
    """
    similarities = {}
    for name, values in products.items():
        at = rows_at(name, starts, length, values.shape[-1])
        total = values[0][:, at[:, 0]]  # (q w)
        for k, of_position in enumerate(values[1:], start=1):
            total += of_position[:, at[:, k]]
        size = np.full(len(starts), float(len(values)))
        if name in variances:
            middle = ((starts + length / 2) / CELL_SECONDS).astype(np.int64)
            size *= variances[name][middle.clip(0, len(variances[name]) - 1)] + VARIANCE_FLOOR[name]
        similarities[name] = (total / np.sqrt(size)).T
    return similarities


def row_variances(rows: Rows, length: float) -> dict[str, Array]:
    """Return the variance of the changes in a window around each cell of time.

    Sums of cells suffice: the windows are as many of them as fit best.
    """
    variances = {}
    for name in VARIANCE_FLOOR:
        values, per_cell = rows[name], round(CELL_SECONDS * INDEX_TRACKS[name].rate)
        count = len(values) // per_cell
        cells = values[: count * per_cell].reshape(count, per_cell, -1).sum(1)  # (c d)
        squares = np.einsum("nd,nd->n", values, values)[: count * per_cell]
        squares = squares.reshape(count, per_cell).sum(1)
        wide = max(1, min(round(length / CELL_SECONDS), count))
        # Adding neighbours is faster than a cumulative sum along the first axis.
        spans = count - wide + 1
        sums, totals = (sum(x[i : i + spans] for i in range(wide)) for x in (cells, squares))
        mean = sums / (wide * per_cell)
        variance = totals / (wide * per_cell) - np.einsum("nd,nd->n", mean, mean)
        before = wide // 2
        variances[name] = np.pad(variance.clip(0), (before, wide - 1 - before), mode="edge")
    return variances


def motion_at(rows: Array, starts: Array, lengths: Array | float) -> Array:
    """Return the vectors of learned motion of windows (w t d), of length 1."""
    at = starts[:, None] + np.reshape(lengths, (-1, 1)) * POSITIONS["motion"]
    motion = rows[(at * INDEX_TRACKS["motion"].rate).astype(np.int64).clip(0, len(rows) - 1)]
    return np.asarray(normalised(motion - motion.mean(1, keepdims=True)))


def aligned_similarities(windows: Array, examples: Array) -> Array:
    """Return how much more alike than different motions are: (b w t d), (b s t d) → (b w s).

    Unlike a correlation, an alignment forgives a window that begins early or late.
    """
    return above(ALIGNMENT.alignment(windows, examples), ALIGNED_UNLIKE, ALIGNED_SOFTNESS)


def above(similarity: Array, unlike: float, softness: float) -> Array:
    """Return by how much similarities exceed ``unlike``: a softplus, from 0 on."""
    exceeding: Array = softness * np.logaddexp(0, (similarity - unlike) / softness)
    return exceeding
