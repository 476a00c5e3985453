"""Index of the frames of a file: time stamps and key frames, found without decoding."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice, pairwise
from numbers import Real
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from fewact.core.errors import VideoError
from fewact.video.opening import (
    OpenVideo,
    VideoPacket,
    has_palette,
    is_avi,
    is_incomplete,
    is_mp4,
    may_lack_times,
    open_error,
    open_video,
    packets,
)
from fewact.video.samplers import Floats, Ints, Timeline

# All packets of smaller files are read: that takes less time than a partial index.
_LARGE = 4 << 20
# No codec shows a frame more than 16 positions before or after the position where it is stored.
_REORDER = 32
FALLBACK_FPS = 25
"""Frames per second of a video that does not say its rate."""

# Other containers guess time stamps that change after a seek, or cannot seek.
_SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "mpegts")
_NOT_FOUND = -1 << 40

RESTART = 0.5
"""A recording begins again at a key frame that is earlier than a frame before it by more than this,
in seconds. Files that are joined byte by byte do so. Reordered frames differ by less."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Frames of a file, or of the part around a segment, in display order.

    Args:
        pts: Presentation time stamps (n,), int64, sorted. Damaged files repeat some.
        keyframes: Positions (k,) in ``pts`` at which decoding can start, int64, sorted.
        time_base: Duration of one time stamp step, in seconds.
        last_duration: Duration of the last frame, in time stamp steps.
        first_pts: Time stamp of the file's first frame.
        rate: Frames per second according to the file; None if it does not say.
        counted: True if decoded frames have no reliable time stamps and must be counted from the
            first frame of the file.
        complete: True if ``pts`` contains all frames of the file.
        missing: Number of frames that the header announces but the file does not contain; −1 if it
            is not known.
        corrupt: Number of packets that the container flags as damaged.
        size: Width and height of the first frame as stored, in pixels.
        codec: FFmpeg's name of the codec; the file type of a folder's images.
        images: Images of a folder of images, in display order.
    """

    pts: Ints
    keyframes: Ints
    time_base: Fraction
    last_duration: int
    first_pts: int
    rate: float | None
    size: tuple[int, int]
    codec: str
    counted: bool = False
    complete: bool = True
    missing: int = 0
    corrupt: int = 0
    images: tuple[Path, ...] = ()

    @property
    def assumed_fps(self) -> float | None:
        """Assumed frame rate if all frames have the same time stamp; None if they do not."""
        if self.counted or len(self.pts) < 2 or self.pts[0] != self.pts[-1]:
            return None
        return float(1 / (self.last_duration * self.time_base))

    def keyframe_before(self, position: int) -> int:
        """Return the position of the last key frame at or before a position; 0 if none."""
        count = int(np.searchsorted(self.keyframes, position, side="right"))
        return int(self.keyframes[count - 1]) if count else 0

    def find(self, pts: int | None) -> int:
        """Return the first position of a time stamp; far below 0 if the index does not have it."""
        if pts is None:
            return _NOT_FOUND
        position = int(np.searchsorted(self.pts, pts))
        return position if position < len(self.pts) and self.pts[position] == pts else _NOT_FOUND


def index_file(path: Path, start: float | None = None, end: float | None = None) -> FrameIndex:
    """Index a file; of a large file at least the part that a segment needs.

    Args:
        path: Video file.
        start: Start of the segment, in seconds.
        end: End of the segment, in seconds.

    Raises:
        VideoError: The file cannot be opened or contains no frame.
    """
    index = None
    all_frames = start is None and end is None
    if path.stat().st_size > _LARGE and (is_mp4(path) or not all_frames):
        with open_video(path) as video:
            if all_frames:
                index = _index_from_table(path, video)
            else:
                index = _index_segment(path, video, start or 0.0, end)
    if index is None:
        with open_video(path) as video:
            index = _index_from_packets(path, video)
    return index


def untimed(path: Path) -> tuple[float, int] | None:
    """Return the assumed rate and the number of frames of a file with a single time stamp.

    None for all other files, which are read up to the second time stamp or to the first frame
    without a time stamp.
    """
    with open_video(path) as video:
        times = (packet.pts for packet in packets(video))
        first = next(times, None)
        if first is None or any(time != first for time in times):
            return None
    index = index_file(path)
    return None if index.assumed_fps is None else (index.assumed_fps, len(index.pts))


@dataclass
class _PacketFacts:
    """Time stamps, durations and key frame flags of the frames to show, in decoding order.

    Args:
        pts: Presentation time stamps.
        durations: Durations in time stamp steps; 0 if not known.
        keys: Whether each is a key frame.
        corrupt: Number of packets that the container flags as damaged.
        all: Number of packets, including frames that are not shown.
        reordered: Whether any presentation time is not the decoding time.
        increase: Whether each presentation time is later than the one before.
    """

    pts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    corrupt: int = 0
    all: int = 0
    reordered: bool = False
    increase: bool = True


def _read(
    video: OpenVideo, run: Iterator[VideoPacket], until: int | None = None
) -> tuple[_PacketFacts, bool]:
    """Read packets until no earlier frame than a time stamp can follow.

    Returns facts of the packets, and whether the end of the file was reached.
    """
    facts = _PacketFacts()
    vp8 = video.stream.codec_context.name == "vp8"
    past, latest = 0, _NOT_FOUND
    for packet in run:
        facts.all += 1
        facts.corrupt += packet.is_corrupt
        whole = not is_incomplete(video, packet)
        # VP8 stores reference frames that are never shown; a bit of the first byte shows which.
        if whole and not packet.is_discard and (not vp8 or memoryview(packet)[0] & 0x10):
            if packet.pts is not None:
                facts.increase &= packet.pts > latest
                latest = packet.pts
            facts.pts.append(packet.pts)
            facts.durations.append(packet.duration or 0)
            facts.keys.append(packet.is_keyframe)
            facts.reordered |= packet.pts != packet.dts
        if until is not None and packet.pts is not None:
            past = past + 1 if packet.pts >= until else 0
            if past == _REORDER:
                return facts, False
    return facts, True


def _index_from_packets(path: Path, video: OpenVideo) -> FrameIndex:
    facts, _ = _read(video, packets(video))
    if not facts.pts:
        raise VideoError(path, "the file holds no frame", hint="Record or copy it again.")
    missing = 0
    if missing_bytes(path):
        times = [pts for pts in facts.pts if pts is not None] or [0]
        missing = missing_frames(video, facts.all, max(times) - min(times))
    return _index(video, facts, missing=missing)


def _index_segment(
    path: Path, video: OpenVideo, start: float, end: float | None
) -> FrameIndex | None:
    """Index the frames of a segment, from the key frame before it; None if that fails."""
    if not _can_seek(video):
        return None
    head, _ = _read(video, islice(packets(video), _REORDER))
    if not head.pts or None in head.pts or len(head.pts) < head.all:
        return None
    first_pts = min(pts for pts in head.pts if pts is not None)
    steps = 1 / _time_base(video)  # per second
    run = seek(video, first_pts + int(start * steps))
    if run is None:
        return None
    until = None if end is None else first_pts + int(end * steps) + 1
    facts, ended = _read(video, run, until)
    if not facts.pts or None in facts.pts or (ended and missing_bytes(path)):
        return None
    index = _index(video, facts, first_pts=first_pts)
    return None if index.counted else index


def _index_from_table(path: Path, video: OpenVideo) -> FrameIndex | None:
    """Index all frames from the table of an MP4 file; None if the table is not conclusive.

    The table has decoding times. If they are evenly spaced, and the first and last packets are
    shown on one grid of that step, so are all packets in between.
    """
    stream = video.stream
    entries = list(getattr(stream, "index_entries", ()))
    if "mp4" not in video.container.format.name or not 1 < len(entries) == stream.frames:
        return None
    if missing_bytes(path):
        return None
    dts = np.array([entry.timestamp for entry in entries], np.int64)
    step = int(dts[1] - dts[0])
    if step <= 0 or (np.diff(dts) != step).any() or any(entry.is_discard for entry in entries):
        return None
    head, _ = _read(video, islice(packets(video), _REORDER))
    run = seek(video, int(dts[-1]))
    tail = _read(video, run)[0] if run else head
    if None in head.pts or None in tail.pts or head.corrupt or tail.corrupt:
        return None
    first = sorted(pts for pts in head.pts if pts is not None)
    last = sorted(pts for pts in tail.pts if pts is not None)
    if not first or not last:  # the table has entries, the file has no frames
        return None
    pts = first[0] + step * np.arange(len(dts))
    sure = len(first) // 2  # later ones may be shown among frames that were not read
    if first[:sure] != pts[:sure].tolist() or last != pts[-len(last) :].tolist():
        return None
    # A key frame is assumed to be shown at its storage position. If it is shown a little later,
    # ``seek`` still finds it.
    facts = _PacketFacts(
        pts=[int(p) for p in pts],
        durations=[step] * len(pts),
        keys=[entry.is_keyframe for entry in entries],
        increase=not (head.reordered or tail.reordered),
    )
    return _index(video, facts)


def _index(
    video: OpenVideo, facts: _PacketFacts, *, missing: int = 0, first_pts: int | None = None
) -> FrameIndex:
    """Sort the facts of packets into an index; the index of a part has a ``first_pts``."""
    stream = video.stream
    timed = np.array([pts is not None for pts in facts.pts])
    durations, keys = np.array(facts.durations, np.int64), np.array(facts.keys)
    if 2 * timed.sum() < len(timed):  # a raw stream without time stamps
        counted = True
        durations = np.where(durations > 0, durations, _typical_duration(video, durations))
        pts = np.cumsum(durations) - durations
    else:
        # A few packets without a time stamp are second fields of frames, or damage.
        pts = np.array([pts for pts in facts.pts if pts is not None], np.int64)
        durations, keys = durations[timed], keys[timed]
        increase = facts.increase and not keys.all()
        counted = facts.reordered if is_avi(video) else increase and may_lack_times(video)
        duration = _typical_duration(video, durations)
        restarts = _find_restarts(pts, keys, RESTART / _time_base(video))
        if restarts and _can_continue(pts, duration):
            counted = True
            pts = _continued(pts, restarts, duration)
    order = np.argsort(pts, kind="stable")
    pts = pts[order]
    return FrameIndex(
        pts=pts,
        keyframes=np.flatnonzero(keys[order])
        if _can_seek(video) and not counted
        else np.zeros(1, np.int64),
        time_base=_time_base(video),
        last_duration=int(durations[order][-1]) or _typical_duration(video, np.diff(pts)),
        first_pts=int(pts[0]) if first_pts is None else first_pts,
        rate=float(stream.average_rate) if stream.average_rate else None,
        size=(stream.codec_context.width, stream.codec_context.height),
        codec=stream.codec_context.codec.canonical_name,
        counted=counted,
        complete=first_pts is None,
        missing=missing,
        corrupt=facts.corrupt,
    )


def _find_restarts(pts: Ints, keys: NDArray[np.bool_], shortest: float) -> list[int]:
    """Return the positions of key frames at which the times (n,), in decoding order, begin again.

    Such a key frame is earlier than a frame before it by more than ``shortest`` time stamp steps.
    """
    restarts = []
    latest = int(pts[0])
    for position, (time, key) in enumerate(zip(pts.tolist(), keys.tolist(), strict=True)):
        if key and time < latest - shortest:
            restarts.append(position)
            latest = time
        latest = max(latest, time)
    return restarts


def _can_continue(pts: Ints, duration: int) -> bool:
    """Return whether the times of joined parts surely fit into 64 bits; damaged ones may not."""
    span = int(pts.max()) - int(pts.min()) + duration
    return span * len(pts) <= np.iinfo(np.int64).max


def _continued(pts: Ints, restarts: list[int], duration: int) -> Ints:
    """Return time stamps of joined parts: each part continues where the part before ends."""
    parts = [np.sort(part) for part in np.split(pts, restarts)]
    for before, part in pairwise(parts):
        part += before[-1] + duration - part[0]
    return np.concatenate(parts)


def seek(video: OpenVideo, pts: int) -> Iterator[VideoPacket] | None:
    """Seek to the last key frame at or before a time stamp.

    Returns packets from this key frame, or an earlier one, to the end; None if the container finds
    no key frame before the time stamp.
    """
    # A seek that compares decoding times overshoots if key frames are close together.
    for target in (pts, pts - round(1 / _time_base(video))):
        try:
            video.container.seek(target, stream=video.stream)
        except FFmpegError:
            return None
        run = packets(video)
        first = next((packet for packet in run if packet.is_keyframe), None)
        if first is not None and first.pts is not None and first.pts <= pts:
            return chain([first], run)
    return None


def _can_seek(video: OpenVideo) -> bool:
    """Return whether a seek gives the same frames as one pass through the file."""
    return video.container.format.name in _SEEKABLE and not has_palette(video)


def _typical_duration(video: OpenVideo, durations: Ints) -> int:
    """Return the median duration of a frame, in time stamp steps."""
    positive = durations[durations > 0]
    if positive.size:
        return int(np.median(positive))
    return max(round(1 / ((video.stream.average_rate or FALLBACK_FPS) * _time_base(video))), 1)


def _time_base(video: OpenVideo) -> Fraction:
    return video.stream.time_base or Fraction(1, 90_000)


# Tables round times to milliseconds. A frame that is shown for less than this rounding error
# belongs to the neighbouring segment.
_ROUNDING = 5e-4


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
    """Refuse times of a segment that no file can have."""
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
    # Frames of damaged files may have the same time. They divide the time until the next frame. At
    # the end of the file, each lasts as long as the last frame.
    _, begin, repeats = np.unique(index.pts, return_index=True, return_counts=True)
    for at, count in zip(begin[repeats > 1], repeats[repeats > 1], strict=True):
        stop = at + count
        if stop == len(index.pts):
            bounds[stop] = bounds[at] + count * index.last_duration * float(index.time_base)
        bounds[at : stop + 1] = np.linspace(bounds[at], bounds[stop], count + 1)
    return bounds


def undo_rounding(bounds: Floats, step: float, rate: float | None) -> Floats:
    """Return evenly spaced times if the video has a constant rate up to rounding.

    Matroska, WebM and FLV round times to milliseconds, QuickTime to 1/600 s. At a constant rate the
    times then jitter by one step, and a sampler by time could choose a neighbour of the right
    frame.

    Args:
        bounds: Start of each frame and end of the last (n+1,), in seconds.
        step: Resolution of the times, in seconds.
        rate: Frames per second according to the container, if it says so.

    Returns:
        Evenly spaced times (n+1,) if all differ from ``bounds`` by rounding only, else ``bounds``.
    """
    count = np.arange(len(bounds))
    measured = (bounds[-2] - bounds[0]) / (len(bounds) - 2) if len(bounds) > 2 else 0.0
    for duration in (1 / rate if rate else 0.0, measured):
        even: Floats = bounds[0] + duration * count
        # The first bound and each other are rounded by half a step, the last frame's duration by
        # another half. With few steps per frame, a dropped frame could pass for rounding.
        if duration >= 4 * step and np.abs(bounds - even).max() <= 1.5 * step + 1e-9:
            return even
    return bounds


_EBML = bytes.fromhex("1a45dfa3")
_SEGMENT = bytes.fromhex("18538067")
_NO_SIZE = 0xFFFFFFFF  # of RIFF
_MAX_ELEMENTS = 100_000

# A file of constant rate may have so many frames more or less: frames wait for others at a cut.
_UNEVEN = 8


def missing_bytes(path: Path) -> int:
    """Return the number of bytes that a truncated file is missing; 0 if its container has no size.

    Frame counts and durations in headers are unreliable: edit lists, dropped frames and longer
    sound change them in intact files too. Sizes are reliable.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            size = _size_reader(head)(file)
        return max(size - path.stat().st_size, 0)
    except OSError as error:
        raise open_error(path, error) from error


def missing_frames(video: OpenVideo, read: int, steps: int) -> int:
    """Return the number of frames that a truncated file is missing; −1 if it is not known.

    ``read`` packets are between its start and its end, over a time of ``steps`` time stamp steps.
    """
    announced, rate = video.stream.frames, video.stream.average_rate
    if not announced and video.container.duration and rate and video.stream.time_base:
        # A duration does not say how many frames there are at a variable rate.
        if abs(steps * video.stream.time_base * rate + 1 - read) > _UNEVEN:
            return -1
        announced = round(Fraction(video.container.duration, av.time_base) * rate)
    return announced - read if announced > read else -1


def _size_reader(head: bytes) -> Callable[[BinaryIO], int]:
    """Return the function that reads the size which the container announces."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _iso_size
    if head[:4] == _EBML:
        return _matroska_size
    if head[:4] == b"RIFF":
        return _riff_size
    return lambda file: 0


def _iso_size(file: BinaryIO) -> int:
    """Return the size of MP4 and QuickTime: boxes, each with a size and a four-letter type."""
    offset = 0
    for _ in range(_MAX_ELEMENTS):
        file.seek(offset)
        head = file.read(16)
        size = int.from_bytes(head[:4])
        if size == 1:  # the real size follows the type
            size = int.from_bytes(head[8:16])
        if len(head) < 8 or size < 8 or not head[4:8].isalnum():
            break
        offset += size
    return offset


def _matroska_size(file: BinaryIO) -> int:
    """Return the size of Matroska and WebM: a short header, then one segment with all data."""
    for element in (_EBML, _SEGMENT):
        if file.read(4) != element:
            return 0
        first = int.from_bytes(file.read(1))
        if not first:
            return 0
        width = 9 - first.bit_length()  # leading zero bits encode the length of the number
        digits = file.read(width - 1)
        size = int.from_bytes(bytes([first & (0xFF >> width)]) + digits)
        if size == (1 << 7 * width) - 1:  # all ones: a live recording, size not known
            return 0
        if element == _EBML:
            file.seek(size, 1)
    return file.tell() + size


def _riff_size(file: BinaryIO) -> int:
    """Return the size of AVI: consecutive chunks of at most a gigabyte."""
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return offset
        size = int.from_bytes(head[4:8], "little")
        if size == _NO_SIZE:  # written to a pipe, or the recorder was killed
            return 0
        offset += 8 + size
