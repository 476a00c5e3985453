"""A small network that learns from scratch on a CPU: five convolutions on pictures of 64 × 64."""

from typing import Any

from torch import Tensor, nn

from fewact import backbones
from fewact.backbones.catalogue import Description
from fewact.backbones.network import StagedNetwork

SIDE, WIDTH = 64, 64


class Small(StagedNetwork):
    """Maps of 64 channels at 8 × 8 places, and of 128 at 4 × 4."""

    usual = Description(
        name="small",
        summary="for the ablation, from scratch",
        needs="nothing",
        input_size=(SIDE, SIDE),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        vectors=128,
        maps=(128, 4, 4),
        middle=(WIDTH, 8, 8),
        parameters=0,
        licence="none",
        trained_on=(),
    )

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.first = nn.Sequential(
            *_layer(3, 32, 2), *_layer(32, 64, 2), *_layer(64, 64, 1), *_layer(64, WIDTH, 2)
        )
        self.second = nn.Sequential(*_layer(WIDTH, 128, 2))

    def early(self, images: Tensor) -> Tensor:
        middle: Tensor = self.first(images)
        return middle

    def late(self, middle: Tensor) -> Tensor:
        maps: Tensor = self.second(middle)
        return maps


def register() -> None:
    """Let recipes name the network."""
    if Small.usual.name not in backbones.names():
        backbones.register(Small.usual.name)(Small)


def _layer(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
