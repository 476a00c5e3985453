"""Backbones: networks that turn frames into features, with weights, transform and card.

``create`` makes a backbone by name, ``describe`` returns its facts without reading weights, and
``register`` adds a custom network. Importing this module loads no torch.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewact.networks.card import Card, Level, Resize
from fewact.networks.catalogue import (
    AUTO,
    TEXT_NETWORKS,
    Description,
    describe,
    names,
    register,
    text_names,
    text_of,
)
from fewact.networks.spec import BackboneSpec, TextSpec

if TYPE_CHECKING:
    from fewact.lab.networks.network import Network, StagedNetwork
    from fewact.lab.networks.text_encoder import TextEncoder
    from fewact.networks.backbone import Backbone
    from fewact.networks.spec import Device

__all__ = [
    "AUTO",
    "Backbone",
    "BackboneSpec",
    "Card",
    "Description",
    "Level",
    "Network",
    "StagedNetwork",
    "TextEncoder",
    "TextSpec",
    "create",
    "create_text",
    "describe",
    "names",
    "register",
    "text_names",
    "text_of",
]

_MODULES = {
    "Backbone": "backbone",
    "Network": "network",
    "StagedNetwork": "network",
    "TextEncoder": "text_encoder",
}


def create(
    name: str = "auto",
    *,
    weights: str | Path = "default",
    device: "Device" = "auto",
    precision: str = "auto",
    engine: str = "auto",
    resize: Resize = "squash",
    sampler: str = "segments",
    size: int = 0,
    **options: Any,
) -> "Backbone":
    """Create a backbone.

    Args:
        name: See ``BackboneSpec``, as for all arguments.
        weights: Weights.
        device: Name of a device, or a ``torch.device``.
        precision: Precision. The card contains the one that was chosen.
        engine: Inference engine. The card contains the one that was chosen.
        resize: How frames are brought to the input size.
        sampler: Rule that chooses the frames of a video.
        size: Height and width that frames are resized to.
        **options: Options of this backbone, such as ``last_stride`` of ``resnet50``.

    Raises:
        UnknownNameError: There is no backbone of this name.
        WeightsError: The weights cannot be read or are of another network.
        OptionError: An option, the device, the precision or the engine is unknown, or the engine
            cannot be used.

    >>> create("resnet50", weights="random", last_stride=2).card.maps
    (2048, 7, 7)
    """
    values: dict[str, Any] = {"precision": precision, "engine": engine, "resize": resize}
    return BackboneSpec(
        name=name,
        weights=str(weights),
        device=str(device),
        sampler=sampler,
        size=size,
        options=options,
        **values,
    ).create()


def create_text(
    name: str = "minilm", *, weights: str | Path = "default", device: str = "auto"
) -> "TextEncoder":
    """Create a text encoder; the text encoder of a backbone is its attribute ``text``.

    Args:
        name: One of ``text_names()``: ``minilm`` is a small sentence encoder, whose weights come
            with the extra "text"; ``clip`` and ``siglip`` are the text encoders of these models.
        weights: ``default``; ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
            The tokenizer must be in the same folder.
        device: As for ``create``.

    Raises:
        UnknownNameError: There is no text encoder of this name.
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
        OptionError: The device is unknown.
    """
    from fewact.lab.networks.text_encoder import build
    from fewact.networks.engines import resolve_device

    network = TEXT_NETWORKS.get(name)
    return build(network, name, weights=weights, device=resolve_device(device))


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.networks.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
