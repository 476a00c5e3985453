"""Which frames a file holds and when they are shown, found out without decoding any."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from fewact.errors import VideoError
from fewact.video.opening import Opened, VideoPacket, open_video, packets
from fewact.video.timeline import Ints
from fewact.video.truncation import missing_bytes

# Smaller files are read in less time than it takes to be clever about it.
_LARGE = 4 << 20
# No codec shows a frame more than 16 places before or after where it is stored.
_REORDER = 32
_SOME_FPS = 25
# Others place packets by guesses that turn out otherwise after a seek, or cannot seek.
_SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "mpegts")
_NOWHERE = -1 << 40


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The frames of a file in the order they are shown, or those around a stretch of it.

    Args:
        pts: (n,) int64 presentation time stamps, sorted. Damaged clocks repeat some.
        keys: (k,) int64 positions in ``pts`` that decoding can start from, sorted.
        unit: Seconds that one step of the time stamps lasts.
        last: Steps that the last frame is shown.
        origin: Time stamp of the file's first frame.
        rate: Frames a second that the file claims; None where it claims none.
        counted: The decoder's frames carry no time stamps that could be relied on, and have to be
            counted from the file's beginning.
        whole: ``pts`` holds all frames of the file.
        cut: Frames that the file promises but does not hold; −1 where their number is not known.
        broken: Packets that the container marks as damaged.
        size: Width and height of the first frame as stored, in pixels.
        codec: FFmpeg's name of it.
    """

    pts: Ints
    keys: Ints
    unit: Fraction
    last: int
    origin: int
    rate: float | None
    size: tuple[int, int]
    codec: str
    counted: bool = False
    whole: bool = True
    cut: int = 0
    broken: int = 0

    def key_before(self, position: int) -> int:
        """Position of the last key frame at or before a position; 0 where there is none."""
        found = int(np.searchsorted(self.keys, position, side="right"))
        return int(self.keys[found - 1]) if found else 0

    def find(self, pts: int | None) -> int:
        """First position of a time stamp; far below 0 where it is none of the index."""
        if pts is None:
            return _NOWHERE
        found = int(np.searchsorted(self.pts, pts))
        return found if found < len(self.pts) and self.pts[found] == pts else _NOWHERE


def index_file(path: Path, start: float | None = None, end: float | None = None) -> FrameIndex:
    """Index a file, or as much of a large one as a stretch needs.

    Args:
        path: The file.
        start: Where the stretch begins, in seconds.
        end: Where it ends, in seconds.

    Raises:
        VideoError: The file cannot be opened or holds no frame.
    """
    found = None
    if path.stat().st_size > _LARGE:
        with open_video(path) as opened:
            if start is None and end is None:
                found = _from_table(path, opened)
            else:
                found = _around(path, opened, start or 0.0, end)
    if found is None:
        with open_video(path) as opened:
            found = _from_packets(path, opened)
    return found


@dataclass
class _Packets:
    """What is kept of packets: an entry for each frame to be shown, in decoding order."""

    pts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    broken: int = 0
    all: int = 0
    reordered: bool = False
    ended: bool = False


def _read(opened: Opened, run: Iterator[VideoPacket], until: int | None = None) -> _Packets:
    """Read packets to the end, or until no frame before a time stamp can follow."""
    kept = _Packets()
    vp8 = opened.stream.codec_context.name == "vp8"
    past = 0
    for packet in run:
        kept.all += 1
        if packet.is_corrupt:
            kept.broken += 1
        # VP8 stores reference frames that are never shown; a bit of the first byte tells.
        elif not packet.is_discard and (not vp8 or memoryview(packet)[0] & 0x10):
            kept.pts.append(packet.pts)
            kept.durations.append(packet.duration or 0)
            kept.keys.append(packet.is_keyframe)
            kept.reordered |= packet.pts != packet.dts
        if until is not None and packet.pts is not None:
            past = past + 1 if packet.pts >= until else 0
            if past == _REORDER:
                return kept
    kept.ended = True
    return kept


def _from_packets(path: Path, opened: Opened) -> FrameIndex:
    """Index all frames by reading every packet."""
    kept = _read(opened, packets(opened))
    if not kept.pts:
        raise VideoError(path, "the file holds no frame", hint="Record or copy it again.")
    return _index(opened, kept, cut=_cut(path, opened, kept))


def _around(path: Path, opened: Opened, start: float, end: float | None) -> FrameIndex | None:
    """Index the frames around a stretch, from the key frame before it; None if that fails."""
    if opened.container.format.name not in _SEEKABLE:
        return None
    head = _read(opened, islice(packets(opened), _REORDER))
    if not head.pts or None in head.pts or len(head.pts) < head.all:
        return None
    origin = min(pts for pts in head.pts if pts is not None)
    ticks = 1 / _unit(opened)
    run = land(opened, origin + int(start * ticks))
    if run is None:
        return None
    kept = _read(opened, run, until=None if end is None else origin + int(end * ticks) + 1)
    if not kept.pts or None in kept.pts or (kept.ended and missing_bytes(path)):
        return None
    found = _index(opened, kept, origin=origin)
    return None if found.counted else found


def _from_table(path: Path, opened: Opened) -> FrameIndex | None:
    """Index all frames from an MP4's own table; None where it leaves doubt.

    The table has decoding times. Where all of these are evenly spaced, and the first and the last
    packets are shown on one grid of that step, so are those between.
    """
    stream = opened.stream
    entries = list(getattr(stream, "index_entries", ()))
    if "mp4" not in opened.container.format.name or not 1 < len(entries) == stream.frames:
        return None
    if missing_bytes(path):
        return None
    dts = np.array([entry.timestamp for entry in entries], np.int64)
    step = int(dts[1] - dts[0])
    if step <= 0 or (np.diff(dts) != step).any() or any(entry.is_discard for entry in entries):
        return None
    head = _read(opened, islice(packets(opened), _REORDER))
    run = land(opened, int(dts[-1]))
    tail = _read(opened, run) if run else head
    if None in head.pts or None in tail.pts or head.broken or tail.broken:
        return None
    first = sorted(pts for pts in head.pts if pts is not None)
    last = sorted(pts for pts in tail.pts if pts is not None)
    pts = first[0] + step * np.arange(len(dts))
    sure = len(first) // 2  # those after them may be shown among frames that were not read
    if first[:sure] != pts[:sure].tolist() or last != pts[-len(last) :].tolist():
        return None
    # A key frame is taken to be shown where it is stored. It may be shown a little later, which
    # ``land`` makes up for.
    kept = _Packets(
        pts=[int(p) for p in pts],
        durations=[step] * len(pts),
        keys=[entry.is_keyframe for entry in entries],
    )
    return _index(opened, kept)


def _index(
    opened: Opened, kept: _Packets, *, cut: int = 0, origin: int | None = None
) -> FrameIndex:
    """Sort what was kept of packets; an origin says that it is only a part of the file."""
    stream = opened.stream
    timed = np.array([pts is not None for pts in kept.pts])
    durations, keys = np.array(kept.durations, np.int64), np.array(kept.keys)
    if 2 * timed.sum() < len(timed):  # a bare stream: no clock at all
        counted = True
        durations = np.where(durations > 0, durations, _typical(opened, durations))
        pts = np.cumsum(durations) - durations
    else:
        # A few packets without a time stamp are second fields of frames, or damage.
        pts = np.array([pts for pts in kept.pts if pts is not None], np.int64)
        durations, keys = durations[timed], keys[timed]
        # AVI stores no presentation times. FFmpeg guesses at them where frames are reordered, and
        # frames of Xvid's packed kind, as in UCF-101, then carry the times of others.
        counted = opened.container.format.name == "avi" and kept.reordered
    order = np.argsort(pts, kind="stable")
    pts = pts[order]
    seekable = opened.container.format.name in _SEEKABLE and not counted
    return FrameIndex(
        pts=pts,
        keys=np.flatnonzero(keys[order]) if seekable else np.zeros(1, np.int64),
        unit=_unit(opened),
        last=int(durations[order][-1]) or _typical(opened, np.diff(pts)),
        origin=int(pts[0]) if origin is None else origin,
        rate=float(stream.average_rate) if stream.average_rate else None,
        size=(stream.codec_context.width, stream.codec_context.height),
        codec=stream.codec_context.codec.canonical_name,
        counted=counted,
        whole=origin is None,
        cut=cut,
        broken=kept.broken,
    )


def land(opened: Opened, pts: int) -> Iterator[VideoPacket] | None:
    """Seek to the last key frame at or before a time stamp.

    Args:
        opened: The file.
        pts: The time stamp.

    Returns:
        The packets from that key frame on, or from an earlier one; None where the container's seek
        leads elsewhere.
    """
    # A seek that compares decoding times overshoots where key frames are close together.
    for target in (pts, pts - round(1 / _unit(opened))):
        try:
            opened.container.seek(target, stream=opened.stream)
        except FFmpegError:
            return None
        run = packets(opened)
        first = next((packet for packet in run if packet.is_keyframe), None)
        if first is not None and first.pts is not None and first.pts <= pts:
            return chain([first], run)
    return None


def _cut(path: Path, opened: Opened, kept: _Packets) -> int:
    """Frames that a file cut short lacks; −1 where its header does not tell how many."""
    if not missing_bytes(path):
        return 0
    promised = opened.stream.frames
    if not promised and opened.container.duration and opened.stream.average_rate:
        seconds = Fraction(opened.container.duration, av.time_base)
        promised = round(seconds * opened.stream.average_rate)
    return promised - kept.all if promised > kept.all else -1


def _typical(opened: Opened, steps: Ints) -> int:
    """How long a frame probably lasts, in steps of the clock."""
    known = steps[steps > 0]
    if known.size:
        return int(np.median(known))
    return max(round(1 / ((opened.stream.average_rate or _SOME_FPS) * _unit(opened))), 1)


def _unit(opened: Opened) -> Fraction:
    return opened.stream.time_base or Fraction(1, 90_000)
