"""Writing of video files."""

import math
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
from fewact.io.atomic import replacing
from fewact.video.timeline import RGBImage

_FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".gif": "gif",
}
# Constant quality at which small drawings stay legible; fast encoding instead of small files.
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
    frames: Iterable[RGBImage],
    fps: float,
    codec: str = "libx264",
    *,
    overwrite: bool = False,
) -> Path:
    """Write frames as a video with a constant frame rate.

    Args:
        path: Video file; its extension chooses the container.
        frames: Frames (t h w 3), uint8, RGB, or an iterable of frames (h w 3), which are encoded
            one by one. The last column or row is repeated if the width or height is odd, because
            video players need even sizes.
        fps: Frames per second.
        codec: FFmpeg's name of the encoder. If libx264 is missing, mpeg4 is used.
        overwrite: Replace an existing file.

    Returns:
        Path of the file.

    Raises:
        VideoError: The file exists or cannot be encoded.
        OutputError: The file cannot be written.
        ShapeError: There are no frames, or they are not RGB images of one size.
        OptionError: The frame rate, codec or container is invalid.
    """
    path = Path(path)
    container = _container(path)
    encoder = _encoder(codec)
    rate = _rate(fps)
    if path.exists() and not overwrite:
        raise VideoError(
            path, "the file exists", hint="Choose another name, or pass overwrite=True."
        )
    with replacing(path) as new:
        try:
            _encode(new, container, encoder, rate, frames)
        except (FFmpegError, OSError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise VideoError(
                path, f"cannot be written as {encoder} at {fps} fps: {reason}"
            ) from error
    return path


def _encode(
    path: Path, container: str, encoder: str, rate: Fraction, frames: Iterable[RGBImage]
) -> None:
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise ShapeError("no frames to write", where="frames", expected="(t h w 3), t ≥ 1")
    height, width = _check(first, np.shape(first)).shape[:2]
    with av.open(f"file:{path}", "w", format=container) as output:
        if av.codec.Codec(encoder, "w").canonical_name not in output.supported_codecs:
            raise OptionError(
                f"{container} files cannot contain this codec", where="codec", got=repr(encoder)
            )
        stream = output.add_stream(encoder, rate=rate, options=_OPTIONS.get(encoder, {}))
        context = cast(VideoCodecContext, stream.codec_context)
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = _PIXELS.get(encoder, "yuv420p")
        for image in chain([first], images):
            even = _pad_to_even(_check(image, np.shape(first)))
            output.mux(context.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        output.mux(context.encode(None))


def _container(path: Path) -> str:
    if path.suffix.lower() not in _FORMATS:
        raise OptionError(
            "unknown file extension",
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
    raise OptionError("unknown video encoder", where="codec", got=repr(codec))


def _rate(fps: float) -> Fraction:
    rate = Fraction(fps).limit_denominator(1001) if math.isfinite(fps) else Fraction(0)
    if rate <= 0:
        raise OptionError(
            "invalid frame rate",
            where="fps",
            got=repr(fps),
            expected="frames per second, from 0.001 up",
        )
    return rate


def _check(image: RGBImage, shape: tuple[int, ...]) -> RGBImage:
    image = np.asarray(image)
    wrong = image.ndim != 3 or image.shape[2] != 3 or not image.size
    if wrong or image.dtype != np.uint8 or image.shape != shape:
        raise ShapeError(
            "invalid frame",
            where="frames",
            got=f"{image.shape} {image.dtype}",
            expected="(h w 3) uint8, all of the same size",
        )
    return image


def _pad_to_even(image: RGBImage) -> RGBImage:
    """Repeat the last row or column if the height or width is odd."""
    height, width, _ = image.shape
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
