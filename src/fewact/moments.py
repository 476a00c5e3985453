"""Moments of a video's feature maps over windows of several lengths: the descriptors of its nodes.

Second order with its matrix square root, and the part that changes sign with time.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

from fewact.core.errors import OptionError, ShapeError
from fewact.core.shapes import check_tensor

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
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the time of each node of ``multi_scale_moments``.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.
        grid: 1, or 2 with the nodes of the spatial grid, which have the time of their window.
        dtype: Data type of the result.
        device: Device of the result.

    Returns:
        (m,) centers of the nodes' windows divided by t: 0 is the start, 1 the end.

    >>> window_times(4, (2, 4))
    tensor([0.2500, 0.7500, 0.5000])
    """
    _check_grid(grid)
    centers = [(start + stop) / (2 * t) for start, stop in windows(t, lengths)]
    parts = [center for center in centers for _ in range(grid * grid)] if grid > 1 else []
    return torch.tensor(centers + parts, dtype=dtype, device=device)


def _check_grid(grid: int) -> None:
    if grid not in (1, 2):
        raise OptionError(
            "invalid spatial grid", where="grid", got=repr(grid), expected="1 (none) or 2 (2×2)"
        )


def _node_weights(t: int, lengths: Sequence[int], samples: Sequence[int]) -> Tensor:
    """Return the weight of each part of a frame in each node (m t·g), float64, rows summing to 1.

    A part is one of the g cells of the spatial grid, with its number of ``samples``; without a grid
    it is the full frame. Rows are the windows over full frames, then the parts of each window.
    """
    spans = windows(t, lengths)
    inside = torch.zeros(len(spans), t, dtype=torch.float64)
    for row, (start, stop) in zip(inside, spans, strict=True):
        row[start:stop] = 1
    nodes = [(inside[:, :, None] * torch.tensor(samples)).flatten(1)]  # (windows t·g)
    if len(samples) > 1:
        parts = torch.eye(len(samples), dtype=torch.float64)
        nodes.append((inside[:, None, :, None] * parts[:, None]).flatten(2).flatten(0, 1))
    weights = torch.cat(nodes)
    return weights / weights.sum(1, keepdim=True)


def upper_triangle(matrix: Tensor) -> Tensor:
    """Return the entries on and above the diagonal, row by row: (… d d) → (… d(d+1)/2).

    Off-diagonal entries are not weighted by √2.

    >>> upper_triangle(torch.tensor([[1, 2], [2, 3]]))
    tensor([1, 2, 3])
    """
    d = check_tensor(matrix, "… d d", "matrix")["d"]
    row, column = torch.triu_indices(d, d, device=matrix.device)
    return matrix.flatten(-2).index_select(-1, row * d + column)


NO_VARIATION = 1e-12
"""Largest trace that counts as no variation; the root is then zero."""


def newton_schulz_sqrt(p: Tensor, steps: int = 3) -> Tensor:
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

    >>> newton_schulz_sqrt(torch.tensor([[4.0]]))
    tensor([[2.]])
    """
    check_tensor(p, "… d d", "p")
    _check_steps(steps)
    with torch.autocast(p.device.type, enabled=False):
        p = _widened(p)
        return _root(p.reshape(-1, *p.shape[-2:]), steps).view(p.shape)


def _check_steps(steps: int) -> None:
    if not isinstance(steps, int) or steps < 1:
        raise OptionError(
            "invalid number of Newton–Schulz steps",
            where="steps",
            got=repr(steps),
            expected="an integer from 1",
        )


def _root(p: Tensor, steps: int) -> Tensor:
    """Run the recurrence on (batch d d), rewritten for fewer products.

    All matrices are polynomials of A and commute, so Z is not needed: with B = Z Y one step is
    T = ½(3I − B), Y ← Y T, B ← B T². The last two steps are one polynomial of B,
    T T' = (36 I − 39 B + 27 B² + B²(B² − 9B)) / 16. Three steps take 5 products instead of 6.
    """
    trace = p.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    constant = trace <= NO_VARIATION
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    trace = trace.masked_fill(constant, 1)
    a = p / trace
    scale = trace.sqrt().masked_fill(constant, 0)
    y = torch.baddbmm(a, a, a, beta=1.5, alpha=-0.5)
    if steps == 1:
        return y * scale
    b = torch.baddbmm(y, y, a, beta=1.5, alpha=-0.5)
    for _ in range(steps - 3):
        y_next = torch.baddbmm(y, y, b, beta=1.5, alpha=-0.5)
        bt = torch.baddbmm(b, b, b, beta=1.5, alpha=-0.5)
        b = torch.baddbmm(bt, bt, b, beta=1.5, alpha=-0.5)
        y = y_next
    if steps == 2:
        return torch.baddbmm(y, y, b, beta=1.5, alpha=-0.5) * scale
    square = torch.bmm(b, b)
    lower = torch.add(27 * square, b, alpha=-39)
    tail = torch.baddbmm(lower, square, torch.add(square, b, alpha=-9))
    return torch.baddbmm(y, y, tail, beta=36 / 16, alpha=1 / 16) * scale


Descriptor = Literal["sqrt", "covariance", "mean"]
"""Descriptor of a window: square root of its covariance, covariance, or first-order mean."""


def multi_scale_moments(
    maps: Tensor,
    lengths: Sequence[int] = (1, 2, 4),
    steps: int = 3,
    *,
    descriptor: Descriptor = "sqrt",
    grid: int = 1,
    subtract_clip_mean: bool = False,
) -> Tensor:
    """Compute second-order descriptors over windows of several lengths (A²M²-Net, M² block).

    A window's samples are all cells of all its frames. The descriptor is the upper triangle of the
    square root (``newton_schulz_sqrt``) of their covariance P, divided by the number of samples.
    Covariances of frames are computed once and reused for all windows, by the law of total
    covariance: P of a window = mean of its frames' P + covariance of its frames' means.

    A window without variation, up to the rounding error of its samples, has the descriptor zero;
    so has a window whose mean is a rounding error. A root is also zero where the trace of P is at
    most 1e-12, as of features around 1e-7, which need to be scaled.

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
            removes what does not move.

    Returns:
        (… m D), D = d(d+1)/2. Nodes: the windows of the first length in order of time, then those
        of the next. With ``grid=2`` these are followed by four nodes for each window in the same
        order: top left, top right, bottom left, bottom right (an odd middle row or column belongs
        to the bottom or right).

    Raises:
        ShapeError: The maps have other axes, or ``grid=2`` and h or w is 1.
        OptionError: A window length, the number of steps, the descriptor or the grid is invalid.

    >>> multi_scale_moments(torch.rand(8, 5, 3, 2)).shape
    torch.Size([14, 15])
    """
    size = check_tensor(maps, "… t d h w", "maps")
    _check_steps(steps)
    _check_descriptor(descriptor)
    _check_grid(grid)
    if grid > min(size["h"], size["w"]):
        raise ShapeError(
            "the maps are too small for a spatial grid",
            where="maps",
            got=f"h {size['h']}, w {size['w']}",
            expected="h and w of 2 or more",
        )
    with torch.autocast(maps.device.type, enabled=False):
        maps = _widened(maps)
        changes = maps - maps.mean(-4, keepdim=True) if subtract_clip_mean else maps
        cells = _cells(changes, grid)  # g of (… t d M)
        samples = [cell.shape[-1] for cell in cells]
        weights = _node_weights(size["t"], lengths, samples).to(maps)  # (m t·g)
        means = [cell.mean(-1, keepdim=True) for cell in cells]
        mean = _by_cell([mean.squeeze(-1) for mean in means], 2)  # (… t·g d)
        energy = _by_cell([_energy(cell) for cell in _cells(maps, grid)], 1) @ weights.mT
        window_mean = weights @ mean
        if descriptor == "mean":
            return _without_rounding(window_mean, window_mean.detach().square().sum(-1), energy)
        centred = [cell - mean for cell, mean in zip(cells, means, strict=True)]
        within = _by_cell([z @ z.mT / z.shape[-1] for z in centred], 3)  # (… t·g d d)
        shared = weights @ within.flatten(-2)  # (… m d·d)
        if size["h"] == size["w"] == 1:
            window_mean = window_mean.masked_fill((weights == 1).any(1, keepdim=True), 0)
        covariance = _add_between(shared, weights, mean, window_mean)
        trace = covariance.detach().diagonal(dim1=-2, dim2=-1).sum(-1)
        root = newton_schulz_sqrt(covariance, steps) if descriptor == "sqrt" else covariance
        return _without_rounding(upper_triangle(root), trace, energy)


def _check_descriptor(descriptor: str) -> None:
    if descriptor not in get_args(Descriptor):
        raise OptionError(
            "unknown descriptor",
            where="descriptor",
            got=repr(descriptor),
            expected=", ".join(get_args(Descriptor)),
        )


def _cells(maps: Tensor, grid: int) -> list[Tensor]:
    """Split maps into the g parts of the grid: (… t d h w) → g of (… t d M)."""
    if grid == 1:
        return [maps.flatten(-2)]
    return [cell.flatten(-2) for row in _split(maps, -2) for cell in _split(row, -1)]


def _split(maps: Tensor, dim: int) -> Sequence[Tensor]:
    return maps.tensor_split([maps.shape[dim] // 2], dim)


def _by_cell(values: list[Tensor], axes: int) -> Tensor:
    """Interleave values of the g parts, frame by frame: g of (… t ·) → (… t·g ·)."""
    return values[0] if len(values) == 1 else torch.stack(values, -axes).flatten(-axes - 1, -axes)


def _energy(cell: Tensor) -> Tensor:
    """Compute the mean squared norm of the samples: (… t d M) → (… t)."""
    length: Tensor = torch.linalg.vector_norm(cell.detach(), dim=(-2, -1))
    return length.square() / cell.shape[-1]


def _add_between(within: Tensor, weights: Tensor, mean: Tensor, window_mean: Tensor) -> Tensor:
    """Add the covariance of the parts' means (… t·g d) about the mean of each window (… m d).

    To the covariance (… m d·d) within the parts; ``weights`` (m t·g) are those of the parts.
    """
    m, d = window_mean.shape[-2:]
    between = mean[..., None, :, :] - window_mean[..., None, :]  # (… m t·g d)
    between = (between * weights.sqrt()[:, :, None]).flatten(0, -3)
    covariance = torch.baddbmm(within.reshape(-1, d, d), between.mT, between)
    return covariance.view(*window_mean.shape[:-2], m, d, d)


def _without_rounding(descriptors: Tensor, variation: Tensor, energy: Tensor) -> Tensor:
    """Return descriptors (… m D), zero for a window without variation."""
    return descriptors.masked_fill(_is_rounding(variation, energy)[..., None], 0)


def _widened(values: Tensor) -> Tensor:
    """Return types narrower than float32 as float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _is_rounding(variation: Tensor, energy: Tensor) -> Tensor:
    """Return where variation (…) is below the rounding error of its samples.

    It depends on their energy: their mean squared norm (…) before any subtraction.
    """
    return variation <= (8 * torch.finfo(energy.dtype).eps) ** 2 * energy


def cross_frame(maps: Tensor, lengths: Sequence[int] = (1, 2, 4), *, root: bool = True) -> Tensor:
    """Compute the antisymmetric part of the covariance of neighbouring windows.

    It changes sign when time is reversed. With C the covariance of a window's samples with the
    samples of the next window of its length, at the same cells of corresponding frames,
    R = ½ (C − Cᵀ) and S = R / (tr P · tr P')^¼, where P and P' are the covariances of the two
    windows (ours). The last window of a length has the S of the pair that it ends; the only window
    of a length has zeros, and so have pairs without variation.

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

    >>> cross_frame(torch.rand(8, 5, 3, 2)).shape
    torch.Size([14, 10])
    """
    size = check_tensor(maps, "… t d h w", "maps")
    d = size["d"]
    row, column = torch.triu_indices(d, d, 1, device=maps.device)
    with torch.autocast(maps.device.type, enabled=False):
        maps = _widened(maps)
        samples = maps.flatten(-2).movedim(-3, -2)  # (… d t M)
        nodes: list[Tensor] = []
        for length in lengths:
            spans = windows(size["t"], (length,))
            pairs = [
                _pair(samples, start, following, min(stop - start, end - following), root)
                for (start, stop), (following, end) in pairwise(spans)
            ]
            nodes += [*pairs, pairs[-1]] if pairs else [maps.new_zeros(*maps.shape[:-4], d, d)]
        return torch.stack(nodes, -3).flatten(-2).index_select(-1, row * d + column)


def _pair(samples: Tensor, first: int, second: int, count: int, root: bool) -> Tensor:
    """Return R or S (… d d) of ``count`` frames from ``first`` and from ``second`` on."""
    a, variance_a = _centred(samples[..., first : first + count, :])
    b, variance_b = _centred(samples[..., second : second + count, :])
    c = a @ b.mT / a.shape[-1]
    r = (c - c.mT) / 2
    scale = (variance_a * variance_b)[..., None, None]
    constant = scale == 0
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    divisor = scale.masked_fill(constant, 1) ** 0.25 if root else 1.0
    return (r / divisor).masked_fill(constant, 0)


def _centred(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean from samples (… d n M); return them (… d n·M) and their variance (…)."""
    flat = samples.flatten(-2)
    centred = flat - flat.mean(-1, keepdim=True)
    variance = centred.square().sum(-2).mean(-1)
    energy = flat.detach().square().sum(-2).mean(-1)
    return centred, variance.masked_fill(_is_rounding(variance, energy), 0)
