"""The M² block: second-order descriptors of a video over windows of several lengths."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from fewact.errors import OptionError, ShapeError
from fewact.moments.root import check_steps, newton_schulz_sqrt
from fewact.moments.triangle import upper_triangle
from fewact.moments.windows import check_grid, node_weights
from fewact.shapes import check_shape

Descriptor = Literal["sqrt", "covariance", "mean"]
"""What is kept of a window: root of its covariance, the covariance, or the first-order mean."""


def multi_scale_moments(
    maps: Tensor,
    lengths: Sequence[int] = (1, 2, 4),
    steps: int = 3,
    *,
    descriptor: Descriptor = "sqrt",
    grid: int = 1,
    centre_clip: bool = False,
) -> Tensor:
    """Second-order descriptors over windows of several lengths (A²M²-Net, M² block).

    A window's samples are all places of all its frames. Its covariance P (divided by the number
    of samples) is put through ``newton_schulz_sqrt``, and the upper triangle is the descriptor.
    Covariances of frames are computed once and serve all windows, by the law of total covariance:
    P of a window = mean of its frames' P + covariance of its frames' means.

    A window without variation, up to the rounding of its samples, has the descriptor zero.

    Vectors (… t d) of a backbone without maps are maps of one place (… t d 1 1): a window's samples
    are its frames, and a window of one frame, that can have no covariance, carries the outer
    product z zᵀ instead.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Of the windows, in frames. Windows don't overlap; where a length does not divide
            t, the last window is shorter.
        steps: Newton–Schulz steps.
        descriptor: ``sqrt``; or, to see what the root is worth, ``covariance`` (its upper
            triangle) or ``mean`` (the samples' mean, D = d).
        grid: 2 adds, for each window, the four quarters of the maps as further nodes.
        centre_clip: Take the clip's mean map away first, place by place: motion is what is left.

    Returns:
        (… m D), D = d(d+1)/2. Nodes: the windows of the first length in order of time, then those
        of the next. With ``grid=2`` these are followed by four nodes for each window in the same
        order: top left, top right, bottom left, bottom right (an odd middle row or column belongs
        to the bottom or right).

    Raises:
        ShapeError: The maps don't have these axes, or ``grid=2`` and h or w is 1.
        OptionError: A window length, number of steps, descriptor or grid that does not exist.

    >>> multi_scale_moments(torch.rand(8, 5, 3, 2)).shape
    torch.Size([14, 15])
    """
    size = check_shape(maps, "… t d h w", "maps")
    _check_options(descriptor, steps)
    check_grid(grid)
    if grid > min(size["h"], size["w"]):
        raise ShapeError(
            "too small for a spatial grid",
            where="maps",
            got=f"h {size['h']}, w {size['w']}",
            expected="h and w of 2 or more",
        )
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        moving = maps - maps.mean(-4, keepdim=True) if centre_clip else maps
        cells = _cells(moving, grid)  # g of (… t d M)
        samples = [cell.shape[-1] for cell in cells]
        weights = node_weights(size["t"], lengths, samples).to(maps)  # (m t·g)
        means = [cell.mean(-1, keepdim=True) for cell in cells]
        mean = _by_cell([mean.squeeze(-1) for mean in means], 2)  # (… t·g d)
        if descriptor == "mean":
            return weights @ mean
        centred = [cell - mean for cell, mean in zip(cells, means, strict=True)]
        within = _by_cell([z @ z.mT / z.shape[-1] for z in centred], 3)  # (… t·g d d)
        shared = weights @ within.flatten(-2)  # (… m d·d)
        centre = weights @ mean
        if size["h"] == size["w"] == 1:
            centre = centre.masked_fill((weights == 1).any(1, keepdim=True), 0)
        covariance = _plus_between(shared, weights, mean, centre)
        energy = _by_cell([_energy(cell) for cell in _cells(maps, grid)], 1)
        return _describe(covariance, energy @ weights.mT, descriptor, steps)


def _check_options(descriptor: str, steps: int) -> None:
    check_steps(steps)
    if descriptor not in get_args(Descriptor):
        raise OptionError(
            "no such descriptor",
            where="descriptor",
            got=repr(descriptor),
            expected=", ".join(get_args(Descriptor)),
        )


def _cells(maps: Tensor, grid: int) -> list[Tensor]:
    """Samples of each place of the grid: (… t d h w) → g of (… t d M)."""
    if grid == 1:
        return [maps.flatten(-2)]
    return [cell.flatten(-2) for row in _split(maps, -2) for cell in _split(row, -1)]


def _split(maps: Tensor, dim: int) -> Sequence[Tensor]:
    return maps.tensor_split([maps.shape[dim] // 2], dim)


def _by_cell(values: list[Tensor], axes: int) -> Tensor:
    """Put values of the g places beside each other, frame by frame: g of (… t ·) → (… t·g ·).

    Args:
        values: One tensor for each place.
        axes: Number of axes from t on.
    """
    return values[0] if len(values) == 1 else torch.stack(values, -axes).flatten(-axes - 1, -axes)


def _energy(cell: Tensor) -> Tensor:
    """Mean squared length of the samples: (… t d M) → (… t)."""
    length: Tensor = torch.linalg.vector_norm(cell.detach(), dim=(-2, -1))
    return length.square() / cell.shape[-1]


def _plus_between(within: Tensor, weights: Tensor, mean: Tensor, centre: Tensor) -> Tensor:
    """Add the covariance of the cells' means (… cells d) about a centre for each node (… m d).

    Args:
        within: (… m d·d) covariance inside the cells.
        weights: (m cells) shares of the cells in the nodes.
        mean: (… cells d).
        centre: (… m d).

    Returns:
        (… m d d).
    """
    m, d = centre.shape[-2:]
    spread = mean[..., None, :, :] - centre[..., None, :]  # (… m cells d)
    spread = (spread * weights.sqrt()[:, :, None]).flatten(0, -3)
    covariance = torch.baddbmm(within.reshape(-1, d, d), spread.mT, spread)
    return covariance.view(*centre.shape[:-2], m, d, d)


def _describe(covariance: Tensor, energy: Tensor, descriptor: Descriptor, steps: int) -> Tensor:
    """Covariances (… m d d) as vectors (… m D); zero where nothing varies.

    Variation below the rounding of samples of this energy, their mean squared length (… m) before
    anything was subtracted, is none.
    """
    trace = covariance.detach().diagonal(dim1=-2, dim2=-1).sum(-1)
    still = trace <= (8 * torch.finfo(covariance.dtype).eps) ** 2 * energy
    root = newton_schulz_sqrt(covariance, steps) if descriptor == "sqrt" else covariance
    return upper_triangle(root).masked_fill(still[..., None], 0)
