"""Matching of sets: Bi-MHM, the diagonal, assignment, entropic transport."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from fewact.align import bi_mhm, cosine_cost, diagonal, emd, hungarian, sinkhorn
from fewact.errors import AlignmentError, OptionError, ShapeError
from tests.align import reference


def _costs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _weights(*shape, seed=0):
    weights = _costs(*shape, seed=seed) + 0.1
    return weights / weights.sum(-1, keepdim=True)


def _shuffled(cost, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.randperm(size, generator=generator) for size in cost.shape[-2:])
    return cost[..., rows, :][..., columns]


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    reduction=st.sampled_from(["sum", "mean"]),
    both=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_bi_mhm_is_its_definition(size, reduction, both, seed):
    cost = _costs(3, *size, seed=seed)
    got = bi_mhm(cost, reduction=reduction, both=both).value
    expected = [reference.bi_mhm(one.numpy(), reduction, both) for one in cost]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_bi_mhm_is_blind_to_order_and_repetition():
    cost = _costs(4, 5, 7)
    for reduction in ("sum", "mean"):
        value = bi_mhm(cost, reduction=reduction).value
        torch.testing.assert_close(bi_mhm(_shuffled(cost), reduction=reduction).value, value)
    twice = cost.repeat_interleave(2, -2)
    torch.testing.assert_close(bi_mhm(twice, reduction="mean").value, value)
    assert not torch.allclose(bi_mhm(twice).value, bi_mhm(cost).value)


def test_bi_mhm_of_a_video_with_itself():
    x = _costs(6, 9)
    assert bi_mhm(cosine_cost(x, x, eps=0)).value.abs() < 1e-12


def test_bi_mhm_gives_a_tie_to_one():
    plan = bi_mhm(torch.zeros(3, 4), both=False).plan
    assert torch.equal(plan.sum(-1), torch.ones(3))
    assert torch.equal(plan, plan.round())
    one_way = bi_mhm(torch.zeros(3, 4)).plan
    assert one_way.sum() == 7


def test_diagonal_is_its_definition():
    cost = _costs(3, 4, 4)
    expected = sum(cost[:, i, i] for i in range(4))
    torch.testing.assert_close(diagonal(cost, reduction="sum").value, expected)
    torch.testing.assert_close(diagonal(cost).value, expected / 4)
    assert torch.equal(diagonal(cost).plan[2], torch.eye(4, dtype=cost.dtype) / 4)


def test_diagonal_refuses_other_numbers_of_frames():
    with pytest.raises(ShapeError, match="m m"):
        diagonal(torch.zeros(3, 4))


@pytest.mark.parametrize("aligner", [bi_mhm, diagonal])
def test_refuses_reductions(aligner):
    with pytest.raises(OptionError, match="reduction"):
        aligner(torch.zeros(2, 2), reduction="max")


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 5), (6, 6), (2, 3), (2, 4), (1, 5), (3, 2)])
def test_hungarian_is_the_best_of_all_assignments(size):
    cost = _costs(5, *size) - 0.3
    got = hungarian(cost)
    expected = [reference.hungarian(one.numpy()) for one in cost]
    np.testing.assert_allclose(got.value, expected, atol=1e-12)
    rows = torch.full((5, size[0]), 1 / size[0], dtype=cost.dtype)
    torch.testing.assert_close(got.plan.sum(-1), rows)


def test_hungarian_plan_is_a_permutation():
    cost = _costs(10, 7, 7)
    plan = 7 * hungarian(cost).plan
    torch.testing.assert_close(plan, plan.round())
    torch.testing.assert_close(plan.sum(-1), torch.ones(10, 7, dtype=plan.dtype))
    torch.testing.assert_close(plan.sum(-2), torch.ones(10, 7, dtype=plan.dtype))


def test_hungarian_is_transport_with_uniform_weights():
    cost = _costs(6, 4, 6)
    a, b = cost.new_full((4,), 1 / 4), cost.new_full((6,), 1 / 6)
    torch.testing.assert_close(hungarian(cost).value, emd(cost, a, b).value)
    torch.testing.assert_close(hungarian(_shuffled(cost)).value, hungarian(cost).value)
    square = _costs(6, 5, 5)
    assert (hungarian(square).value <= diagonal(square).value + 1e-12).all()


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 6)])
@pytest.mark.parametrize("iterations", [1, 7])
def test_sinkhorn_is_the_plain_iteration(size, iterations):
    cost, a, b = _costs(*size), _weights(size[0]), _weights(size[1], seed=1)
    got = sinkhorn(cost, a, b, eps=0.3, iterations=iterations)
    value, flow = reference.sinkhorn(cost.numpy(), a.numpy(), b.numpy(), 0.3, iterations)
    np.testing.assert_allclose(got.value, value, atol=1e-12)
    np.testing.assert_allclose(got.plan, flow, atol=1e-12)


def test_sinkhorn_between_its_limits():
    cost, a, b = _costs(4, 5, 6), 3 * _weights(4, 5), 3 * _weights(4, 6, seed=1)
    exact = emd(cost, a, b).value
    near = sinkhorn(cost, a, b, eps=0.005, iterations=3000)
    torch.testing.assert_close(near.value, exact, atol=1e-3, rtol=0)
    assert (sinkhorn(cost, a, b, iterations=500).value >= exact - 1e-9).all()
    independent = a[..., :, None] * b[..., None, :] / 3
    torch.testing.assert_close(sinkhorn(cost, a, b, eps=1e6).plan, independent)


def test_sinkhorn_meets_its_weights():
    cost, a, b = _costs(3, 5, 6), _weights(5), _weights(3, 6, seed=1)
    plan = sinkhorn(cost, a, b, iterations=1000).plan
    torch.testing.assert_close(plan.sum(-1), a.expand(3, 5))
    torch.testing.assert_close(plan.sum(-2), b)


def test_sinkhorn_weights_default_to_uniform():
    cost = _costs(4, 5)
    plan = sinkhorn(cost, iterations=1000).plan
    torch.testing.assert_close(plan.sum(-1), torch.full((4,), 1 / 4, dtype=plan.dtype))
    torch.testing.assert_close(plan.sum(-2), torch.full((5,), 1 / 5, dtype=plan.dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sinkhorn_leaves_out_weights_of_zero(dtype):
    cost = _costs(4, 3).to(dtype).requires_grad_()
    a = torch.tensor([0.5, 0.0, 0.25, 0.25], dtype=dtype).requires_grad_()
    b = torch.tensor([0.0, 0.5, 0.5], dtype=dtype)
    aligned = sinkhorn(cost, a, b)
    assert aligned.plan[1].sum() < 1e-30
    assert aligned.plan[:, 0].sum() < 1e-30
    rows = [0, 2, 3]
    inner = sinkhorn(cost[rows, 1:], a[rows], b[1:])
    torch.testing.assert_close(aligned.value, inner.value)
    aligned.value.backward()
    assert cost.grad.isfinite().all()
    assert a.grad.isfinite().all()


def test_sinkhorn_gradient_of_weights():
    raw = [_weights(2, 3).requires_grad_(), _weights(4, seed=1).requires_grad_()]
    cost = _costs(2, 3, 4)

    def value(a, b):
        a, b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
        return sinkhorn(cost, a, b, eps=0.2, iterations=20).value

    assert gradcheck(value, raw)


def test_sinkhorn_float32_neither_overflows_nor_underflows():
    cost = (50 * _costs(4, 8, 8)).float().requires_grad_()
    aligned = sinkhorn(cost, eps=0.01)
    aligned.value.sum().backward()
    assert aligned.plan.isfinite().all()
    assert cost.grad.isfinite().all()


@pytest.mark.parametrize(
    ("a", "b", "index"),
    [
        ([[0.5, 0.5], [1.0, 0.5]], [0.5, 0.5], (1,)),
        ([[1.5, -0.5], [0.5, 0.5]], [0.5, 0.5], (0,)),
        ([[0.5, 0.5], [0.5, torch.nan]], [0.5, 0.5], (1,)),
        ([0.0, 0.0], [0.0, 0.0], (0,)),
    ],
)
def test_sinkhorn_refuses_weights(a, b, index):
    with pytest.raises(AlignmentError, match="weights") as caught:
        sinkhorn(torch.zeros(2, 2, 2), torch.tensor(a), torch.tensor(b))
    assert caught.value.index == index


def test_sinkhorn_refuses_shapes_and_options():
    with pytest.raises(ShapeError, match="a: weights"):
        sinkhorn(torch.zeros(2, 3), torch.ones(3), torch.ones(3))
    with pytest.raises(ShapeError, match="b: weights"):
        sinkhorn(torch.zeros(2, 3), torch.ones(2), torch.ones(4, 3))
    with pytest.raises(OptionError, match="eps"):
        sinkhorn(torch.zeros(2, 3), eps=0)
    with pytest.raises(OptionError, match="iterations"):
        sinkhorn(torch.zeros(2, 3), iterations=0)
