"""One-line checks of tensors."""

import math

import pytest
import torch

from fewact.shapes import all_finite


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
