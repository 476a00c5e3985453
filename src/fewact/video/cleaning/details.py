"""Find and remove what hides details: blur and grain.

Blur is that of a lens out of focus, or one that is not clean. A blurred clip has no sharp edge.
Blurred once more, a sharp edge becomes much flatter than a soft one: the ratio of the slopes is the
width of the edge (Zhuo and Sim 2011). What is left of the details is amplified (Wiener filter of a
Gaussian).

Grain is the noise of a sensor in little light, or of a film: new in every frame, and finer than
what is recorded. Each pixel becomes a mean of the pixels around it, in its frame and in the frames
before and after, that are the centres of similar patches (non-local means, Buades et al. 2005):
where something moves, other frames do not count.
"""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.video.cleaning.light import AnyFrames, Frames, Measured, grey_of, some_frames

SOME = 4
"""Every so many of the frames that grain is measured in are measured; the sharpest one counts."""

AGAIN = 2.0
"""Standard deviation of the second blur, in pixels."""

STEEP, LEAST_SLOPE, LEAST_PIXELS = 0.05, 2.0, 50
"""Fraction of the pixels that are on the steepest edges, their smallest slope in levels per pixel,
and their smallest number."""

SHARPEST = 0.9
"""Fraction of these pixels that are less sharp than what is measured: no clip is sharp all over."""

LEAST_BLUR = 2.0
"""Smallest standard deviation of the blur of a blurred clip, in pixels of the network's size. No
development clip has more than 1.2."""

NOISE = 0.01
"""Variance of the noise of the Wiener filter, as a fraction of that of the picture. Details are
amplified at most fivefold."""

MARGIN = 32
"""Pixels around a frame in which it is reflected."""


def find_blur(frames: AnyFrames) -> float:
    """Return the standard deviation of the blur of frames (t h w 3), in pixels; 0 if sharp."""
    widths = []
    for frame in some_frames(frames)[::SOME]:
        if min(frame.image.shape[:2]) <= MARGIN:
            return 0.0
        width = frame.of(_width)
        if width is None:
            continue
        if width < LEAST_BLUR:
            return 0.0
        widths.append(width)
    return min(widths, default=0.0)


def remove_blur(frames: Frames, blur: float) -> Frames:
    """Return frames (t h w 3) without a blur of this standard deviation, in pixels."""
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    images = functional.pad(images, (MARGIN,) * 4, mode="reflect")
    size = images.shape[-2:]
    down = torch.fft.fftfreq(size[0], dtype=images.dtype)[:, None]
    across = torch.fft.rfftfreq(size[1], dtype=images.dtype)
    passed = (-2 * (np.pi * blur) ** 2 * (down**2 + across**2)).exp()
    # Areas of one color keep it.
    wiener = (1 + NOISE) * passed / (passed**2 + NOISE)
    sharp = torch.fft.irfft2(torch.fft.rfft2(images) * wiener, s=size)
    inside = sharp[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.asarray(inside.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy())


def _blurred(luma: Tensor) -> Tensor:
    """Return a frame (h w) that is blurred once more."""
    reach = round(3 * AGAIN)
    offsets = torch.arange(-reach, reach + 1, dtype=luma.dtype)
    kernel = (-0.5 * (offsets / AGAIN) ** 2).exp()
    kernel = (kernel / kernel.sum())[None, None]
    padded = functional.pad(luma[None, None], (reach,) * 4, mode="reflect")
    rows = functional.conv2d(padded, kernel[..., None])
    return functional.conv2d(rows, kernel[:, :, None])[0, 0]


def _slopes(luma: Tensor) -> Tensor:
    """Return the slopes (h' w') of a frame, in levels per pixel; at its border there is none."""
    down = (luma[2:, 1:-1] - luma[:-2, 1:-1]) / 2
    across = (luma[1:-1, 2:] - luma[1:-1, :-2]) / 2
    border = round(3 * AGAIN)
    return torch.hypot(down, across)[border:-border, border:-border]


def _width(frame: Measured) -> float | None:
    """Return the standard deviation of the edges of a frame; None if it has no edges."""
    (luma,) = grey_of(torch.from_numpy(frame.image).permute(2, 0, 1)[None])  # (h w)
    slopes, blurred = _slopes(luma).numpy(), _slopes(_blurred(luma)).numpy()
    steep = slopes >= max(float(np.quantile(slopes, 1 - STEEP)), LEAST_SLOPE)
    if steep.sum() < LEAST_PIXELS:
        return None
    ratio = float(np.quantile(slopes[steep] / blurred[steep].clip(1e-6), SHARPEST))
    return AGAIN / math.sqrt(max(ratio**2 - 1, 1e-6))


BLOCK = 16
"""Rows and columns of the blocks that grain is measured in."""

QUIET = 0.1
"""Fraction of the blocks that are less grainy than what is measured: there, nothing moves, and the
picture has no details."""

LEAST_DETAIL, LEAST_CHANGE = 1.2, 4.0
"""Smallest detail in the quiet blocks of a frame, and smallest change of them from frame to frame,
in levels, of a grainy video. No development clip has details of more than 1.03."""

GREY = (40.0, 215.0)
"""Levels between which grain is not cut off at black or white."""
LEAST_GREY = 0.02
"""Smallest fraction of the blocks between these levels in which grain is measured there alone."""

STEPS = (-2, 0, 2)
"""Rows and columns between a pixel and those that its mean is of."""
NEIGHBOURS = [offset for offset in product((0, 1), STEPS, STEPS) if offset > (0, 0, 0)]
"""Frames, rows and columns between two pixels that count for each other, one of each pair."""
PATCH = 5
"""Rows and columns of a patch."""
SOFT = 1.2
"""Difference of patches beyond that of the grain, in standard deviations of the grain, at which a
pixel has the weight 1/e."""


def find_grain(frames: AnyFrames) -> float:
    """Return the standard deviation of the grain of frames (t h w 3), in levels; 0 if none."""
    sampled = some_frames(frames)
    if len(frames) < 2 or min(sampled[0].image.shape[:2]) < 2 * BLOCK:
        return 0.0
    if _is_fine(sampled[::2]):
        return 0.0
    images = _planes(np.stack([frame.image for frame in sampled]))  # (t 3 h w)
    before, after = images[:-1], images[1:]
    difference = (after - before).flatten(0, 1)[:, None]
    variance = _pool(difference.square()) - _pool(difference).square()
    change = (variance.clamp(min=0) / 2).sqrt()
    if _quantile(change) < LEAST_CHANGE:
        return 0.0
    level = _pool((before + after).flatten(0, 1)[:, None] / 2)
    grey = change[(level > GREY[0]) & (level < GREY[1])]
    return _quantile(grey if len(grey) > LEAST_GREY * change.numel() else change)


def remove_grain(frames: Frames, grain: float) -> Frames:
    """Return frames (t h w 3), in the order of time, without grain of this standard deviation."""
    images = _planes(frames)  # (t 3 h w)
    total, weights = images.clone(), torch.ones_like(images[:, :1])
    for later, row, column in NEIGHBOURS:
        for t in range(len(images) - later):
            first, second = (t, *_inside(-row, -column)), (t + later, *_inside(row, column))
            weight = _similarity(images[first], images[second], grain)
            for target, origin in ((first, second), (second, first)):
                total[target] += weight * images[origin]
                weights[target] += weight
    average = (total / weights).round().byte().permute(0, 2, 3, 1)
    return np.asarray(average.contiguous().numpy())


def _similarity(first: Tensor, second: Tensor, grain: float) -> Tensor:
    """Return the weights (1 h w) that the pixels of two images (3 h w) have for each other."""
    apart = (second - first).square().mean(0, keepdim=True)
    patches = functional.avg_pool2d(
        apart, PATCH, stride=1, padding=PATCH // 2, count_include_pad=False
    )
    # Two patches that show the same differ by twice the variance of the grain.
    excess = (patches - 2 * grain**2).clamp(min=0)
    return (-excess / (SOFT * grain) ** 2).exp()


def _inside(row: int, column: int) -> tuple[slice, slice, slice]:
    """Return the pixels that are still inside a picture when it is shifted."""
    rows, columns = (slice(max(k, 0), min(k, 0) or None) for k in (row, column))
    return slice(None), rows, columns


def _planes(frames: Frames) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()


def _is_fine(frames: Sequence[Measured]) -> bool:
    """Return whether the quiet blocks of frames have too little detail for grain.

    As soon as enough blocks of the first frames have, the others are not measured.
    """
    details: list[NDArray[np.float32]] = []
    for frame in frames:
        details.append(frame.of(_details))
        blocks = len(frames) * details[0].size
        if sum(int((detail < LEAST_DETAIL).sum()) for detail in details) > QUIET * blocks + 1:
            return True
    return float(np.quantile(np.concatenate(details), QUIET)) < LEAST_DETAIL


def _details(frame: Measured) -> NDArray[np.float32]:
    """Return the details of blocks (rows columns 3): the standard deviation of white noise."""
    levels = frame.image.astype(np.int16)
    ridges = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    laplacian = ridges[:, :-2] - 2 * ridges[:, 1:-1] + ridges[:, 2:]
    rows, columns = (side // BLOCK for side in laplacian.shape[:2])
    inside = laplacian[: rows * BLOCK, : columns * BLOCK].astype(np.float32)
    of_rows = np.square(inside).reshape(rows, BLOCK, -1).sum(1)
    of_blocks = of_rows.reshape(rows, columns, BLOCK, 3).sum(2)
    return np.asarray(np.sqrt(of_blocks) / (6 * BLOCK))


def _pool(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, BLOCK)


def _quantile(values: Tensor) -> float:
    return float(np.quantile(values.numpy(), QUIET))
