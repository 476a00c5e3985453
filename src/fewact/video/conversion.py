"""Conversion of decoded frames to upright RGB images of one size."""

import contextlib
import math
import struct
from typing import cast

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fewact.core.errors import VideoError
from fewact.video.damage import warn_of_video
from fewact.video.timeline import Array, RGBImage


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


EXPORT = "venc_params"
"""Value of the decoder's option ``export_side_data`` by which frames have their quantisers."""

# FFmpeg's AVVideoEncParams: unsigned blocks; size_t offset, size; int type, qp, delta_qp[4][2].
_HEAD = struct.Struct("@INNii")
_H264 = 1
_DELTA = 4  # of AVVideoBlockParams: int src_x, src_y, w, h, delta_qp


def quantiser(frame: VideoFrame) -> float | None:
    """Return the mean quantiser of a frame's blocks: 0 is lossless, 51 the worst of H.264.

    Args:
        frame: Decoded frame of a decoder with the option ``EXPORT``.

    Returns:
        None where the decoder does not say, as of all other codecs.
    """
    content = side_data(frame, "VIDEO_ENC_PARAMS")
    if content is None:
        return None
    blocks, offset, size, kind, of_frame = _HEAD.unpack_from(content)
    if kind != _H264 or not blocks:
        return None
    numbers = np.frombuffer(content, np.int32, blocks * size // 4, offset)
    return float(of_frame + numbers[_DELTA :: size // 4].mean())


_UNSPECIFIED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED


class FrameConverter:
    """Converts the frames of one video to RGB, rotates them upright and scales them to one size.

    Args:
        name: Name of the video in warnings.
        width: Width of the first frame as stored, in pixels; 0 if it is not known, then the first
            converted frame decides.
        height: Height of the first frame, likewise.
    """

    def __init__(self, name: str, width: int = 0, height: int = 0) -> None:
        self.rotation = 0
        self._name = name
        self._stored_size = (width, height)
        self._shown_size: tuple[int, int] | None = None
        self._warned_of_colors = False
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame) -> RGBImage:
        """Return a frame as an upright image.

        Args:
            frame: Frame in any pixel format; transparency is dropped.

        Returns:
            Image (h w 3), uint8, RGB, of the size of the first converted frame. Non-square pixels
            stay as they are stored.
        """
        matrix = self._matrix(frame)
        swaps_axes = matrix[0, 0] == 0
        if self._shown_size is None:
            stored = self._stored_size
            width, height = stored if all(stored) else (frame.width, frame.height)
            self._shown_size = (height, width) if swaps_axes else (width, height)
            side = round(np.linalg.det(matrix))  # −1 if the image is also flipped
            self.rotation = _degrees(matrix[0] * (side, 1)) % 360
        width, height = self._shown_size[::-1] if swaps_axes else self._shown_size
        rgb = self._rgb(frame, width, height)
        return np.ascontiguousarray(_rotate(rgb.to_ndarray(), matrix), np.uint8)

    def _rgb(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        """Return a frame in RGB and of this size, as stored."""
        try:
            return self._reformatter.reformat(frame, width, height, "rgb24")
        except (FFmpegError, ValueError) as error:
            if frame.colorspace == _UNSPECIFIED:
                raise VideoError(
                    self._name,
                    f"its pixel format {frame.format.name} cannot be converted to RGB",
                    hint="Convert it to H.264, for example with FFmpeg.",
                ) from error
        if not self._warned_of_colors:
            self._warned_of_colors = True
            warn_of_video(
                f"{self._name}: the color matrix of the file is not supported (FFmpeg's number "
                f"{int(frame.colorspace)}); the video is read with the default one, so that colors "
                "may be wrong",
            )
        frame.colorspace = _UNSPECIFIED
        return self._rgb(frame, width, height)

    def _matrix(self, frame: VideoFrame) -> Array:
        """Return the directions of the stored x and y axes on the screen: (2 2) of −1, 0, 1."""
        stored = side_data(frame, "DISPLAYMATRIX")
        if stored is None:
            return np.eye(2, dtype=np.int64)
        matrix = np.frombuffer(stored, np.int32).reshape(3, 3)[:2, :2] / 65536
        sign = np.where(np.abs(matrix) > 0.01 * np.abs(matrix).max(), np.sign(matrix), 0)
        if np.array_equal(sign @ sign.T, np.eye(2)):
            return sign.astype(np.int64)
        if matrix.any() and self._shown_size is None:
            warn_of_video(
                f"{self._name}: the file requests a rotation by {_degrees(matrix[0])} degrees, "
                "which is no multiple of 90; the video is read without rotation",
            )
        return np.eye(2, dtype=np.int64)


def _degrees(x_axis: Array) -> int:
    """Return the clockwise angle of the x axis; y points down."""
    return round(math.degrees(math.atan2(x_axis[1], x_axis[0])))


def _rotate(image: Array, matrix: Array) -> Array:
    if matrix[0, 0] == 0:
        image = image.transpose(1, 0, 2)
    down, right = matrix[:, 1].sum(), matrix[:, 0].sum()
    return image[:: int(down), :: int(right)]
