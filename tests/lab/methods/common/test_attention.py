"""Temporal attention, and the options of ``a2m2`` that restore order."""

import math

import numpy as np
import pytest
import torch

from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab import methods
from fewact.lab.methods.common.attention import TemporalAttention, time_code


def trained(width: int) -> TemporalAttention:
    torch.manual_seed(0)
    made = TemporalAttention(width)
    torch.nn.init.normal_(made.values.weight)
    return made.double()


def test_place_by_place() -> None:
    attention = trained(6)
    maps = torch.randn(4, 6, 2, 3, dtype=torch.float64)
    wq, wk, wv = (
        part.weight.detach().numpy()
        for part in (attention.queries, attention.keys, attention.values)
    )
    z, codes = maps.numpy(), time_code(4, 6).numpy()
    frames = z.mean((2, 3)) + codes
    expected = z.copy()
    for u in range(4):
        scores = np.array([wq @ frames[u] @ (wk @ frames[v]) / math.sqrt(8) for v in range(4)])
        a = np.exp(scores) / np.exp(scores).sum()
        for y in range(2):
            for x in range(3):
                expected[u, :, y, x] += wv @ sum(a[v] * z[v, :, y, x] for v in range(4))
    np.testing.assert_allclose(attention(maps).detach().numpy(), expected, atol=1e-10)


def test_time_code() -> None:
    code = time_code(3, 5)
    assert code.shape == (3, 5)
    assert code[2, 0] == pytest.approx(math.sin(2), abs=1e-15)
    assert code[2, 3] == pytest.approx(math.cos(2 / 10_000 ** (2 / 5)), abs=1e-15)


def test_nothing_changes_before_training() -> None:
    maps = torch.randn(2, 4, 6, 2, 2)
    assert torch.equal(TemporalAttention(6)(maps), maps)


def test_the_order_of_frames_is_seen() -> None:
    attention, maps = trained(6), torch.randn(4, 6, 2, 2, dtype=torch.float64)
    order = [1, 0, 2, 3]
    assert not torch.allclose(attention(maps[order]), attention(maps)[order], atol=1e-3)


def features(t: int = 4) -> dict[Request, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {FeatureRequest("maps", View(t)): torch.rand(2, t, 6, 3, 3, generator=draw)}


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ({}, 10),
        ({"moments.attention": True}, 10),
        ({"moments.cross_frame": 1.0}, 16),
        ({"moments.cross_frame": 1.0, "moments.descriptor": "covariance"}, 16),
    ],
)
def test_nodes_of_a2m2(options: dict, length: int) -> None:
    learned = {
        "moments.reduction": "learned",
        "moments.in_channels": 6,
        "moments.width": 4,
        "moments.level": "maps",
        "frames": 4,
    }
    method = methods.create("a2m2", **learned, **options)
    nodes = method.encode(features())["nodes"]
    assert nodes.shape == (2, 7, length)
    nodes.square().sum().backward()
    learning = {name for name, p in method.named_parameters() if p.grad is not None}
    assert any(name.startswith("attention.values") for name in learning) is (
        "moments.attention" in options
    )


def test_cross_frame_distinguishes_reversed_clips() -> None:
    usual = {
        "moments.level": "maps",
        "frames": 4,
        "moments.subtract_clip_mean": False,
        "alignment.time_weight": 0.0,
        "moments.lengths": (2,),
    }
    forward, backward = features(), {request: x.flip(1) for request, x in features().items()}
    labels = torch.tensor([[0, 1]])
    scores = {}
    for gamma in (0.0, 2.0):
        method = methods.create("a2m2", **usual, **{"moments.cross_frame": gamma})
        with torch.no_grad():
            own = {name: x[None] for name, x in method.encode(forward).items()}
            back = {name: x[None] for name, x in method.encode(backward).items()}
            scores[gamma] = [
                method.score(method.support(own, labels, 2), x)[0, 0, 0] for x in (own, back)
            ]
    assert scores[0.0][0] == pytest.approx(float(scores[0.0][1]), abs=1e-4)
    assert scores[2.0][0] > scores[2.0][1] + 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"moments.attention": True},
        {"moments.cross_frame": 1.0, "moments.grid": 2},
        {"moments.cross_frame": 1.0, "moments.descriptor": "mean"},
    ],
)
def test_options_that_do_not_go_together(options: dict) -> None:
    with pytest.raises(OptionError):
        methods.create("a2m2", **options)
