"""Linear detrending against least squares, of tensors and arrays."""

import itertools

import pytest
import torch

from fewact.methods.common.temporal import linear_detrend
from tests.methods.made_up import assert_close


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_the_least_squares_line_is_removed_and_the_mean_stays(axis: int) -> None:
    values = torch.rand(5, 7, 4, dtype=torch.float64)
    detrended = linear_detrend(values, axis)
    time = torch.arange(values.shape[axis], dtype=torch.float64)
    moved, left = (v.movedim(axis, -1) for v in (values, detrended))
    for index in itertools.product(*map(range, moved.shape[:-1])):
        columns = torch.stack([time - time.mean(), torch.ones_like(time)], 1)
        slope = torch.linalg.lstsq(columns, moved[index][:, None]).solution[0]
        expected = moved[index] - slope * (time - time.mean())
        torch.testing.assert_close(left[index], expected)

    assert_close(linear_detrend(values.numpy(), axis), detrended.numpy())


def test_one_frame_has_no_trend() -> None:
    values = torch.rand(1, 3)
    assert torch.equal(linear_detrend(values, 0), values)


def test_autocast_does_not_round_the_line() -> None:
    values = torch.rand(8, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = linear_detrend(values, 0)
    torch.testing.assert_close(found, linear_detrend(values, 0))
