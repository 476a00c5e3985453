"""Open a recording: a file, a camera, an address of the network or a pipe."""

import contextlib
import glob
import os
import re
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from fewact.core.errors import DataError, VideoError
from fewact.core.paths import user_path
from fewact.video.damage import Damage
from fewact.video.index import untimed
from fewact.video.opening import (
    LENIENT,
    VIDEO_FORMATS,
    OpenVideo,
    check_readable,
    choose_stream,
    open_error,
    open_video,
)
from fewact.video.quantiser import EXPORT
from fewact.video.reading import FOLDER_FPS
from fewact.video.recording import TIMEOUT, Recording, recording_of, stores_no_times
from fewact.video.source import ImageSequence
from fewact.video.truncation import missing_bytes

DEVICE_FORMATS = ("v4l2", "avfoundation", "dshow")
"""FFmpeg's input devices for cameras on Linux, macOS and Windows."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
# A playlist of the network must not make FFmpeg read files of this computer.
_NETWORK = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,rtmp,rtmps,rtmpt,srt"

STREAM_HINT = "Frames in memory are pushed to the `stream` of a classifier."


class _Interrupted(Exception):
    """A ``KeyboardInterrupt`` while a pipe was read: PyAV passes on exceptions of this type."""


class _Pipe:
    """Reads a pipe; unlike FFmpeg's reader, it can be stopped while the writer sends nothing.

    Args:
        file: Reading end of the pipe.
        stop: Ends the pipe when it is set.
    """

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
        images = ImageSequence(path, FOLDER_FPS)
        positions = np.arange(len(images.index.pts))
        damage = Damage()
        found = images.decode(positions, 1, damage)
        times = ((position / FOLDER_FPS, frame) for position, frame in found)
        duration = len(positions) / FOLDER_FPS
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
    """Check that there is the file or the camera; nothing is opened, and no address is contacted.

    Args:
        source: As for ``open_recording``.

    Raises:
        VideoError: It is missing, unreadable, empty or not a regular file.
        DataError: ``source`` is no path.
    """
    camera = find_camera(source)
    if camera is not None:
        device, format = camera
        if format == "v4l2" and not os.path.exists(device):
            found = ", ".join(sorted(glob.glob("/dev/video*")))
            raise VideoError(source, f"there is no camera {device}", expected=found)
    elif not (
        _SCHEME.match(source) or source == "-" or _is_pipe(path := user_path(source, DataError))
    ):
        check_readable(path)


def find_camera(source: str) -> tuple[str, str] | None:
    """Return FFmpeg's device and input format of a camera; None if the source is no camera.

    Raises:
        VideoError: There is no camera of this number.

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
            one.name
            for one in enumerate_input_devices("dshow")
            if "video" in (one.media_types or ["video"])
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
    extra: dict[str, Any] = {} if waits else {"timeout": (TIMEOUT, TIMEOUT)}
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
        # FFmpeg counts the frames of a camera without times at 25 per second. What has a size is a
        # file, which comes faster than it was recorded.
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
