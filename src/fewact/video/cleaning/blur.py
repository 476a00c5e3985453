"""Find and remove blur: a lens out of focus, or one that is not clean.

A blurred clip has no sharp edge. Blurred once more, a sharp edge becomes much flatter than a soft
one: the ratio of the slopes is the width of the edge (Zhuo and Sim 2011). What is left of the
details is amplified (Wiener filter of a Gaussian).
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fewact.video.camera.measured import Frames, grey_of, some_frames

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


def find_blur(frames: Frames) -> float:
    """Return the standard deviation of the blur of a clip, in pixels; 0 if it is sharp.

    Args:
        frames: Some frames (t h w 3) of it.
    """
    if min(frames.shape[1:3]) <= MARGIN:
        return 0.0
    widths = []
    for frame in some_frames(frames)[::SOME]:
        (luma,) = grey_of(torch.from_numpy(frame).permute(2, 0, 1)[None])  # (h w)
        width = _width(_slopes(luma), _slopes(_blurred(luma)))
        if width is None:
            continue
        if width < LEAST_BLUR:
            return 0.0
        widths.append(width)
    return min(widths, default=0.0)


def remove_blur(frames: Frames, blur: float) -> Frames:
    """Return frames (t h w 3) with sharper edges.

    Args:
        frames: Frames of the clip.
        blur: Standard deviation of the blur, in pixels.
    """
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


def _width(first: Tensor, second: Tensor) -> float | None:
    """Return the standard deviation of the edges of a frame; None if it has no edges.

    Args:
        first: Slopes (h w).
        second: Slopes of the frame that was blurred once more.
    """
    slopes = first.numpy()
    steep = slopes >= max(float(np.quantile(slopes, 1 - STEEP)), LEAST_SLOPE)
    if steep.sum() < LEAST_PIXELS:
        return None
    ratio = float(np.quantile(slopes[steep] / second.numpy()[steep].clip(1e-6), SHARPEST))
    return AGAIN / math.sqrt(max(ratio**2 - 1, 1e-6))
