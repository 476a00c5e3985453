"""Backbones: networks that turn frames into features, with weights, transform and card.

``create`` makes a backbone by name, ``describe`` returns its facts without reading weights, and
``register`` adds a custom network. Importing this module loads no torch.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewact.backbones.card import Card, Level, Resize
from fewact.backbones.catalogue import DESCRIPTIONS, Description
from fewact.backbones.text.registry import create_text, text_names
from fewact.core.registry import Registry

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone
    from fewact.backbones.choice import BackboneChoice
    from fewact.backbones.devices import Device
    from fewact.backbones.network import Network, StagedNetwork
    from fewact.backbones.text.encoder import TextEncoder

__all__ = [
    "Backbone",
    "BackboneChoice",
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

AUTO, AUTO_SIZE = "efficientnet-lite0", 192
"""Network that ``auto`` is, and the size of its frames: see docs/results/quality.md."""

_MODULES = {
    "Backbone": "backbone",
    "BackboneChoice": "choice",
    "Network": "network",
    "StagedNetwork": "network",
    "TextEncoder": "text_encoder",
}

_NETWORKS: "Registry[type[Network]]" = Registry(
    "backbone",
    {
        "efficientnet-lite0": "fewact.backbones.efficientnet_lite:EfficientNetLite0",
        "efficientnet-lite0-lite1": "fewact.backbones.efficientnet_lite:EfficientNetLite0And1",
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
        name: One of ``names()``; ``auto`` is EfficientNet-Lite0, whose weights come with fewact,
            with frames of 192 × 192 pixels.
        weights: ``default``; ``random`` (seeded, for tests); ``hf-hub:owner/name``;
            ``local-dir:folder``; or a .safetensors file.
        device: ``auto`` (a CUDA GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, … or a
            ``torch.device``.
        precision: ``float32``; ``bfloat16``; ``int8``, which is the default network with ONNX
            Runtime; or ``auto``, which is one of the first two by the device, the engine and the
            network. The card contains the precision that was chosen.
        engine: ``torch``; ``onnx``, which is ONNX Runtime on a CPU in float32 or int8; or
            ``auto``, which is ``onnx`` where it can be used and has the precision. The card
            contains the engine that was chosen.
        resize: ``squash``; ``centre-crop``, which keeps the aspect ratio and cuts off the edges; or
            ``squash-crop``, which does not keep it and cuts them off, as CLIP-FSAR's code.
        sampler: Rule that chooses the frames of a video: ``segments``, the middles of equal
            segments; or one of the published codes: ``perrett``, ``blocks``, ``window:RATE``,
            ``dense:STRIDE``, see ``fewact.video.samplers``.
        size: Height and width that frames are resized to, in pixels, a multiple of 32; 0 means 192
            for ``auto``, and the network's own for a network that is named. Others only where
            ``describe(name).any_size``.
        **options: Options of this backbone, such as ``last_stride`` of ``resnet50``.

    Raises:
        UnknownNameError: There is no backbone of this name.
        WeightsError: The weights cannot be read or are of another network.
        OptionError: An option, the device, the precision or the engine is unknown, or the engine
            cannot be used.

    >>> create("resnet50", weights="random", last_stride=2).card.maps
    (2048, 7, 7)
    """
    from fewact.backbones.backbone import build
    from fewact.core.workers import on_one_core

    if name == "auto":
        name, size = AUTO, AUTO_SIZE if size == 0 else size
    network = _NETWORKS.get(name)
    return on_one_core(
        lambda: build(
            network,
            options,
            weights=weights,
            device=device,
            precision=precision,
            engine=engine,
            resize=resize,
            sampler=sampler,
            size=size,
        )
    )


def text_of(name: str) -> str | None:
    """Return the name of the text encoder in a backbone's weights; None if there is none.

    Args:
        name: Name on the backbone's card; it need not be registered.

    >>> text_of("clip-vit-b16"), text_of("resnet50")
    ('clip', None)
    """
    return _NETWORKS.get(name).text if name in _NETWORKS.names() else None


def names() -> tuple[str, ...]:
    """Return the names of all backbones.

    >>> "resnet50" in names()
    True
    """
    return _NETWORKS.names()


def describe(name: str = "auto") -> Description:
    """Return the facts of a backbone with default weights and options, without reading weights.

    Raises:
        UnknownNameError: There is no backbone of this name.

    >>> describe("auto").middle
    (112, 14, 14)
    """
    name = AUTO if name == "auto" else name
    return DESCRIPTIONS[name] if name in DESCRIPTIONS else _NETWORKS.get(name).defaults


def register(name: str) -> "Callable[[type[Network]], type[Network]]":
    """Return a decorator that registers a custom ``Network`` under a name.

    Raises:
        UnknownNameError: The name is taken.
    """
    return _NETWORKS.register(name)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.backbones.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
