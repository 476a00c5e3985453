"""What a decoder says of a frame besides its pixels."""

import contextlib
from typing import cast

from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame, name: str) -> bytes | None:
    """Return the side data of a frame that have a name of FFmpeg's; None if it has none.

    ``frame.side_data`` would refer back to the frame and keep it until cycles are collected: large
    videos would fill the memory.
    """
    stored = cast(SideData | None, _SideData(frame).get(name))
    return None if stored is None else bytes(stored)


class _SideData(SideDataContainer):
    """Side data of a frame, up to the first of a type that PyAV does not know, such as EXIF.

    FFmpeg appends these: those of a JPEG image with EXIF data, or of a video with two views.
    """

    def __init__(self, frame: VideoFrame) -> None:
        with contextlib.suppress(ValueError):
            super().__init__(frame)  # type: ignore[call-arg]
