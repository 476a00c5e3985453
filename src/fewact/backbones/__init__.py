"""Frames to features: networks with their weights, transform and card.

``create`` makes a backbone by name, ``describe`` says what one is without making it, and
``register`` adds a network of your own. Importing this module loads no torch.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewact.backbones.card import Card, Tap, TapName
from fewact.backbones.catalogue import DESCRIPTIONS, Description
from fewact.registry import Registry

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone
    from fewact.backbones.network import Network, StagedNetwork

__all__ = [
    "Backbone",
    "Card",
    "Description",
    "Network",
    "StagedNetwork",
    "Tap",
    "TapName",
    "create",
    "describe",
    "names",
    "register",
]

AUTO = "efficientnet-lite0"
HOMES = {"Backbone": "backbone", "Network": "network", "StagedNetwork": "network"}

_registry: "Registry[type[Network]]" = Registry(
    "backbone",
    {
        "efficientnet-lite0": "fewact.backbones.efficientnet_lite0:EfficientNetLite0",
        "mobilenet-v2": "fewact.backbones.mobilenet_v2:MobileNetV2",
        "resnet50": "fewact.backbones.resnet50:ResNet50",
    },
)


def create(
    name: str = "auto",
    *,
    weights: str | Path = "default",
    device: str = "auto",
    precision: str = "auto",
    **options: Any,
) -> "Backbone":
    """Make a backbone.

    Args:
        name: One of ``names()``; ``auto`` is EfficientNet-Lite0, whose weights come with fewact.
        weights: ``default``; ``random`` (seeded, for tests); ``hf-hub:owner/name``;
            ``local-dir:folder``; or a .safetensors file.
        device: ``auto`` (a CUDA GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, …
        precision: ``float32``, ``bfloat16``, or ``auto``: what suits the device. The card says
            which it became.
        **options: Of this backbone, such as ``last_stride`` of ``resnet50``.

    Raises:
        UnknownNameError: There is no backbone of this name.
        WeightsError: The weights cannot be read or are not of this network.
        OptionError: An option, device or precision that is not accepted.

    >>> create("resnet50", weights="random", last_stride=2).card.maps
    (2048, 7, 7)
    """
    from fewact.backbones.backbone import build

    kind = _registry.get(AUTO if name == "auto" else name)
    return build(kind, options, weights=weights, device=device, precision=precision)


def names() -> tuple[str, ...]:
    """Names of all backbones.

    >>> names()
    ('efficientnet-lite0', 'mobilenet-v2', 'resnet50')
    """
    return _registry.names()


def describe(name: str = "auto") -> Description:
    """Facts of a backbone with its usual weights and options; none are read.

    Raises:
        UnknownNameError: There is no backbone of this name.

    >>> describe("auto").middle
    (112, 14, 14)
    """
    name = AUTO if name == "auto" else name
    return DESCRIPTIONS[name] if name in DESCRIPTIONS else _registry.get(name).usual


def register(name: str) -> "Callable[[type[Network]], type[Network]]":
    """A decorator that adds a ``Network`` of your own under a name.

    Raises:
        UnknownNameError: The name is taken.
    """
    return _registry.register(name)


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(f"fewact.backbones.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
