"""Arrays and tensors that users pass: what has no numbers, or not in rows, is refused."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor, of torch or of a library like it; loads no torch."""
    return hasattr(value, "detach") and hasattr(value, "device")


def as_array(value: Any, where: str, expected: str) -> NDArray[Any]:
    """Return an array, or a tensor on any device, as an array.

    Args:
        value: Array or tensor.
        where: Name of the argument, for the error.
        expected: Values that would have been valid.

    Raises:
        DataError: The tensor is sparse, nested or without data, NumPy has no such numbers, or rows
            differ in length.
    """
    check_dense(value, where, expected)
    tensor = is_tensor(value)
    try:
        if tensor:
            value = value.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        named = f"{value.dtype} on {value.device}" if tensor else type(value).__name__
        raise DataError(
            "cannot be converted to an array",
            where=where,
            got=f"{named}: {str(error).splitlines()[0][:80]}",
            expected=expected,
        ) from error


def check_dense(value: Any, where: str, expected: str) -> None:
    """Refuse a tensor that is sparse, nested, or without data; other values are not checked.

    Args:
        value: Any value.
        where: Name of the argument, for the error.
        expected: Values that would have been valid.

    Raises:
        DataError: It is such a tensor.
    """
    if not is_tensor(value):
        return
    layout = str(getattr(value, "layout", "")).removeprefix("torch.")
    if getattr(value.device, "type", "") == "meta":
        fault, hint = "the tensor has no data", "Pass a tensor on the CPU or a GPU."
    elif getattr(value, "is_nested", False):
        fault, hint = "the tensor is nested", "Pass its tensors as a list: tensor.unbind()."
    elif layout.startswith("sparse"):
        fault, hint = "the tensor is sparse", "Pass tensor.to_dense()."
    else:
        return
    got = f"layout {layout}, device {value.device}"
    raise DataError(fault, where=where, got=got, expected=expected, hint=hint)


def check_vectors_are_numpy(vectors: object, where: str, expected: str) -> None:
    """Refuse vectors that are no NumPy array.

    Args:
        vectors: Vectors as they were passed.
        where: Name of the clip or of the features, for the error.
        expected: Values that would have been valid.

    Raises:
        DataError: They are a list or a tensor.
    """
    if isinstance(vectors, np.ndarray):
        return
    check_dense(vectors, where, expected)
    of_tensor = "vectors.detach().cpu().float().numpy()"
    array = of_tensor if is_tensor(vectors) else "numpy.asarray(vectors, numpy.float32)"
    raise DataError(
        "the vectors are not a NumPy array",
        where=where,
        got=type(vectors).__name__,
        expected=expected,
        hint=f"Pass {array}.",
    )
