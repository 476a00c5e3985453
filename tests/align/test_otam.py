import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact import align
from tests.align import reference
from tests.align.accumulator import accumulator
from tests.align.made_up import costs
from tests.both import both

otam = both(align.otam)


@settings(max_examples=60, deadline=None)
@given(
    t=st.integers(1, 7),
    u=st.integers(1, 7),
    lam=st.sampled_from([0.0, 0.02, 0.1, 0.5, 3.0]),
    both=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_is_the_recurrence(t, u, lam, both, seed):
    cost = costs(3, t, u, seed=seed) - 0.2
    got = otam(cost, lam, bidirectional=both).value
    expected = [reference.otam(one.numpy(), lam, both) for one in cost]
    np.testing.assert_allclose(got, expected, atol=1e-12)
    table = [reference.otam_table(one.numpy(), lam) for one in cost]
    np.testing.assert_allclose(accumulator(cost, lam), table, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        ((1, 1), 1),
        ((1, 3), 1),
        ((3, 1), 13),
        ((2, 2), 6),
        ((3, 3), 24),
        ((4, 4), 80),
        ((8, 8), 4608),
    ],
)
def test_zero_costs_count_paths(size, paths):
    value = otam(torch.zeros(size, dtype=torch.float64), 0.5, bidirectional=False).value
    assert math.exp(-value / 0.5) == pytest.approx(paths)


@pytest.mark.parametrize("lam", [0.02, 0.1, 0.5])
def test_soft_minimum_lies_below_the_hard_one_by_the_paths_at_most(lam):
    cost = costs(50, 8, 8)
    soft, hard = (
        otam(cost, lam, bidirectional=False).value,
        otam(cost, 0, bidirectional=False).value,
    )
    assert (soft <= hard).all()
    assert (hard <= soft + lam * math.log(4608) + 1e-12).all()


def test_smoothing_goes_to_the_hard_minimum():
    cost = costs(20, 6, 8)
    hard = otam(cost, 0)
    soft = otam(cost, 1e-7)
    torch.testing.assert_close(soft.value, hard.value, atol=1e-5, rtol=0)
    torch.testing.assert_close(soft.plan, hard.plan, atol=1e-5, rtol=0)


def test_transposing_changes_one_way_only():
    cost = costs(10, 5, 7)
    torch.testing.assert_close(otam(cost.mT).value, otam(cost).value)
    torch.testing.assert_close(otam(cost.mT).plan, otam(cost).plan.mT)
    assert not torch.allclose(
        otam(cost.mT, bidirectional=False).value, otam(cost, bidirectional=False).value
    )
    square = costs(10, 8, 8)
    back = otam(square.mT, bidirectional=False)
    both = otam(square)
    there = otam(square, bidirectional=False)
    torch.testing.assert_close(both.value, there.value + back.value)
    torch.testing.assert_close(both.plan, there.plan + back.plan.mT)


def test_scale_of_costs_is_scale_of_smoothing():
    cost = costs(10, 8, 8)
    torch.testing.assert_close(otam(40 * cost, 20.0).value, 40 * otam(cost, 0.5).value)


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.5])
def test_path(lam):
    plan = otam(costs(10, 6, 8), lam, bidirectional=False).plan
    assert (plan >= 0).all()
    assert (plan <= 1 + 1e-12).all()
    # Columns are never skipped, unless in the first row.
    torch.testing.assert_close(plan.sum(-2).clamp_max(1), torch.ones(10, 8, dtype=plan.dtype))


def test_hard_path_costs_the_value():
    cost = costs(20, 7, 5)
    for ways in (True, False):
        aligned = otam(cost, 0, bidirectional=ways)
        torch.testing.assert_close((aligned.plan * cost).sum((-2, -1)), aligned.value)
        assert torch.equal(aligned.plan, aligned.plan.round())


def test_order_matters_and_free_ends_do_not():
    cost = 1 - torch.eye(6, dtype=torch.float64)
    assert otam(cost, 0).value == 0
    assert otam(cost.flip(0), 0).value > 4
    late = torch.cat([torch.ones(3, 6, dtype=torch.float64), cost])  # starts three frames later
    assert otam(late, 0, bidirectional=False).value == 0


@pytest.mark.parametrize("lam", [0.0, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("size", [2.0, 50.0])
def test_float32_neither_overflows_nor_underflows(lam, size):
    cost = torch.cat(
        [costs(5, 16, 16, scale=size, dtype=torch.float32), torch.full((1, 16, 16), size)]
    ).requires_grad_()
    aligned = otam(cost, lam)
    aligned.value.sum().backward()
    assert cost.grad.isfinite().all()
    assert (aligned.plan <= 2 + 1e-4).all()
    expected = otam(cost.detach().double(), lam).value
    torch.testing.assert_close(aligned.value.detach().double(), expected, atol=0, rtol=1e-5)


def test_thousands_of_episodes_in_one_call():
    cost = costs(3, 1000, 5, 8, 8, dtype=torch.float32)
    value = otam(cost, plan=False).value
    assert value.shape == (3, 1000, 5)
    torch.testing.assert_close(value[2, 999], otam(cost[2, 999], plan=False).value)
