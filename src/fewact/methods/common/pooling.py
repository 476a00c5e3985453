"""Weights that average the cells of a map to a coarser grid."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


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
