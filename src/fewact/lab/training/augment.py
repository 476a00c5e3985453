"""Augmentation on the device: all frames of a video are cropped, flipped and coloured alike."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fewact.core.random import RandomStream
from fewact.lab.benchmarks.benchmarks import published_list
from fewact.lab.training.recipe import Augment
from fewact.video.cleaning.light import LUMA_WEIGHTS

FLIPPABLE = ("kinetics", "ucf101", "hmdb51")
"""Benchmark families in which no class is the horizontal flip of another."""


def flips(rule: str, list_name: str) -> bool:
    """Return whether videos of a list are flipped.

    On Something-Something and ``motions`` a flipped video belongs to another class; the same is
    assumed for unknown lists.

    Args:
        rule: Value of the recipe's option ``flip``.
        list_name: Name of the list.

    >>> flips("auto", "ucf101_arn"), flips("auto", "ssv2-full_otam"), flips("auto", "my clips")
    (True, False, False)
    """
    if rule != "auto":
        return rule == "always"
    bench = published_list(list_name)
    return bench is not None and bench.family.startswith(FLIPPABLE)


def draw_crop(augment: Augment, draws: RandomStream, *, flip: bool) -> Tensor:
    """Draw the augmentation of one video; with ``flip``, half of the videos are flipped.

    Returns:
        Parameters (8): the crop's left, top, width and height as fractions of the frame; whether it
        is flipped; and the factors of brightness, contrast and saturation.
    """
    area = _between(draws, *augment.area)
    low, high = augment.aspect
    aspect = math.exp(_between(draws, math.log(low), math.log(high)))
    width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    x, top = _between(draws, 0.0, 1.0 - width), _between(draws, 0.0, 1.0 - height)
    flipped = flip and draws.below(2) == 1
    strengths = (augment.brightness, augment.contrast, augment.saturation)
    factors = [_between(draws, 1.0 - strength, 1.0 + strength) for strength in strengths]
    return torch.tensor([x, top, width, height, float(flipped), *factors], dtype=torch.float32)


def apply(frames: Tensor, crops: Tensor, size: tuple[int, int]) -> Tensor:
    """Augment videos.

    Args:
        frames: Frames (v t 3 H W), uint8.
        crops: Parameters (v 8) drawn by ``draw_crop``.
        size: Height and width of the result, in pixels.

    Returns:
        Frames (v t 3 h w), float32, 0 to 255.
    """
    # Autocast would round the crop's coordinates to eight bits.
    with torch.autocast(frames.device.type, enabled=False):
        return _apply(frames, crops, size)


def _apply(frames: Tensor, crops: Tensor, size: tuple[int, int]) -> Tensor:
    v, t = frames.shape[:2]
    x, top, width, height, flipped, *factors = crops.unbind(1)
    across, along = width * (1 - 2 * flipped), torch.zeros_like(width)
    # Coordinates are −1 to 1 over the full frame.
    rows = [across, along, 2 * x + width - 1, along, height, 2 * top + height - 1]
    theta = torch.stack(rows, 1).view(v, 2, 3)
    grid = functional.affine_grid(theta, [v, 1, *size], align_corners=False)  # (v h w 2)
    images = frames.flatten(1, 2).float()  # (v t·3 H W)
    cropped = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _colour(cropped.view(v, t, 3, *size), *factors)


def _colour(frames: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale frames (v t 3 h w) by factors (v): values, contrast, saturation."""
    luma = frames.new_tensor(LUMA_WEIGHTS)

    def grey(of: Tensor) -> Tensor:
        return torch.einsum("c,vtchw->vthw", luma, of)[:, :, None]  # (v t 1 h w)

    def shaped(factor: Tensor) -> Tensor:
        return factor[:, None, None, None, None]

    bright = frames * shaped(brightness)
    mean = grey(bright).mean((1, 2, 3, 4), keepdim=True)
    contrasted = mean + shaped(contrast) * (bright - mean)
    grey_values = grey(contrasted)
    return (grey_values + shaped(saturation) * (contrasted - grey_values)).clamp(0, 255)


def _between(draws: RandomStream, low: float, high: float) -> float:
    return low + (high - low) * draws.below(2**53) / 2**53
