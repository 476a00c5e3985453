"""Operations of the array API for NumPy arrays and for PyTorch tensors, and checks of both.

NumPy is itself such a namespace. The namespace of tensors is in a module of the lab, which is
imported by name when a tensor comes in.
"""

import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from fewact.core.errors import ShapeError

Array = TypeVar("Array", default=Any)
"""``numpy.ndarray`` or ``torch.Tensor``: results have the type and the device of the arguments."""

AUTOGRAD = "fewact.lab.autograd"
"""Module for tensors."""


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor, without importing PyTorch."""
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def namespace(array: Any) -> Any:
    """Return the operations of the array API for an array."""
    return _autograd().xp if is_tensor(array) else np


def namespace_of_type(dtype: Any) -> Any:
    """Return the operations for arrays: NumPy's, or PyTorch's for tensors."""
    return _autograd().xp if type(dtype).__module__ == "torch" else np


def needs_gradient(*arrays: Any) -> bool:
    """Return whether autograd may request a gradient for one of the arrays."""
    return any(getattr(array, "requires_grad", False) for array in arrays) and bool(
        _autograd().is_grad_enabled()
    )


def with_gradients(value: Array, inputs: tuple[Any, ...], gradients: tuple[Any, ...]) -> Array:
    """Return a value (…) that can be differentiated once.

    Args:
        value: (…), computed without gradients.
        inputs: Arrays (… ·) that the value depends on.
        gradients: (… ·) ∂value/∂input of each; None for an input that needs no gradient.
    """
    if not needs_gradient(*inputs):
        return value
    result: Array = _autograd().with_gradients(value, inputs, gradients)
    return result


def detached(array: Any) -> Any:
    """Return the same numbers without a gradient."""
    return array.detach() if is_tensor(array) else array


def without_gradient(array: Any) -> AbstractContextManager[object]:
    """Return a context in which nothing is recorded for gradients."""
    return _context(array, "without_gradient")


def without_autocast(array: Any) -> AbstractContextManager[object]:
    """Return a context in which autocast does not change the types of numbers."""
    return _context(array, "without_autocast")


def thread_count(array: Any, otherwise: Callable[[], int]) -> int:
    """Return the number of threads of PyTorch for a tensor, ``otherwise()`` for an array."""
    return int(_autograd().thread_count()) if is_tensor(array) else otherwise()


def widened(array: Any) -> Any:
    """Return types other than float32 and float64 as float32."""
    xp = namespace(array)
    return array if array.dtype in (xp.float32, xp.float64) else xp.astype(array, xp.float32)


def as_array(value: Any) -> Any:
    """Return a NumPy scalar as an array (): operations that leave no axes return scalars."""
    return value if is_tensor(value) else np.asarray(value)


def on_cpu(array: Any) -> bool:
    """Return whether the numbers are in the memory of the CPU."""
    return not is_tensor(array) or array.device.type == "cpu"


def as_numpy(array: Any) -> NDArray[Any]:
    """Return the numbers as an array of NumPy, without a copy if they are on the CPU."""
    if is_tensor(array):
        array = array.detach().cpu().numpy()
    numbers: NDArray[Any] = array
    return numbers


def in_order(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose memory compiled code can read; a copy only where that is needed."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.require(array, None, ["C", "A"])


def _context(array: Any, name: str) -> AbstractContextManager[object]:
    if not is_tensor(array):
        return nullcontext()
    context: AbstractContextManager[object] = getattr(_autograd(), name)(array)
    return context


@cache
def _autograd() -> Any:
    return import_module(AUTOGRAD)


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
