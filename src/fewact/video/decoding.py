"""Decoding of requested frames only.

A frame decodes only after all frames since the last key frame. So decoding starts at the key frame
before a requested frame, continues while the next one is near, and jumps to a later key frame if it
is far. Frames in between that no other frame refers to are not decoded.
"""

import contextlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from fewact.video.damage import Damage
from fewact.video.index import FrameIndex, seek
from fewact.video.opening import (
    OpenVideo,
    Threads,
    VideoPacket,
    has_palette,
    is_incomplete,
    open_video,
    packets,
)
from fewact.video.timeline import Ints

IndexedFrame = tuple[int, VideoFrame]
"""Position of a frame in the index, and the decoded frame."""

# Seeking empties the decoder: a nearer key frame is reached sooner without it.
_SHORTEST_JUMP = 16
# Decoders that can skip single packets whose frames no other frame refers to.
_CAN_SKIP = ("h264", "hevc")


def decode(
    path: Path, index: FrameIndex, positions: Ints, threads: Threads, damage: Damage
) -> Iterator[IndexedFrame]:
    """Decode the requested frames; the nearest frame replaces one that does not decode.

    Args:
        path: Video file.
        index: Index of the file.
        positions: Positions (u,) of the requested frames in the index, sorted, no repeats.
        threads: Number of decoder threads.
        damage: Report to which frames that do not decode are added.

    Yields:
        Each requested position and its frame; nothing if no frame of the file decodes.
    """
    missing = set(positions.tolist())
    for position, frame in _decode_exact(path, index, positions, threads, damage):
        missing.discard(position)
        damage.corrupt += frame.is_corrupt
        yield position, frame
    if missing:
        damage.replaced += len(missing)
        yield from _decode_nearest(path, index, np.array(sorted(missing)), threads)


def _decode_exact(
    path: Path,
    index: FrameIndex,
    positions: Ints,
    threads: Threads,
    damage: Damage,
    *,
    jumps: bool = True,
) -> Iterator[IndexedFrame]:
    """Yield the requested frames that decode; without jumps in one pass from the first frame."""
    needed = None if index.counted else set(index.pts[positions].tolist())
    first_key = index.keyframe_before(int(positions[0]))
    at_start = not jumps or (index.complete and first_key < _SHORTEST_JUMP)
    begun = done = 0
    trusted = True
    with open_video(path, threads=threads) as video:
        while done < len(positions) and trusted:
            first, errors = None, damage.corrupt
            if at_start:
                run, at_start = packets(video), False
            else:
                begun = index.keyframe_before(int(positions[done]))
                sought = seek(video, int(index.pts[begun]))
                if sought is None:
                    break
                first = next(sought)
                run = chain([first], sought)
                if needed is not None and first.pts is not None:
                    needed.add(first.pts)
            for position, frame in _find_positions(index, _decode(video, run, damage, needed)):
                if jumps and first is not None and _is_reached(first, frame):
                    trusted = _is_key(first, frame, index) or damage.corrupt > errors
                    if not trusted:
                        break
                    first = None
                done += int(np.searchsorted(positions[done:], position))  # those do not decode
                if done < len(positions) and positions[done] == position:
                    yield position, frame
                    done += 1
                if done == len(positions):
                    return
                key = index.keyframe_before(int(positions[done]))
                # Never to the same key frame twice, in case the container seeks to an earlier one.
                if jumps and key > max(begun, position + _SHORTEST_JUMP):
                    break
            else:
                return
    yield from _decode_exact(path, index, positions[done:], threads, damage, jumps=False)


def _is_reached(first: VideoPacket, frame: VideoFrame) -> bool:
    """Return whether a frame is that of the first packet after a seek, or shown later."""
    return first.pts is not None and frame.pts is not None and frame.pts >= first.pts


def _is_key(first: VideoPacket, frame: VideoFrame, index: FrameIndex) -> bool:
    """Return whether decoding could start at a packet: whether it gave a frame without references.

    Files without a table of key frames declare that all frames are. After a seek in a video with
    periodic intra refresh, the first frames are missing.
    """
    if frame.pict_type == PictureType.NONE:  # this decoder does not say
        return len(index.keyframes) < len(index.pts) or bool(frame.key_frame)
    return frame.pts == first.pts and frame.pict_type == PictureType.I


def _decode_nearest(
    path: Path, index: FrameIndex, positions: Ints, threads: Threads
) -> Iterator[IndexedFrame]:
    """Yield for each position the nearest frame that decodes; nothing if none decodes."""
    # Decode all frames, from one key frame earlier than necessary: the nearest may be damaged.
    begin = index.keyframe_before(index.keyframe_before(int(positions[0])) - 1)
    for start in (begin, 0) if begin else (0,):
        before: IndexedFrame | None = None
        done = 0
        with open_video(path, threads=threads) as video:
            run = seek(video, int(index.pts[start])) if start or not index.complete else None
            frames = _decode(video, run or packets(video), Damage())
            for after in _find_positions(index, frames):
                while done < len(positions) and positions[done] <= after[0]:
                    target = int(positions[done])
                    near = before if before and target - before[0] <= after[0] - target else after
                    yield target, near[1]
                    done += 1
                if done == len(positions):
                    return
                before = after
        if before:
            yield from ((int(target), before[1]) for target in positions[done:])
            return


def _decode(
    video: OpenVideo,
    run: Iterator[VideoPacket],
    damage: Damage,
    needed: set[int] | None = None,
) -> Iterator[VideoFrame | None]:
    """Decode packets and yield frames in display order; None for a packet that does not decode.

    Args:
        video: Open file.
        run: Packets of the file from a key frame on.
        damage: Report to which packets that do not decode are added.
        needed: Time stamps of frames that must be decoded even if no other frame refers to them;
            None decodes all.
    """
    context = video.stream.codec_context
    can_skip = context.name in _CAN_SKIP
    intra_only = context.codec.intra_only and not has_palette(video)
    skips = None
    for packet in run:
        if is_incomplete(video, packet):
            continue
        spare = needed is not None and packet.pts is not None and packet.pts not in needed
        if spare and intra_only:
            continue
        if can_skip and spare != skips:
            skips = spare
            context.skip_frame = "NONREF" if spare else "DEFAULT"
        try:
            frames = packet.decode()
        except FFmpegError:
            damage.corrupt += 1
            yield None
            continue
        yield from frames
    with contextlib.suppress(FFmpegError):
        yield from context.decode(None)


def _find_positions(
    index: FrameIndex, frames: Iterator[VideoFrame | None]
) -> Iterator[IndexedFrame]:
    """Yield each frame with its position in the index; frames outside the index are dropped."""
    last, repeats = None, 0
    for count, frame in enumerate(frames):
        if frame is None:
            continue
        if index.counted:
            position = count
        else:
            # Damaged time stamps repeat; frames with the same one follow each other.
            repeats = repeats + 1 if frame.pts == last else 0
            last = frame.pts
            position = index.find(frame.pts) + repeats
        if 0 <= position < len(index.pts):
            yield position, frame
