"""Frames on disk: of a video file or a folder of numbered images, and of a segment of them."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Protocol

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from fewact.core.errors import OptionError, VideoError
from fewact.core.paths import clip_path
from fewact.video.damage import Damage
from fewact.video.decoding import IndexedFrame, decode
from fewact.video.index import FrameIndex, index_file
from fewact.video.opening import (
    EXPECTED,
    Threads,
    check_readable,
    open_video,
    packets,
)
from fewact.video.timeline import Floats, Ints, Timeline, undo_rounding

_IMAGE = re.compile(r"[^.].*\.(jpe?g|png|bmp|webp)", re.IGNORECASE)

# FFmpeg's demuxers of single images, and the first bytes of their files. FFmpeg would choose by the
# name where it is not sure: many JPEG files would be a sequence.
_IMAGE_FORMATS = {
    "jpeg_pipe": re.compile(rb"\xff\xd8\xff"),
    "png_pipe": re.compile(rb"\x89PNG"),
    "bmp_pipe": re.compile(rb"BM"),
    "webp_pipe": re.compile(rb"RIFF....WEBP", re.DOTALL),
}

# Tables round times to milliseconds. A frame that is shown for less than this rounding error
# belongs to the neighbouring segment.
_ROUNDING = 5e-4


class FrameSource(Protocol):
    """Frames with an index."""

    @property
    def path(self) -> Path:
        """Video file or folder of images."""

    @property
    def index(self) -> FrameIndex:
        """Index of the frames."""

    def decode(self, positions: Ints, threads: Threads, damage: Damage) -> Iterator[IndexedFrame]:
        """Yield each of the sorted positions with its frame, or with the nearest that decodes."""


def open_source(
    path: str | Path, fps: float, start: float | None = None, end: float | None = None
) -> FrameSource:
    """Index a file or a folder.

    Args:
        path: Video file or folder of images.
        fps: Frames per second of a folder.
        start: Start of the segment that is needed, in seconds; more may be indexed.
        end: End of the segment, in seconds.

    Raises:
        VideoError: The file or folder cannot be read.
        DataError: ``path`` is no path.
    """
    path = clip_path(path)
    check_readable(path)
    return ImageSequence(path, fps) if path.is_dir() else VideoFile(path, start, end)


class VideoFile:
    """Video file."""

    def __init__(self, path: Path, start: float | None = None, end: float | None = None) -> None:
        self.path = path
        self.index = index_file(path, start, end)

    def decode(self, positions: Ints, threads: Threads, damage: Damage) -> Iterator[IndexedFrame]:
        """Decode frames, see ``FrameSource``."""
        return decode(self.path, self.index, positions, threads, damage)


class ImageSequence:
    """Folder of numbered images, shown in the order of their numbers at a constant rate."""

    def __init__(self, path: Path, fps: float) -> None:
        if not (isinstance(fps, float | Real) and math.isfinite(fps) and fps > 0):
            raise OptionError(
                "invalid frame rate",
                where="folder_fps",
                got=repr(fps),
                expected="frames per second, > 0",
            )
        self.path = path
        self._files = _numbered_images(path)
        first = next(filter(None, map(_decode_image, self._files)), None)
        self.index = FrameIndex(
            pts=np.arange(len(self._files)),
            keyframes=np.arange(len(self._files)),
            time_base=1 / Fraction(fps).limit_denominator(1_000_000),
            last_duration=1,
            first_pts=0,
            rate=fps,
            size=(first.width, first.height) if first else (0, 0),
            codec=self._files[0].suffix[1:].lower(),
        )

    def decode(self, positions: Ints, threads: Threads, damage: Damage) -> Iterator[IndexedFrame]:
        """Decode frames, see ``FrameSource``."""
        for position in positions.tolist():
            frame = _decode_image(self._files[position])
            if frame is None:
                damage.replaced += 1
                near = sorted(range(len(self._files)), key=lambda k: abs(k - position))
                frame = next(filter(None, (_decode_image(self._files[k]) for k in near)), None)
            if frame is not None:
                yield position, frame


def _numbered_images(path: Path) -> list[Path]:
    """Return the images of a folder whose names contain a number, 2 before 10."""
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise VideoError(path, f"the folder cannot be listed: {reason}") from error
    images = [name for name in names if _IMAGE.fullmatch(name) and _split_numbers(name)[1:]]
    if not images:
        raise VideoError(path, "the folder holds no numbered images", expected=EXPECTED)
    return [path / name for name in sorted(images, key=lambda name: (_split_numbers(name), name))]


def _split_numbers(name: str) -> list[str | int]:
    """Split a file name without its extension into texts and numbers: ["frame", 2, ""]."""
    parts = re.split(r"(\d+)", name.rpartition(".")[0])
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _image_format(path: Path) -> str | None:
    """Return FFmpeg's name of an image's format by the first bytes; None if it is another one."""
    with path.open("rb") as file:
        begin = file.read(12)
    return next((name for name, bytes in _IMAGE_FORMATS.items() if bytes.match(begin)), None)


def _decode_image(path: Path) -> VideoFrame | None:
    try:
        check_readable(path)  # Opening a pipe would wait for its writer.
        format = _image_format(path)
        if format is None:
            return None
        with open_video(path, format=format) as image:
            for packet in packets(image):
                for frame in packet.decode():
                    return frame
            return next(iter(image.stream.codec_context.decode(None)), None)
    except (VideoError, FFmpegError, OSError):
        return None


def find_segment(
    index: FrameIndex, start: float | None, end: float | None
) -> tuple[int, Timeline] | None:
    """Return the frames that are shown at any time from ``start`` to ``end``.

    Args:
        index: Index of the file.
        start: Start in seconds after the file's first frame; None for the start of the file.
        end: End in seconds, clipped to the end of the file; None for the end of the file.

    Returns:
        Position of the first of these frames in the index, and their timeline, in seconds from the
        start of the segment; None if no frame is shown in it.

    Raises:
        OptionError: The times of the frames are too large to be distinguished from each other.
    """
    bounds = _bounds(index)
    low = -math.inf if start is None else start + _ROUNDING
    high = math.inf if end is None else end - _ROUNDING
    shown = np.flatnonzero((bounds[1:] > low) & (bounds[:-1] < high))
    if not shown.size:
        return None
    first, stop = int(shown[0]), int(shown[-1]) + 1
    bounds = undo_rounding(bounds[first : stop + 1], float(index.time_base), index.rate)
    # The ends move only by more than the rounding error, so that a constant rate stays constant.
    # They never pass a neighbour, which moved when its rounding was undone.
    if start is not None and bounds[0] + _ROUNDING < start < bounds[1]:
        bounds[0] = start
    if end is not None and bounds[-2] < end < bounds[-1] - _ROUNDING:
        bounds[-1] = end
    bounds -= bounds[0]
    return first, Timeline(bounds[:-1], end=float(bounds[-1]))


def check_times(path: Path, start: float | None, end: float | None) -> None:
    """Raise an error if no file can have a segment with these times.

    Raises:
        VideoError: A time is no number, negative or not finite, or the end is not after the start.
    """
    got = f"start={start!r}, end={end!r}"
    for time in (start, end):
        if time is not None and not (isinstance(time, Real) and math.isfinite(time) and time >= 0):
            raise VideoError(
                path, f"start and end of a segment must be finite times from 0 s up (got {got})"
            )
    if end is not None and end <= (start or 0.0):
        raise VideoError(path, f"the end of a segment must be after its start (got {got})")


def _bounds(index: FrameIndex) -> Floats:
    """Return the start of each frame and the end of the last (n+1,), in seconds after the first."""
    steps = (index.pts - index.first_pts).astype(np.float64)
    bounds = np.append(steps, steps[-1] + index.last_duration) * float(index.time_base)
    # Damaged files show several frames at one time: these share the time until the next frame, and
    # at the end of the file each lasts as long as the last one.
    _, begin, repeats = np.unique(index.pts, return_index=True, return_counts=True)
    for at, count in zip(begin[repeats > 1], repeats[repeats > 1], strict=True):
        stop = at + count
        if stop == len(index.pts):
            bounds[stop] = bounds[at] + count * index.last_duration * float(index.time_base)
        bounds[at : stop + 1] = np.linspace(bounds[at], bounds[stop], count + 1)
    return bounds
