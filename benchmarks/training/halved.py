"""The default network on frames of 112 × 112: a quarter of the cost, so that a CPU can train it."""

from dataclasses import replace

from fewact import backbones
from fewact.backbones.efficientnet_lite import EfficientNetLite0

SIDE = 112


class Halved(EfficientNetLite0):
    """EfficientNet-Lite0 with half the height and width of frames and maps."""

    defaults = replace(
        EfficientNetLite0.defaults,
        name="efficientnet-lite0-112",
        input_size=(SIDE, SIDE),
        maps=(1280, 4, 4),
        middle=(112, 7, 7),
        shallow=(40, 14, 14),
    )


def register() -> None:
    """Register the network, so that recipes can name it."""
    if Halved.defaults.name not in backbones.names():
        backbones.register(Halved.defaults.name)(Halved)
