"""Small pictures of clips, for people."""

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.encoding import used_part
from fewact.data.clips import VideoClip
from fewact.video import Segments, collect_warnings
from fewact.video.resizing import resized
from fewact.video.samplers import RGBImage
from fewact.video.source import Span, VideoSource

THUMBNAIL_SIDE = 160
"""Height or width of a picture, in pixels, whichever is larger."""

STRIP_FRAMES = 8
"""Number of frames of a clip that are shown."""

CORRECTED_SIDE = 224
"""Height and width in pixels of the frames that corrections are found in."""


def thumbnail(clip: VideoClip) -> bytes:
    """Return the middle frame of a clip as a small JPEG file, without warnings."""
    from fewact.video.writing import jpeg  # a prediction writes no picture

    with collect_warnings():
        frame = clip.read([Segments(1)]).frames[0][0]
    return jpeg(shrink(frame))


def strip(clip: VideoSource, active: Span | None) -> tuple[bytes, ...]:
    """Return small JPEG images of a clip, or its active part, as it was compared, over time."""
    from fewact.video.writing import jpeg

    with collect_warnings():  # The prediction has warned of a damaged clip.
        return tuple(map(jpeg, small_frames(used_part(clip, active), STRIP_FRAMES)))


def small_frames(source: VideoSource, count: int) -> list[RGBImage]:
    """Return small images (h w 3) of a source, evenly spread over time."""
    reading = source.read([Segments(count)], transform=_as_square)
    return [shrink(frame, reading.size) for frame in reading.frames[0]]


def shrink(frame: NDArray[np.uint8], displayed: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return a frame (h w 3) resized so that its longer side has at most 160 pixels.

    ``displayed``: height and width of the displayed frame, if they differ from the frame's.
    """
    height, width = displayed or frame.shape[:2]
    scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
    return resized(frame, (max(1, round(height * scale)), max(1, round(width * scale))))


def _as_square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return resized(frame, (CORRECTED_SIDE, CORRECTED_SIDE))
