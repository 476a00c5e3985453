"""Decoding of requested frames only.

A frame decodes only after all frames since the last key frame. So decoding starts at the key frame
before a requested frame, continues while the next one is near, and jumps to a later key frame if it
is far. Frames in between that no other frame refers to are not decoded.
"""

import contextlib
import math
import struct
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from fewact.core.errors import VideoError
from fewact.video.index import FrameIndex, seek
from fewact.video.opening import (
    Damage,
    OpenVideo,
    Threads,
    VideoPacket,
    has_palette,
    is_incomplete,
    open_video,
    packets,
    warn_of_video,
)
from fewact.video.samplers import Array, Ints, RGBImage
from fewact.video.tone_mapping import HLG, PQ, tone_mapped

IndexedFrame = tuple[int, VideoFrame]
"""Position of a frame in the index, and the decoded frame."""

# Seeking empties the decoder: a nearer key frame is reached sooner without it.
_SHORTEST_JUMP = 16
# Decoders that can skip single packets whose frames no other frame refers to.
_CAN_SKIP = ("h264", "hevc")


def decode(
    path: Path, index: FrameIndex, positions: Ints, threads: Threads, damage: Damage
) -> Iterator[IndexedFrame]:
    """Decode the requested frames; the nearest frame replaces a frame that does not decode.

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
                done += int(np.searchsorted(positions[done:], position))  # these do not decode
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
    """Return whether a frame belongs to the first packet after a seek, or is shown later."""
    return first.pts is not None and frame.pts is not None and frame.pts >= first.pts


def _is_key(first: VideoPacket, frame: VideoFrame, index: FrameIndex) -> bool:
    """Return whether a packet gave a frame without references, at which decoding could start.

    Files without a table of key frames declare every frame a key frame. After a seek in a video
    with periodic intra refresh, the first frames are missing.
    """
    if frame.pict_type == PictureType.NONE:  # this decoder does not say
        return len(index.keyframes) < len(index.pts) or bool(frame.key_frame)
    return frame.pts == first.pts and frame.pict_type == PictureType.I


def _decode_nearest(
    path: Path, index: FrameIndex, positions: Ints, threads: Threads
) -> Iterator[IndexedFrame]:
    """Yield for each position the nearest frame that decodes; nothing if none decodes."""
    # Start one key frame earlier than necessary: the nearest key frame may be damaged.
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

    Frames whose time stamps are not ``needed`` are skipped if no other frame refers to them; None
    decodes all.
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


def side_data(frame: VideoFrame, name: str) -> bytes | None:
    """Return the side data of a frame with FFmpeg's name for their type; None if there are none.

    ``frame.side_data`` would refer back to the frame and keep it until cycles are collected: large
    videos would fill the memory.
    """
    stored = cast(SideData | None, _SideData(frame).get(name))
    return None if stored is None else bytes(stored)


class _SideData(SideDataContainer):
    """Side data of a frame, up to the first of a type that PyAV does not know, such as EXIF.

    FFmpeg appends unknown types, for example to a JPEG image with EXIF data or to a video with two
    views.
    """

    def __init__(self, frame: VideoFrame) -> None:
        with contextlib.suppress(ValueError):
            super().__init__(frame)  # type: ignore[call-arg]


# FFmpeg's AVVideoEncParams: unsigned blocks; size_t offset, size; int type, qp, delta_qp[4][2].
_HEAD = struct.Struct("@INNii")
_H264 = 1
_DELTA = 4  # of AVVideoBlockParams: int src_x, src_y, w, h, delta_qp


def quantiser(frame: VideoFrame) -> float | None:
    """Return the mean quantiser of a frame's blocks: 0 is lossless, 51 the worst of H.264.

    The decoder needs the option ``EXPORT``. None for all other codecs.
    """
    content = side_data(frame, "VIDEO_ENC_PARAMS")
    if content is None:
        return None
    blocks, offset, size, kind, of_frame = _HEAD.unpack_from(content)
    if kind != _H264 or not blocks:
        return None
    numbers = np.frombuffer(content, np.int32, blocks * size // 4, offset)
    return float(of_frame + numbers[_DELTA :: size // 4].mean())


_UNSPECIFIED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED
_BT601 = (_UNSPECIFIED, 5, 6)  # AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M


class FrameConverter:
    """Converts the frames of one video to RGB, rotates them upright and scales them to one size.

    Args:
        name: Name of the video in warnings.
        width: Width of the first frame as stored, in pixels; 0 if it is not known, then the first
            converted frame decides.
        height: Height of the first frame, likewise.
    """

    def __init__(self, name: str, width: int = 0, height: int = 0) -> None:
        self.rotation = 0
        self._name = name
        self._stored_size = (width, height)
        self._shown_size: tuple[int, int] | None = None
        self._warned_of_colors = False
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame) -> RGBImage:
        """Return a frame as an upright image (h w 3), uint8, RGB, of the size of the first one.

        A high dynamic range is mapped to the standard one. Transparency is dropped. Non-square
        pixels stay as they are stored.
        """
        matrix = self._matrix(frame)
        swaps_axes = matrix[0, 0] == 0
        if self._shown_size is None:
            stored = self._stored_size
            width, height = stored if all(stored) else (frame.width, frame.height)
            self._shown_size = (height, width) if swaps_axes else (width, height)
            side = round(np.linalg.det(matrix))  # −1 if the image is also flipped
            self.rotation = _degrees(matrix[0] * (side, 1)) % 360
        width, height = self._shown_size[::-1] if swaps_axes else self._shown_size
        rgb = np.asarray(self._rgb(frame, width, height).to_ndarray(), np.uint8)
        if int(frame.color_trc) in (HLG, PQ):
            rgb = tone_mapped(rgb, int(frame.color_trc))
        return np.ascontiguousarray(_rotate(rgb, matrix))

    def is_plain(self, frame: VideoFrame) -> bool:
        """Whether a frame as ``convert`` returns it is stored as YUV 4:2:0, BT.601, limited."""
        return (
            frame.format.name == "yuv420p"
            and frame.colorspace in _BT601
            and frame.color_range != ColorRange.JPEG
            and self._shown_size == (frame.width, frame.height)
            and not (frame.width % 2 or frame.height % 2)
            and np.array_equal(self._matrix(frame), np.eye(2))
            and int(frame.color_trc) not in (HLG, PQ)
        )

    def _rgb(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        """Return a frame in RGB and of this size, as stored."""
        try:
            return self._reformatter.reformat(frame, width, height, "rgb24")
        except (FFmpegError, ValueError) as error:
            if frame.colorspace == _UNSPECIFIED:
                raise VideoError(
                    self._name,
                    f"its pixel format {frame.format.name} cannot be converted to RGB",
                    hint="Convert it to H.264, for example with FFmpeg.",
                ) from error
        if not self._warned_of_colors:
            self._warned_of_colors = True
            warn_of_video(
                f"{self._name}: the color matrix of the file is not supported (FFmpeg's number "
                f"{int(frame.colorspace)}); the video is read with the default one, so that colors "
                "may be wrong",
            )
        frame.colorspace = _UNSPECIFIED
        return self._rgb(frame, width, height)

    def _matrix(self, frame: VideoFrame) -> Array:
        """Return the directions of the stored x and y axes on the screen: (2 2) of −1, 0, 1."""
        stored = side_data(frame, "DISPLAYMATRIX")
        if stored is None:
            return np.eye(2, dtype=np.int64)
        matrix = np.frombuffer(stored, np.int32).reshape(3, 3)[:2, :2] / 65536
        sign = np.where(np.abs(matrix) > 0.01 * np.abs(matrix).max(), np.sign(matrix), 0)
        if np.array_equal(sign @ sign.T, np.eye(2)):
            return sign.astype(np.int64)
        if matrix.any() and self._shown_size is None:
            warn_of_video(
                f"{self._name}: the file requests a rotation by {_degrees(matrix[0])} degrees, "
                "which is no multiple of 90; the video is read without rotation",
            )
        return np.eye(2, dtype=np.int64)


def _degrees(x_axis: Array) -> int:
    """Return the clockwise angle of the x axis; y points down."""
    return round(math.degrees(math.atan2(x_axis[1], x_axis[0])))


def _rotate(image: Array, matrix: Array) -> Array:
    if matrix[0, 0] == 0:
        image = image.transpose(1, 0, 2)
    down, right = matrix[:, 1].sum(), matrix[:, 0].sum()
    return image[:: int(down), :: int(right)]
