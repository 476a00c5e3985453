"""The third-order sketch against the whole third moment."""

import pytest
import torch
from torch import Tensor

from fewact.core.errors import OptionError, ShapeError
from fewact.moments import _signs, third_order, windows


def whole(maps: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Third moments (m d d d) about the clip's mean, over the clip's mean squared distance."""
    z = maps.flatten(-2).mT  # (t M d)
    z = z - z.mean((0, 1))
    spread = z.square().sum(-1).mean()
    third = torch.einsum("tma,tmb,tmc->tabc", z, z, z) / z.shape[1]
    return torch.stack([third[a:b].mean(0) for a, b in windows(len(z), lengths)]) / spread


def skewed(seed: int, t: int = 4) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(t, 3, 4, 4, generator=draw, dtype=torch.float64).pow(3)


def test_inner_products_are_those_of_the_third_moments() -> None:
    lengths = (1, 2)
    first, second = skewed(0), skewed(1)
    exact = torch.einsum("iabc,jabc->ij", whole(first, lengths), whole(second, lengths))
    norms = whole(first, lengths).flatten(1).norm(dim=1)[:, None]
    scale = norms * whole(second, lengths).flatten(1).norm(dim=1)
    near = third_order(first, lengths, 8192) @ third_order(second, lengths, 8192).T
    assert ((near - exact) / scale).abs().max() < 0.15
    coarse = third_order(first, lengths, 64) @ third_order(second, lengths, 64).T
    assert (near - exact).square().mean() < (coarse - exact).square().mean() / 4


def test_windows_are_means_of_their_frames() -> None:
    nodes = third_order(skewed(0), (1, 2), 32)
    torch.testing.assert_close(nodes[4], nodes[:2].mean(0))
    torch.testing.assert_close(nodes[5], nodes[2:4].mean(0))


def test_scale_and_shift() -> None:
    maps = skewed(2)
    torch.testing.assert_close(third_order(3 * maps), 3 * third_order(maps))
    torch.testing.assert_close(third_order(maps + 7), third_order(maps))
    centre = maps.mean((0, 2, 3), keepdim=True)
    mirrored = 2 * centre - maps
    torch.testing.assert_close(third_order(mirrored), -third_order(maps))  # an odd order


def test_the_same_in_every_process_and_batch() -> None:
    maps = torch.stack([skewed(0), skewed(1)])
    torch.manual_seed(5)
    torch.testing.assert_close(third_order(maps)[1], third_order(skewed(1)))
    # Stored nodes of one machine are compared with those of another.
    assert _signs(2, 4)[0].tolist() == [[-1, 1, 1, -1], [1, 1, 1, 1]]


def test_no_variation() -> None:
    still = torch.rand(1, 5, 1, 1).expand(8, 5, 3, 3).clone().requires_grad_()
    found = third_order(still + 0.0, sketch=16)
    assert found.eq(0).all()
    found.sum().backward()
    assert still.grad is not None
    assert still.grad.isfinite().all()


def test_gradients() -> None:
    maps = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: third_order(x, (1, 2), 4), maps)


def test_bad_input() -> None:
    with pytest.raises(ShapeError):
        third_order(torch.rand(5, 3, 3))
    for sketch in (0, 8193):
        with pytest.raises(OptionError, match="sketch"):
            third_order(torch.rand(8, 5, 3, 3), sketch=sketch)
