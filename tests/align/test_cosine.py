import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from fewact import align
from fewact.core.errors import OptionError, ShapeError
from tests.align import reference
from tests.both import both
from tests.refused import refused

cosine_cost = both(align.cosine_cost)
pairwise_cosine_cost = both(align.pairwise_cosine_cost)
cosine_cost_of_products = both(align.cosine_cost_of_products)


def _vectors(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class _Largest(TorchDispatchMode):
    """Remembers how much memory the largest tensor that was made takes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for part in tree_flatten(result)[0]:
            if isinstance(part, torch.Tensor):
                self.bytes = max(self.bytes, part.untyped_storage().nbytes())
        return result


@settings(deadline=None)
@given(
    m=st.integers(1, 5),
    others=st.integers(1, 5),
    d=st.integers(1, 6),
    eps=st.sampled_from([0, 0.01, 1.0]),
    seed=st.integers(0, 1000),
)
def test_is_its_definition(m, others, d, eps, seed):
    x, y = _vectors(m, d, seed=seed), _vectors(others, d, seed=seed + 1)
    x[0] = 0
    expected = reference.cosine_cost(x.numpy(), y.numpy(), eps)
    np.testing.assert_allclose(cosine_cost(x, y, eps), expected, atol=1e-12)


def test_unit_vectors_with_themselves():
    x = torch.nn.functional.normalize(_vectors(5, 7), dim=-1)
    torch.testing.assert_close(
        cosine_cost(x, x).diagonal(), torch.full((5,), 1 - 1 / 1.01).double()
    )
    assert cosine_cost(x, x, 0).diagonal().abs().max() < 1e-12


def test_scale_matters_only_with_epsilon():
    x, y = _vectors(3, 5), _vectors(4, 5, seed=1)
    torch.testing.assert_close(cosine_cost(7 * x, y, 0), cosine_cost(x, y, 0))
    assert not torch.allclose(cosine_cost(7 * x, y), cosine_cost(x, y))


@pytest.mark.parametrize("eps", [0, 0.01])
def test_leading_axes_broadcast(eps):
    x, y = _vectors(2, 3, 1, 4, 6), _vectors(2, 1, 5, 7, 6, seed=1)
    cost = cosine_cost(x, y, eps)
    assert cost.shape == (2, 3, 5, 4, 7)
    torch.testing.assert_close(cost[1, 2, 3], cosine_cost(x[1, 2, 0], y[1, 0, 3], eps))
    torch.testing.assert_close(pairwise_cosine_cost(x[:, :, 0], y[:, 0], eps), cost)


def test_pairs_are_not_copied():
    x, y = _vectors(2, 10, 4, 64), _vectors(2, 12, 4, 64, seed=1)
    with _Largest() as largest:
        cost = pairwise_cosine_cost(x, y)
    assert largest.bytes <= max(tensor.numel() for tensor in (x, y, cost)) * x.element_size()


@pytest.mark.parametrize("eps", [0, 0.01])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_zero_vectors_cost_one_and_are_safe_to_differentiate(eps, dtype):
    x, y = torch.zeros(2, 5, dtype=dtype), _vectors(3, 5, dtype=dtype)
    x[1] = 1e-30
    y[0] = 0
    x.requires_grad_()
    y.requires_grad_()
    cost = cosine_cost(x, y, eps)
    torch.testing.assert_close(cost, torch.ones_like(cost))
    cost.square().sum().backward()
    assert x.grad.isfinite().all()
    assert y.grad.isfinite().all()
    if eps == 0:
        assert not x.grad.any()
        assert not y.grad[0].any()


@pytest.mark.parametrize("eps", [0, 0.01])
def test_gradient(eps):
    x, y = _vectors(2, 3, 4).requires_grad_(), _vectors(2, 2, 4, seed=1).requires_grad_()
    assert gradcheck(lambda x, y: cosine_cost(x, y, eps), (x, y))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_and_autocast_compute_in_float32(dtype):
    x, y = _vectors(3, 64, dtype=torch.float32), _vectors(4, 64, seed=1, dtype=torch.float32)
    expected = cosine_cost(x, y)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(cosine_cost(x, y), expected)
    narrow = cosine_cost(x.to(dtype), y)
    assert narrow.dtype == torch.float32
    assert torch.equal(narrow, cosine_cost(x.to(dtype).float(), y))


def test_refuses_shapes():
    with refused(ShapeError, got="(2, 3) and (2, 4)"):
        cosine_cost(torch.ones(2, 3), torch.ones(2, 4))
    with refused(ShapeError, got="(2, 1, 3) and (3, 1, 3)"):
        cosine_cost(torch.ones(2, 1, 3), torch.ones(3, 1, 3))
    with refused(ShapeError, where="x"):
        cosine_cost(torch.ones(3), torch.ones(2, 3))
    with refused(ShapeError, got="(2, 1, 1, 3) and (3, 1, 1, 3)"):
        pairwise_cosine_cost(torch.ones(2, 1, 1, 3), torch.ones(3, 1, 1, 3))
    with refused(OptionError, where="eps"):
        cosine_cost(torch.ones(2, 3), torch.ones(2, 3), -1)


@pytest.mark.slow
def test_no_comparison_imports_sympy():
    """It takes a second of the first answer."""
    lines = (
        "import sys, torch",
        "from fewact.align.costs import pairwise_cosine_cost",
        "pairwise_cosine_cost(torch.rand(1, 1, 2, 4), torch.rand(1, 1, 2, 4))",
        "sys.exit('sympy' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)]).returncode == 0


@pytest.mark.parametrize("eps", [0, 0.01])
def test_cost_from_products_and_its_gradient(eps):
    x, y = _vectors(2, 4, 6).requires_grad_(), _vectors(2, 3, 6, seed=1).requires_grad_()

    def from_products(x, y):
        squares = (x.square().sum(-1)[..., None], y.square().sum(-1)[..., None, :])
        return cosine_cost_of_products(x @ y.mT, *squares, eps)

    torch.testing.assert_close(from_products(x, y), cosine_cost(x, y, eps))
    assert gradcheck(from_products, (x, y))
    zero = torch.zeros(2, 4, 6, dtype=torch.float64, requires_grad=True)
    cost = from_products(zero, y)
    assert (cost == 1).all()
    (gradient,) = torch.autograd.grad(cost.sum(), zero)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e4
    with pytest.raises(OptionError):
        cosine_cost_of_products(x @ y.mT, zero, zero, -1)
