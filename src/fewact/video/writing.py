"""Writing of video files."""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TypeAlias, cast

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from fewact.core.atomic import replacing
from fewact.core.errors import OptionError, OutputError, ShapeError, VideoError
from fewact.core.paths import user_path
from fewact.video.samplers import RGBImage

_CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".gif": "gif",
}
# The frames of the other containers have no times of their own.
_TIMED = {suffix: name for suffix, name in _CONTAINERS.items() if suffix not in (".avi", ".gif")}

Planes: TypeAlias = NDArray[np.uint8]
"""Planes of an image in YUV 4:2:0 (1.5·h w): luma, then both of chroma, a quarter as large."""

TICKS = 60_000
"""Ticks per second of times: a multiple of most frame rates that every encoder accepts."""

# Constant quality at which small drawings stay legible; fast encoding instead of small files. The
# macroblock tree of x264 reads uninitialised memory in small frames: bytes would differ each time.
_OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"crf": "8", "b": "4M", "deadline": "realtime"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(3 * 118)},
    "mjpeg": {"flags": "+qscale", "global_quality": str(3 * 118)},
}
# For temporary videos: the same quality in half the time, and files twice as large.
_FAST_OPTIONS = _OPTIONS | {
    "libx264": {
        "crf": "20",
        "preset": "ultrafast",
        "x264-params": "subme=1:bframes=3:cabac=1:weightp=0",
    }
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
    """
    path = user_path(path, OutputError)
    container = _container(path)
    encoder = _encoder(codec)
    rate = _rate(fps)
    if path.exists() and not overwrite:
        raise VideoError(
            path, "the file exists", hint="Choose another name, or pass overwrite=True."
        )
    with _replacing_video(path, container, encoder, rate, f"{encoder} at {fps} fps") as video:
        for image in frames:
            video.write(image)
    return path


@contextmanager
def timed_video(path: str | Path, fps: float) -> Iterator["VideoEncoder"]:
    """Open a video to write frames that each have a time; it is complete when the block ends.

    Encoding takes half the time of ``write_video``, and files are twice as large.

    Args:
        path: Video file: .mp4, .m4v, .mov, .mkv or .webm. An existing file is replaced.
        fps: Average number of frames per second; the last frame is shown for ``1 / fps``.

    Raises:
        VideoError: It cannot be encoded.
        OutputError: The file cannot be written.
    """
    path, rate = user_path(path, OutputError), _rate(fps)
    container, encoder = check_timed_video(path)
    with _replacing_video(path, container, encoder, rate, encoder, _FAST_OPTIONS) as video:
        yield video


def check_timed_video(path: Path) -> tuple[str, str]:
    """Return container and encoder of a video whose frames have times."""
    encoder = "libvpx-vp9" if path.suffix.lower() == ".webm" else "libx264"
    return _container(path, _TIMED), _encoder(encoder)


def planes_of(image: RGBImage) -> Planes:
    """Return an image (h w 3) as planes of YUV 4:2:0, see ``VideoEncoder.write``."""
    frame = av.VideoFrame.from_ndarray(_pad_to_even(image), format="rgb24")
    return np.asarray(frame.reformat(format="yuv420p").to_ndarray(), np.uint8)


def check_frame(path: Path, image: RGBImage | Planes, fps: float) -> None:
    """Check that frames like this one can be encoded by ``timed_video``; writes no file.

    Raises:
        VideoError: The encoder does not take frames of this size.
    """
    container, encoder = check_timed_video(path)
    rate = _rate(fps)
    try:
        with av.open(io.BytesIO(), "w", format=container) as output:
            video = VideoEncoder(output, encoder, rate, nullcontext, _FAST_OPTIONS)
            video.write(image, 0.0)
            video.close()
    except (FFmpegError, OSError) as error:
        height, width = _size(image)
        larger = "" if container == "webm" else ", or write .webm, whose frames can be larger"
        raise VideoError(
            path,
            f"frames of {width} × {height} pixels cannot be encoded as {encoder}",
            hint=f"Scale or crop the recording, for example with FFmpeg{larger}.",
        ) from error


@contextmanager
def _replacing_video(
    path: Path,
    container: str,
    encoder: str,
    rate: Fraction,
    form: str,
    options: Mapping[str, dict[str, str]] = _OPTIONS,
) -> Iterator["VideoEncoder"]:
    """Yield the encoder of a video that replaces a file when the block ends.

    Errors of the encoder and of its file name the video and its ``form``; other errors of the block
    are unchanged.
    """
    errors = partial(_encoding_errors, path, form)
    with replacing(path) as new:
        with errors():
            output = av.open(f"file:{new}", "w", format=container)
        try:
            video = VideoEncoder(output, encoder, rate, errors, options)
            yield video
            video.close()
        finally:
            with errors():
                output.close()


@contextmanager
def _encoding_errors(path: Path, form: str) -> Iterator[None]:
    """Turn an error of FFmpeg or the disk into an error that names the video."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise VideoError(path, f"cannot be written as {form}: {reason}") from error


class VideoEncoder:
    """A video that is written image by image, see ``timed_video``.

    The context of all calls of FFmpeg is ``errors``.
    """

    def __init__(
        self,
        output: OutputContainer,
        encoder: str,
        rate: Fraction,
        errors: Callable[[], AbstractContextManager[None]],
        options: Mapping[str, dict[str, str]],
    ) -> None:
        if av.codec.Codec(encoder, "w").canonical_name not in output.supported_codecs:
            raise OptionError(
                f"{output.format.name} files cannot contain this codec",
                where="codec",
                got=repr(encoder),
            )
        self._output, self._shape, self._errors, self._last = output, (0,), errors, -1
        with errors():
            self._stream = output.add_stream(encoder, rate=rate, options=options.get(encoder, {}))
        self._pixels = _PIXELS.get(encoder, "yuv420p")

    @property
    def _context(self) -> VideoCodecContext:
        return cast(VideoCodecContext, self._stream.codec_context)

    def write(self, image: RGBImage | Planes, time: float | None = None) -> None:
        """Encode an image.

        Args:
            image: Image (h w 3), uint8, RGB, of the size of the first one; or its planes of YUV
                4:2:0 (1.5·h w), uint8, of BT.601 and limited range, with even sizes.
            time: Time in seconds, rounded to 1/60,000 s, later than the last image; None for the
                next time at the frame rate. Either all images have a time, or none has.
        """
        if self._shape == (0,):
            self._begin(image, timed=time is not None)
        checked = _check(image, self._shape)
        if checked.ndim == 2:
            frame = av.VideoFrame.from_ndarray(checked, format="yuv420p")
        else:
            frame = av.VideoFrame.from_ndarray(_pad_to_even(checked), format="rgb24")
        if time is not None:
            self._last = max(round(time * TICKS), self._last + 1)
            frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        with self._errors():
            self._output.mux(self._context.encode(frame))

    def close(self) -> None:
        """Encode what the encoder holds back."""
        if self._shape == (0,):
            raise ShapeError("no frames to write", where="frames", expected="(t h w 3), t ≥ 1")
        with self._errors():
            self._output.mux(self._context.encode(None))

    def _begin(self, image: RGBImage | Planes, *, timed: bool) -> None:
        self._shape = np.shape(image)
        height, width = _size(_check(image, self._shape))
        context = self._context
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = self._pixels
        if timed:
            context.time_base = Fraction(1, TICKS)


def _container(path: Path, formats: Mapping[str, str] = _CONTAINERS) -> str:
    if path.suffix.lower() not in formats:
        raise OptionError(
            "unknown file extension",
            where=str(path),
            got=repr(path.suffix),
            expected=", ".join(formats),
        )
    return formats[path.suffix.lower()]


def _encoder(codec: str) -> str:
    for name in (codec, "mpeg4") if codec == "libx264" else (codec,):
        try:
            if av.codec.Codec(name, "w").type == "video":
                return name
        except ValueError:
            continue
    raise OptionError("unknown video encoder", where="codec", got=repr(codec))


def _rate(fps: float) -> Fraction:
    is_number = isinstance(fps, float | Real) and math.isfinite(fps)
    rate = Fraction(fps).limit_denominator(1001) if is_number else Fraction(0)
    if rate <= 0:
        raise OptionError(
            "invalid frame rate",
            where="fps",
            got=repr(fps),
            expected="frames per second, from 0.001 up",
        )
    return rate


def _size(image: RGBImage | Planes) -> tuple[int, int]:
    """Return height and width of an image, or of its planes."""
    height, width = image.shape[:2]
    return (height * 2 // 3 if image.ndim == 2 else height), width


def _check(image: RGBImage | Planes, shape: tuple[int, ...]) -> RGBImage | Planes:
    image = np.asarray(image)
    planes = image.ndim == 2 and image.shape[0] % 3 == image.shape[1] % 2 == 0
    wrong = not (planes or (image.ndim == 3 and image.shape[2] == 3)) or not image.size
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


QUALITY = "4"
"""Quality of mjpeg: 2 is best, 31 worst."""


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """Encode a frame (h w 3) as a JPEG file."""
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = frame.shape[:2]
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": QUALITY, "qmax": QUALITY}
    image = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in (*encoder.encode(image), *encoder.encode(None)))
