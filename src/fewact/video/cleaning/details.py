"""Find and remove blur and grain, which hide details.

Blur comes from a lens that is out of focus or dirty. A blurred clip has no sharp edge. A second
blur flattens sharp edges much more than soft edges, so the ratio of the slopes gives the width of
an edge (Zhuo and Sim 2011). A Wiener filter of a Gaussian amplifies the remaining details.

Grain is the noise of a sensor in little light, or of film. It is new in every frame, and finer than
the scene. Non-local means (Buades et al. 2005) replace each pixel by a mean of nearby pixels whose
patches are similar, in the same frame and in the frames before and after. Frames in which the
content moved have little weight, because their patches differ.
"""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fewact.video.cleaning.light import (
    AnyFrames,
    Frames,
    Grey,
    Measured,
    few_frames,
    grey_of,
    some_frames,
)
from fewact.video.pooling import mean_blocks
from fewact.video.resizing import channels_last, planes

Planes = NDArray[np.float32]

SECOND_BLUR = 2.0
"""Standard deviation of the second blur, in pixels."""

STEEPEST_FRACTION = 0.05
"""Fraction of the pixels that are on the steepest edges."""

LEAST_SLOPE = 2.0
"""Smallest slope of these pixels, in levels per pixel."""

LEAST_EDGE_PIXELS = 50
"""Smallest number of these pixels."""

EDGE_QUANTILE = 0.9
"""Quantile of the sharpness over these pixels that is measured: no clip is sharp everywhere."""

LEAST_BLUR = 2.0
"""Smallest standard deviation of the blur of a blurred clip, in pixels of the network's size. No
development clip has more than 1.2."""

WIENER_NOISE = 0.01
"""Ratio of the variances of noise and image in the Wiener filter. Details are amplified at most
fivefold."""

REFLECTED_MARGIN = 32
"""Pixels around a frame in which it is reflected."""


def find_blur(frames: AnyFrames) -> float:
    """Return the standard deviation of the blur of frames (t h w 3), in pixels; 0 if sharp.

    The sharpest one counts.
    """
    widths = []
    for frame in few_frames(frames):
        if min(frame.image.shape[:2]) <= REFLECTED_MARGIN:
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
    margins = ((0, 0), *[(REFLECTED_MARGIN, REFLECTED_MARGIN)] * 2)
    height, width = (side + 2 * REFLECTED_MARGIN for side in frames.shape[1:3])
    down = np.fft.fftfreq(height).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(width).astype(np.float32)
    passed = np.exp(np.float32(-2 * (np.pi * blur) ** 2) * (down**2 + across**2))
    # Areas of one color keep it.
    wiener = (1 + WIENER_NOISE) * passed / (passed**2 + WIENER_NOISE)
    sharp = np.empty_like(frames)
    for target, frame in zip(sharp, frames, strict=True):
        image = np.pad(np.moveaxis(frame, -1, 0).astype(np.float32), margins, "reflect")  # (3 h w)
        image = np.fft.irfft2(np.fft.rfft2(image) * wiener, s=(height, width))
        inside = image[:, REFLECTED_MARGIN:-REFLECTED_MARGIN, REFLECTED_MARGIN:-REFLECTED_MARGIN]
        target[:] = np.moveaxis(inside.round().clip(0, 255), 0, -1)
    return sharp


def _blurred(luma: Grey) -> Grey:
    """Return a frame (h w) that is blurred once more."""
    reach = round(3 * SECOND_BLUR)
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    kernel = np.exp(-0.5 * (offsets / SECOND_BLUR) ** 2)
    kernel /= kernel.sum()
    height, width = luma.shape
    padded = np.pad(luma, reach, "reflect")
    rows, blurred = np.zeros((height, padded.shape[1]), np.float32), np.zeros_like(luma)
    for i, weight in enumerate(kernel):
        rows += weight * padded[i : i + height]
    for i, weight in enumerate(kernel):
        blurred += weight * rows[:, i : i + width]
    return blurred


def _slopes(luma: Grey) -> Grey:
    """Return the slopes (h' w') of a frame, in levels per pixel; at its border there is none."""
    border = round(3 * SECOND_BLUR)
    inside = luma[border : luma.shape[0] - border, border : luma.shape[1] - border]
    down = (inside[2:, 1:-1] - inside[:-2, 1:-1]) / 2
    across = (inside[1:-1, 2:] - inside[1:-1, :-2]) / 2
    slopes: Grey = np.sqrt(down**2 + across**2)
    return slopes


def _width(frame: Measured) -> float | None:
    """Return the standard deviation of the edges of a frame; None if it has no edges."""
    (luma,) = grey_of(planes(frame.image)[None])  # (h w)
    slopes, blurred = _slopes(luma), _slopes(_blurred(luma))
    steep = slopes >= max(float(np.quantile(slopes, 1 - STEEPEST_FRACTION)), LEAST_SLOPE)
    if steep.sum() < LEAST_EDGE_PIXELS:
        return None
    ratio = float(np.quantile(slopes[steep] / blurred[steep].clip(1e-6), EDGE_QUANTILE))
    return SECOND_BLUR / math.sqrt(max(ratio**2 - 1, 1e-6))


GRAIN_BLOCK = 16
"""Rows and columns of the blocks that grain is measured in."""

QUIET_QUANTILE = 0.1
"""Quantile over the blocks that is measured: in these blocks nothing moves, and the image has no
details."""

LEAST_GRAIN_DETAIL = 1.2
"""Smallest detail in the quiet blocks of a frame of a grainy video, in levels. No development clip
has details of more than 1.03."""

LEAST_GRAIN_CHANGE = 4.0
"""Smallest change of these blocks from frame to frame, in levels."""

UNCLIPPED_LEVELS = (40.0, 215.0)
"""Levels between which grain is not cut off at black or white."""

LEAST_UNCLIPPED = 0.02
"""Smallest fraction of the blocks between these levels in which grain is measured there alone."""

NEIGHBOUR_STEPS = (-2, 0, 2)
"""Row and column distances between a pixel and the pixels in its mean."""
NEIGHBOUR_OFFSETS = [
    offset for offset in product((0, 1), NEIGHBOUR_STEPS, NEIGHBOUR_STEPS) if offset > (0, 0, 0)
]
"""Frames, rows and columns between two pixels that count for each other, one of each pair."""
PATCH_SIDE = 5
"""Rows and columns of a patch."""
PATCH_TOLERANCE = 1.2
"""Difference of patches, beyond the difference due to grain, at which a pixel has the weight 1/e;
in standard deviations of the grain."""


def find_grain(frames: AnyFrames) -> float:
    """Return the standard deviation of the grain of frames (t h w 3), in levels; 0 if none."""
    sampled = some_frames(frames)
    if len(frames) < 2 or min(sampled[0].image.shape[:2]) < 2 * GRAIN_BLOCK:
        return 0.0
    if _is_fine(sampled[::2]):
        return 0.0
    images = _planes(np.stack([frame.image for frame in sampled]))  # (t 3 h w)
    before, after = images[:-1], images[1:]
    difference = after - before
    variance = _block_means(np.square(difference)) - np.square(_block_means(difference))
    change = np.sqrt(np.maximum(variance, 0) / 2)
    if _quantile(change) < LEAST_GRAIN_CHANGE:
        return 0.0
    level = _block_means(before + after) / 2
    grey = change[(level > UNCLIPPED_LEVELS[0]) & (level < UNCLIPPED_LEVELS[1])]
    return _quantile(grey if len(grey) > LEAST_UNCLIPPED * change.size else change)


def remove_grain(frames: Frames, grain: float) -> Frames:
    """Return frames (t h w 3), in the order of time, without grain of this standard deviation."""
    images = _planes(frames)  # (t 3 h w)
    total, weights = images.copy(), np.ones_like(images[:, :1])
    for later, row, column in NEIGHBOUR_OFFSETS:
        for t in range(len(images) - later):
            first, second = (t, *_inside(-row, -column)), (t + later, *_inside(row, column))
            weight = _similarity(images[first], images[second], grain)
            for target, origin in ((first, second), (second, first)):
                total[target] += weight * images[origin]
                weights[target] += weight
    total /= weights
    return np.ascontiguousarray(channels_last(total.round().astype(np.uint8)))


def _similarity(first: Planes, second: Planes, grain: float) -> Planes:
    """Return the weights (1 h w) that the pixels of two images (3 h w) have for each other."""
    apart = np.square(second - first).sum(0) / 3
    patches = _patch_means(apart)
    # Two patches that show the same differ by twice the variance of the grain.
    excess = np.maximum(patches - 2 * grain**2, 0)
    excess *= -1 / (PATCH_TOLERANCE * grain) ** 2
    weights: Planes = np.exp(excess, out=excess)[None]
    return weights


def _patch_means(image: Planes) -> Planes:
    """Return the mean of the patch around each pixel of an image (h w), smaller at borders."""
    for length in image.shape:
        half = PATCH_SIDE // 2
        padded = np.pad(image, ((half, half), (0, 0)))
        image = padded[:length] + padded[1 : length + 1]
        for i in range(2, PATCH_SIDE):
            image += padded[i : i + length]
        number = np.arange(length)
        count = np.minimum(number + half, length - 1) - np.maximum(number - half, 0) + 1
        image = (image / count[:, None].astype(np.float32)).T
    return image


def _inside(row: int, column: int) -> tuple[slice, slice, slice]:
    """Return the slices of the pixels that stay inside an image when it is shifted."""
    rows, columns = (slice(max(k, 0), min(k, 0) or None) for k in (row, column))
    return slice(None), rows, columns


def _planes(frames: Frames) -> Planes:
    return np.ascontiguousarray(planes(frames), np.float32)


def _is_fine(frames: Sequence[Measured]) -> bool:
    """Return whether the quiet blocks of frames have too little detail for grain.

    As soon as enough blocks of the first frames have, the others are not measured.
    """
    details: list[NDArray[np.float32]] = []
    for frame in frames:
        details.append(frame.of(_details))
        blocks = len(frames) * details[0].size
        quiet = sum(int((detail < LEAST_GRAIN_DETAIL).sum()) for detail in details)
        if quiet > QUIET_QUANTILE * blocks + 1:
            return True
    return float(np.quantile(np.concatenate(details), QUIET_QUANTILE)) < LEAST_GRAIN_DETAIL


def _details(frame: Measured) -> NDArray[np.float32]:
    """Return the details of blocks (rows columns 3): the standard deviation of white noise."""
    levels = frame.image.astype(np.int16)
    ridges = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    laplacian = ridges[:, :-2] - 2 * ridges[:, 1:-1] + ridges[:, 2:]
    rows, columns = (side // GRAIN_BLOCK for side in laplacian.shape[:2])
    inside = laplacian[: rows * GRAIN_BLOCK, : columns * GRAIN_BLOCK].astype(np.float32)
    of_rows = np.square(inside).reshape(rows, GRAIN_BLOCK, -1).sum(1)
    of_blocks = of_rows.reshape(rows, columns, GRAIN_BLOCK, 3).sum(2)
    return np.asarray(np.sqrt(of_blocks) / (6 * GRAIN_BLOCK))


def _block_means(images: Planes) -> Planes:
    """Return the means (t 3 r c) of complete blocks."""
    rows, columns = (side // GRAIN_BLOCK for side in images.shape[-2:])
    blocks = images[..., : rows * GRAIN_BLOCK, : columns * GRAIN_BLOCK]
    return mean_blocks(blocks, GRAIN_BLOCK)


def _quantile(values: Planes) -> float:
    return float(np.quantile(values, QUIET_QUANTILE))
