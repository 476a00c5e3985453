"""Find and remove grain: the noise of a sensor in little light, or of a film.

Grain is new in every frame and finer than what is recorded. Each pixel becomes a mean of the pixels
around it, in its frame and in the frames before and after, that are the centres of similar patches
(non-local means, Buades et al. 2005): where something moves, other frames do not count.
"""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.video.camera.measured import Frames, some_frames

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


def find_grain(frames: Frames) -> float:
    """Return the standard deviation of the grain of a video, in levels; 0 if it has none.

    Args:
        frames: Some frames (t h w 3) of it.
    """
    if len(frames) < 2 or min(frames.shape[1:3]) < 2 * BLOCK:
        return 0.0
    sampled = some_frames(frames)
    if _is_fine(sampled[::2]):
        return 0.0
    images = _planes(sampled)  # (t 3 h w)
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
    """Return frames (t h w 3) without grain.

    Args:
        frames: Frames in the order of time.
        grain: Standard deviation of the grain, in levels.
    """
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


def _is_fine(frames: Frames) -> bool:
    """Return whether the quiet blocks of frames have too little detail for grain.

    As soon as enough blocks of the first frames have, the others are not measured.
    """
    details: list[NDArray[np.float32]] = []
    for frame in frames:
        details.append(_details(frame[None]))
        blocks = len(frames) * details[0].size
        if sum(int((detail < LEAST_DETAIL).sum()) for detail in details) > QUIET * blocks + 1:
            return True
    return float(np.quantile(np.concatenate(details), QUIET)) < LEAST_DETAIL


def _details(frames: Frames) -> NDArray[np.float32]:
    """Return the details of blocks (t rows columns 3): the standard deviation of white noise."""
    levels = frames.astype(np.int16)
    ridges = levels[:, :-2] - 2 * levels[:, 1:-1] + levels[:, 2:]
    laplacian = ridges[:, :, :-2] - 2 * ridges[:, :, 1:-1] + ridges[:, :, 2:]
    rows, columns = (side // BLOCK for side in laplacian.shape[1:3])
    inside = laplacian[:, : rows * BLOCK, : columns * BLOCK].astype(np.float32)
    of_rows = np.square(inside).reshape(len(frames), rows, BLOCK, -1).sum(2)
    of_blocks = of_rows.reshape(len(frames), rows, columns, BLOCK, 3).sum(3)
    return np.asarray(np.sqrt(of_blocks) / (6 * BLOCK))


def _pool(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, BLOCK)


def _quantile(values: Tensor) -> float:
    return float(np.quantile(values.numpy(), QUIET))
