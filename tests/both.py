"""Functions of tensors that must do the same with arrays of NumPy."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fewact.align import Alignment

ATOL = {torch.float32: 5e-5, torch.float64: 5e-8}


def both(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of tensors; each call is repeated with arrays, and the results agree."""

    @functools.wraps(function)
    def checked(*inputs: Any, **options: Any) -> Any:
        arrays = [as_array(value) for value in inputs]
        try:
            found = function(*inputs, **options)
        except Exception as error:
            if arrays_can_hold(inputs):
                with pytest.raises(type(error)):
                    function(*arrays, **options)
            raise
        if arrays_can_hold(inputs):
            agree(function(*arrays, **options), found)
        return found

    return checked


def arrays_can_hold(values: Any) -> bool:
    return all(
        value.dtype != torch.bfloat16 and value.device.type == "cpu"
        for value in values
        if isinstance(value, Tensor)
    )


def as_array(value: Any) -> Any:
    if not isinstance(value, Tensor) or not arrays_can_hold([value]):
        return value
    return value.detach().numpy()


def agree(got: Any, expected: Any) -> None:
    """Compare a result of arrays with that of tensors, in types of numbers too."""
    if isinstance(expected, Alignment):
        agree(got.value, expected.value)
        agree(got.plan, expected.plan)
        return
    if expected is None:
        assert got is None
        return
    assert type(got) is np.ndarray
    of_tensors = expected.detach()
    assert got.dtype == of_tensors.numpy().dtype
    atol = ATOL.get(of_tensors.dtype, 0) * max(1.0, np.abs(got).max(initial=0))
    np.testing.assert_allclose(got, of_tensors, atol=atol, rtol=0)
