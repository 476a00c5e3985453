"""Vectors of the part of a video's frames that moves, from the maps of a network's last stage."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def motion_beyond_median(changes: Floats) -> Floats:
    """Return how much more each cell moves than the median cell: by the norms of their changes.

    Args:
        changes: A video's maps minus their mean over time (… t c h w).

    Returns:
        (… h w), at least 0.
    """
    length = np.sqrt(np.square(changes).sum((-4, -3)))  # (… h w)
    *leading, h, w = length.shape
    cells = np.sort(length.reshape(*leading, h * w))  # the lower median, as torch's
    median = cells[..., (h * w - 1) // 2][..., None, None]
    return np.asarray(np.maximum(length - median, 0))


def motion_weights(maps: Floats) -> Floats:
    """Return the weights of the cells of a video's maps: how much each changes over time.

    A weight is proportional to the cell's ``motion_beyond_median``; the weights of a video sum to
    1. If no cell changes more than the median cell, all weights are equal.

    Args:
        maps: (… t c h w).

    Returns:
        (… h w).
    """
    changes = maps - maps[..., :1, :, :, :]  # so that equal maps do not change by rounding
    changes -= changes.mean(-4, keepdims=True)
    moving = motion_beyond_median(changes)
    total = moving.sum((-2, -1), keepdims=True)
    even = np.full_like(moving, 1 / (maps.shape[-2] * maps.shape[-1]))
    np.divide(moving, total, out=even, where=total > 0)
    return even


def moving_vectors(maps: Floats) -> Floats:
    """Return the weighted means of a video's maps: (… t c h w) → (… t c), see motion_weights."""
    *leading, t, c, h, w = maps.shape
    weights = motion_weights(maps).reshape(*leading, 1, h * w, 1)
    return np.asarray((maps.reshape(*leading, t, c, h * w) @ weights)[..., 0])
