"""Opening a video file: its picture stream, its packets, and what to say when there are none."""

import itertools
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from fewact.errors import OptionError, VideoError, did_you_mean

CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,gif,apng,mxf,nut,dv,wtv,rm,"
    "h264,hevc,m4v,ivf,obu,mjpeg,yuv4mpegpipe"
)
"""Demuxers that open one file. A playlist could make FFmpeg read other files of the machine."""

PICTURES = "jpeg_pipe,png_pipe,bmp_pipe,webp_pipe"

EXPECTED = "a video file, or a folder of numbered jpg, png, bmp or webp pictures"

VideoPacket: TypeAlias = "Packet[VideoStream]"

Threads = Literal["auto"] | int

_NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image

# Frame threads delay the first frame by one frame a thread; below this many pixels that costs more
# than a second core gains.
_PIXELS_WORTH_THREADS = 800 * 600


class Opened(NamedTuple):
    """An open file and its picture stream."""

    container: InputContainer
    stream: VideoStream


@contextmanager
def open_video(path: Path, *, threads: Threads = 1, formats: str = CONTAINERS) -> Iterator[Opened]:
    """Open a file, choose its picture stream, and close it in the end.

    Args:
        path: The file.
        threads: Decoder threads; "auto" takes one for small pictures, one a core for large ones.
        formats: FFmpeg's names of the containers that are let in.

    Raises:
        VideoError: The file is missing, unreadable, not a video or has no picture stream.
        OptionError: ``threads`` is no number of threads.
    """
    if threads != "auto" and not (isinstance(threads, int) and threads >= 1):
        raise OptionError(
            "is no number of threads",
            where="threads",
            got=repr(threads),
            expected='"auto", or a whole number from 1 up',
        )
    check_readable(path)
    # Without "file:" a name like "a:b.mp4" is taken for a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": formats}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="ignore")
    except (FFmpegError, OSError) as error:
        raise _not_opened(path, error) from error
    with container:
        stream = _choose(path, list(container.streams.video))
        context = stream.codec_context
        large = context.width * context.height >= _PIXELS_WORTH_THREADS
        context.thread_type = "AUTO" if (large if threads == "auto" else threads > 1) else "NONE"
        context.thread_count = 0 if threads == "auto" else threads
        yield Opened(container, stream)


def packets(opened: Opened) -> Iterator[VideoPacket]:
    """The picture stream's packets in decoding order, going on after errors of reading."""
    progress = True
    while progress:
        progress = False
        try:
            for packet in opened.container.demux(opened.stream):
                if packet.size:
                    progress = True
                    yield packet
            return
        except FFmpegError:
            continue


def check_readable(path: Path) -> None:
    """Refuse what is neither a file with content nor a folder.

    Raises:
        VideoError: It is missing, may not be read, is empty, or is no regular file.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise VideoError(
            path, "there is no such file", expected=EXPECTED, hint=_sibling(path)
        ) from None
    except OSError as error:
        raise _not_opened(path, error) from error
    if stat.S_ISDIR(found.st_mode):
        return
    if not stat.S_ISREG(found.st_mode):
        raise VideoError(path, "is not a regular file", expected=EXPECTED)
    if not found.st_size:
        raise VideoError(
            path, "the file is empty", expected=EXPECTED, hint="Copy or record it again."
        )


def _choose(path: Path, streams: list[VideoStream]) -> VideoStream:
    """The picture stream with the largest frames; covers and thumbnails are none."""
    moving = [stream for stream in streams if not stream.disposition & _NOT_VIDEO]
    if not moving:
        raise VideoError(
            path,
            "the file has no video stream, only a cover picture"
            if streams
            else "the file has no video stream",
            expected=EXPECTED,
        )
    readable = [stream for stream in moving if stream.codec_context is not None]
    if not readable:
        raise VideoError(
            path,
            "there is no decoder for its video",
            hint="Convert it to H.264, for example with FFmpeg.",
        )
    return max(readable, key=lambda stream: stream.width * stream.height)


def _not_opened(path: Path, error: Exception) -> VideoError:
    if isinstance(error, PermissionError):
        return VideoError(path, "may not be read", hint="Change its permissions.")
    if isinstance(error, ValueError | av.error.ArgumentError):
        return VideoError(
            path,
            "is not a video, or is cut off before its index",
            expected=EXPECTED,
            hint="Copy, record or convert it again.",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return VideoError(path, f"cannot be opened: {reason.lower()}", expected=EXPECTED)


def _sibling(path: Path) -> str:
    try:
        names = [entry.name for entry in itertools.islice(path.parent.iterdir(), 10_000)]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
