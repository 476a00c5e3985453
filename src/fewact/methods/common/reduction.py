"""Smaller maps: fewer channels by a fixed projection, fewer cells by averages."""

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

AFFORDABLE = 128
"""Most channels of maps that are not reduced, and the channels after a reduction."""


@cache
def orthogonal_projection(channels: int, width: int) -> NDArray[np.float32]:
    """Return a fixed random projection (width channels) with orthonormal rows.

    All calls return the same array, which cannot be changed.
    """
    q, r = np.linalg.qr(_gaussian(channels * width).reshape(channels, width))
    projection = np.ascontiguousarray((q * np.sign(np.diagonal(r))).T, np.float32)
    projection.flags.writeable = False
    return projection


GROUP = 16
"""Numbers that are drawn together."""


def _gaussian(count: int) -> NDArray[np.float64]:
    """Return normal numbers by the method of Box and Muller, from the Mersenne Twister of seed 0.

    With 16 or more, the numbers equal ``torch.randn`` in float64 with this seed.
    """
    twister, whole = np.random.RandomState(0), count // GROUP * GROUP
    numbers = np.empty(max(count, GROUP))
    uniform = _uniform(twister, count)
    numbers[:whole] = _normal(uniform[:whole])
    if count != whole:  # The last group ends with the last number.
        numbers[-GROUP:] = _normal(_uniform(twister, GROUP))
    return numbers[:count]


def _uniform(twister: np.random.RandomState, count: int) -> Any:
    """Return uniform numbers in [0, 1), each from the 53 low bits of two words."""
    words = twister.randint(0, 2**32, 2 * count, dtype=np.uint32).astype(np.uint64)
    joined = words[::2] << np.uint64(32) | words[1::2]
    return (joined & np.uint64(2**53 - 1)) * 2.0**-53


def _normal(uniform: Any) -> Any:
    first, second = np.moveaxis(uniform.reshape(-1, 2, GROUP // 2), 1, 0)
    radius, angle = np.sqrt(-2 * np.log(1 - first)), 2 * np.pi * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def affordable(maps: Any) -> Any:
    """Project the channels of maps (… c h w) on 128 fixed directions, if there are more."""
    *leading, c, h, w = maps.shape
    if c <= AFFORDABLE:
        return maps
    projection = orthogonal_projection(c, AFFORDABLE).astype(maps.dtype, copy=False)
    return (projection @ maps.reshape(*leading, c, h * w)).reshape(*leading, AFFORDABLE, h, w)


@lru_cache(maxsize=64)
def parts(size: int, count: int) -> NDArray[np.float32]:
    """Return weights (count size) that average the cells of each part of a side.

    If the size is not a multiple, parts overlap by a cell.

    >>> parts(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]], dtype=float32)
    """
    cells, number = np.arange(size), np.arange(count)[:, None]
    inside = (cells >= number * size // count) & (cells < -(-(number + 1) * size // count))
    weights: NDArray[np.float32] = (inside / inside.sum(1, keepdims=True)).astype(np.float32)
    return weights
