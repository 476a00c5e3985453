"""Images of what changes between frames: movement alone, whatever a person wears or stands before.

The red, green and blue of an image are the absolute differences of grey neighbours in three pairs
of frames: the one before its frame, the one that ends with it, and the one that begins with it. So
a network for photographs sees outlines of movement, and their colours say where it goes. The images
are smaller than the frames, and run through the first blocks only. A change of the light is no
movement: it is taken away before.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fewact.camera.flicker import same_light
from fewact.camera.measured import grey_of

GAIN = 3.0
"""Factor of the differences, most of which are far below 255."""

SCALE = 3 / 7
"""Height of the images, as a fraction of the frames': 96 pixels of 224."""

STRIDE = 16
"""Pixels by which the sides of an image are divisible, as those of a frame."""


def image_side(pixels: int, scale: float = SCALE) -> int:
    """Return the height or width of an image from that of the frames."""
    return STRIDE * max(1, round(scale * (pixels // STRIDE)))


def difference_images(
    frames: Tensor, scale: float = SCALE, *, grey: Tensor | None = None
) -> Tensor:
    """Return images (n 3 h w) uint8 of the changes around each of the frames (n 3 H W).

    Args:
        frames: uint8, in the order of time. A pair beyond either end has no differences.
        scale: Height of the images, as a fraction of the frames'.
        grey: Luma (n H W) of the frames if it is known already.
    """
    grey = same_light(grey_of(frames) if grey is None else grey)
    changes = GAIN * (grey[1:] - grey[:-1]).abs()
    size = [image_side(side, scale) for side in grey.shape[-2:]]
    small = functional.interpolate(changes[:, None], size, mode="bilinear", antialias=True)[:, 0]
    rounded = small.round().clamp(0, 255).to(torch.uint8)
    padded = functional.pad(rounded, (0, 0, 0, 0, 2, 2))  # (n+3 h w)
    return torch.stack([padded[i : i + len(frames)] for i in range(3)], 1)
