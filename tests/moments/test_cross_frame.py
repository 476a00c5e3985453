"""Cross-frame covariance against sums over samples, and what it must do when time runs back."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from fewact import moments
from fewact.core.errors import OptionError, ShapeError
from tests.both import both

cross_frame = both(moments.cross_frame)


def slow(maps: Tensor, lengths: tuple[int, ...], root: bool) -> np.ndarray:
    """(t d h w) sample by sample, in float64."""
    z = maps.double().flatten(-2).numpy()  # (t d M)
    t, d, places = z.shape
    nodes = []
    for length in lengths:
        spans = moments.windows(t, (length,))
        own = []
        for (start, stop), (after, end) in pairwise(spans):
            count = min(stop - start, end - after)
            a = [z[start + k, :, i] for k in range(count) for i in range(places)]
            b = [z[after + k, :, i] for k in range(count) for i in range(places)]
            c, p, q = np.zeros((d, d)), np.zeros((d, d)), np.zeros((d, d))
            for x, y in zip(a, b, strict=True):
                x, y = x - np.mean(a, 0), y - np.mean(b, 0)
                c, p, q = c + np.outer(x, y), p + np.outer(x, x), q + np.outer(y, y)
            r = (c - c.T) / 2 / len(a)
            scale = (np.trace(p) * np.trace(q) / len(a) ** 2) ** 0.25
            own.append(r / scale if root else r)
        nodes += [*own, own[-1]] if own else [np.zeros((d, d))]
    return np.stack([node[np.triu_indices(d, 1)] for node in nodes])


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize(("t", "lengths"), [(8, (1, 2, 4)), (5, (2, 3, 5)), (3, (1,))])
def test_sum_over_samples(t: int, lengths: tuple[int, ...], root: bool) -> None:
    maps = torch.randn(2, t, 4, 3, 2, generator=torch.Generator().manual_seed(t))
    found = cross_frame(maps, lengths, root=root)
    expected = np.stack([slow(one, lengths, root) for one in maps])
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_reversed_time_changes_the_sign() -> None:
    maps = torch.randn(8, 5, 3, 3, dtype=torch.float64)
    forward, backward = cross_frame(maps, (2,)), cross_frame(maps.flip(0), (2,))
    torch.testing.assert_close(backward[:3], -forward[:3].flip(0))


def test_depends_on_the_order_of_frames() -> None:
    maps = torch.randn(8, 5, 3, 3)
    swapped = maps[[0, 2, 1, 3, 4, 5, 6, 7]]
    assert not torch.allclose(cross_frame(maps, (1,)), cross_frame(swapped, (1,)), atol=1e-3)


def test_scale() -> None:
    maps = torch.randn(8, 5, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(cross_frame(3 * maps), 3 * cross_frame(maps))
    torch.testing.assert_close(cross_frame(maps + 100), cross_frame(maps))


def test_no_motion() -> None:
    still = torch.rand(1, 5, 1, 1).expand(8, 5, 3, 3).clone().requires_grad_()
    found = cross_frame(still + 0.0)
    assert found.eq(0).all()
    found.sum().backward()
    assert still.grad is not None
    assert still.grad.isfinite().all()


def test_gradients() -> None:
    maps = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: cross_frame(x, (1, 2)), maps)


def test_bad_input() -> None:
    with pytest.raises(ShapeError):
        cross_frame(torch.rand(5, 3, 3))
    with pytest.raises(OptionError):
        cross_frame(torch.rand(8, 5, 3, 3), (0,))
