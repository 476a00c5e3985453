"""Frames to features: networks with their weights, transform and card.

``create`` makes a backbone by name, ``describe`` says what one is without making it, and
``register`` adds a network of your own. Importing this module loads no torch.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewact.backbones.card import Card, Level
from fewact.backbones.catalogue import DESCRIPTIONS, Description
from fewact.registry import Registry

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone
    from fewact.backbones.network import Network, StagedNetwork
    from fewact.backbones.text_encoder import TextEncoder
    from fewact.backbones.text_networks import TextNetwork

__all__ = [
    "Backbone",
    "Card",
    "Description",
    "Level",
    "Network",
    "StagedNetwork",
    "TextEncoder",
    "create",
    "create_text",
    "describe",
    "names",
    "register",
    "text_names",
    "text_of",
]

AUTO = "efficientnet-lite0"
HOMES = {
    "Backbone": "backbone",
    "Network": "network",
    "StagedNetwork": "network",
    "TextEncoder": "text_encoder",
}

_registry: "Registry[type[Network]]" = Registry(
    "backbone",
    {
        "efficientnet-lite0": "fewact.backbones.efficientnet_lite0:EfficientNetLite0",
        "mobilenet-v2": "fewact.backbones.mobilenet_v2:MobileNetV2",
        "resnet50": "fewact.backbones.resnet50:ResNet50",
        "clip-rn50": "fewact.backbones.clip_resnet:ClipResNet50",
        "clip-vit-b32": "fewact.backbones.clip:ClipViTB32",
        "clip-vit-b16": "fewact.backbones.clip:ClipViTB16",
        "clip-vit": "fewact.backbones.clip:ClipViT",
        "siglip": "fewact.backbones.siglip:Siglip",
        "videomae": "fewact.backbones.videomae:VideoMAE",
    },
)

_texts: "Registry[type[TextNetwork]]" = Registry(
    "text encoder",
    {
        "minilm": "fewact.backbones.text_networks:SentenceText",
        "clip": "fewact.backbones.text_networks:ClipText",
        "siglip": "fewact.backbones.text_networks:SiglipText",
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


def create_text(
    name: str = "minilm", *, weights: str | Path = "default", device: str = "auto"
) -> "TextEncoder":
    """Make a text encoder alone; that of a backbone is its ``text``.

    Args:
        name: One of ``text_names()``: ``minilm`` is a small encoder of sentences, whose weights
            come with the extra "text"; ``clip`` and ``siglip`` are the text halves of those.
        weights: ``default``; ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
            The tokenizer lies in the same folder.
        device: As for ``create``.

    Raises:
        UnknownNameError: There is no text encoder of this name.
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
        OptionError: A device that is not accepted.
    """
    from fewact.backbones.precision import resolve_device
    from fewact.backbones.text_encoder import build

    kind = _texts.get(name)
    return build(kind, name, weights=weights, device=resolve_device(device))


def text_of(name: str) -> str | None:
    """The text encoder that is in the weights of a backbone; None where there is none.

    Args:
        name: Of a backbone, as its card has it; one that is not registered has none.

    >>> text_of("clip-vit-b16"), text_of("resnet50")
    ('clip', None)
    """
    return _registry.get(name).text if name in _registry.names() else None


def text_names() -> tuple[str, ...]:
    """Names of all text encoders.

    >>> text_names()
    ('minilm', 'clip', 'siglip')
    """
    return _texts.names()


def names() -> tuple[str, ...]:
    """Names of all backbones.

    >>> "resnet50" in names()
    True
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
