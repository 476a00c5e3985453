"""The first opening of an upload, in a process of its own: is it a video, and how does it look?"""

import warnings
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import VideoError
from fewact.page.state import RECORDING_FROM
from fewact.video import Segments, probe, read_frames
from fewact.video.opening import READABLE
from fewact.video.writing import jpeg

THUMBNAIL_HEIGHT: Final = 144
"""Largest height of a thumbnail in pixels."""

THUMBNAIL_WIDTH: Final = 256
"""Largest width of a thumbnail in pixels."""

CLIP_FRAMES: Final = 8
"""Frames in the thumbnail of a clip."""

RECORDING_FRAMES: Final = 32
"""Frames in the thumbnail of a recording."""

LONGEST_VIDEO: Final = 2 * 3600.0
"""Longest video that is taken, in seconds."""


class Decoder:
    """Reads uploads; runs in a child."""

    def inspect(self, path: str) -> tuple[dict[str, Any], bytes]:
        """Return facts about a video, see ``PageClip``, and a JPEG file of frames side by side."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A damaged clip is used as far as it decodes.
            try:
                info = probe(path)
            except VideoError as error:
                if error.expected == READABLE:  # an upload cannot be a folder of images
                    error.expected = ""
                raise
            if info.duration > LONGEST_VIDEO:
                raise VideoError(
                    path, "is too long", expected=f"at most {LONGEST_VIDEO / 3600:g} hours"
                )
            count = CLIP_FRAMES if info.duration < RECORDING_FROM else RECORDING_FRAMES
            frames = read_frames(Path(path), Segments(count), transform=_shrunk)
        strip = jpeg(np.concatenate(list(frames), axis=1))
        aspect = info.width / info.height
        facts = {"seconds": info.duration, "frames": count, "aspect": aspect}
        return {**facts, "height": info.height}, strip


def _shrunk(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame (h w 3) as a thumbnail of even size."""
    height, width = frame.shape[:2]
    scale = min(THUMBNAIL_HEIGHT / height, THUMBNAIL_WIDTH / width)
    new_width, new_height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    frame = np.ascontiguousarray(frame)
    small = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
        new_width, new_height, "rgb24", interpolation="AREA"
    )
    return small.to_ndarray().astype(np.uint8, copy=False)
