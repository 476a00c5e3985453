import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from fewact import moments
from fewact.core.errors import OptionError, ShapeError
from tests.both import both
from tests.moments.reference import newton_schulz
from tests.refused import refused

newton_schulz_sqrt = both(moments.newton_schulz_sqrt)


def _covariances(*shape, samples=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    *leading, d = shape
    z = torch.randn(*leading, d, samples, generator=generator, dtype=torch.float64)
    return z @ z.mT / samples


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("d", [1, 2, 9])
def test_is_the_recurrence(steps, d):
    p = _covariances(2, 3, d)
    expected = np.stack([newton_schulz(q, steps) for q in p.reshape(-1, d, d).numpy()])
    got = newton_schulz_sqrt(p, steps).reshape(-1, d, d)
    torch.testing.assert_close(got, torch.as_tensor(expected), atol=1e-12, rtol=1e-12)


def test_many_steps_reach_the_true_root():
    p = _covariances(4, 6)
    values, vectors = torch.linalg.eigh(p)
    root = vectors * values.sqrt()[:, None] @ vectors.mT
    torch.testing.assert_close(newton_schulz_sqrt(p, 25), root, atol=1e-9, rtol=0)
    assert (newton_schulz_sqrt(p, 3) - root).abs().max() > 1e-3


def test_scale():
    p = _covariances(3, 5)
    torch.testing.assert_close(newton_schulz_sqrt(9e4 * p), 3e2 * newton_schulz_sqrt(p))


def test_rotating_the_channels_rotates_the_root():
    p = _covariances(5)
    rotation = torch.linalg.qr(_covariances(5, seed=1)).Q
    rotated = newton_schulz_sqrt(rotation @ p @ rotation.mT)
    torch.testing.assert_close(rotated, rotation @ newton_schulz_sqrt(p) @ rotation.mT)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_gradient(steps):
    p = _covariances(2, 4).requires_grad_()
    assert gradcheck(lambda p: newton_schulz_sqrt(p + p.mT, steps), (p,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-14])
def test_no_variation_has_root_zero_and_no_gradient(dtype, size):
    p = torch.stack([size * torch.eye(3, dtype=dtype), torch.eye(3, dtype=dtype)]).requires_grad_()
    root = newton_schulz_sqrt(p)
    assert torch.equal(root[0], torch.zeros(3, 3, dtype=dtype))
    root.square().sum().backward()
    assert torch.equal(p.grad[0], torch.zeros(3, 3, dtype=dtype))
    assert p.grad[1].isfinite().all()
    assert p.grad[1].any()


@pytest.mark.parametrize(("trace", "none"), [(0.9e-12, True), (1.1e-12, False)])
def test_least_trace_with_a_root(trace, none):
    p = torch.tensor([[trace]], dtype=torch.float64)
    torch.testing.assert_close(newton_schulz_sqrt(p), 0 * p if none else p.sqrt())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_and_autocast_compute_in_float32(dtype):
    p = _covariances(2, 6)
    narrow = newton_schulz_sqrt(p.to(dtype))
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, newton_schulz_sqrt(p.to(dtype).float()))
    with torch.autocast("cpu", dtype=dtype):
        inside = newton_schulz_sqrt(p.float())
        double = newton_schulz_sqrt(p)
    assert torch.equal(inside, newton_schulz_sqrt(p.float()))
    assert torch.equal(double, newton_schulz_sqrt(p))


def test_memory_layout_does_not_matter():
    p = _covariances(4, 3).permute(1, 2, 0).contiguous().permute(2, 0, 1)
    torch.testing.assert_close(newton_schulz_sqrt(p), newton_schulz_sqrt(p.contiguous()))
    torch.testing.assert_close(newton_schulz_sqrt(p.mT), newton_schulz_sqrt(p.contiguous()))


def test_input_is_not_changed():
    p = _covariances(2, 4)
    before = p.clone()
    newton_schulz_sqrt(p)
    assert torch.equal(p, before)


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_refuses_steps(steps):
    with refused(OptionError, where="steps"):
        newton_schulz_sqrt(torch.eye(2), steps)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0)])
def test_refuses_shapes(shape):
    with refused(ShapeError, where="p"):
        newton_schulz_sqrt(torch.ones(shape))
