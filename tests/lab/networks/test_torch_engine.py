"""Batch norm folded into convolutions."""

import copy

import pytest
import torch
from torch import nn

from fewact.lab.networks.network import Network
from fewact.lab.networks.torch_engine import folded


def stirred(network: Network) -> Network:
    """The network with statistics and weights of batch norm that are not 0 and 1."""
    network = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(0, 0.1, generator=generator)
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["efficientnet-lite0", "efficientnet-lite0-lite1", "mobilenet-v2", "resnet50", "clip-rn50"],
)
def test_a_folded_network_computes_the_same_without_batch_norm(name, frames, random_backbone):
    backbone = random_backbone(name)
    network = stirred(backbone.network).double()
    before = copy.deepcopy(network.state_dict())
    images = backbone.normalise(frames[:1]).double()
    with torch.inference_mode():
        expected, found = (one(images) for one in (network, folded(network)))
    for level, value in expected.items():
        assert (found[level] - value).abs().max() <= 1e-12 * value.abs().max(), level
    assert not any(isinstance(one, nn.BatchNorm2d) for one in folded(network).modules())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


class Undeclared(Network):
    def __init__(self) -> None:
        super().__init__(None)
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images, levels=("vectors",)):
        return {"vectors": self.convolution(self.norm(images)).mean((2, 3))}


def test_a_network_that_does_not_allow_it_is_not_folded():
    network = Undeclared()
    assert folded(network) is network
