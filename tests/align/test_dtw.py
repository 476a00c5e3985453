import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact import align
from fewact.align.dtw import warp
from tests.align import reference
from tests.align.made_up import costs
from tests.both import both

dtw, soft_dtw = both(align.dtw), both(align.soft_dtw)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 7),
    others=st.integers(1, 7),
    gamma=st.sampled_from([0.01, 0.1, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_is_the_recurrence(m, others, gamma, seed):
    cost = costs(2, m, others, seed=seed) - 0.2
    soft = [reference.dtw(one.numpy(), gamma) for one in cost]
    np.testing.assert_allclose(soft_dtw(cost, gamma).value, soft, atol=1e-12)
    hard = [reference.dtw(one.numpy()) for one in cost]
    np.testing.assert_allclose(dtw(cost).value, hard, atol=1e-12)
    np.testing.assert_allclose(soft_dtw(cost, 0).value, hard, atol=1e-12)


@pytest.mark.parametrize(("size", "paths"), [((1, 5), 1), ((2, 2), 3), ((3, 3), 13), ((4, 4), 63)])
def test_zero_costs_count_paths(size, paths):
    value = soft_dtw(torch.zeros(size, dtype=torch.float64), 0.5).value
    assert math.exp(-value / 0.5) == pytest.approx(paths)  # Delannoy numbers


def test_hard_path_is_a_warping_path():
    cost = costs(20, 6, 9)
    aligned = dtw(cost)
    torch.testing.assert_close((aligned.plan * cost).sum((-2, -1)), aligned.value)
    for plan in aligned.plan:
        cells = plan.nonzero()
        assert cells[0].tolist() == [0, 0]
        assert cells[-1].tolist() == [5, 8]
        assert {tuple(step) for step in cells.diff(dim=0).tolist()} <= {(0, 1), (1, 0), (1, 1)}


def test_symmetric_form():
    cost = costs(6, 4, 6)
    for one, aligned in zip(cost, map(partial(dtw, diagonal=2.0), cost), strict=True):
        best = np.full((5, 7), np.inf)
        best[0, 0] = 0
        for i, j in np.ndindex(4, 6):
            cell = one[i, j].item()
            steps = best[i, j] + 2 * cell, best[i, j + 1] + cell, best[i + 1, j] + cell
            best[i + 1, j + 1] = min(steps)
        assert aligned.value.item() == pytest.approx(best[-1, -1])
        assert (aligned.plan * one).sum().item() == pytest.approx(best[-1, -1])
        assert aligned.plan.sum() == 4 + 6
    smooth = cost.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: warp(x, 0.1, False, 2.0).value, smooth)


def test_ties_take_the_diagonal():
    assert torch.equal(dtw(torch.zeros(4, 4)).plan, torch.eye(4))


def test_repeated_frames_cost_nothing():
    cost = 1 - torch.eye(4, dtype=torch.float64)
    slow = cost.repeat_interleave(3, 0)
    assert dtw(slow).value == 0
    assert dtw(slow.flip(0)).value > 0


def test_either_video_may_be_the_query():
    cost = costs(5, 4, 7)
    for aligner in (dtw, soft_dtw):
        torch.testing.assert_close(aligner(cost.mT).value, aligner(cost).value)
        torch.testing.assert_close(aligner(cost.mT).plan, aligner(cost).plan.mT)


@pytest.mark.parametrize("gamma", [0.0, 0.02, 0.1])
def test_float32_neither_overflows_nor_underflows(gamma):
    cost = torch.cat([50 * costs(5, 16, 16), torch.full((1, 16, 16), 50.0)]).float()
    aligned = soft_dtw(cost.requires_grad_(), gamma)
    aligned.value.sum().backward()
    assert cost.grad.isfinite().all()
    expected = soft_dtw(cost.detach().double(), gamma).value
    torch.testing.assert_close(aligned.value.detach().double(), expected, atol=0, rtol=1e-5)


def test_soft_path_is_a_probability():
    plan = soft_dtw(costs(5, 6, 6), 0.3).plan
    ends = plan[:, [0, -1], [0, -1]]
    torch.testing.assert_close(ends, torch.ones_like(ends))
    assert (plan >= 0).all()
    assert (plan <= 1 + 1e-12).all()
    assert (plan.sum(-1) >= 1 - 1e-12).all()
