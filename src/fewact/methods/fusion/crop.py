"""A crop of feature maps around the motion, so that people may stand at other positions."""

import torch
from torch import Tensor

from fewact.features.moving import motion_beyond_median

CROP_SIDE = 4.0
"""Side of the crop in standard deviations of the position of motion. Chosen on development clips,
as are the exponent of the changes and the smallest crop, half of the map."""


def motion_centred_crop(maps: Tensor, changes: Tensor, grid: int, samples: int = 1) -> Tensor:
    """Crop each video's maps around its motion, and average the crop to a grid of cells.

    The weight of a cell is the square of its motion, the norm of its changes over all frames minus
    the median cell's. The crop is centred on the weighted mean position. Its side is four standard
    deviations, at least half of and at most the shorter side of the map. Outside the map its border
    is repeated. Maps without changes give the central half.

    Args:
        maps: (… t c h w).
        changes: Maps minus their mean over time, of the same shape.
        grid: Rows and columns of the result.
        samples: Rows and columns of positions in a cell of the result, at which the maps are
            interpolated bilinearly; a cell is their mean.

    Returns:
        (… t c grid grid).
    """
    across, down = (
        weights.unflatten(-2, (grid, samples))
        for weights in _axis_weights(changes.detach(), grid * samples)
    )  # (… grid samples size) each
    of_cells = torch.einsum("...ih,...jw->...hwij", down.mean(-2), across.mean(-2))
    cells = maps.flatten(-4, -3).flatten(-2) @ of_cells.flatten(-2).flatten(-3, -2)
    return cells.reshape(*maps.shape[:-2], grid, grid)


def separable_crop(images: Tensor, grid: int, *, margin: float = 1.0) -> Tensor:
    """Crop the images of a video likewise, and interpolate each cell at its middle.

    Returns:
        (t grid grid).
    """
    across, down = _axis_weights((images - images.mean(0))[:, None], grid, margin)
    return down @ images @ across.mT


def _axis_weights(changes: Tensor, count: int, margin: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return the weights of columns (… count w) and rows (… count h) at positions in the crop."""
    x, y, side = _crop_square(changes)  # (…) each
    side = margin * side
    height, width = changes.shape[-2:]
    steps = (torch.arange(count, dtype=changes.dtype, device=changes.device) + 0.5) / count - 0.5
    across, down = (
        _weights(at[..., None] + steps * side[..., None], size)
        for at, size in ((x, width), (y, height))
    )
    return across, down


def _weights(positions: Tensor, size: int) -> Tensor:
    """Return weights (… n size) of cells interpolated at positions (… n) from the middle."""
    cells = torch.arange(size, dtype=positions.dtype, device=positions.device)
    inside = (positions + (size - 1) / 2).clamp(0, size - 1)
    return (1 - (inside[..., None] - cells).abs()).clamp_min(0)


def _crop_square(changes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x and y of the center, from the map's center, and the side, in cells: (…) each."""
    height, width = changes.shape[-2:]
    weight = motion_beyond_median(changes).square()  # (… h w)
    weight = weight / weight.sum((-2, -1), keepdim=True).clamp_min(1e-12)
    columns, rows = (
        torch.arange(size, dtype=changes.dtype, device=changes.device) + 0.5 - size / 2
        for size in (width, height)
    )
    by_column, by_row = weight.sum(-2), weight.sum(-1)  # (… w), (… h)
    x, y = by_column @ columns, by_row @ rows
    variance = by_column @ columns**2 - x**2 + by_row @ rows**2 - y**2
    deviation = (variance / 2).clamp_min(0).sqrt()
    shorter = min(height, width)
    return x, y, (CROP_SIDE * deviation).clamp(shorter / 2, shorter)
