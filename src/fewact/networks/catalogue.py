"""Names and facts of backbones and text encoders, without building one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from fewact.core.registry import Registry
from fewact.networks.card import Card

DEFAULT_NETWORK, AUTO_SIZE = "efficientnet-lite0", 192
"""Network that ``auto`` is, and the size of its frames: see docs/results/accuracy.md."""

NETWORKS: Final[Registry[Any]] = Registry(
    "backbone",
    {
        "efficientnet-lite0": "fewact.lab.networks.efficientnet_lite:EfficientNetLite0",
        "efficientnet-lite0-lite1": "fewact.lab.networks.efficientnet_lite:EfficientNetLite0And1",
        "mobilenet-v2": "fewact.lab.networks.mobilenet_v2:MobileNetV2",
        "resnet50": "fewact.lab.networks.resnet:ResNet50",
        "clip-rn50": "fewact.lab.networks.resnet:ClipResNet50",
        "clip-vit-b32": "fewact.lab.networks.clip:ClipViTB32",
        "clip-vit-b16": "fewact.lab.networks.clip:ClipViTB16",
        "clip-vit": "fewact.lab.networks.clip:ClipViT",
        "siglip": "fewact.lab.networks.clip:Siglip",
        "dinov2": "fewact.lab.networks.dinov2:DINOv2",
        "videomae": "fewact.lab.networks.videomae:VideoMAE",
        "vjepa2": "fewact.lab.networks.vjepa2:VJEPA2Network",
    },
)
TEXT_NETWORKS: Final[Registry[Any]] = Registry(
    "text encoder",
    {
        "minilm": "fewact.lab.networks.text_encoder:SentenceText",
        "clip": "fewact.lab.networks.text_encoder:ClipText",
        "siglip": "fewact.lab.networks.text_encoder:SiglipText",
    },
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3
"""Normalisation in the training of EfficientNet-Lite; EfficientNet was trained with ImageNet's mean
and standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Description(Card):
    """Card of a backbone before weights are read; it describes the default weights.

    Args:
        summary: One line on the network and its use.
        needs: Weights that it can read.
        any_size: Whether frames of other sizes are read: the network is convolutional, and its
            vectors are means over all positions.
        text: Name of the text encoder in the same weights; None if there is none.
    """

    weights: str = "default"
    weights_sha256: str = ""
    summary: str = ""  # without a default, it would be the property of the card
    needs: str
    any_size: bool = False
    text: str | None = None


EFFICIENTNET_LITE0 = Description(
    name="efficientnet-lite0",
    summary="small and fast on a CPU; its weights come with fewact; auto reads 192 pixels",
    needs="nothing",
    input_size=(224, 224),
    mean=LITE_MEAN,
    std=LITE_STD,
    vectors=1280,
    maps=(1280, 7, 7),
    middle=(112, 14, 14),
    shallow=(40, 28, 28),
    parameters=3_371_008,
    licence="Apache-2.0",
    trained_on=("ImageNet-1k",),
    any_size=True,
)

EFFICIENTNET_LITE0_LITE1 = replace(
    EFFICIENTNET_LITE0,
    name="efficientnet-lite0-lite1",
    summary="the default network, and a second one for appearance: --quality best",
    vectors=2560,
    maps=(2560, 7, 7),
    parameters=7_506_688,
)

MOBILENET_V2 = Description(
    name="mobilenet-v2",
    summary="the smallest; MobileNet v2 1.0",
    needs="a .safetensors file with torchvision's names (mobilenet_v2)",
    input_size=(224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=1280,
    maps=(1280, 7, 7),
    middle=(96, 14, 14),
    shallow=(32, 28, 28),
    parameters=2_223_872,
    licence="as the file states",
    trained_on=("ImageNet-1k",),
    any_size=True,
)

RESNET50 = Description(
    name="resnet50",
    summary="what most published few-shot results use",
    needs="a .safetensors file or folder with torchvision's or transformers' names (resnet50)",
    input_size=(224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=2048,
    maps=(2048, 14, 14),
    middle=(1024, 14, 14),
    shallow=(512, 28, 28),
    parameters=23_508_032,
    licence="as the file states",
    trained_on=("ImageNet-1k",),
    any_size=True,
)

CLIP_RN50 = Description(
    name="clip-rn50",
    summary="CLIP's ResNet-50; with text",
    needs="a .safetensors file with OpenAI's names (RN50)",
    input_size=(224, 224),
    mean=CLIP_MEAN,
    std=CLIP_STD,
    vectors=1024,
    maps=(2048, 7, 7),
    middle=(1024, 14, 14),
    shallow=(512, 28, 28),
    parameters=38_316_896,
    licence="MIT",
    trained_on=("OpenAI's 400 M images with text",),
    interpolation="bicubic",
    text="clip",
)

CLIP_VIT_B32 = replace(
    CLIP_RN50,
    name="clip-vit-b32",
    summary="CLIP ViT-B/32, the fastest CLIP transformer; with text",
    needs="a folder or a .safetensors file with transformers' or OpenAI's names (clip)",
    vectors=512,
    maps=(768, 7, 7),
    middle=None,
    shallow=None,
    parameters=87_849_216,
    variant="quick_gelu, 12 heads, epsilon 1e-05",
)

CLIP_VIT_B16 = replace(
    CLIP_VIT_B32,
    name="clip-vit-b16",
    summary="CLIP ViT-B/16, slower, with finer maps; with text",
    maps=(768, 14, 14),
    parameters=86_192_640,
)

CLIP_VIT = replace(
    CLIP_VIT_B32,
    name="clip-vit",
    summary="a CLIP vision transformer of any size, such as ViT-L/14; with text",
    vectors=768,
    maps=(1024, 16, 16),
    parameters=303_966_208,
    variant="quick_gelu, 16 heads, epsilon 1e-05",
    licence="as the file states",
    trained_on=("images of the web with text",),
)

SIGLIP = Description(
    name="siglip",
    summary="SigLIP or SigLIP 2 of any fixed size, such as base at 224 pixels; with text",
    needs="a folder in transformers' layout (siglip)",
    input_size=(224, 224),
    mean=HALF,
    std=HALF,
    vectors=768,
    maps=(768, 14, 14),
    middle=None,
    shallow=None,
    parameters=92_884_224,
    licence="Apache-2.0",
    trained_on=("WebLI",),
    variant="gelu_pytorch_tanh, 12 heads, epsilon 1e-06",
    text="siglip",
)

DINOV2 = Description(
    name="dinov2",
    summary="DINOv2 of any size, such as base, without or with registers; fine maps",
    needs="a folder in transformers' layout (dinov2, dinov2_with_registers)",
    input_size=(224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=768,
    maps=(768, 16, 16),
    middle=None,
    shallow=None,
    parameters=85_724_928,
    licence="Apache-2.0",
    trained_on=("LVD-142M",),
    interpolation="bicubic",
    variant="gelu, 12 heads, epsilon 1e-06",
)

VIDEOMAE = Description(
    name="videomae",
    summary="VideoMAE, such as base: reads 16 frames together, returns 8 slots",
    needs="a folder in transformers' layout (videomae)",
    input_size=(224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=768,
    maps=(768, 14, 14),
    middle=None,
    shallow=None,
    parameters=86_227_200,
    licence="CC-BY-NC-4.0",
    trained_on=("Kinetics-400",),
    frames_per_slot=2,
    variant="gelu, 12 heads, epsilon 1e-12",
)

VJEPA2 = Description(
    name="vjepa2",
    summary="V-JEPA 2, such as ViT-L: reads 16 frames together, returns 8 slots",
    needs="a folder in transformers' layout (vjepa2)",
    input_size=(256, 256),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=1024,
    maps=(1024, 16, 16),
    middle=None,
    shallow=None,
    parameters=303_885_312,
    licence="as the file states",
    trained_on=("Something-Something V2", "Kinetics-700", "HowTo100M", "YT-Temporal-1B"),
    frames_per_slot=2,
    variant="gelu, 16 heads, epsilon 1e-06, 16 frames",
)

DESCRIPTIONS = {
    description.name: description
    for description in (
        EFFICIENTNET_LITE0,
        EFFICIENTNET_LITE0_LITE1,
        MOBILENET_V2,
        RESNET50,
        CLIP_RN50,
        CLIP_VIT_B32,
        CLIP_VIT_B16,
        CLIP_VIT,
        SIGLIP,
        DINOV2,
        VIDEOMAE,
        VJEPA2,
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all backbones.

    >>> "resnet50" in names()
    True
    """
    return NETWORKS.names()


def describe(name: str = "auto") -> Description:
    """Return the facts of a backbone with default weights and options, without reading weights.

    Raises:
        UnknownNameError: There is no backbone of this name.

    >>> describe("auto").middle
    (112, 14, 14)
    """
    name = DEFAULT_NETWORK if name == "auto" else name
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    description: Description = NETWORKS.get(name).defaults
    return description


def register(name: str) -> Callable[[Any], Any]:
    """Return a decorator that registers a subclass of ``fewact.lab.networks.Network``.

    Raises:
        UnknownNameError: The name is taken.
    """
    return NETWORKS.register(name)


def text_names() -> tuple[str, ...]:
    """Return the names of all text encoders.

    >>> text_names()
    ('minilm', 'clip', 'siglip')
    """
    return TEXT_NETWORKS.names()


def text_of(name: str) -> str | None:
    """Return the name of the text encoder in a backbone's weights; None if there is none.

    The name on a card need not be registered.

    >>> text_of("clip-vit-b16"), text_of("resnet50")
    ('clip', None)
    """
    return describe(name).text if name in NETWORKS.names() else None
