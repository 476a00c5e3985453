"""What frames are read from: a file, or a folder of numbered pictures."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from fewact.errors import OptionError, VideoError
from fewact.video.damage import Losses
from fewact.video.decoding import Placed, decode
from fewact.video.index import FrameIndex, index_file
from fewact.video.opening import EXPECTED, PICTURES, Threads, check_readable, open_video, packets
from fewact.video.timeline import Ints

_PICTURE = re.compile(r"[^.].*\.(jpe?g|png|bmp|webp)", re.IGNORECASE)


class Source(Protocol):
    """Frames, and when they are shown."""

    @property
    def path(self) -> Path:
        """The file or folder."""

    @property
    def index(self) -> FrameIndex:
        """Its frames."""

    def decode(self, wanted: Ints, threads: Threads, losses: Losses) -> Iterator[Placed]:
        """Sorted positions of the index, each with its frame or the nearest that decodes."""


def open_source(
    path: str | Path, fps: float, start: float | None = None, end: float | None = None
) -> Source:
    """Index a file or a folder.

    Args:
        path: The file or folder.
        fps: Pictures a second of a folder.
        start: Where the stretch that is needed begins, in seconds; more may be indexed.
        end: Where it ends.

    Raises:
        VideoError: There is nothing to be read from.
        OptionError: ``fps`` is no rate.
    """
    path = Path(path)
    check_readable(path)
    return PictureFolder(path, fps) if path.is_dir() else VideoFile(path, start, end)


class VideoFile:
    """A video file."""

    def __init__(self, path: Path, start: float | None = None, end: float | None = None) -> None:
        self.path = path
        self.index = index_file(path, start, end)

    def decode(self, wanted: Ints, threads: Threads, losses: Losses) -> Iterator[Placed]:
        """See ``Source``."""
        return decode(self.path, self.index, wanted, threads, losses)


class PictureFolder:
    """A folder of numbered pictures, shown in the order of their numbers at a constant rate."""

    def __init__(self, path: Path, fps: float) -> None:
        if not (math.isfinite(fps) and fps > 0):
            raise OptionError(
                "is no rate", where="folder_fps", got=repr(fps), expected="pictures a second, > 0"
            )
        self.path = path
        self._files = _numbered(path)
        first = next(filter(None, map(_decode_picture, self._files)), None)
        self.index = FrameIndex(
            pts=np.arange(len(self._files)),
            keys=np.arange(len(self._files)),
            unit=1 / Fraction(fps).limit_denominator(1_000_000),
            last=1,
            origin=0,
            rate=fps,
            size=(first.width, first.height) if first else (0, 0),
            codec=self._files[0].suffix[1:].lower(),
        )

    def decode(self, wanted: Ints, threads: Threads, losses: Losses) -> Iterator[Placed]:
        """See ``Source``."""
        for position in wanted.tolist():
            frame = _decode_picture(self._files[position])
            if frame is None:
                losses.replaced += 1
                near = sorted(range(len(self._files)), key=lambda k: abs(k - position))
                frame = next(filter(None, (_decode_picture(self._files[k]) for k in near)), None)
            if frame is not None:
                yield position, frame


def _numbered(path: Path) -> list[Path]:
    """The pictures of a folder whose names hold a number, 2 before 10."""
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise VideoError(path, f"the folder cannot be listed: {reason}") from error
    pictures = [name for name in names if _PICTURE.fullmatch(name) and _numbers(name)[1:]]
    if not pictures:
        raise VideoError(path, "the folder holds no numbered pictures", expected=EXPECTED)
    return [path / name for name in sorted(pictures, key=lambda name: (_numbers(name), name))]


def _numbers(name: str) -> list[str | int]:
    """A name without its ending as texts and numbers in turn: ["frame", 2, ""]."""
    parts = re.split(r"(\d+)", name.rpartition(".")[0])
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _decode_picture(path: Path) -> VideoFrame | None:
    """A picture, or None where it is damaged."""
    try:
        with open_video(path, formats=PICTURES) as opened:
            for packet in packets(opened):
                for frame in packet.decode():
                    return frame
            return next(iter(opened.stream.codec_context.decode(None)), None)
    except (VideoError, FFmpegError):
        return None
