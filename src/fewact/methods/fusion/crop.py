"""A crop of feature maps around the motion, so that people may stand at other positions."""

import math

import torch
from torch import Tensor
from torch.nn import functional

CROP_SIDE = 4.0
"""Side of the crop in standard deviations of the position of motion. Chosen on development clips,
as are the exponent of the changes and the smallest crop, half of the map."""


def motion_centred_crop(maps: Tensor, changes: Tensor, samples: int) -> Tensor:
    """Crop each video's maps around its motion.

    The weight of a cell is the square of its motion, the norm of its changes over all frames minus
    the median cell's. The crop is centred on the weighted mean position. Its side is four standard
    deviations, at least half of and at most the shorter side of the map. Outside the map its border
    is repeated. Maps without changes give the central half.

    Args:
        maps: (… t c h w).
        changes: Maps minus their mean over time, of the same shape.
        samples: Rows and columns of the crop, interpolated bilinearly.

    Returns:
        (… t c samples samples).
    """
    x, y, side = _crop_square(changes.detach())  # (…) each
    height, width = maps.shape[-2:]
    steps = (torch.arange(samples, dtype=maps.dtype, device=maps.device) + 0.5) / samples - 0.5
    across, down = (
        (at[..., None] + steps * side[..., None]) * (2 / size)
        for at, size in ((x, width), (y, height))
    )  # (… samples) from -1 to 1
    square = (*x.shape, samples, samples)
    grid = torch.stack([across[..., None, :].expand(square), down[..., None].expand(square)], -1)
    sampled = functional.grid_sample(
        maps.reshape(-1, math.prod(maps.shape[-4:-2]), height, width),  # (r t·c h w)
        grid.view(-1, samples, samples, 2),
        padding_mode="border",
        align_corners=False,
    )
    return sampled.reshape(*maps.shape[:-2], samples, samples)


def _crop_square(changes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x and y of the center, from the map's center, and the side, in cells: (…) each."""
    height, width = changes.shape[-2:]
    length = changes.square().sum((-4, -3)).sqrt()  # (… h w)
    median = length.flatten(-2).median(-1).values[..., None, None]
    weight = (length - median).clamp_min(0).square()
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
