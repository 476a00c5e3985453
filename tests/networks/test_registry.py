import subprocess
import sys

import pytest

from fewact import networks
from fewact.core.errors import OptionError, UnknownNameError
from fewact.networks import catalogue


def test_naming_describing_and_checking_backbones_loads_no_torch():
    code = (
        "import sys, fewact.networks as b\n"
        "for name in ('auto', *b.names()): assert b.describe(name).vectors\n"
        "b.BackboneSpec(name='clip-vit-b16', precision='bfloat16').check(); b.TextSpec()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_auto_is_the_default_with_its_weights():
    assert networks.describe() == networks.describe("efficientnet-lite0")
    assert networks.create().card.name == "efficientnet-lite0"


@pytest.mark.parametrize("ask", [networks.create, networks.describe])
def test_an_unknown_name_is_refused_with_a_suggestion(ask):
    with pytest.raises(UnknownNameError, match=r'efficientnet-lite0.*Did you mean "resnet50"'):
        ask("resnet-50")


def test_a_custom_network_is_a_backbone(monkeypatch):
    import torch
    from torch import nn

    from fewact.core.registry import Registry
    from fewact.networks import Description, StagedNetwork

    monkeypatch.setattr(catalogue, "NETWORKS", Registry("backbone", {}))

    @networks.register("tiny")
    class Tiny(StagedNetwork):
        defaults = Description(
            name="tiny",
            summary="for this test",
            needs="nothing",
            input_size=(32, 48),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            vectors=6,
            maps=(6, 1, 2),
            middle=(4, 2, 3),
            shallow=(4, 4, 6),
            parameters=4 * 3 + 6 * 4,
            licence="none",
            trained_on=(),
        )

        def __init__(self, options):
            super().__init__(options)
            self.first = nn.Conv2d(3, 4, 1, stride=8, bias=False)
            self.second = nn.Conv2d(4, 6, 1, stride=2, bias=False)

        def to_shallow(self, images):
            return self.first(images)

        def to_middle(self, shallow):
            return shallow[..., ::2, ::2]

        def to_maps(self, middle):
            return self.second(middle)

    made = networks.create("tiny", weights="random", device="cpu", engine="torch")
    levels = made.features(torch.zeros(2, 3, 32, 48, dtype=torch.uint8), ("maps", "middle"))
    assert levels["maps"].shape == (2, *made.card.maps)
    assert levels["middle"].shape == (2, *made.card.middle)
    assert networks.describe("tiny") is Tiny.defaults
    with pytest.raises(UnknownNameError, match="already"):
        networks.register("tiny")
    with pytest.raises(OptionError, match="no option"):
        networks.create("tiny", weights="random", depth=3)


def test_backbone_and_network_can_be_imported_from_the_subpackage():
    from fewact.networks import Backbone, Network, StagedNetwork

    assert Backbone.__name__ == "Backbone"
    assert issubclass(StagedNetwork, Network)
    with pytest.raises(AttributeError, match="Backpack"):
        _ = networks.Backpack


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"device": 3}, "no such device"),
        ({"device": "cuda:99"}, "the device is not available"),
        ({"last_stride": 3}, "last_stride"),
        ({"laststride": 1}, 'Did you mean "last_stride"'),
    ],
    ids=str,
)
def test_invalid_options_are_named(option, message):
    with pytest.raises(OptionError, match=message):
        networks.create("resnet50", weights="random", **option)


def test_a_device_may_be_torchs_own():
    import torch

    found = networks.create("efficientnet-lite0", weights="random", device=torch.device("cpu"))
    assert found.device == torch.device("cpu")


def test_creation_draws_nothing_from_the_global_generators(monkeypatch):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("GPUs are seeded"))
    networks.create("mobilenet-v2", weights="random", device="cpu")
    assert torch.equal(torch.rand(1), expected)
