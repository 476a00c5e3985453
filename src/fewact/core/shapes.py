"""One-line checks of tensors, for public functions only."""

import math
from typing import TYPE_CHECKING, Any

from fewact.core.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def check_shape(tensor: "Tensor | NDArray[Any]", pattern: str, name: str) -> dict[str, int]:
    """Check a shape against named axes and return the axes' sizes.

    Args:
        tensor: Tensor or array to check.
        pattern: Axis names separated by spaces, such as "… t c h w". A leading "…" or "..." matches
            any number of axes; a number matches itself; a repeated name must have one size.
        name: Name of the tensor in the error message.

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
    shape = tuple(tensor.shape)
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


def check_tensor(tensor: "Tensor", pattern: str, name: str) -> dict[str, int]:
    """Check that a value is a torch tensor of a shape, see ``check_shape``."""
    from torch import Tensor

    if not isinstance(tensor, Tensor):
        raise ShapeError(
            "not a torch tensor",
            where=name,
            got=type(tensor).__name__,
            expected=f"a tensor ({pattern})",
            hint="Pass torch.as_tensor(value).",
        )
    return check_shape(tensor, pattern, name)


def all_finite(tensor: "Tensor") -> bool:
    """Return whether no number of a floating-point tensor is infinite or NaN.

    The least and the greatest number decide: they are NaN if any is. In half precision this is
    many times as fast as ``isfinite``.
    """
    return tensor.numel() == 0 or all(math.isfinite(float(bound)) for bound in tensor.aminmax())
