"""Decoding the wanted frames of a file, and little else.

A frame decodes only with all before it back to a key frame. So decoding starts at the key frame
before a wanted one, goes on through those wanted soon after, and jumps to a later key frame where
the next is far. Frames on the way that no other refers to are not decoded.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from fewact.video.damage import Losses
from fewact.video.index import FrameIndex, land
from fewact.video.opening import Opened, Threads, VideoPacket, open_video, packets
from fewact.video.timeline import Ints

Placed = tuple[int, VideoFrame]
"""A decoded frame and its position in the index."""

# Seeking empties the decoder: a key frame that is nearer is reached sooner by going on.
_WORTH_A_JUMP = 16
# Decoders that can be told, packet by packet, to leave out frames that no other refers to.
_CAN_SKIP = ("h264", "hevc")


def decode(
    path: Path, index: FrameIndex, wanted: Ints, threads: Threads, losses: Losses
) -> Iterator[Placed]:
    """Decode wanted frames; one that does not decode is replaced by the nearest that does.

    Args:
        path: The file.
        index: Of the file.
        wanted: (u,) positions in the index, sorted, no repeats.
        threads: Decoder threads.
        losses: Takes note of what does not decode.

    Yields:
        Each wanted position with its frame, except where nothing decodes at all.
    """
    missing = set(wanted.tolist())
    for position, frame in _exact(path, index, wanted, threads, losses):
        missing.discard(position)
        losses.broken += frame.is_corrupt
        yield position, frame
    if missing:
        losses.replaced += len(missing)
        yield from _nearest(path, index, np.array(sorted(missing)), threads)


def _exact(
    path: Path,
    index: FrameIndex,
    wanted: Ints,
    threads: Threads,
    losses: Losses,
    *,
    jumps: bool = True,
) -> Iterator[Placed]:
    """The wanted frames that decode; without jumps in one pass from the file's beginning."""
    needed = None if index.counted else set(index.pts[wanted].tolist())
    at_start = not jumps or (index.whole and index.key_before(int(wanted[0])) < _WORTH_A_JUMP)
    begun = done = 0
    with open_video(path, threads=threads) as opened:
        while done < len(wanted):
            if at_start:
                run, at_start = packets(opened), False
            else:
                begun = index.key_before(int(wanted[done]))
                landed = land(opened, int(index.pts[begun]))
                if landed is None:
                    break
                run = landed
            for position, frame in _place(index, _frames(opened, run, losses, needed)):
                done += int(np.searchsorted(wanted[done:], position))  # those do not decode
                if done < len(wanted) and wanted[done] == position:
                    yield position, frame
                    done += 1
                if done == len(wanted):
                    return
                key = index.key_before(int(wanted[done]))
                # Never to the same key frame twice, should the container seek to an earlier one.
                if jumps and key > max(begun, position + _WORTH_A_JUMP):
                    break
            else:
                return
    yield from _exact(path, index, wanted[done:], threads, losses, jumps=False)


def _nearest(path: Path, index: FrameIndex, wanted: Ints, threads: Threads) -> Iterator[Placed]:
    """For each wanted position the nearest frame that decodes; none where nothing does."""
    # Every frame in turn, from a key frame earlier than would do: that one may be damaged.
    begin = index.key_before(index.key_before(int(wanted[0])) - 1)
    for start in (begin, 0) if begin else (0,):
        before: Placed | None = None
        done = 0
        with open_video(path, threads=threads) as opened:
            run = land(opened, int(index.pts[start])) if start or not index.whole else None
            frames = _frames(opened, run or packets(opened), Losses())
            for after in _place(index, frames):
                while done < len(wanted) and wanted[done] <= after[0]:
                    target = int(wanted[done])
                    near = before if before and target - before[0] <= after[0] - target else after
                    yield target, near[1]
                    done += 1
                if done == len(wanted):
                    return
                before = after
        if before:
            yield from ((int(target), before[1]) for target in wanted[done:])
            return


def _frames(
    opened: Opened,
    run: Iterator[VideoPacket],
    losses: Losses,
    needed: set[int] | None = None,
) -> Iterator[VideoFrame | None]:
    """Decode packets in the order their frames are shown; None for one that does not decode.

    Args:
        opened: The file.
        run: Its packets from a key frame on.
        losses: Counts packets that do not decode.
        needed: Time stamps of frames that must be decoded even if no other refers to them; None
            decodes all.
    """
    context = opened.stream.codec_context
    can_skip, alone = context.name in _CAN_SKIP, context.codec.intra_only
    skips = None
    for packet in run:
        if packet.is_corrupt:
            continue
        spare = needed is not None and packet.pts is not None and packet.pts not in needed
        if spare and alone:
            continue
        if can_skip and spare != skips:
            skips = spare
            context.skip_frame = "NONREF" if spare else "DEFAULT"
        try:
            frames = packet.decode()
        except FFmpegError:
            losses.broken += 1
            yield None
            continue
        yield from frames
    with contextlib.suppress(FFmpegError):
        yield from context.decode(None)


def _place(index: FrameIndex, frames: Iterator[VideoFrame | None]) -> Iterator[Placed]:
    """Find each frame's position in the index; frames that are not in it are dropped."""
    last, again = None, 0
    for count, frame in enumerate(frames):
        if frame is None:
            continue
        if index.counted:
            position = count
        else:
            # A damaged clock repeats time stamps; frames of the same one follow each other.
            again = again + 1 if frame.pts == last else 0
            last = frame.pts
            position = index.find(frame.pts) + again
        if 0 <= position < len(index.pts):
            yield position, frame
