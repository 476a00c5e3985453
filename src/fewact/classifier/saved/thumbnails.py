"""Small images of training clips."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from fewact.data import VideoClip
from fewact.video import Segments, collect_warnings
from fewact.video.writing import jpeg

LONGER_SIDE = 160


def thumbnail(clip: VideoClip) -> bytes:
    """Return the middle frame of a clip as a small JPEG file, without warnings.

    Raises:
        VideoError: The clip cannot be read.
    """
    with collect_warnings():
        frame = clip.read([Segments(1)]).frames[0][0]
    return jpeg(shrink(frame))


def shrink(frame: NDArray[np.uint8], displayed: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return a frame (h w 3) resized so that its longer side has at most 160 pixels.

    Args:
        frame: Frame to resize.
        displayed: Height and width of what it shows; None for those of the frame.
    """
    height, width = displayed or frame.shape[:2]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    image = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    small = F.interpolate(image, size, mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).numpy()
