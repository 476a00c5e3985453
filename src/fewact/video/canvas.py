"""Turning decoded frames into upright RGB pictures of one size."""

import math
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fewact.video.damage import warn_of_video
from fewact.video.timeline import Array, Picture


class Canvas:
    """RandomStream frames of one video: converts colours, turns upright, and keeps one size.

    Args:
        name: The video, for warnings.
        width: Of its first frame as stored, in pixels; 0 takes the first frame that is drawn.
        height: Likewise.
    """

    def __init__(self, name: str, width: int = 0, height: int = 0) -> None:
        self.rotation = 0
        self._name = name
        self._stored = (width, height)
        self._shown: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def draw(self, frame: VideoFrame) -> Picture:
        """The frame as it is meant to be seen.

        Args:
            frame: In any pixel format; transparency is left out.

        Returns:
            (h w 3) uint8 RGB, of the size of the first frame drawn. Pixels that are not square
            stay as they are stored.
        """
        matrix = self._matrix(frame)
        turned = matrix[0, 0] == 0
        if self._shown is None:
            width, height = self._stored if all(self._stored) else (frame.width, frame.height)
            self._shown = (height, width) if turned else (width, height)
            side = round(np.linalg.det(matrix))  # −1 where left and right change sides as well
            self.rotation = _degrees(matrix[0] * (side, 1)) % 360
        width, height = self._shown[::-1] if turned else self._shown
        drawn = self._reformatter.reformat(frame, width, height, "rgb24")
        return np.ascontiguousarray(_turn(drawn.to_ndarray(), matrix), np.uint8)

    def _matrix(self, frame: VideoFrame) -> Array:
        """(2 2) of −1, 0, 1: where the stored x axis and the stored y axis point when shown."""
        # frame.side_data would refer back to the frame and keep it until cycles are collected:
        # large videos would fill the memory.
        stored = cast(SideData | None, SideDataContainer(frame).get("DISPLAYMATRIX"))  # type: ignore[call-arg]
        if stored is None:
            return np.eye(2, dtype=np.int64)
        matrix = np.frombuffer(bytes(stored), np.int32).reshape(3, 3)[:2, :2] / 65536
        sign = np.where(np.abs(matrix) > 0.01 * np.abs(matrix).max(), np.sign(matrix), 0)
        if np.array_equal(sign @ sign.T, np.eye(2)):
            return sign.astype(np.int64)
        if matrix.any() and self._shown is None:
            warn_of_video(
                f"{self._name}: is to be shown turned by {_degrees(matrix[0])} degrees, which is "
                "no multiple of 90; it is read as stored",
                stacklevel=2,
            )
        return np.eye(2, dtype=np.int64)


def _degrees(x_axis: Array) -> int:
    """Clockwise angle of an axis that points right when not turned; y grows downwards."""
    return round(math.degrees(math.atan2(x_axis[1], x_axis[0])))


def _turn(picture: Array, matrix: Array) -> Array:
    if matrix[0, 0] == 0:
        picture = picture.transpose(1, 0, 2)
    down, right = matrix[:, 1].sum(), matrix[:, 0].sum()
    return picture[:: int(down), :: int(right)]
