"""Vectors of the part of a video's frames that moves, from the maps of a network's last stage."""

import torch
from torch import Tensor


def motion_beyond_median(changes: Tensor) -> Tensor:
    """Return the motion of each cell, the norm of its changes, minus that of the median cell.

    Args:
        changes: A video's maps minus their mean over time (… t c h w).

    Returns:
        (… h w), at least 0.
    """
    length = changes.square().sum((-4, -3)).sqrt()  # (… h w)
    median = length.flatten(-2).median(-1).values[..., None, None]
    return (length - median).clamp_min(0)


def motion_weights(maps: Tensor) -> Tensor:
    """Return the weights of the cells of a video's maps: how much each changes over time.

    A cell weighs as its motion beyond that of the median cell; the weights of a video sum to 1.
    Where no cell changes more than the median one, all weigh the same.

    Args:
        maps: (… t c h w).

    Returns:
        (… h w).
    """
    moving = motion_beyond_median(maps - maps.mean(-4, keepdim=True))
    total = moving.sum((-2, -1), keepdim=True)
    moves = total > 0
    cells = maps.shape[-2] * maps.shape[-1]
    return torch.where(moves, moving / total.clamp_min(torch.finfo(total.dtype).tiny), 1 / cells)


def moving_vectors(maps: Tensor) -> Tensor:
    """Return the weighted means of a video's maps: (… t c h w) → (… t c), see motion_weights."""
    weights = motion_weights(maps)
    return (maps * weights[..., None, None, :, :]).sum((-2, -1))
