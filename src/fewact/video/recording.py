"""Frames of a recording, one after the other: of a file, a camera, the network or a pipe.

Unlike ``read_frames`` this needs no index: memory does not depend on the length of a recording, and
it need not have an end.
"""

import contextlib
import glob
import math
import os
import re
import select
import stat
import sys
import threading
import time as clock
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from heapq import heappop, heappush
from io import FileIO
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewact.core.errors import DataError, VideoError
from fewact.core.paths import user_path
from fewact.video.decoding import FrameConverter, quantiser
from fewact.video.index import FALLBACK_FPS, RESTART, missing_bytes, missing_frames, untimed
from fewact.video.opening import (
    EXPORT,
    LENIENT,
    VIDEO_FORMATS,
    Damage,
    OpenVideo,
    VideoPacket,
    check_readable,
    choose_stream,
    is_avi,
    may_lack_times,
    open_error,
    open_video,
)
from fewact.video.reading import FOLDER_FPS, decode_images, index_images
from fewact.video.samplers import RGBImage
from fewact.video.writing import Planes, planes_of

TimedFrame = tuple[float | None, VideoFrame]
"""Frame with its time in seconds after the start of the recording; None if it is not known."""

STREAM_TIMEOUT = 15.0
"""Seconds without data after which a camera or a stream of the network counts as ended."""

LONGEST_GAP = 2**32 / 90_000
"""Largest gap in the times of a recording, in seconds: half the range of MPEG's clock. If the clock
of a recording restarts, FFmpeg assumes that it wrapped around, and times jump ahead by a day."""

PIPE_HINT = "Most .mp4 files cannot be read from a pipe: pass the name of the file, or pipe .mkv."


class Recording:
    """An open recording.

    Args:
        name: Source as the user wrote it.
        frames: Decoded frames with their times, in seconds after the start of the recording.
        live: Whether frames come at the time at which they are recorded, so that late ones are
            dropped.
        duration: Duration in seconds; None if it is not known.
        fps: Average frame rate; None if it is not known.
        again: Whether the source can be opened again, with the same frames.
        damage: Report to which ``frames`` adds missing and damaged frames. Frames that are missing
            at the end are known when all frames were read.
        delay: Time from the start of the file to the first frame, in seconds, if sound begins
            earlier.
        begun: Date and time of the first frame, if the file stores its time of recording.
        size: Width and height in pixels as stored; None if they are not known.

    Attributes:
        not_later: Number of frames that were left out, because they are not later than the last.
        after_gap: Whether nothing was recorded before the frame that was yielded last.
    """

    after_gap = False

    def __init__(
        self,
        name: str,
        frames: Iterator[TimedFrame],
        *,
        live: bool = False,
        duration: float | None = None,
        fps: float | None = None,
        again: bool = False,
        damage: Damage | None = None,
        delay: float = 0.0,
        begun: datetime | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.name, self.live, self.duration, self.fps, self.size = name, live, duration, fps, size
        self.again, self.delay, self.begun = again, delay, begun
        self.damage = damage or Damage()
        self.not_later = 0
        self._frames = frames
        self._quantisers: Counter[int] = Counter()
        self._converter = FrameConverter(name)

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield frames with their times, in seconds after the start of the recording, ascending.

        A recording starts with its first frame, whether or not this frame decodes. Frames that are
        not later than the last frame are left out. Times may jump back by more than ``RESTART``, in
        joined files or if a stream begins again. They may jump ahead by more than ``LONGEST_GAP``,
        or in a live source by more than twice ``STREAM_TIMEOUT``. Later times then continue from
        the last time.

        Raises:
            VideoError: There is no frame.
        """
        step = 1 / (self.fps or FALLBACK_FPS)
        first, last, none = -step, 0.0, True
        longest = 2 * STREAM_TIMEOUT if self.live else LONGEST_GAP
        for time, frame in self._frames:
            none = False
            if time is None:
                time = first + last + step
            if not -RESTART <= time - first - last <= longest:
                first = time - last - step
            if time - first <= last:
                self.not_later += 1
                continue
            last = time - first
            yield last - step, frame
        if none:
            hint = "Copy, record or convert it again." if self.again or self.live else PIPE_HINT
            raise VideoError(self.name, "no frame can be decoded", hint=hint)

    def clock(self, time: float) -> datetime | None:
        """Return date and time of a time of the recording, in seconds; None if unknown."""
        return None if self.begun is None else self.begun + timedelta(seconds=time)

    def assume_rate(self, fps: float, frames: int) -> None:
        """Number the frames of a file at a constant rate, because all have the same time."""
        self.fps = self.damage.assumed_fps = fps
        self.duration = frames / fps
        self._frames = ((None, frame) for _, frame in self._frames)

    def use_clock(self) -> None:
        """Time each frame by its arrival, because the stream stores no times."""
        self.fps = None
        begun = clock.monotonic()
        self._frames = ((clock.monotonic() - begun, frame) for _, frame in self._frames)

    @property
    def quantiser(self) -> float | None:
        """Median quantiser of the converted frames; None if it is not known."""
        return median(self._quantisers.elements()) if self._quantisers else None

    def convert(self, frame: VideoFrame) -> RGBImage:
        """Return a frame (h w 3) uint8, RGB, upright and of the size of the first one."""
        if (estimate := quantiser(frame)) is not None:
            self._quantisers[round(estimate)] += 1
        return self._converter.convert(frame)

    def planes(self, frame: VideoFrame) -> Planes:
        """Return a frame as ``convert`` does, as planes of YUV 4:2:0, to draw on and to write."""
        if self._converter.is_plain(frame):
            return np.asarray(frame.to_ndarray(), np.uint8)
        return planes_of(self.convert(frame))


def recording_of(name: str, video: OpenVideo, *, cut_short: bool = False) -> Recording:
    """Return the recording of an open video; ``cut_short`` if it is a truncated file."""
    container, stream, _ = video
    announced = container.duration is not None and container.duration > 0
    damage = Damage()
    return Recording(
        name,
        _decoded(video, damage, cut_short=cut_short),
        duration=container.duration / av.time_base if announced and container.duration else None,
        fps=float(stream.average_rate) if stream.average_rate else None,
        damage=damage,
        delay=_delay(video),
        begun=_begun(video),
        size=(stream.width, stream.height),
    )


EARLIEST = 1990
"""First year of a time of recording; clocks that were never set begin in 1904, 1970 or 1980."""


def _begun(video: OpenVideo) -> datetime | None:
    """Return date and time of the first frame, from ``creation_time``; None if it is not known."""
    try:
        created = datetime.fromisoformat(video.container.metadata.get("creation_time", ""))
        begun = created + timedelta(seconds=_delay(video))
    except (ValueError, OverflowError):
        return None
    return begun if begun.year >= EARLIEST else None


def _delay(video: OpenVideo) -> float:
    """Return how long after the start of the file its video begins, in seconds.

    Players count time from the start of the file, ``frames`` from the start of the video.
    """
    begin, first, unit = video.container.start_time, video.stream.start_time, video.stream.time_base
    if begin is None or first is None or unit is None:
        return 0.0
    delay = float(first * unit) - begin / av.time_base
    return delay if 0 < delay < LONGEST_GAP else 0.0


def _decoded(video: OpenVideo, damage: Damage, *, cut_short: bool) -> Iterator[TimedFrame]:
    """Yield frames with their times after the first packet.

    The report counts frames that do not decode, or only with errors. In a file that is
    ``cut_short`` it also counts the frames that are missing at the end.
    """
    container, stream, _ = video
    # AVI stores no presentation times, and raw streams store durations only: their frames are
    # counted, as by ``index``, and have the times of as many packets.
    avi = is_avi(video) and stream.codec_context.has_b_frames
    counted = avi or may_lack_times(video)
    raw = stores_no_times(container)
    times: list[int] = []  # of packets whose frames were not decoded yet: a heap
    begin: int | None = None  # time of the first packet, which may be before the first key frame
    decoded = False
    elapsed = read = 0
    latest = -math.inf
    end = 0
    for packet in chain(_packets(container, stream), [None]):  # None: what the decoder holds back
        if packet is not None:
            read += 1
            end = max(end, packet.pts or 0)
            if not decoded and packet.pts is not None and not packet.is_discard:
                begin = packet.pts if begin is None else min(begin, packet.pts)
            if counted and packet.pts is not None and not packet.is_discard:
                if packet.pts <= latest and not avi:  # they are no decoding times
                    counted = False
                    times.clear()
                else:
                    heappush(times, packet.pts)
                latest = packet.pts
            elif raw and packet.pts is None and packet.duration:
                heappush(times, elapsed)
                elapsed += packet.duration
        try:
            frames = stream.codec_context.decode(packet)
        except FFmpegError:
            damage.corrupt += packet is not None
            if times:
                heappop(times)
            continue
        for frame in frames:
            damage.corrupt += frame.is_corrupt
            if (counted or frame.pts is None) and times:
                frame.pts = heappop(times)
            elif counted:
                frame.pts = None
            decoded = True
            yield _time(frame, stream, begin or 0), frame
    if cut_short:
        damage.missing = missing_frames(video, read, end - (begin or 0))


def stores_no_times(container: InputContainer) -> bool:
    """Return whether the format stores no times: raw streams and Motion JPEG."""
    return bool(container.format.flags & Flags.no_timestamps.value)  # type: ignore[operator]


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    """Yield packets until the end, or until the camera or the network gives no more."""
    progress = True
    while progress:
        progress = False
        try:
            for packet in container.demux(stream):
                if packet.size:
                    progress = True
                    yield packet
            return
        except (FFmpegError, IndexError):  # as in ``opening.packets``
            continue


def _time(frame: VideoFrame, stream: VideoStream, begin: int) -> float | None:
    """Return the time of a frame; frames that a decoder held back have no time base."""
    if frame.pts is None or stream.time_base is None:
        return None
    return float((frame.pts - begin) * stream.time_base)


DEVICE_FORMATS = ("v4l2", "avfoundation", "dshow")
"""FFmpeg's input devices for cameras on Linux, macOS and Windows."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
# A playlist of the network must not make FFmpeg read files of this computer.
_NETWORK = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,rtmp,rtmps,rtmpt,srt"

STREAM_HINT = "Frames in memory are pushed to the `stream` of a classifier."


class _Interrupted(Exception):
    """A ``KeyboardInterrupt`` while a pipe was read: PyAV passes on exceptions of this type."""


class _Pipe:
    """Reads a pipe; unlike FFmpeg's reader, it can be stopped while the writer sends nothing."""

    def __init__(self, file: FileIO, stop: threading.Event) -> None:
        self._file, self._stop = file, stop

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        try:
            # Windows cannot wait for a pipe.
            while sys.platform != "win32" and not select.select([self._file], [], [], 0.2)[0]:
                if self._stop.is_set():
                    return b""
            return self._file.read(size)
        except KeyboardInterrupt:
            raise _Interrupted from None


@contextmanager
def open_recording(
    source: str | Path, *, stop: threading.Event | None = None
) -> Iterator[Recording]:
    """Open a recording; it is closed when the block ends.

    Args:
        source: Video file or folder of numbered images; ``-`` for the standard input, or a named
            pipe; number of a camera, such as ``0``, its device such as ``/dev/video0``, or
            ``v4l2:DEVICE``, ``avfoundation:DEVICE`` or ``dshow:DEVICE``; or an address such as
            ``rtsp://…`` or ``http://…``.
        stop: Ends a pipe whose writer sends nothing when it is set.

    Raises:
        VideoError: It cannot be opened, or has no video.
        DataError: ``source`` is no path.
    """
    name = str(source)
    camera = find_camera(name)
    if camera is not None:
        device, format = camera
        options = {"framerate": "30"} if format == "avfoundation" else {}
        with _opened(name, device, format=format, options=options) as recording:
            recording.live = True
            yield recording
    elif _SCHEME.match(name):
        scheme = name.partition(":")[0].lower()
        options = {"protocol_whitelist": _NETWORK}
        options |= {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        with _opened(name, name, options=options) as recording:
            recording.live = recording.duration is None
            recording.again = not recording.live
            yield recording
    elif name == "-":
        with _opened_pipe(name, 0, stop or threading.Event()) as recording:
            yield recording
    elif _is_pipe(path := user_path(source, DataError, hint=STREAM_HINT)):
        with _opened_pipe(name, path, stop or threading.Event()) as recording:
            yield recording
    elif path.is_dir():
        images = index_images(path, FOLDER_FPS).images
        damage = Damage()
        frames = decode_images(images, np.arange(len(images)), damage)
        times = ((position / FOLDER_FPS, frame) for position, frame in frames)
        duration = len(images) / FOLDER_FPS
        yield Recording(name, times, duration=duration, fps=FOLDER_FPS, again=True, damage=damage)
    else:
        check_readable(path)
        same_time = untimed(path)
        with open_video(path, threads="auto") as video:
            recording = recording_of(name, video, cut_short=missing_bytes(path) > 0)
            recording.again = True
            if same_time is not None:
                recording.assume_rate(*same_time)
            yield recording


def check_recording(source: str) -> None:
    """Check that there is the file or the camera; nothing is opened, no address contacted."""
    camera = find_camera(source)
    if camera is not None:
        device, format = camera
        if format == "v4l2" and not os.path.exists(device):
            devices = ", ".join(sorted(glob.glob("/dev/video*")))
            raise VideoError(source, f"there is no camera {device}", expected=devices)
    elif not (
        _SCHEME.match(source) or source == "-" or _is_pipe(path := user_path(source, DataError))
    ):
        check_readable(path)


def find_camera(source: str) -> tuple[str, str] | None:
    """Return FFmpeg's device and input format of a camera; None if the source is no camera.

    >>> find_camera("clip.mp4")
    """
    format, colon, device = source.partition(":")
    if colon and format in DEVICE_FORMATS and device:
        return device, format
    if re.fullmatch(r"/dev/video\d+", source):
        return source, "v4l2"
    if not re.fullmatch(r"\d{1,3}", source):
        return None
    if sys.platform == "darwin":
        return f"{source}:none", "avfoundation"
    if sys.platform == "win32":
        return _windows_camera(source), "dshow"
    return f"/dev/video{source}", "v4l2"


def _windows_camera(number: str) -> str:
    """Return DirectShow's name of a camera, which has no numbers."""
    from av.device import enumerate_input_devices

    with contextlib.suppress(FFmpegError, ValueError):
        cameras = [
            device.name
            for device in enumerate_input_devices("dshow")
            if "video" in (device.media_types or ["video"])
        ]
        if int(number) < len(cameras):
            return f"video={cameras[int(number)]}"
    raise VideoError(number, "there is no camera of this number", hint='Pass "dshow:video=NAME".')


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def _opened(
    name: str, where: str | _Pipe, *, format: str | None = None, options: dict[str, str]
) -> Iterator[Recording]:
    # A pipe has no timeout: its writer may take as long as it likes.
    waits = isinstance(where, _Pipe)
    extra: dict[str, Any] = {} if waits else {"timeout": (STREAM_TIMEOUT, STREAM_TIMEOUT)}
    try:
        container = av.open(where, format=format, options=options, **LENIENT, **extra)
    except (FFmpegError, OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        what = "camera" if format else "recording"
        raise VideoError(name, f"the {what} cannot be opened: {reason}") from error
    with container:
        stream = choose_stream(Path(name), list(container.streams.video))
        stream.codec_context.options = {"export_side_data": EXPORT}
        recording = recording_of(name, OpenVideo(container, stream, Path(name)))
        # FFmpeg numbers the frames of a camera without times at 25 per second. A source with a size
        # is a file: it arrives faster than it was recorded.
        if not waits and stores_no_times(container) and container.size <= 0:
            recording.use_clock()
        yield recording


@contextmanager
def _opened_pipe(name: str, pipe: Path | int, stop: threading.Event) -> Iterator[Recording]:
    options = {"protocol_whitelist": "", "format_whitelist": VIDEO_FORMATS}
    try:
        file = FileIO(pipe, closefd=pipe != 0)
    except OSError as error:
        raise open_error(Path(name), error) from error
    try:
        with file, _opened(name, _Pipe(file, stop), options=options) as recording:
            yield recording
    except _Interrupted:
        raise KeyboardInterrupt from None
