"""Frames as a network reads them: resized and normalised as its card says."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ShapeError
from fewact.core.shapes import check_shape
from fewact.networks.card import Card
from fewact.video import resizing

CROP_MARGIN = 8 / 7
"""Size to which frames are resized before the middle is cut out: 256 for 224."""


def prepared(frames: NDArray[np.uint8], card: Card) -> NDArray[np.uint8]:
    """Resize frames to the input size of a card, see ``Backbone.prepare``."""
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        got = getattr(frames, "dtype", type(frames).__name__)
        raise ShapeError("not an array of uint8", where="frames", got=str(got))
    check_shape(frames, "… h w 3", "frames")
    return resizing.planes(resized(frames, card, card.input_size))


def resized(
    images: NDArray[np.uint8], card: Card, size: tuple[int, int], margin: float = CROP_MARGIN
) -> NDArray[np.uint8]:
    """Resize images (… h w 3) by the card's rule to (… H W 3).

    ``margin`` is the size before the middle is cut out, as a multiple of the result's size.
    """
    if card.resize == "squash":
        return resizing.resized(images, size, interpolation=card.interpolation)
    h, w = images.shape[-3:-1]
    factors = [target / side * margin for target, side in zip(size, (h, w), strict=True)]
    if card.resize == "centre-crop":
        factors = [max(factors)] * 2
    height, width = (
        max(target, round(factor * side))
        for target, factor, side in zip(size, factors, (h, w), strict=True)
    )
    covered = resizing.resized(images, (height, width), interpolation=card.interpolation)
    y, x = (height - size[0]) // 2, (width - size[1]) // 2
    return np.ascontiguousarray(covered[..., y : y + size[0], x : x + size[1], :])


def normalised(frames: NDArray[np.uint8], card: Card) -> NDArray[np.float32]:
    """Return prepared frames (n 3 H W) uint8 as normalised float32, contiguous."""
    mean, std = mean_and_std(card.mean, card.std)
    images = np.empty(frames.shape, np.float32)
    np.subtract(frames, mean, out=images)
    images /= std
    return images


@lru_cache
def mean_and_std(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the standard deviation (3 1 1) of levels from 0 to 255."""
    first, second = (
        np.float32(255) * np.asarray(values, np.float32).reshape(3, 1, 1) for values in (mean, std)
    )
    return first, second
