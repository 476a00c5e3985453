"""What every aligner promises."""

import functools
import importlib
import math
import pkgutil
import subprocess
import sys

import pytest
import torch
from torch.autograd import gradcheck

from fewact import align
from fewact.align import alignment
from fewact.core.errors import AlignmentError, OptionError, ShapeError, UnknownNameError
from tests.align.made_up import costs
from tests.both import both
from tests.refused import refused

NAMES = align.names()
every_aligner = pytest.mark.parametrize("name", NAMES)


def _aligner(name, **options):
    aligner = both(align.create(name, **options))
    if name != "emd":
        return aligner

    def uniform(cost, **options):
        """EMD with uniform weights."""
        m, others = cost.shape[-2:]
        return aligner(
            cost, cost.new_full((m,), 1 / m), cost.new_full((others,), 1 / others), **options
        )

    return uniform


def _sizes(name):
    return [(1, 1), (4, 4)] if name == "diagonal" else [(1, 1), (4, 4), (1, 3), (3, 1), (3, 5)]


@every_aligner
def test_leading_axes_are_a_batch(name):
    aligner = _aligner(name)
    for size in _sizes(name):
        cost = 2 * costs(2, 3, *size)
        aligned = aligner(cost)
        assert aligned.value.shape == (2, 3)
        assert aligned.plan.shape == cost.shape
        alone = aligner(cost[1, 2])
        assert alone.value.shape == ()
        torch.testing.assert_close(alone.value, aligned.value[1, 2])
        torch.testing.assert_close(alone.plan, aligned.plan[1, 2])


@every_aligner
def test_memory_layout_does_not_matter(name):
    cost = 2 * costs(4, 4, 3)
    strided = cost.permute(2, 0, 1)
    assert not strided.is_contiguous()
    got, expected = _aligner(name)(strided), _aligner(name)(strided.contiguous())
    torch.testing.assert_close(got.value, expected.value)
    torch.testing.assert_close(got.plan, expected.plan)


@every_aligner
def test_input_is_not_changed(name):
    cost = 2 * costs(3, 4, 4)
    before = cost.clone()
    _aligner(name)(cost)
    assert torch.equal(cost, before)


@every_aligner
def test_an_empty_batch_has_no_values(name):
    aligned = _aligner(name)(2 * costs(2, 0, 4, 4))
    assert aligned.value.shape == (2, 0)
    assert aligned.plan.shape == (2, 0, 4, 4)


@every_aligner
def test_without_plan(name):
    cost = 2 * costs(3, 4, 4)
    aligned = _aligner(name)(cost, plan=False)
    assert aligned.plan is None
    torch.testing.assert_close(aligned.value, _aligner(name)(cost).value)


@pytest.mark.slow
@every_aligner
def test_gradient(name):
    for size in _sizes(name):
        cost = 2 * costs(2, *size, seed=3).requires_grad_()
        assert gradcheck(lambda cost: _aligner(name)(cost).value, (cost,))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sinkhorn"])
def test_plan_is_the_gradient(name):
    for size in _sizes(name):
        cost = 2 * costs(2, 2, *size).requires_grad_()
        aligned = _aligner(name)(cost)
        assert not aligned.plan.requires_grad
        (gradient,) = torch.autograd.grad(aligned.value.sum(), cost)
        torch.testing.assert_close(aligned.plan, gradient)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("emd", "sinkhorn")])
def test_gradient_without_plan(name):
    cost = 2 * costs(2, 4, 4).requires_grad_()
    aligned = _aligner(name)(cost, plan=False)
    assert aligned.plan is None
    (gradient,) = torch.autograd.grad(aligned.value.sum(), cost)
    torch.testing.assert_close(gradient, _aligner(name)(cost).plan)


@every_aligner
def test_no_graph_without_grad_mode(name):
    cost = 2 * costs(2, 4, 4).requires_grad_()
    with torch.no_grad():
        assert not _aligner(name)(cost).value.requires_grad
    expected = _aligner(name)(cost)
    with torch.inference_mode():
        aligned = _aligner(name)(cost)
    torch.testing.assert_close(aligned.value, expected.value.detach())
    torch.testing.assert_close(aligned.plan, expected.plan)


@every_aligner
def test_float32_is_near_float64(name):
    cost = 2 * costs(20, 6, 6)
    expected, got = _aligner(name)(cost), _aligner(name)(cost.float())
    assert got.value.dtype == got.plan.dtype == torch.float32
    torch.testing.assert_close(got.value.double(), expected.value, atol=2e-5, rtol=0)
    torch.testing.assert_close(got.plan.double(), expected.plan, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "emd"])
def test_narrow_types_are_computed_in_float32(name):
    cost = 2 * costs(4, 3, 3, dtype=torch.float16)
    got = _aligner(name)(cost)
    assert got.value.dtype == torch.float32
    assert torch.equal(got.value, _aligner(name)(cost.float()).value)


@every_aligner
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_refuses_costs_that_are_not_finite(name, bad):
    cost = 2 * costs(2, 3, 4, 4)
    cost[1, 0, 2, 3] = cost[1, 2, 0, 0] = bad
    with refused(AlignmentError, index=(1, 0)):
        _aligner(name)(cost)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "emd"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 0), (2, 0, 3)])
def test_refuses_shapes(name, shape):
    with refused(ShapeError, where="cost"):
        _aligner(name)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("bi_mhm", "reduction", "max"),
        ("diagonal", "reduction", "max"),
        *(("otam", "smoothing", value) for value in (-0.1, 1e-12, math.inf, math.nan)),
        ("soft_dtw", "smoothing", -1),
    ],
)
def test_refuses_values_of_options(name, where, value):
    with refused(OptionError, where=where, got=repr(value)):
        _aligner(name, **{where: value})(torch.zeros(2, 2))


@pytest.mark.parametrize("name", ["otam", "dtw", "soft_dtw"])
@pytest.mark.parametrize("size", [(3, 3), (2, 4)])
def test_chunks_of_a_batch_give_the_values_of_the_whole_batch(name, size, monkeypatch):
    cost = 2 * costs(7, *size)
    whole = align.create(name)(cost)
    monkeypatch.setattr(alignment, "CELLS_PER_CHUNK", 2 * size[0] * size[1])
    pieces = align.create(name)(cost)
    torch.testing.assert_close(pieces.value, whole.value)
    torch.testing.assert_close(pieces.plan, whole.plan)


@pytest.mark.parametrize("name", ["otam", "dtw", "soft_dtw"])
def test_second_gradients_are_refused_rather_than_wrong(name):
    cost = 2 * costs(3, 3).requires_grad_()
    value = align.create(name)(cost).value.square()
    (gradient,) = torch.autograd.grad(value, cost, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_create_binds_options():
    cost = 2 * costs(4, 4)
    got = align.create("otam", smoothing=0.05, bidirectional=False)(cost).value
    assert torch.equal(got, align.otam(cost, 0.05, bidirectional=False).value)


def test_create_refuses_unknown_names_and_options():
    with refused(UnknownNameError, hint='"hungarian"'):
        align.create("hungarain")
    with refused(OptionError, what='"smooth"', hint='"smoothing"'):
        align.create("otam", smooth=1)


@every_aligner
def test_create_refuses_costs_weights_and_plan(name):
    for argument in ("cost", "a", "b", "plan"):
        with refused(OptionError, what=f'"{argument}"'):
            align.create(name, **{argument: torch.ones(1)})


def test_options_are_all_other_arguments():
    with refused(OptionError, expected="regularisation, iterations"):
        align.create("sinkhorn", smoothing=1)
    assert align.create("emd", threads=1)(*map(torch.ones, [(1, 1), 1, 1])).value == 1


def test_custom_aligner(monkeypatch):
    registry = importlib.import_module("fewact.align.registry")._ALIGNERS
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @align.register("corner")
    def corner(cost, *, scale=1.0):
        return align.Alignment(scale * cost[..., 0, 0], None)

    assert align.create("corner", scale=3.0)(torch.ones(2, 2)).value == 3
    with refused(UnknownNameError, got="otam"):
        align.register("otam")


def test_card_of_a_custom_aligner(monkeypatch):
    registry = importlib.import_module("fewact.align.registry")._ALIGNERS
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    card = align.AlignerCard(weights=True, terms=lambda rows, columns: rows + columns)

    @align.register("weighted", card)
    def weighted(cost, a, b, *, plan=True):
        value = (a[..., :, None] * cost * b[..., None, :]).sum((-2, -1))
        return align.Alignment(value, cost if plan else None)

    assert align.card("weighted") is card
    found = align.align("weighted", torch.ones(2, 3), torch.ones(2), torch.ones(3), plan=False)
    assert (found.value, found.plan) == (6 / 5, None)


@every_aligner
def test_mean_cost_of_equal_costs_is_that_cost(name):
    if name in ("otam", "soft_dtw"):
        pytest.skip("soft minimum: the value depends on the number of paths")
    cost = torch.full((2, 4, 4), 0.3, dtype=torch.float64)
    weights = (cost.new_ones(4), cost.new_ones(4)) if align.card(name).weights else ()
    found = align.align(name, cost, *weights)
    torch.testing.assert_close(found.value, cost[:, 0, 0])
    assert found.plan.shape == cost.shape


@every_aligner
def test_aligning_by_name_is_the_function_scaled(name):
    cost = (2 * costs(3, 5, 5)).requires_grad_()
    card = align.card(name)
    weights = (cost.new_ones(5), cost.new_ones(5)) if card.weights else ()
    expected = align.create(name, **card.options)(cost, *weights)
    found = align.align(name, cost, *weights, plan=False)
    assert found.plan is None
    torch.testing.assert_close(found.value, expected.value / card.terms(5, 5))
    (gradient,) = torch.autograd.grad(found.value.sum(), cost)
    (expected_gradient,) = torch.autograd.grad(expected.value.sum(), cost)
    torch.testing.assert_close(gradient, expected_gradient / card.terms(5, 5))


@every_aligner
def test_cards_say_what_an_aligner_expects(name):
    card = align.card(name)
    cost, other = 2 * costs(4, 4), torch.tensor([2, 0, 3, 1])
    weights = (cost.new_ones(4), cost.new_ones(4)) if card.weights else ()
    moved = align.align(name, cost[other], *weights).value
    assert torch.isclose(moved, align.align(name, cost, *weights).value) != (
        card.ordered or card.paired
    )
    if card.paired:
        with pytest.raises(ShapeError):
            align.align(name, costs(3, 4))


@pytest.mark.slow
def test_attributes_are_functions_in_any_order_of_imports():
    # Modules and functions share names; a module that was imported must not hide its function.
    entry = "fewact.align.registry._ALIGNERS.get(n)[0]"
    check = f"all(getattr(fewact.align, n) is {entry} for n in names)"
    code = "; ".join(
        [
            *(f"import {m.name}" for m in pkgutil.iter_modules(align.__path__, "fewact.align.")),
            "import fewact.align.registry",
            f"names = {NAMES!r}",
            f"assert {check}",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bound_aligners_can_be_pickled():
    bound = align.create("otam", smoothing=0.2)
    assert isinstance(bound, functools.partial)
    assert bound.func is align.otam
