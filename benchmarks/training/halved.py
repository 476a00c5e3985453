"""The default network on pictures of 112 × 112: a quarter of the cost, so that a CPU teaches it."""

from dataclasses import replace

from fewact import backbones
from fewact.backbones.efficientnet_lite0 import EfficientNetLite0

SIDE = 112


class Halved(EfficientNetLite0):
    """EfficientNet-Lite0 with half the height and width of pictures and maps."""

    defaults = replace(
        EfficientNetLite0.defaults,
        name="efficientnet-lite0-112",
        input_size=(SIDE, SIDE),
        maps=(1280, 4, 4),
        middle=(112, 7, 7),
    )


def register() -> None:
    """Let recipes name the network."""
    if Halved.defaults.name not in backbones.names():
        backbones.register(Halved.defaults.name)(Halved)
