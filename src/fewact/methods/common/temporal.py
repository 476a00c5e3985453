"""Changes over time: linear detrending, and changes of length 1; arrays or tensors."""

from typing import Any

import numpy as np

from fewact.core.array_api import namespace, without_autocast

STATIC_NORM = 1e-4
"""Changes below this fraction of a frame's norm are rounding errors and count as none."""

SHORTEST = 1e-12
"""Length of a vector that still has a direction."""


def normalised(vectors: Any, *, shortest: float = SHORTEST) -> Any:
    """Return vectors (… d) of length 1; those below the shortest length are divided by that."""
    return vectors / namespace(vectors).clip(lengths(vectors), min=shortest)


def lengths(vectors: Any) -> Any:
    """Return the lengths of vectors: (… d) → (… 1)."""
    xp = namespace(vectors)
    if xp is np:  # without an array of squares
        return np.sqrt(np.vecdot(vectors, vectors))[..., None]
    return xp.linalg.vector_norm(vectors, axis=-1, keepdims=True)


def linear_detrend(values: Any, axis: int) -> Any:
    """Remove the least-squares line over time, and keep the mean.

    Args:
        values: Floating; the frames of one video are along ``axis``. Their data type is used for
            the computation, inside autocast too.
        axis: Axis of time.

    Returns:
        The same shape.

    >>> linear_detrend(np.array([[1.0, 2.0, 3.0]]), axis=1).round(3)
    array([[2., 2., 2.]])
    """
    t = values.shape[axis]
    if t < 2:
        return values
    xp = namespace(values)
    line = np.linspace(-1, 1, t)
    line = xp.asarray(line / np.sqrt(line @ line), dtype=values.dtype, device=values.device)
    before = values.shape[: axis % values.ndim]
    flat = values.reshape(*before, t, -1)  # (… t n)
    with without_autocast(values):
        slope = line @ flat  # (… n)
        detrended = flat - line[:, None] * slope[..., None, :]
    return detrended.reshape(values.shape)


def unit_changes(changes: Any, frames: Any) -> Any:
    """Normalise changes (… t d); zero where they are rounding errors of the frames (… t d)."""
    return changes * inverse_lengths(changes, frames)


def inverse_lengths(changes: Any, frames: Any) -> Any:
    """Return one over the lengths of changes (… t d): (… t 1); 0 of rounding errors of frames."""
    xp = namespace(changes)
    length, size = (lengths(x) for x in (changes, frames))
    return 1 / xp.where(length <= STATIC_NORM * size, xp.inf, length)
