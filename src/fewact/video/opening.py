"""Opening of video files: video stream, packets, and errors for files that are no videos."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from fewact.core.errors import OptionError, VideoError, warn
from fewact.core.paths import similar_name

MAX_VIDEO_FRAMES = 4_000_000
"""Largest number of frames of a video: 37 hours at 30 frames per second."""

MAX_DECLARED = 4 * MAX_VIDEO_FRAMES
"""Largest number of entries of all tracks together, sound too."""

_MAX_MP4_BOXES = 1_000_000
_TYPES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof", b"sidx", b"pnot")
_PARENTS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"))
# Flags of a fragment's table: its entries have bytes of their own.
_HAS_ENTRIES = 0xF00


def is_mp4(path: Path) -> bool:
    """Return whether a file is readable and of the MP4 and QuickTime family."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] in _TYPES
    except OSError:
        return False


def check_declared(path: Path) -> None:
    """Check how many frames an MP4 or QuickTime file declares; other files pass."""
    if not is_mp4(path):
        return
    with path.open("rb") as file:
        total = 0
        pcm = sound = False
        for boxes, (type, head) in enumerate(_boxes(file, 0, path.stat().st_size)):
            if type == b"hdlr":
                sound = head[8:12] == b"soun"
            elif type == b"stts":
                # FFmpeg joins samples of uncompressed sound to chunks.
                pcm = sound and head[4:8] == b"\0\0\0\1" and head[12:16] == b"\0\0\0\1"
            elif type == b"stsz" and any(head[4:8]) and not pcm:
                total += int.from_bytes(head[8:12])
            elif type == b"trun" and not int.from_bytes(head[1:4]) & _HAS_ENTRIES:
                total += int.from_bytes(head[4:8])
            elif type == b"trak":
                pcm = sound = False
            if total > MAX_DECLARED or boxes > _MAX_MP4_BOXES:
                raise VideoError(
                    path,
                    f"its tables declare more than {MAX_DECLARED} frames, or are damaged",
                    hint="Convert it, for example with FFmpeg.",
                )


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the first bytes of each box, nested boxes included."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(32)
        size, type, content = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:  # the real size follows the type
            size, content = int.from_bytes(head[8:16]), 16
        stop = min(begin + size, end) if size else end
        if len(head) < 8 or stop < begin + content:
            return
        yield type, head[content:]
        if type in _PARENTS:
            yield from _boxes(file, begin + content, stop)
        begin = stop


EXPORT = "venc_params"
"""Value of the decoder's option ``export_side_data`` by which frames have their quantisers."""

VIDEO_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,gif,apng,mxf,nut,dv,wtv,rm,dhav,"
    "h264,hevc,m4v,ivf,obu,mjpeg,yuv4mpegpipe"
)
"""Demuxers that open a single file. A playlist could make FFmpeg read other files."""

READABLE = "a video file, or a folder of numbered jpg, png, bmp or webp images"

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a path has one slash there

VideoPacket: TypeAlias = "Packet[VideoStream]"

Threads = Literal["auto"] | int

LENIENT: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "ignore"}
)
"""Options of ``av.open`` by which metadata may have any bytes; PyAV 19 needs none."""

# Seconds for FFmpeg to find the properties of a video. Most files take milliseconds; a file of
# frames of one byte takes minutes. What was found until then is used.
_ANALYSIS = 10.0

# Twice as many as 8K has; one frame then takes 200 megabytes.
_MAX_PIXELS = 8192 * 8192

# No codec and container together store a frame in fewer bytes.
_LEAST_BYTES = 8
_FEW = 1000

# Containers into which programs copy packets without presentation times.
_COPIES = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")

# Containers whose complete packets can be flagged as damaged.
_FLAGS_COMPLETE = ("mpegts", "mpeg")

_NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image

# Frame threads delay the first frame by one frame per thread; below this number of pixels that
# costs more time than a second core saves.
_MIN_PIXELS_FOR_THREADS = 800 * 600


class OpenVideo(NamedTuple):
    """Open file and its video stream."""

    container: InputContainer
    stream: VideoStream
    path: Path


@contextmanager
def open_video(
    path: Path, *, threads: Threads = 1, format: str | None = None
) -> Iterator[OpenVideo]:
    """Open a file, choose its video stream, and close the file when the block ends.

    Args:
        path: Video file.
        threads: Number of decoder threads; "auto" takes one for small frames and one per core for
            large frames.
        format: FFmpeg's name of the file format; None to find it among ``VIDEO_FORMATS``.

    Raises:
        VideoError: The file is missing, unreadable, not a video or has no video stream.
    """
    if threads != "auto" and not (isinstance(threads, int) and threads >= 1):
        raise OptionError(
            "invalid number of threads",
            where="threads",
            got=repr(threads),
            expected='"auto", or an integer from 1 up',
        )
    check_readable(path)
    # Without "file:" a name like "a:b.mp4" is taken for a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": format or VIDEO_FORMATS}
    try:
        check_declared(path)
        container = av.open(
            f"file:{path}",
            format=format,
            options=options,
            **LENIENT,
            timeout=(_ANALYSIS, None),
        )
    except (FFmpegError, OSError) as error:
        raise open_error(path, error) from error
    with container:
        stream = choose_stream(path, list(container.streams.video))
        context = stream.codec_context
        pixels = context.width * context.height
        if pixels > _MAX_PIXELS:
            raise VideoError(
                path,
                f"its frames of {context.width} × {context.height} pixels are too large",
                expected=f"at most {_MAX_PIXELS // 10**6} million pixels",
            )
        # Frames may change their size.
        context.options = {"max_pixels": str(_MAX_PIXELS), "export_side_data": EXPORT}
        large = pixels >= _MIN_PIXELS_FOR_THREADS
        context.thread_type = "AUTO" if (large if threads == "auto" else threads > 1) else "NONE"
        context.thread_count = 0 if threads == "auto" else threads
        yield OpenVideo(container, stream, path)


def has_palette(video: OpenVideo) -> bool:
    """Return whether frames need the palette that comes with the first packet of a file."""
    return video.stream.codec_context.pix_fmt == "pal8"


def is_avi(video: OpenVideo) -> bool:
    """Return whether a file is AVI, or Matroska with a stream as AVI stores it.

    These have no presentation times. FFmpeg guesses them if frames are reordered, and frames of
    Xvid's packed bitstream, as in UCF-101, then have the times of other frames.
    """
    name = video.container.format.name
    return name == "avi" or (name == "matroska,webm" and _has_tag(video.stream))


def _has_tag(stream: VideoStream) -> bool:
    """Return whether a stream names its codec by four bytes, as AVI does."""
    try:
        return stream.codec_context.codec_tag != "\0\0\0\0"
    except UnicodeDecodeError:  # PyAV, for a tag that is not ASCII
        return True


def may_lack_times(video: OpenVideo) -> bool:
    """Return whether the times of packets may be decoding times, although frames are reordered.

    Such files result if the packets of AVI or of a raw stream are copied into another container.
    The times then increase from packet to packet, and frames must be counted.
    """
    return video.stream.codec_context.has_b_frames and video.container.format.name in _COPIES


def is_incomplete(video: OpenVideo, packet: VideoPacket) -> bool:
    """Return whether the file holds only a part of a packet.

    MPEG streams also flag complete packets as damaged: before each joint of joined files, and all
    frames of a transport packet. Their decoder detects the damage.
    """
    return packet.is_corrupt and video.container.format.name not in _FLAGS_COMPLETE


def packets(video: OpenVideo) -> Iterator[VideoPacket]:
    """Yield the packets of the video stream in decoding order; read errors are skipped."""
    limit = min(max(video.container.size // _LEAST_BYTES, _FEW), MAX_VIDEO_FRAMES)
    count = 0
    progress = True
    while progress:
        progress = False
        try:
            for packet in video.container.demux(video.stream):
                if packet.size:
                    progress = True
                    count += 1
                    if count > limit:
                        raise VideoError(
                            video.path,
                            f"has more than {limit} frames in {video.container.size} bytes",
                            expected=f"at most {MAX_VIDEO_FRAMES} frames, each of "
                            f"{_LEAST_BYTES} bytes or more",
                            hint="Cut or convert it, for example with FFmpeg.",
                        )
                    yield packet
            return
        except IndexError:  # PyAV, for a packet of a stream that began after the file was opened
            progress = True
        except FFmpegError:
            continue


def check_readable(path: Path) -> None:
    """Check that a path is a folder, or a regular file with content."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            missing = f"is a link to {path.readlink()}, which is missing"
            raise VideoError(path, missing, expected=READABLE) from None
        address = _ADDRESS.match(str(path))
        hint = "Download the video first." if address else similar_name(path)
        raise VideoError(path, "there is no such file", expected=READABLE, hint=hint) from None
    except OSError as error:
        raise open_error(path, error) from error
    except ValueError:
        raise VideoError(path, "no file can have this name", expected=READABLE) from None
    if stat.S_ISDIR(status.st_mode):
        return
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(path, "is not a regular file", expected=READABLE)
    if not status.st_size:
        raise VideoError(
            path, "the file is empty", expected=READABLE, hint="Copy or record it again."
        )


def choose_stream(path: Path, streams: list[VideoStream]) -> VideoStream:
    """Return the video stream with the largest frames; covers and thumbnails do not count.

    A stream of a single frame counts only if there is no other.
    """
    moving = [stream for stream in streams if not stream.disposition & _NOT_VIDEO]
    if not moving:
        raise VideoError(
            path,
            "the file has no video stream, only a cover image"
            if streams
            else "the file has no video stream",
            expected=READABLE,
        )
    readable = [stream for stream in moving if stream.codec_context is not None]
    if not readable:
        raise VideoError(
            path,
            "there is no decoder for its video",
            hint="Convert it to H.264, for example with FFmpeg.",
        )
    # Covers and still images are not always flagged as such. 0 frames: their number is not known.
    stream = max(readable, key=lambda stream: (stream.frames != 1, stream.width * stream.height))
    # Without it a crop at the left or the top is rounded, and frames are larger than the video.
    stream.codec_context.flags |= Flags.unaligned
    return stream


def open_error(path: Path, error: Exception) -> VideoError:
    """Return the error that the user gets for an error of FFmpeg or of the disk."""
    if isinstance(error, PermissionError):
        return VideoError(path, "may not be read", hint="Change its permissions.")
    if isinstance(error, ValueError | EOFError | av.error.ArgumentError):
        return VideoError(
            path,
            "is not a video, or is cut off before its index",
            expected=READABLE,
            hint="Copy, record or convert it again.",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return VideoError(path, f"cannot be opened: {reason.lower()}", expected=READABLE)


_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


class VideoWarning(UserWarning):
    """A video was read only in part, or not as its metadata requests."""


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts of this thread's video warnings instead of issuing them.

    A thread that decodes ahead passes the texts to the thread that issues the warnings. Python's
    ``catch_warnings`` would change the warnings of the entire process.
    """
    texts: list[str] = []
    token = _collected.set(texts)
    try:
        yield texts
    finally:
        _collected.reset(token)


def warn_of_video(text: str) -> None:
    """Issue a ``VideoWarning``, or append its text to the list of ``collect_warnings``."""
    texts = _collected.get()
    if texts is None:
        warn(text, VideoWarning)
    else:
        texts.append(text)


@dataclass
class Damage:
    """Numbers of frames of a file that are missing or damaged, and whether their times are.

    Args:
        missing: Frames missing at the end of a truncated file; −1 if their number is not known.
        corrupt: Frames that are stored but do not decode, or only with errors.
        replaced: Requested frames that are replaced by the nearest frame that decodes.
        assumed_fps: Assumed frame rate if all frames have the same time; None if they do not.
    """

    missing: int = 0
    corrupt: int = 0
    replaced: int = 0
    assumed_fps: float | None = None

    def warn(self, path: str | Path) -> None:
        """Warn, naming the file or camera, if frames or times are missing or damaged."""
        parts = []
        if self.missing:
            lost = f", {_count(self.missing)} lost at its end" if self.missing > 0 else ""
            parts.append(f"the file is cut short{lost}")
        if self.corrupt:
            parts.append(f"{_count(self.corrupt)} damaged")
        if self.replaced:
            parts.append(f"{_count(self.replaced)} replaced by the nearest that decodes")
        if self.assumed_fps is not None:
            rate = f"{self.assumed_fps:.4g} frames per second are assumed"
            parts.append(f"all frames have the same time, {rate}")
        if parts:
            warn_of_video(f"{path}: {'; '.join(parts)}")


def _count(frames: int) -> str:
    return "1 frame is" if frames == 1 else f"{frames} frames are"
