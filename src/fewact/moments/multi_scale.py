"""The M² block: second-order descriptors of a video over windows of several lengths."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from fewact.core.errors import OptionError, ShapeError
from fewact.core.shapes import check_tensor
from fewact.moments.root import check_steps, newton_schulz_sqrt
from fewact.moments.triangle import upper_triangle
from fewact.moments.windows import check_grid, node_weights

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
    _check_options(descriptor, steps)
    check_grid(grid)
    if grid > min(size["h"], size["w"]):
        raise ShapeError(
            "the maps are too small for a spatial grid",
            where="maps",
            got=f"h {size['h']}, w {size['w']}",
            expected="h and w of 2 or more",
        )
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        changes = maps - maps.mean(-4, keepdim=True) if subtract_clip_mean else maps
        cells = _cells(changes, grid)  # g of (… t d M)
        samples = [cell.shape[-1] for cell in cells]
        weights = node_weights(size["t"], lengths, samples).to(maps)  # (m t·g)
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


def _check_options(descriptor: str, steps: int) -> None:
    check_steps(steps)
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
    """Interleave the values of the g parts, frame by frame: g of (… t ·) → (… t·g ·).

    Args:
        values: One tensor for each part of the grid.
        axes: Number of axes from t on.
    """
    return values[0] if len(values) == 1 else torch.stack(values, -axes).flatten(-axes - 1, -axes)


def _energy(cell: Tensor) -> Tensor:
    """Compute the mean squared norm of the samples: (… t d M) → (… t)."""
    length: Tensor = torch.linalg.vector_norm(cell.detach(), dim=(-2, -1))
    return length.square() / cell.shape[-1]


def _add_between(within: Tensor, weights: Tensor, mean: Tensor, window_mean: Tensor) -> Tensor:
    """Add the covariance of the parts' means about the mean of each window.

    Args:
        within: (… m d·d) covariance within the parts.
        weights: (m t·g) weights of the parts of frames in the nodes.
        mean: (… t·g d) means of the parts.
        window_mean: (… m d).

    Returns:
        (… m d d).
    """
    m, d = window_mean.shape[-2:]
    between = mean[..., None, :, :] - window_mean[..., None, :]  # (… m t·g d)
    between = (between * weights.sqrt()[:, :, None]).flatten(0, -3)
    covariance = torch.baddbmm(within.reshape(-1, d, d), between.mT, between)
    return covariance.view(*window_mean.shape[:-2], m, d, d)


def _without_rounding(descriptors: Tensor, variation: Tensor, energy: Tensor) -> Tensor:
    """Return descriptors (… m D), zero for a window without variation.

    Variation (… m) counts as none below the rounding error of the samples, which depends on their
    energy: their mean squared norm (… m) before any subtraction.
    """
    none = variation <= (8 * torch.finfo(descriptors.dtype).eps) ** 2 * energy
    return descriptors.masked_fill(none[..., None], 0)
