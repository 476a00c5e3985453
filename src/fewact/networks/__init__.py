"""Backbones: networks that turn frames into features, with weights, transform and card.

``create`` makes a backbone by name, ``describe`` returns its facts without reading weights, and
``register`` adds a custom network of the lab.
"""

from pathlib import Path
from typing import Any

from fewact.core.extras import import_lab
from fewact.networks.backbone import Backbone
from fewact.networks.card import Card, Device, Level, Resize
from fewact.networks.catalogue import (
    DEFAULT_NETWORK,
    Description,
    describe,
    names,
    register,
    text_names,
    text_of,
)
from fewact.networks.spec import BackboneSpec, TextSpec

__all__ = [
    "DEFAULT_NETWORK",
    "Backbone",
    "BackboneSpec",
    "Card",
    "Description",
    "Device",
    "Level",
    "TextSpec",
    "create",
    "create_text",
    "describe",
    "names",
    "register",
    "text_names",
    "text_of",
]

TEXTS = "fewact.lab.networks.text_encoder"
"""Module of the text encoders."""


def create(
    name: str = "auto",
    *,
    weights: str | Path = "default",
    device: Device = "auto",
    precision: str = "auto",
    engine: str = "auto",
    resize: Resize = "squash",
    sampler: str = "segments",
    size: int = 0,
    **options: Any,
) -> Backbone:
    """Create a backbone; its card contains the chosen precision and engine.

    Args:
        name: Network. This and the other arguments are described at ``BackboneSpec``.
        weights: Weights.
        device: Device.
        precision: Precision.
        engine: Inference engine.
        resize: How frames are brought to the input size.
        sampler: Rule that chooses the frames of a video.
        size: Height and width of frames.
        **options: Options of the network.

    Raises:
        UnknownNameError: There is no backbone of this name.
        WeightsError: The weights cannot be read or are of another network.
        OptionError: An option, the device, the precision or the engine is unknown, or the engine
            cannot be used.
        ExtraError: The network, engine, precision or device needs the lab.

    >>> create("efficientnet-lite0", weights="random").card.maps
    (1280, 7, 7)
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
) -> Any:
    """Create a text encoder of the lab; a backbone's text encoder is its attribute ``text``.

    Args:
        name: One of ``text_names()``: ``minilm`` is a small sentence encoder, whose weights come
            with the lab; ``clip`` and ``siglip`` are the text encoders of these models.
        weights: ``default``; ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
            The tokenizer must be in the same folder.
        device: As for ``create``.

    Raises:
        UnknownNameError: There is no text encoder of this name.
        WeightsError: Weights or tokenizer are missing, cannot be read, or are of another network.
        OptionError: The device is unknown.
        ExtraError: The lab is not installed.
    """
    return import_lab(f"the text encoder {name}", TEXTS).create(
        name, weights=weights, device=device
    )
