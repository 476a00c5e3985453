"""One-line checks of tensors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fewact import align, moments
from fewact.core.array_api import all_finite
from fewact.core.errors import ShapeError
from tests.refused import refused

TENSORS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
ARRAYS = [np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", [*TENSORS, *ARRAYS])
@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_found_anywhere(dtype: Any, fault: float) -> None:
    values: Any = torch.randn(3, 41, generator=torch.Generator().manual_seed(0))
    values = values.to(dtype) if dtype in TENSORS else values.numpy().astype(dtype)
    assert all_finite(values)
    for position in (0, 40, 61, 122):
        changed = values.reshape(-1) + 0
        changed[position] = fault
        assert not all_finite(changed.reshape(3, 41))


def test_no_numbers_are_finite() -> None:
    assert all_finite(torch.zeros(0, 4))
    assert all_finite(np.zeros((0, 4)))


@pytest.mark.parametrize(
    "function",
    [
        *(align.bi_mhm, align.diagonal, align.dtw, align.hungarian, align.otam, align.sinkhorn),
        *(moments.multi_scale_moments, moments.cross_frame),
        *(moments.newton_schulz_sqrt, moments.upper_triangle),
        lambda x: align.cosine_cost(x, x),
    ],
)
def test_what_is_no_array_is_refused(function: Callable[[Any], object]) -> None:
    with refused(ShapeError, got="list"):
        function([[1.0]])
