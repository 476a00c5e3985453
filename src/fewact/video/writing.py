"""Writing frames as a video file."""

import math
import os
import secrets
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from fewact.errors import OptionError, ShapeError, VideoError
from fewact.video.timeline import Picture

_FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".gif": "gif",
}
# Constant quality that keeps small drawings legible, and speed rather than the last byte.
_OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"crf": "8", "b": "4M", "deadline": "realtime"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(3 * 118)},
    "mjpeg": {"flags": "+qscale", "global_quality": str(3 * 118)},
}
_PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8", "ffv1": "bgr0", "png": "rgb24"}


def write_video(
    path: str | Path,
    frames: Iterable[Picture],
    fps: float,
    codec: str = "libx264",
    *,
    overwrite: bool = False,
) -> Path:
    """Write frames as a video of constant rate.

    Args:
        path: The file; its ending chooses the container.
        frames: (t h w 3) uint8 RGB, or any iterable of (h w 3), which need not be held at once.
            An odd width or height is made even by repeating the last column or row, which video
            players ask for.
        fps: Frames a second.
        codec: FFmpeg's name of an encoder. Where libx264 is missing, mpeg4 is taken.
        overwrite: Replace a file of this name.

    Returns:
        The path.

    Raises:
        VideoError: The file exists or cannot be written.
        ShapeError: Frames that are no RGB pictures of one size, or none.
        OptionError: The rate, the codec or the container is not accepted.
    """
    path = Path(path)
    container = _container(path)
    encoder = _encoder(codec)
    rate = _rate(fps)
    if path.exists() and not overwrite:
        raise VideoError(path, "the file exists", hint="Choose another name, or overwrite it.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _encode(temporary, container, encoder, rate, frames)
        _sync(temporary)
        os.replace(temporary, path)
    except (FFmpegError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise VideoError(path, f"cannot be written as {encoder} at {fps} fps: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _encode(
    path: Path, container: str, encoder: str, rate: Fraction, frames: Iterable[Picture]
) -> None:
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ShapeError("there is no frame to write", where="frames", expected="(t h w 3), t ≥ 1")
    height, width = _check(first, np.shape(first)).shape[:2]
    with av.open(f"file:{path}", "w", format=container) as output:
        if av.codec.Codec(encoder, "w").canonical_name not in output.supported_codecs:
            raise OptionError(f"{container} files do not hold it", where="codec", got=repr(encoder))
        stream = output.add_stream(encoder, rate=rate, options=_OPTIONS.get(encoder, {}))
        context = cast(VideoCodecContext, stream.codec_context)
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = _PIXELS.get(encoder, "yuv420p")
        for picture in chain([first], pictures):
            even = _even(_check(picture, np.shape(first)))
            output.mux(context.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        output.mux(context.encode(None))


def _container(path: Path) -> str:
    if path.suffix.lower() not in _FORMATS:
        raise OptionError(
            "no container of this ending",
            where=str(path),
            got=repr(path.suffix),
            expected=", ".join(_FORMATS),
        )
    return _FORMATS[path.suffix.lower()]


def _encoder(codec: str) -> str:
    for name in (codec, "mpeg4") if codec == "libx264" else (codec,):
        try:
            if av.codec.Codec(name, "w").type == "video":
                return name
        except ValueError:
            continue
    raise OptionError("there is no video encoder of this name", where="codec", got=repr(codec))


def _rate(fps: float) -> Fraction:
    rate = Fraction(fps).limit_denominator(1001) if math.isfinite(fps) else Fraction(0)
    if rate <= 0:
        raise OptionError(
            "is no rate", where="fps", got=repr(fps), expected="frames a second, from 0.001 up"
        )
    return rate


def _check(picture: Picture, shape: tuple[int, ...]) -> Picture:
    picture = np.asarray(picture)
    wrong = picture.ndim != 3 or picture.shape[2] != 3 or not picture.size
    if wrong or picture.dtype != np.uint8 or picture.shape != shape:
        raise ShapeError(
            "a frame does not fit",
            where="frames",
            got=f"{picture.shape} {picture.dtype}",
            expected="(h w 3) uint8, all of the first one's size",
        )
    return picture


def _even(picture: Picture) -> Picture:
    """Repeat the last row and column of odd sizes; contiguous."""
    height, width, _ = picture.shape
    if height % 2 or width % 2:
        return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(picture)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
