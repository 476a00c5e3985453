"""Facts of the built-in backbones, known without building one and without torch."""

from dataclasses import dataclass

from fewact.backbones.card import Interpolation

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Description:
    """What is known of a backbone before its weights are read.

    Args:
        name: Registry name.
        summary: One line on what it is and what it is good for.
        needs: What to pass as ``weights``.
        input_size: Height and width that frames are resized to, in pixels.
        mean: Subtracted from each channel of frames scaled to [0, 1].
        std: Divided by after that.
        vectors: Length d of a frame's vector.
        maps: Shape (c, h, w) of the last stage; None where there are only vectors.
        middle: Shape (c, h, w) of the last block at stride 16; None where there is none.
        parameters: Number of weights, without a classifier's.
        licence: Of the usual weights.
        trained_on: Data sets that the usual weights have seen.
        frames_per_slot: Input frames to one output slot.
        interpolation: How frames are resized.
    """

    name: str
    summary: str
    needs: str
    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    vectors: int
    maps: tuple[int, int, int] | None
    middle: tuple[int, int, int] | None
    parameters: int
    licence: str
    trained_on: tuple[str, ...]
    frames_per_slot: int = 1
    interpolation: Interpolation = "bilinear"


EFFICIENTNET_LITE0 = Description(
    name="efficientnet-lite0",
    summary="small and quick on a CPU; its weights come with fewact",
    needs="nothing",
    input_size=(224, 224),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    vectors=1280,
    maps=(1280, 7, 7),
    middle=(112, 14, 14),
    parameters=3_371_008,
    licence="Apache-2.0",
    trained_on=("ImageNet-1k",),
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
    parameters=2_223_872,
    licence="as the file states",
    trained_on=("ImageNet-1k",),
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
    parameters=23_508_032,
    licence="as the file states",
    trained_on=("ImageNet-1k",),
)

DESCRIPTIONS = {one.name: one for one in (EFFICIENTNET_LITE0, MOBILENET_V2, RESNET50)}
