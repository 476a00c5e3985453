"""Frames as a network reads them: resized and normalised as its card says."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewact.core.errors import ShapeError
from fewact.core.shapes import check_shape
from fewact.networks.card import Card

CROP_MARGIN = 8 / 7
"""Size to which frames are resized before the middle is cut out: 256 for 224."""


def prepared(frames: NDArray[np.uint8], card: Card) -> Tensor:
    """Resize frames to the input size of a card, see ``Backbone.prepare``."""
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        got = getattr(frames, "dtype", type(frames).__name__)
        raise ShapeError("not an array of uint8", where="frames", got=str(got))
    check_shape(frames, "… h w 3", "frames")
    leading, image = frames.shape[:-3], frames.shape[-3:]
    # torch takes neither negative strides nor read-only memory.
    writable = np.require(frames, requirements=["C", "W"]).reshape(-1, *image)
    images = torch.from_numpy(writable).permute(0, 3, 1, 2)  # (n 3 h w), channels last
    small = resized(images, card, card.input_size)
    return small.reshape(*leading, 3, *card.input_size)


def resized(
    images: Tensor, card: Card, size: tuple[int, int], margin: float = CROP_MARGIN
) -> Tensor:
    """Resize images (n 3 h w) uint8 by the card's rule to (n 3 H W).

    ``margin`` is the size that a crop's rule resizes to, before it cuts out the middle, as a
    multiple of the result's.
    """
    if card.resize == "squash":
        return F.interpolate(images, size, mode=card.interpolation, antialias=True)
    h, w = images.shape[-2:]
    factors = [target / side * margin for target, side in zip(size, (h, w), strict=True)]
    if card.resize == "centre-crop":
        factors = [max(factors)] * 2
    covering = [
        max(target, round(factor * side))
        for target, factor, side in zip(size, factors, (h, w), strict=True)
    ]
    covered = F.interpolate(images, covering, mode=card.interpolation, antialias=True)
    top, left = ((side - target) // 2 for side, target in zip(covering, size, strict=True))
    return covered[..., top : top + size[0], left : left + size[1]].contiguous()


def normalised(
    frames: Tensor, card: Card, device: torch.device, memory_format: torch.memory_format
) -> Tensor:
    """Return prepared frames (n 3 H W) uint8 as normalised float32, on a device."""
    images = frames.to(device, memory_format=memory_format).float()
    mean, std = _mean_and_std(card.mean, card.std, device)
    return images.sub_(mean).div_(std)


@lru_cache
def _mean_and_std(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation (3 1 1) of levels from 0 to 255."""
    with torch.inference_mode(False):  # They serve training, too.
        first, second = (
            255 * torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
            for values in (mean, std)
        )
    return first, second
