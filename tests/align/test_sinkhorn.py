import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from fewact import align
from fewact.align import emd
from fewact.core.errors import AlignmentError, OptionError, ShapeError
from tests.align import reference
from tests.align.made_up import costs, weights
from tests.both import both
from tests.refused import refused

sinkhorn = both(align.sinkhorn)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 6)])
@pytest.mark.parametrize("iterations", [1, 7])
def test_is_the_plain_iteration(size, iterations):
    cost, a, b = costs(*size), weights(size[0]), weights(size[1], seed=1)
    got = sinkhorn(cost, a, b, regularisation=0.3, iterations=iterations)
    value, flow = reference.sinkhorn(cost.numpy(), a.numpy(), b.numpy(), 0.3, iterations)
    np.testing.assert_allclose(got.value, value, atol=1e-12)
    np.testing.assert_allclose(got.plan, flow, atol=1e-12)


def test_limits_of_the_regularisation():
    cost, a, b = costs(4, 5, 6), 3 * weights(4, 5), 3 * weights(4, 6, seed=1)
    exact = emd(cost, a, b).value
    near = sinkhorn(cost, a, b, regularisation=0.005, iterations=3000)
    torch.testing.assert_close(near.value, exact, atol=1e-3, rtol=0)
    assert (sinkhorn(cost, a, b, iterations=500).value >= exact - 1e-9).all()
    independent = a[..., :, None] * b[..., None, :] / 3
    torch.testing.assert_close(sinkhorn(cost, a, b, regularisation=1e6).plan, independent)


def test_plan_has_the_given_weights():
    cost, a, b = costs(3, 5, 6), weights(5), weights(3, 6, seed=1)
    plan = sinkhorn(cost, a, b, iterations=1000).plan
    torch.testing.assert_close(plan.sum(-1), a.expand(3, 5))
    torch.testing.assert_close(plan.sum(-2), b)


def test_weights_default_to_uniform():
    cost = costs(4, 5)
    plan = sinkhorn(cost, iterations=1000).plan
    torch.testing.assert_close(plan.sum(-1), torch.full((4,), 1 / 4, dtype=plan.dtype))
    torch.testing.assert_close(plan.sum(-2), torch.full((5,), 1 / 5, dtype=plan.dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_leaves_out_weights_of_zero(dtype):
    cost = costs(4, 3).to(dtype).requires_grad_()
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


def test_gradient_of_weights():
    raw = [weights(2, 3).requires_grad_(), weights(4, seed=1).requires_grad_()]
    cost = costs(2, 3, 4)

    def value(a, b):
        a, b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
        return sinkhorn(cost, a, b, regularisation=0.2, iterations=20).value

    assert gradcheck(value, raw)


def test_float32_neither_overflows_nor_underflows():
    cost = (50 * costs(4, 8, 8)).float().requires_grad_()
    aligned = sinkhorn(cost, regularisation=0.01)
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
def test_refuses_weights(a, b, index):
    with refused(AlignmentError, index=index):
        sinkhorn(torch.zeros(2, 2, 2), torch.tensor(a), torch.tensor(b))


def test_refuses_shapes_and_options():
    with refused(ShapeError, where="a"):
        sinkhorn(torch.zeros(2, 3), torch.ones(3), torch.ones(3))
    with refused(ShapeError, where="b"):
        sinkhorn(torch.zeros(2, 3), torch.ones(2), torch.ones(4, 3))
    with refused(OptionError, where="regularisation"):
        sinkhorn(torch.zeros(2, 3), regularisation=0)
    with refused(OptionError, where="iterations"):
        sinkhorn(torch.zeros(2, 3), iterations=0)
