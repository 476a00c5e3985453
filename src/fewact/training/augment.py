"""Augmentations on the device: each video is cropped, mirrored and coloured as a whole."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fewact.data.benchmarks import benchmark, variants
from fewact.random import RandomStream
from fewact.training.recipe import Augment

LUMA = (0.299, 0.587, 0.114)

SIDES_MEAN_NOTHING = ("kinetics", "ucf101", "hmdb51")
"""Families of benchmarks in which no class is the mirror image of another."""


def flips(rule: str, list_name: str) -> bool:
    """Whether videos of a list are mirrored.

    On Something-Something and ``motions`` a mirrored video is of another class; of lists that
    nothing is known of that must be feared.

    >>> flips("auto", "ucf101_arn"), flips("auto", "ssv2-full_otam"), flips("auto", "my clips")
    (True, False, False)
    """
    if rule != "auto":
        return rule == "always"
    known = variants(list_name) == (list_name,)
    return known and benchmark(list_name).family.startswith(SIDES_MEAN_NOTHING)


def draw_crop(augment: Augment, draws: RandomStream, *, flip: bool) -> Tensor:
    """How one video is augmented.

    Args:
        augment: Of the recipe.
        draws: Of this video.
        flip: Whether videos are mirrored at all.

    Returns:
        (8): the crop's left and top, its width and height, as shares of the picture; whether it is
        mirrored; and the factors of brightness, contrast and saturation.
    """
    area = _between(draws, *augment.area)
    low, high = augment.aspect
    aspect = math.exp(_between(draws, math.log(low), math.log(high)))
    width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    left, top = _between(draws, 0.0, 1.0 - width), _between(draws, 0.0, 1.0 - height)
    mirrored = flip and draws.below(2) == 1
    strengths = (augment.brightness, augment.contrast, augment.saturation)
    factors = [_between(draws, 1.0 - strength, 1.0 + strength) for strength in strengths]
    return torch.tensor([left, top, width, height, float(mirrored), *factors])


def apply(frames: Tensor, crops: Tensor, size: tuple[int, int]) -> Tensor:
    """Augment videos.

    Args:
        frames: (v t 3 H W) uint8.
        crops: (v 8) of ``draw_crop``.
        size: Height and width of the result, in pixels.

    Returns:
        (v t 3 h w) float32, 0 to 255.
    """
    # Inside autocast the places of the crop would be rounded to eight bits.
    with torch.autocast(frames.device.type, enabled=False):
        return _apply(frames, crops, size)


def _apply(frames: Tensor, crops: Tensor, size: tuple[int, int]) -> Tensor:
    v, t = frames.shape[:2]
    left, top, width, height, mirrored, *factors = crops.unbind(1)
    across, along = width * (1 - 2 * mirrored), torch.zeros_like(width)
    # Coordinates run from −1 to 1 over the whole picture.
    rows = [across, along, 2 * left + width - 1, along, height, 2 * top + height - 1]
    theta = torch.stack(rows, 1).view(v, 2, 3)
    grid = functional.affine_grid(theta, [v, 1, *size], align_corners=False)  # (v h w 2)
    pictures = frames.flatten(1, 2).float()  # (v t·3 H W)
    cropped = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return _colour(cropped.view(v, t, 3, *size), *factors)


def _colour(frames: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale (v t 3 h w) by factors (v): all, about the mean grey, about each place's grey."""
    luma = frames.new_tensor(LUMA)

    def grey(of: Tensor) -> Tensor:
        return torch.einsum("c,vtchw->vthw", luma, of)[:, :, None]  # (v t 1 h w)

    def shaped(factor: Tensor) -> Tensor:
        return factor[:, None, None, None, None]

    bright = frames * shaped(brightness)
    mean = grey(bright).mean((1, 2, 3, 4), keepdim=True)
    contrasted = mean + shaped(contrast) * (bright - mean)
    own = grey(contrasted)
    return (own + shaped(saturation) * (contrasted - own)).clamp(0, 255)


def _between(draws: RandomStream, low: float, high: float) -> float:
    return low + (high - low) * draws.below(2**53) / 2**53
