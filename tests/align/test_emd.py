import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fewact import align
from fewact.align import EmdAlignment
from fewact.core.errors import AlignmentError, OptionError, ShapeError
from tests.both import both
from tests.refused import refused

emd = both(align.emd)

EXACT = {torch.float64: 1e-12, torch.float32: 1e-5}


def problems(
    *leading: int, n: int = 6, m: int = 9, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Random problems of a total of n."""
    draw = torch.Generator().manual_seed(seed)
    cost = torch.rand(*leading, n, m, generator=draw, dtype=torch.float64)
    a = torch.rand(*leading, n, generator=draw, dtype=torch.float64) + 1e-3
    b = torch.rand(*leading, m, generator=draw, dtype=torch.float64) + 1e-3
    a, b = n * a / a.sum(-1, keepdim=True), n * b / b.sum(-1, keepdim=True)
    return cost.to(dtype), a.to(dtype), b.to(dtype)


def check_optimal(found: EmdAlignment, cost: Tensor, a: Tensor, b: Tensor) -> None:
    """A flow and duals that prove each other optimal."""
    tolerance = EXACT[cost.dtype]
    assert found.value.dtype == cost.dtype
    cost, a, b = cost.double(), a.double(), b.double()
    b = b * (a.sum(-1) / b.sum(-1))[..., None]
    value, flow, u, v = (
        part.double() for part in (found.value, found.plan, found.u, found.v) if part is not None
    )
    scale, mass = cost.abs().amax((-2, -1)), a.sum(-1)
    slack = (cost - u[..., None] - v[..., None, :]) / scale.clamp_min(1e-300)[..., None, None]
    assert (flow >= 0).all()
    assert ((flow.sum(-1) - a).abs() <= tolerance * mass[..., None]).all()
    assert ((flow.sum(-2) - b).abs() <= tolerance * mass[..., None]).all()
    assert (slack >= -tolerance).all()
    assert (flow * slack <= tolerance * mass[..., None, None]).all()
    assert (((flow * cost).sum((-2, -1)) - value).abs() <= tolerance * mass * scale).all()
    assert (((u * a).sum(-1) + (v * b).sum(-1) - value).abs() <= tolerance * mass * scale).all()
    assert ((flow > 0).sum((-2, -1)) <= cost.shape[-2] + cost.shape[-1] - 1).all()
    assert (flow[(a == 0)[..., None].expand_as(flow)] == 0).all()
    assert (flow[(b == 0)[..., None, :].expand_as(flow)] == 0).all()
    # The dual of an empty node is the largest that is feasible, as is any other node's.
    assert (slack.amin(-1) <= tolerance).all()
    assert (slack.amin(-2) <= tolerance).all()


def best_of_all_trees(cost: Any, a: Any, b: Any) -> float:
    """The least cost over all spanning trees with a flow that is nowhere negative."""
    n, m = cost.shape
    equations = np.zeros((n + m, n * m))
    for i, j in itertools.product(range(n), range(m)):
        equations[i, i * m + j] = equations[n + j, i * m + j] = 1
    best = np.inf
    for cells in itertools.combinations(range(n * m), n + m - 1):
        basis = equations[:-1, cells]
        if abs(np.linalg.det(basis)) > 0.5:
            flow = np.linalg.solve(basis, np.concatenate([a, b[:-1]]))
            if flow.min() >= -1e-12:
                best = min(best, float(flow @ cost.ravel()[list(cells)]))
    return best


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (2, 2), (2, 5), (3, 3), (4, 3)])
def test_least_of_all_trees(shape: tuple[int, int]) -> None:
    cost, a, b = problems(3, n=shape[0], m=shape[1])
    expected = [best_of_all_trees(*(x[k].numpy() for x in (cost, a, b))) for k in range(3)]
    np.testing.assert_allclose(emd(cost, a, b).value, expected, rtol=1e-12)


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("n", [2, 5, 6])
def test_uniform_weights_are_the_best_assignment(n: int) -> None:
    cost, _, _ = problems(4, n=n, m=n)
    ones = torch.ones(4, n, dtype=torch.float64)
    found = emd(cost, ones, ones)
    for k in range(4):
        assignments = (
            cost[k, torch.arange(n), list(order)].sum()
            for order in itertools.permutations(range(n))
        )
        torch.testing.assert_close(found.value[k], min(assignments))
    assert found.plan is not None
    assert set(found.plan.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (14, 14), (14, 70), (70, 14), (33, 40), (90, 65)]
)
def test_optimal(shape: tuple[int, int], dtype: torch.dtype) -> None:
    given = problems(2, 3, n=shape[0], m=shape[1], dtype=dtype)
    check_optimal(emd(*given), *given)


@pytest.mark.usefixtures("solver")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a solver for all examples
)
@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    seed=st.integers(0, 2**16),
    levels=st.sampled_from([1, 2, 5, 1000]),
    lightest=st.sampled_from([0, 1]),
    masses=st.sampled_from([1, 2, 50]),
)
def test_optimal_with_ties_and_empty_nodes(
    n: int, m: int, seed: int, levels: int, lightest: int, masses: int
) -> None:
    draw = np.random.default_rng(seed)
    cost = draw.integers(-levels, levels, (20, n, m)) / 4
    a = draw.integers(lightest, lightest + masses, (20, n)).astype(float)
    b = draw.integers(lightest, lightest + masses, (20, m)).astype(float)
    a[:, draw.integers(n)] += 1
    b[:, draw.integers(m)] += 1
    b *= a.sum(1, keepdims=True) / b.sum(1, keepdims=True)
    given = (torch.from_numpy(cost), torch.from_numpy(a), torch.from_numpy(b))
    check_optimal(emd(*given), *given)


@pytest.mark.usefixtures("solver")
def test_order_of_nodes_has_no_effect() -> None:
    cost, a, b = problems(5)
    rows, columns = torch.randperm(6), torch.randperm(9)
    moved = emd(cost[:, rows][:, :, columns], a[:, rows], b[:, columns])
    torch.testing.assert_close(moved.value, emd(cost, a, b).value)


def test_scales_with_cost_and_mass_and_turns_round() -> None:
    cost, a, b = problems(5)
    value = emd(cost, a, b).value
    torch.testing.assert_close(emd(3 * cost - 2, a, b).value, 3 * value - 2 * a.sum(-1))
    torch.testing.assert_close(emd(cost, 7 * a, 7 * b).value, 7 * value)
    torch.testing.assert_close(emd(cost.mT, b, a).value, value)


@pytest.mark.usefixtures("solver")
def test_small_difference_of_totals_is_scaled_away() -> None:
    cost, a, b = problems(5)
    torch.testing.assert_close(emd(cost, a, b * (1 + 1e-10)).value, emd(cost, a, b).value)


def test_leading_axes_broadcast() -> None:
    cost, a, b = problems(4, 3)
    found = emd(cost, a[:, :1], b[0])
    assert found.value.shape == (4, 3)
    for q, c in itertools.product(range(4), range(3)):
        torch.testing.assert_close(found.value[q, c], emd(cost[q, c], a[q, 0], b[0, c]).value)


@pytest.mark.usefixtures("solver")
def test_strides_do_not_matter() -> None:
    cost, a, b = problems(4)
    expected = emd(cost, a, b)
    found = emd(cost.mT.contiguous().mT, a.T.contiguous().T, b.repeat_interleave(2, 1)[:, ::2])
    assert torch.equal(found.value, expected.value)
    flipped = align.emd(cost.numpy()[:, ::-1], a.numpy()[:, ::-1], b.numpy())
    np.testing.assert_allclose(flipped.value, expected.value, rtol=1e-12)


def test_arrays_give_arrays() -> None:
    cost, a, b = problems(3)
    found = align.emd(cost.numpy(), np.broadcast_to(a[0].numpy(), (3, 6)), b[0].numpy())
    expected = emd(cost, a[0], b[0])
    for name in ("value", "plan", "u", "v"):
        array = getattr(found, name)
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(array, getattr(expected, name).numpy())


@pytest.mark.usefixtures("solver")
def test_without_plan_the_rest_is_the_same() -> None:
    given = problems(3)
    full, short = emd(*given), emd(*given, plan=False)
    assert short.plan is None
    assert torch.equal(full.value, short.value)
    assert torch.equal(full.u, short.u)
    assert torch.equal(full.v, short.v)


def test_threads_do_not_change_the_answer() -> None:
    given = problems(300, n=14, m=14)
    one, three = emd(*given, threads=1), emd(*given, threads=3)
    assert one.plan is not None
    assert three.plan is not None
    assert torch.equal(one.plan, three.plan)
    assert torch.equal(one.u, three.u)
    with refused(OptionError, what="threads", got="0"):
        emd(*given, threads=0)


@pytest.mark.slow
@pytest.mark.usefixtures("solver")
def test_gradients_at_unique_optima() -> None:
    cost, a, b = (x.requires_grad_() for x in problems(3, n=5, m=7))

    def value(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # Through the rescaling the shift of the duals cancels.
        return emd(cost, 5 * a / a.sum(-1, keepdim=True), 5 * b / b.sum(-1, keepdim=True)).value

    assert torch.autograd.gradcheck(value, (cost, a, b))


def test_gradients_are_plan_and_duals() -> None:
    cost, a, b = (x.requires_grad_() for x in problems(2, 2))
    found = emd(cost, a, b)
    weight = torch.tensor([[1.0, 2.0], [0.0, -3.0]], dtype=torch.float64)
    grads = torch.autograd.grad((found.value * weight).sum(), (cost, a, b))
    assert found.plan is not None
    assert not found.plan.requires_grad
    torch.testing.assert_close(grads[0], weight[..., None, None] * found.plan)
    torch.testing.assert_close(grads[1], weight[..., None] * found.u)
    torch.testing.assert_close(grads[2], weight[..., None] * found.v)


def test_gradients_of_broadcast_weights_add_up() -> None:
    cost, a, b = problems(4)
    shared = a[0].clone().requires_grad_()
    (grad,) = torch.autograd.grad(emd(cost, shared, b).value.sum(), shared)
    torch.testing.assert_close(grad, emd(cost, a[0], b).u.sum(0))


def test_no_plan_no_gradient_of_the_cost() -> None:
    cost, a, b = problems(2)
    with refused(AlignmentError, got="plan=False"):
        align.emd(cost.requires_grad_(), a, b, plan=False)
    with torch.no_grad():
        assert emd(cost, a, b, plan=False).plan is None
    (grad,) = torch.autograd.grad(
        emd(cost.detach(), a.requires_grad_(), b, plan=False).value.sum(), a
    )
    assert grad.shape == a.shape


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize(
    ("spoil", "fields"),
    [
        (lambda cost, a, b: cost[1, 2, 0, 0].fill_(torch.nan), {"got": "nan in cost"}),
        (lambda cost, a, b: cost[1, 2, 5, 8].fill_(torch.inf), {"got": "inf in cost"}),
        (lambda cost, a, b: cost[1, 2, 3].fill_(-torch.inf), {"got": "-inf in cost"}),
        (lambda cost, a, b: cost[1, 2].fill_(1e308), {"got": "overflows"}),
        (lambda cost, a, b: a[1, 2, 5].fill_(torch.nan), {"got": "nan in a"}),
        (lambda cost, a, b: b[1, 2, 0].fill_(torch.inf), {"got": "inf in b"}),
        (lambda cost, a, b: a[1, 2, 0].fill_(-1e-9), {"got": "-1e-09 in a"}),
        (lambda cost, a, b: b[1, 2, 8].fill_(-0.5), {"got": "-0.5 in b"}),
        (lambda cost, a, b: a[1, 2].fill_(0), {"what": "zero"}),
        (lambda cost, a, b: b[1, 2].fill_(0), {"what": "zero"}),
        (lambda cost, a, b: (a[1, 2].fill_(0), b[1, 2].fill_(0)), {"what": "zero"}),
        (lambda cost, a, b: a[1, 2].mul_(1 + 1e-8), {"expected": "1e-09"}),
    ],
)
def test_refuses_the_first_bad_problem(spoil: Any, fields: dict[str, str]) -> None:
    given = problems(3, 4)
    given[0][2, 3, 0, 0] = torch.nan  # a later one
    spoil(*given)
    with refused(AlignmentError, index=(1, 2), **fields):
        emd(*given)


@pytest.mark.usefixtures("solver")
def test_totals_may_differ_more_in_float32() -> None:
    cost, a, b = problems(2, dtype=torch.float32)
    torch.testing.assert_close(emd(cost, a, b * (1 + 5e-6)).value, emd(cost, a, b).value)
    with refused(AlignmentError, expected="1e-05"):
        emd(cost, a, b * (1 + 1e-4))


def test_refuses_an_empty_side() -> None:
    for n, m in [(0, 3), (3, 0), (0, 0)]:
        with refused(AlignmentError, index=(0,), got=f"{n} rows and {m} columns"):
            emd(torch.zeros(2, n, m), torch.ones(2, n), torch.ones(2, m))


@pytest.mark.parametrize(
    "shapes",
    [
        ((6, 9), (9,), (6,)),
        ((6, 9), (6,), (1,)),
        ((6,), (6,), (1,)),
        ((6, 9), (), (9,)),
        ((2, 6, 9), (3, 6), (9,)),
    ],
)
def test_refuses_shapes(shapes: Any) -> None:
    cost, a, b = (torch.ones(shape) for shape in shapes)
    with refused(ShapeError, where="emd", got="cost"):
        emd(cost, a, b)


def test_refuses_other_types() -> None:
    cost, a, b = problems()
    with refused(ShapeError, expected="all float32 or all float64"):
        emd(cost.half(), a.half(), b.half())
    with refused(ShapeError, got="float64, torch.float32"):
        emd(cost, a.float(), b.float())
    with refused(ShapeError, got="int64"):
        align.emd(*(x.numpy().astype(np.int64) for x in (cost, a, b)))
    with refused(ShapeError, got="Tensor, ndarray, Tensor"):
        align.emd(cost, a.numpy(), b)
