"""Moments of a video's feature maps over windows of several lengths: the descriptors of its nodes.

``multi_scale_moments`` computes second-order moments and their matrix square roots.
``cross_frame`` computes the covariance between windows that changes sign when time is reversed.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import (
    Array,
    check_array,
    namespace,
    namespace_of_type,
    widened,
    without_autocast,
    without_gradient,
)
from fewact.core.errors import OptionError, ShapeError, check_choice

__all__ = [
    "Descriptor",
    "cross_frame",
    "multi_scale_moments",
    "newton_schulz_sqrt",
    "upper_triangle",
    "window_times",
    "windows",
]


def windows(t: int, lengths: Sequence[int] = (1, 2, 4)) -> tuple[tuple[int, int], ...]:
    """Return windows that tile t frames, once for each length, in the order of the lengths.

    Where a length does not divide t, the last window of that length is shorter.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.

    Returns:
        (start, stop) of each window, stop excluded.

    Raises:
        OptionError: ``t`` or a length is below 1, or there are no lengths.

    >>> windows(3, (1, 2))
    ((0, 1), (1, 2), (2, 3), (0, 2), (2, 3))
    """
    if t < 1:
        raise OptionError("invalid number of frames", where="t", got=str(t), expected="1 or more")
    if not lengths or any(length < 1 for length in lengths):
        raise OptionError(
            "invalid window lengths",
            where="lengths",
            got=repr(lengths),
            expected="one or more integers from 1, in frames",
        )
    return tuple(
        (start, min(start + length, t)) for length in lengths for start in range(0, t, length)
    )


def window_times(
    t: int,
    lengths: Sequence[int] = (1, 2, 4),
    grid: int = 1,
    *,
    dtype: Any = np.float32,
    device: Any = None,
) -> Any:
    """Return the time of each node of ``multi_scale_moments``.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.
        grid: 1, or 2 with the nodes of the spatial grid, which have the time of their window.
        dtype: Data type of the result: one of PyTorch for a tensor.
        device: Device of the result.

    Returns:
        (m,) centers of the nodes' windows divided by t: 0 is the start, 1 the end.

    >>> window_times(4, (2, 4))
    array([0.25, 0.75, 0.5 ], dtype=float32)
    """
    _check_grid(grid)
    centers = [(start + stop) / (2 * t) for start, stop in windows(t, lengths)]
    parts = [center for center in centers for _ in range(grid * grid)] if grid > 1 else []
    return namespace_of_type(dtype).asarray(centers + parts, dtype=dtype, device=device)


def _check_grid(grid: int) -> None:
    if grid not in (1, 2):
        raise OptionError(
            "invalid spatial grid", where="grid", got=repr(grid), expected="1 (none) or 2 (2×2)"
        )


@lru_cache
def _node_weights(
    t: int, lengths: tuple[int, ...], samples: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the weight of each part of a frame in each node (m t·g), rows summing to 1.

    A part is one of the g cells of the spatial grid, with its number of ``samples``; without a grid
    it is the full frame. Rows are the windows over full frames, then the parts of each window.
    """
    spans = windows(t, lengths)
    inside = np.zeros((len(spans), t))
    for row, (start, stop) in zip(inside, spans, strict=True):
        row[start:stop] = 1
    nodes = [(inside[:, :, None] * samples).reshape(len(spans), -1)]  # (windows t·g)
    if (g := len(samples)) > 1:
        parts = inside[:, None, :, None] * np.eye(g)[:, None]
        nodes.append(parts.reshape(len(spans) * g, -1))
    weights: NDArray[np.float64] = np.concatenate(nodes)
    weights /= weights.sum(1, keepdims=True)
    return weights


def upper_triangle(matrix: Array) -> Array:
    """Return the entries on and above the diagonal, row by row: (… d d) → (… d(d+1)/2).

    Off-diagonal entries are not weighted by √2.

    >>> upper_triangle(np.array([[1, 2], [2, 3]]))
    array([1, 2, 3])
    """
    check_array(matrix, "… d d", "matrix")
    entries: Array = _entries_above(matrix, 0)
    return entries


def _entries_above(matrix: Any, offset: int) -> Any:
    """Return the entries of (… d d) from a diagonal upwards, row by row."""
    xp, d = namespace(matrix), matrix.shape[-1]
    cells = xp.asarray(_cells_above(d, offset), device=matrix.device)
    return xp.take(xp.reshape(matrix, (*matrix.shape[:-2], d * d)), cells, axis=-1)


@lru_cache(maxsize=8)
def _cells_above(d: int, offset: int) -> NDArray[np.int64]:
    return np.flatnonzero(np.triu(np.ones((d, d)), offset))


NO_VARIATION = 1e-12
"""Largest trace that counts as no variation; the root is then zero."""


def newton_schulz_sqrt(p: Array, steps: int = 3) -> Array:
    """Approximate the square root of symmetric positive semi-definite matrices in a few steps.

    With A = P / tr P, the recurrence Z = ½(3I − A), Y = A Z; T = ½(3I − Z Y), Y ← Y T, Z ← T Z;
    finally Y ← ½ Y (3I − Z Y) and S = √(tr P) · Y (iSQRT-COV; A²M²-Net, M² block). The method uses
    three steps, which do not reach the true root; the result converges to it as ``steps`` grows. A
    matrix of trace at most 1e-12 has the root zero, and no gradient.

    Args:
        p: (… d d) symmetric, positive semi-definite. Types narrower than float32, and any type
            inside autocast, are computed in float32; float64 stays float64.
        steps: Newton–Schulz steps, at least 1. Beyond about 20, rounding errors grow for a matrix
            without full rank.

    Returns:
        (… d d) float32 or float64.

    Raises:
        ShapeError: The matrices are not square.
        OptionError: ``steps`` is below 1.

    >>> newton_schulz_sqrt(np.array([[4.0]]))
    array([[2.]])
    """
    check_array(p, "… d d", "p")
    _check_steps(steps)
    with without_autocast(p):
        root: Array = _root(widened(p), steps)
    return root


def _check_steps(steps: int) -> None:
    if not isinstance(steps, int) or steps < 1:
        raise OptionError(
            "invalid number of Newton–Schulz steps",
            where="steps",
            got=repr(steps),
            expected="an integer from 1",
        )


def _root(p: Any, steps: int) -> Any:
    """Run the recurrence on (… d d), rewritten for fewer products.

    All matrices are polynomials of A and commute, so Z is not needed: with B = Z Y one step is
    T = ½(3I − B), Y ← Y T, B ← B T². The last two steps are one polynomial of B,
    T T' = (36 I − 39 B + B² (27 I − 9 B + B²)) / 16. Three steps take 5 products instead of 6.
    """
    xp = namespace(p)
    trace = xp.sum(xp.linalg.diagonal(p), axis=-1)[..., None, None]
    constant = trace <= NO_VARIATION
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    trace = xp.where(constant, 1.0, trace)
    scale = xp.where(constant, 0.0, xp.sqrt(trace))
    a = p / trace
    t = _shifted(-0.5 * a, 1.5)
    y = a @ t
    if steps == 1:
        return y * scale
    b = y @ t
    for _ in range(steps - 3):
        t = _shifted(-0.5 * b, 1.5)
        y, b = y @ t, b @ t @ t
    if steps == 2:
        return y @ _shifted(-0.5 * b, 1.5) * scale
    square = b @ b
    tail = square @ _shifted(square - 9 * b, 27.0)
    tail -= 39 * b
    return y @ _shifted(tail, 36.0) * (scale / 16)


def _shifted(matrix: Any, shift: float) -> Any:
    """Add a number to the diagonal of (… d d), in place where its memory is in order."""
    d = matrix.shape[-1]
    rows = namespace(matrix).reshape(matrix, (-1, d * d))
    rows[:, :: d + 1] += shift
    return namespace(matrix).reshape(rows, matrix.shape)


Descriptor = Literal["sqrt", "covariance", "mean"]
"""Descriptor of a window: square root of its covariance, covariance, or first-order mean."""


def multi_scale_moments(
    maps: Array,
    lengths: Sequence[int] = (1, 2, 4),
    steps: int = 3,
    *,
    descriptor: Descriptor = "sqrt",
    grid: int = 1,
    subtract_clip_mean: bool = False,
) -> Array:
    """Compute second-order descriptors over windows of several lengths (A²M²-Net, M² block).

    A window's samples are all cells of all its frames. The descriptor is the upper triangle of the
    square root (``newton_schulz_sqrt``) of their covariance P, divided by the number of samples.
    Covariances of frames are computed once and reused for all windows, by the law of total
    covariance: P of a window = mean of its frames' P + covariance of its frames' means.

    The descriptor is zero if the window's variation is within the rounding error of its samples.
    The descriptor ``mean`` is zero if the mean is within that error. The root is also zero if the
    trace of P is at most 1e-12: scale features that are as small as 1e-7.

    Vectors (… t d) of a backbone without maps are maps with one cell (… t d 1 1). The samples of a
    window are then its frames, and a window of one frame, which has no covariance, has the outer
    product z zᵀ instead.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Window lengths in frames. Windows don't overlap; where a length does not divide t,
            the last window is shorter.
        steps: Newton–Schulz steps.
        descriptor: ``sqrt``; ``covariance``, the upper triangle of P; ``mean``, the mean of the
            samples, D = d.
        grid: 1, or 2 to add the four quarters of the maps as nodes of each window.
        subtract_clip_mean: Whether to subtract the clip's mean map from each frame first, which
            removes the static background.

    Returns:
        (… m D), D = d(d+1)/2. Nodes are windows: all of the first length in order of time, then all
        of the next length. With ``grid=2`` four nodes for each window follow, in the same order:
        top left, top right, bottom left, bottom right. An odd middle row or column belongs to the
        bottom or right.

    Raises:
        ShapeError: The maps have other axes, or ``grid=2`` and h or w is 1.
        OptionError: A window length, the number of steps, the descriptor or the grid is invalid.

    >>> multi_scale_moments(np.ones((8, 5, 3, 2))).shape
    (14, 15)
    """
    size = check_array(maps, "… t d h w", "maps")
    _check_steps(steps)
    check_choice(descriptor, get_args(Descriptor), "descriptor")
    _check_grid(grid)
    if grid > min(size["h"], size["w"]):
        raise ShapeError(
            "the maps are too small for a spatial grid",
            where="maps",
            got=f"h {size['h']}, w {size['w']}",
            expected="h and w of 2 or more",
        )
    with without_autocast(maps):
        nodes: Array = _nodes(widened(maps), lengths, steps, descriptor, grid, subtract_clip_mean)
    return nodes


def _nodes(
    maps: Any,
    lengths: Sequence[int],
    steps: int,
    descriptor: Descriptor,
    grid: int,
    subtract_clip_mean: bool,
) -> Any:
    """Return descriptors (… m D) of maps (… t d h w) in float32 or float64."""
    xp = namespace(maps)
    changes = maps - xp.mean(maps, axis=-4, keepdims=True) if subtract_clip_mean else maps
    cells = _cells(changes, grid)  # g of (… t d M)
    samples = tuple(cell.shape[-1] for cell in cells)
    weights = xp.asarray(
        _node_weights(maps.shape[-4], tuple(lengths), samples), dtype=maps.dtype, device=maps.device
    )  # (m t·g)
    means = [xp.mean(cell, axis=-1, keepdims=True) for cell in cells]
    mean = _by_cell([mean[..., 0] for mean in means], 2)  # (… t·g d)
    window_mean = weights @ mean
    with without_gradient(maps):
        energy = _by_cell([_energy(cell) for cell in _cells(maps, grid)], 1) @ weights.mT
    if descriptor == "mean":
        with without_gradient(maps):
            variation = xp.sum(window_mean * window_mean, axis=-1)
        return _without_rounding(window_mean, variation, energy)
    centred = [cell - mean for cell, mean in zip(cells, means, strict=True)]
    within = _by_cell([z @ z.mT / z.shape[-1] for z in centred], 3)  # (… t·g d d)
    if maps.shape[-2:] == (1, 1):
        alone = xp.any(weights == 1, axis=1, keepdims=True)
        window_mean = xp.where(alone, 0.0, window_mean)
    covariance = _covariance(within, weights, mean, window_mean)
    with without_gradient(maps):
        variation = xp.sum(xp.linalg.diagonal(covariance), axis=-1)
    root = _root(covariance, steps) if descriptor == "sqrt" else covariance
    return _without_rounding(_entries_above(root, 0), variation, energy)


def _cells(maps: Any, grid: int) -> list[Any]:
    """Split maps into the g parts of the grid: (… t d h w) → g of (… t d M)."""
    h, w = maps.shape[-2:]
    whole = [maps]
    if grid == 2:
        rows = maps[..., : h // 2, :], maps[..., h // 2 :, :]
        whole = [part for row in rows for part in (row[..., : w // 2], row[..., w // 2 :])]
    return [_joined(part, part.ndim - 2) for part in whole]


def _joined(values: Any, axis: int) -> Any:
    """Join an axis and the next one."""
    shape = values.shape
    joined = shape[axis] * shape[axis + 1]
    return namespace(values).reshape(values, (*shape[:axis], joined, *shape[axis + 2 :]))


def _by_cell(values: list[Any], axes: int) -> Any:
    """Interleave values of the g parts, frame by frame: g of (… t ·) → (… t·g ·)."""
    if len(values) == 1:
        return values[0]
    axis = values[0].ndim - axes
    return _joined(namespace(values[0]).stack(values, axis=axis + 1), axis)


def _energy(cell: Any) -> Any:
    """Compute the mean squared norm of the samples: (… t d M) → (… t)."""
    length = namespace(cell).linalg.vector_norm(cell, axis=(-2, -1))
    return length * length / cell.shape[-1]


def _covariance(within: Any, weights: Any, mean: Any, window_mean: Any) -> Any:
    """Return the covariances of windows (… m d d) by the law of total covariance.

    Args:
        within: (… t·g d d) covariances of the parts.
        weights: (m t·g) weights of the parts in each window.
        mean: (… t·g d) means of the parts.
        window_mean: (… m d).
    """
    xp = namespace(within)
    shared = weights @ _joined(within, within.ndim - 2)  # (… m d·d)
    between = mean[..., None, :, :] - window_mean[..., None, :]  # (… m t·g d)
    between = between * xp.sqrt(weights)[:, :, None]
    covariance = between.mT @ between
    covariance += xp.reshape(shared, covariance.shape)
    return covariance


def _without_rounding(descriptors: Any, variation: Any, energy: Any) -> Any:
    """Return descriptors (… m D), zero for a window without variation."""
    constant = _is_rounding(variation, energy)[..., None]
    return namespace(descriptors).where(constant, 0.0, descriptors)


def _is_rounding(variation: Any, energy: Any) -> Any:
    """Return where variation (…) is below the rounding error of its samples.

    It depends on their energy: their mean squared norm (…) before any subtraction.
    """
    epsilon = float(namespace(energy).finfo(energy.dtype).eps)
    return variation <= (8 * epsilon) ** 2 * energy


def cross_frame(maps: Array, lengths: Sequence[int] = (1, 2, 4), *, root: bool = True) -> Array:
    """Compute the antisymmetric part of the covariance of neighbouring windows.

    It changes sign when time is reversed. With C the covariance of a window's samples with the
    samples of the next window of its length, at the same cells of corresponding frames,
    R = ½ (C − Cᵀ) and S = R / (tr P · tr P')^¼, where P and P' are the covariances of the two
    windows (ours). The last window of a length gets the S of the pair before it. S is zero for the
    only window of a length and for pairs without variation.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Window lengths in frames, as for ``multi_scale_moments``.
        root: Whether to return S, in the unit of the square root of a covariance, instead of R.

    Returns:
        (… m d(d−1)/2), the strict upper triangle row by row, in the order of the windows.

    Raises:
        ShapeError: The maps have other axes.
        OptionError: A window length is invalid.

    >>> cross_frame(np.ones((8, 5, 3, 2))).shape
    (14, 10)
    """
    check_array(maps, "… t d h w", "maps")
    with without_autocast(maps):
        nodes: Array = _changes(widened(maps), lengths, root)
    return nodes


def _changes(maps: Any, lengths: Sequence[int], root: bool) -> Any:
    """Return R or S (… m d(d−1)/2) of maps (… t d h w) in float32 or float64."""
    xp = namespace(maps)
    *_, t, d, _, _ = maps.shape
    samples = xp.moveaxis(_joined(maps, maps.ndim - 2), -3, -2)  # (… d t M)

    @cache
    def centred(start: int, count: int) -> tuple[Any, Any]:
        return _centred(samples[..., start : start + count, :])

    nodes: list[Any] = []
    for length in lengths:
        pairs = []
        for (start, stop), (following, end) in pairwise(windows(t, (length,))):
            count = min(stop - start, end - following)
            pairs.append(_pair(*centred(start, count), *centred(following, count), root))
        none = xp.zeros((*maps.shape[:-4], d, d), dtype=maps.dtype, device=maps.device)
        nodes += [*pairs, pairs[-1]] if pairs else [none]
    return _entries_above(xp.stack(nodes, axis=-3), 1)


def _pair(a: Any, variance_a: Any, b: Any, variance_b: Any, root: bool) -> Any:
    """Return R or S (… d d) of the centred samples (… d n·M) of two windows, and their variance."""
    xp = namespace(a)
    c = a @ b.mT / a.shape[-1]
    r = (c - c.mT) / 2
    scale = (variance_a * variance_b)[..., None, None]
    constant = scale == 0
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    divisor = xp.where(constant, 1.0, scale) ** 0.25 if root else 1.0
    return xp.where(constant, 0.0, r / divisor)


def _centred(samples: Any) -> tuple[Any, Any]:
    """Subtract the mean from samples (… d n M); return them (… d n·M) and their variance (…)."""
    xp = namespace(samples)
    flat = _joined(samples, samples.ndim - 2)
    centred = flat - xp.mean(flat, axis=-1, keepdims=True)
    variance = xp.mean(xp.sum(centred * centred, axis=-2), axis=-1)
    with without_gradient(flat):
        energy = xp.mean(xp.sum(flat * flat, axis=-2), axis=-1)
    return centred, xp.where(_is_rounding(variance, energy), 0.0, variance)
