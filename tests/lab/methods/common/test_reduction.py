"""The linear reduction begins as what needs no training, and learns."""

import torch

from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.common.reduction import ChannelReduction, orthogonal_projection
from tests.refused import refused

MAPS = torch.rand(2, 4, 6, 3, 3, generator=torch.Generator().manual_seed(0))


def test_it_begins_as_the_fixed_projection() -> None:
    found = ChannelReduction("linear", 4, 6)(MAPS)
    torch.testing.assert_close(found, ChannelReduction("orthogonal", 4)(MAPS))
    torch.testing.assert_close(ChannelReduction("linear", 6, 6)(MAPS), MAPS)


def test_it_learns() -> None:
    reduction = ChannelReduction("linear", 4, 6)
    reduction(MAPS).square().sum().backward()
    assert reduction.matrix.grad is not None
    assert reduction.matrix.grad.abs().sum() > 0
    with torch.no_grad():
        reduction.matrix.mul_(2)
    assert torch.equal(orthogonal_projection(6, 4) * 2, reduction.matrix)  # nobody else's changed


def test_a2m2_begins_as_it_is_without_training() -> None:
    usual = {"moments.level": "maps", "frames": 4}
    linear = methods.create(
        "a2m2",
        **usual,
        **{"moments.reduction": "linear", "moments.width": 6, "moments.in_channels": 6},
    )
    features = {FeatureRequest("maps", View(4)): MAPS}
    expected = methods.create("a2m2", **usual).encode(features)["nodes"]
    torch.testing.assert_close(linear.encode(features)["nodes"], expected)


def test_it_must_know_its_channels() -> None:
    with refused(OptionError, where="moments.in_channels"):
        methods.create("a2m2", moments={"reduction": "linear"})


def test_the_fixed_projection_is_shared_and_stays() -> None:
    with torch.inference_mode():
        first = ChannelReduction("orthogonal", 4)(torch.ones(12, 2, 2))
    linear = ChannelReduction("linear", 4, 12)
    with torch.no_grad():
        linear.matrix.mul_(2)
    maps = torch.ones(12, 2, 2, requires_grad=True)
    again = ChannelReduction("orthogonal", 4)(maps)
    again.sum().backward()
    assert torch.equal(first, again)
    assert maps.grad is not None
