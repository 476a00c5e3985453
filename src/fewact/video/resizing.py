"""Frames in another size, as PyTorch's ``interpolate`` returns them: equal to the last level.

Width and height are resized one after the other. A new pixel is a weighted sum of the pixels near
it, and both results are rounded. With ``antialias`` a smaller image is a mean over all pixels, as
in Pillow. ``fewact.video.camera._native`` has a compiled form.
"""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewact.video.camera import _native
from fewact.video.camera._native import Axis, RealAxis
from fewact.video.samplers import Ints

Interpolation = Literal["bilinear", "bicubic"]

WEIGHT_BITS = 15
"""Bits of a weight without its sign; weights are multiples of 2^−precision."""

MOST_PRECISION = 22
"""Largest precision of weights."""

CUBIC_SHARPNESS = -0.5
"""Parameter a of the cubic kernel (Keys 1981)."""


def resized(
    images: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    interpolation: Interpolation = "bilinear",
    antialias: bool = True,
) -> NDArray[np.uint8]:
    """Return images (… h w 3) in another height and width: (… h' w' 3), contiguous.

    Args:
        images: Images (… h w 3).
        size: New height and width.
        interpolation: Kernel of the weights.
        antialias: Whether the kernel is as wide as a new pixel if this is larger than an old pixel.
    """
    *leading, height, width, colours = images.shape
    if (height, width) == tuple(size):
        return np.ascontiguousarray(images)
    rows = axis(height, size[0], interpolation, antialias)
    columns = axis(width, size[1], interpolation, antialias)
    flat = np.ascontiguousarray(images).reshape(-1, height, width, colours)
    if colours == _native.COLOUR_CHANNELS and _native.computes(flat):
        small = _native.resize(flat, rows, columns)
    else:
        small = _along(_along(flat, columns, 2), rows, 1)
    return small.reshape(*leading, *size, colours)


def resized_planes(images: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return images (… h w) in another height and width, bilinear and antialiased."""
    *leading, height, width = images.shape
    if (height, width) == tuple(size):
        return images
    if _native.computes(images):
        rows, columns = _real_axis(height, size[0]), _real_axis(width, size[1])
        small = _native.resize_planes(images.reshape(-1, height, width), rows, columns)
        return small.reshape(*leading, *size)
    if width != size[1]:
        images = images @ _dense(width, size[1]).T
    return images if height == size[0] else _dense(height, size[0]) @ images


def planes(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames (… h w 3) as (… 3 h w), without a copy."""
    return np.moveaxis(frames, -1, -3)


def channels_last(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames (… 3 h w) as (… h w 3), without a copy."""
    return np.moveaxis(frames, -3, -1)


@lru_cache(maxsize=256)
def axis(
    length: int, new: int, interpolation: Interpolation = "bilinear", antialias: bool = True
) -> Axis:
    """Return the weights that resize a side to a new number of pixels."""
    pixels, weights = _weights(length, new, interpolation, antialias, np.float64)
    largest, precision = float(weights.max()), 1
    while precision < MOST_PRECISION and 0.5 + largest * 2 ** (precision + 1) < 1 << WEIGHT_BITS:
        precision += 1
    scaled = weights * (1 << precision)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int16)
    return Axis(length, pixels[:, 0].astype(np.int32), rounded, precision)


@lru_cache(maxsize=256)
def _real_axis(length: int, new: int) -> RealAxis:
    pixels, weights = _weights(length, new, "bilinear", True, np.float32)
    return RealAxis(length, pixels[:, 0].astype(np.int32), weights)


@lru_cache(maxsize=256)
def _dense(length: int, new: int) -> NDArray[np.float32]:
    """Return the weights (m n) of all pixels, not rounded."""
    pixels, weights = _weights(length, new, "bilinear", True, np.float32)
    dense = np.zeros((new, length), np.float32)
    np.put_along_axis(dense, pixels, weights, 1)
    return dense


def _weights(
    length: int, new: int, interpolation: Interpolation, antialias: bool, kind: type[Any]
) -> tuple[Ints, NDArray[Any]]:
    """Return the neighbours (m k) of each new pixel, and their weights (m k) of a type."""
    scale = kind(length / new)
    wide = max(scale, kind(1)) if antialias else kind(1)
    support = (2 if interpolation == "bicubic" else 1) * wide
    middle = scale * (np.arange(new, dtype=kind) + kind(0.5))  # (m)
    begin = np.maximum((middle - support + kind(0.5)).astype(np.int64), 0)
    end = np.minimum((middle + support + kind(0.5)).astype(np.int64), length)
    count = int((end - begin).max())
    pixels = np.minimum(begin, length - count)[:, None] + np.arange(count)
    off = (pixels - begin[:, None]).astype(kind) + (begin - middle)[:, None].astype(kind)
    kernel = _cubic if interpolation == "bicubic" else _triangle
    weights = kernel(np.abs((off + kind(0.5)) * (kind(1) / wide)))
    weights[(pixels < begin[:, None]) | (pixels >= end[:, None])] = 0
    return pixels, weights / weights.sum(1, keepdims=True)


def _triangle(x: NDArray[Any]) -> NDArray[Any]:
    weights: NDArray[Any] = np.maximum(1 - x, 0)
    return weights


def _cubic(x: NDArray[Any]) -> NDArray[Any]:
    a = CUBIC_SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _along(images: NDArray[np.uint8], along: Axis, number: int) -> NDArray[np.uint8]:
    """Return images whose axis of a number is resized."""
    if images.shape[number] == len(along.first):
        return images
    pixels = np.moveaxis(images, number, 1)
    size = len(images), len(along.first), *pixels.shape[2:]
    sums = np.full(size, 1 << (along.precision - 1), np.int32)
    for k, weights in enumerate(along.weights.T):
        sums += pixels[:, along.first + k] * weights.astype(np.int32)[:, None, None]
    levels = (sums >> along.precision).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(levels, 1, number))
