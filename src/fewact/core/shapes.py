"""One-line checks of arrays and tensors, for public functions only."""

import math
from typing import Any

import numpy as np

from fewact.core.array_api import is_tensor
from fewact.core.errors import ShapeError


def check_shape(array: Any, pattern: str, name: str) -> dict[str, int]:
    """Check a shape against named axes and return the axes' sizes.

    Args:
        array: Array or tensor to check.
        pattern: Axis names separated by spaces, such as "… t c h w". A leading "…" or "..." matches
            any number of axes; a number matches itself; a repeated name must have one size.
        name: Name of the array in the error message.

    Returns:
        The size of each named axis.

    Raises:
        ShapeError: The number of axes or a size differs, or an axis is empty.

    >>> import numpy as np
    >>> check_shape(np.zeros((2, 8, 5)), "… t d", "features")
    {'t': 8, 'd': 5}
    """
    axes = pattern.split()
    leading = axes[0] in ("…", "...")
    named = axes[1:] if leading else axes
    shape = tuple(array.shape)
    tail = shape[len(shape) - len(named) :] if len(shape) >= len(named) else ()
    sizes: dict[str, int] = {}
    fits = len(tail) == len(named) and (leading or len(shape) == len(named))
    for axis, size in zip(named, tail, strict=False):
        expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
        fits = fits and size == expected and size > 0
    if not fits:
        raise ShapeError(
            "shape does not fit", where=name, got=f"{shape}", expected=f"({pattern}), none empty"
        )
    return {axis: size for axis, size in sizes.items() if not axis.isdigit()}


def check_array(array: Any, pattern: str, name: str) -> dict[str, int]:
    """Check that a value is an array or a tensor of a shape, see ``check_shape``."""
    if not isinstance(array, np.ndarray) and not is_tensor(array):
        raise ShapeError(
            "not an array",
            where=name,
            got=type(array).__name__,
            expected=f"an array of NumPy or a tensor ({pattern})",
            hint="Pass numpy.asarray(value).",
        )
    return check_shape(array, pattern, name)


def all_finite(array: Any) -> bool:
    """Return whether no number of an array or a tensor is infinite or NaN."""
    if not is_tensor(array):
        return bool(np.isfinite(array).all())
    # The least and the greatest number decide: they are NaN if any is. In half precision this is
    # many times as fast as ``isfinite``.
    bounds = array.detach().aminmax() if array.numel() else ()
    return all(math.isfinite(float(bound)) for bound in bounds)
