"""One-line checks of tensors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fewact import align, moments
from fewact.core.errors import ShapeError
from fewact.core.shapes import all_finite


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_found_anywhere(dtype: torch.dtype, fault: float) -> None:
    values = torch.randn(3, 41, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert all_finite(values)
    for position in (0, 40, 61, 122):
        changed = values.flatten().clone()
        changed[position] = fault
        assert not all_finite(changed.reshape(3, 41))


def test_no_numbers_are_finite() -> None:
    assert all_finite(torch.zeros(0, 4))


@pytest.mark.parametrize(
    "function",
    [
        *(align.bi_mhm, align.diagonal, align.dtw, align.hungarian, align.otam, align.sinkhorn),
        *(moments.multi_scale_moments, moments.cross_frame),
        *(moments.newton_schulz_sqrt, moments.upper_triangle),
        lambda x: align.cosine_cost(x, x),
    ],
)
@pytest.mark.parametrize(
    "value", [np.ones((3, 3, 3, 3), np.float32), [[1.0]]], ids=["array", "list"]
)
def test_what_is_no_tensor_is_refused(function: Callable[[Any], object], value: Any) -> None:
    expected = rf"not a torch tensor \(got {type(value).__name__}\).*torch.as_tensor"
    with pytest.raises(ShapeError, match=expected):
        function(value)
