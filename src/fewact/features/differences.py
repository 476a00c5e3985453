"""Images of what changes between frames: movement alone, whatever a person wears or stands before.

The red, green and blue of an image are the absolute differences of grey neighbours in three pairs
of frames: the one before its frame, the one that ends with it, and the one that begins with it. So
a network for photographs sees outlines of movement, and their colours say where it goes.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fewact.camera.measured import LUMA

GAIN = 3.0
"""Factor of the differences, most of which are far below 255."""


def difference_images(frames: Tensor) -> Tensor:
    """Return images (n 3 H W) uint8 of the changes around each of the frames (n 3 H W).

    Args:
        frames: uint8, in the order of time. A pair beyond either end has no differences.
    """
    grey = torch.einsum("c,nchw->nhw", torch.from_numpy(LUMA).float(), frames.float())
    changes = GAIN * (grey[1:] - grey[:-1]).abs()
    padded = functional.pad(changes, (0, 0, 0, 0, 2, 2))  # (n+3 h w)
    pairs = [padded[i : i + len(frames)] for i in range(3)]
    return torch.stack(pairs, 1).round().clamp(0, 255).to(torch.uint8)
