"""Reading of the frames that samplers choose, and of the properties of a video."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from pathlib import Path
from statistics import median

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from fewact.core.errors import OptionError, ShapeError, VideoError
from fewact.core.paths import clip_path
from fewact.video.decoding import FrameConverter, IndexedFrame, decode, quantiser
from fewact.video.index import FrameIndex, check_times, find_segment, index_file
from fewact.video.opening import (
    READABLE,
    Damage,
    Threads,
    check_readable,
    open_video,
    packets,
)
from fewact.video.samplers import Array, Ints, Sampler, Timeline
from fewact.video.source import Reading, Transform

FOLDER_FPS = 25.0


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video.

    Args:
        path: Video file or folder of images.
        duration: Time from the start of the first frame to the end of the last, in seconds.
        fps: Average number of frames per second.
        frames: Number of frames that are shown.
        width: Width of a frame after rotation, in pixels.
        height: Height of a frame after rotation, in pixels.
        rotation: Clockwise rotation that turns stored frames upright: 0, 90, 180 or 270 degrees.
        codec: FFmpeg's name of the codec, such as "h264"; the file type of a folder's images.
    """

    path: Path
    duration: float
    fps: float
    frames: int
    width: int
    height: int
    rotation: int
    codec: str


def probe(path: str | Path, *, folder_fps: float = FOLDER_FPS) -> VideoInfo:
    """Return the properties of a video; only its first frame is decoded.

    Args:
        path: Video file, or folder of numbered images.
        folder_fps: Frames per second of a folder of images.

    Raises:
        VideoError: The video cannot be read.
        DataError: ``path`` is no path.

    Warns:
        VideoWarning: The file is truncated or damaged, or its frames all have the same time.
    """
    path = clip_path(path)
    index = _index(path, folder_fps)
    _, timeline = _segment(path, index, None, None)
    damage = _known_damage(index)
    converter = FrameConverter(str(path), *index.size)
    for _, frame in _decode(path, index, np.zeros(1, np.int64), 1, damage):
        height, width, _ = converter.convert(frame).shape
        damage.warn(path)
        return VideoInfo(
            path=path,
            duration=timeline.end,
            fps=timeline.fps,
            frames=timeline.n,
            width=width,
            height=height,
            rotation=converter.rotation,
            codec=index.codec,
        )
    raise _undecodable(path)


def read_frames(
    path: str | Path,
    sampler: Sampler,
    *,
    start: float | None = None,
    end: float | None = None,
    transform: Transform | None = None,
    threads: Threads = "auto",
    folder_fps: float = FOLDER_FPS,
) -> Array:
    """Read the frames of a video that a sampler chooses.

    Args:
        path: Video file, or folder of numbered images.
        sampler: Function that chooses frames by the timeline of the video or of its segment.
        start: Start of a segment in seconds after the first frame; a frame that is still shown at
            this time belongs to the segment.
        end: End of the segment in seconds, clipped to the end of the video.
        transform: Function applied to each frame (h w 3) when it is decoded, for example resizing.
            Only its result is kept in memory.
        threads: Number of decoder threads; "auto" takes one for small frames and one per core for
            large frames. Use 1 if you read several videos at once. Pixels of intact videos do not
            depend on the number; pixels of damaged videos can.
        folder_fps: Frames per second of a folder of images.

    Returns:
        Frames (t h w 3), uint8, RGB, in the sampler's order, or (t …) from ``transform``.

    Raises:
        VideoError: The video cannot be read, or has no frame in the segment.
        DataError: ``path`` is no path.

    Warns:
        VideoWarning: The file is truncated or damaged; the nearest frames replace missing ones. Or
            all frames have the same time; a frame rate is assumed.
    """
    return read_frame_sets(
        path,
        [sampler],
        start=start,
        end=end,
        transform=transform,
        threads=threads,
        folder_fps=folder_fps,
    ).frames[0]


def read_frame_sets(
    path: str | Path,
    samplers: Sequence[Sampler],
    *,
    start: float | None = None,
    end: float | None = None,
    transform: Transform | None = None,
    threads: Threads = "auto",
    folder_fps: float = FOLDER_FPS,
) -> Reading:
    """Read the frames that several samplers choose; each frame is decoded once.

    Other arguments than ``samplers``, errors and warnings are as for ``read_frames``.

    Returns:
        For each of ``samplers`` the result of ``read_frames``, with the size of the video's frames.
    """
    path = clip_path(path)
    check_times(path, start, end)
    index = _index(path, folder_fps, start, end)
    if transform is not None and not callable(transform):
        got, expected = repr(transform), "a function of a frame (h w 3)"
        raise OptionError("not a function", where="transform", got=got, expected=expected)
    first, timeline = _segment(path, index, start, end)
    positions_of = [_choose(sampler, timeline) for sampler in samplers]
    width, height = index.size
    if not positions_of:
        return Reading([], [], timeline, (height, width))
    needed = np.array(sorted(set(np.concatenate(positions_of).tolist())))  # (u,)
    damage = _known_damage(index)
    converter = FrameConverter(str(path), *index.size)
    frames: Array | None = None  # (u …)
    quantisers = []
    for position, decoded in _decode(path, index, needed + first, threads, damage):
        quantisers += [] if (estimate := quantiser(decoded)) is None else [estimate]
        frame: Array = converter.convert(decoded)
        height, width = frame.shape[:2]
        if transform is not None:
            frame = np.asarray(transform(frame))
            if frame.dtype == object:
                expected = "an array of numbers"
                raise ShapeError("not an array", where="result of transform", expected=expected)
        if frames is None:
            frames = np.empty((len(needed), *frame.shape), frame.dtype)
        if frame.shape != frames.shape[1:]:
            raise ShapeError(
                "frames of one video differ in shape",
                where="result of transform",
                got=str(frame.shape),
                expected=f"{frames.shape[1:]}, as before",
            )
        frames[np.searchsorted(needed, position - first)] = frame
    if frames is None:
        raise _undecodable(path)
    damage.warn(path)
    # The first set of all frames is not copied.
    whole = next(
        (i for i, indices in enumerate(positions_of) if np.array_equal(indices, needed)), None
    )
    sets = [
        frames if i == whole else frames[np.searchsorted(needed, indices)]
        for i, indices in enumerate(positions_of)
    ]
    size = (height, width)
    coarseness = median(quantisers) if quantisers else None
    return Reading(sets, positions_of, timeline, size, coarseness)


def timeline_of(path: str | Path, *, folder_fps: float = FOLDER_FPS) -> Timeline:
    """Return the times of all frames of a video; none is decoded.

    Raises:
        VideoError: The video cannot be read.
    """
    path = clip_path(path)
    return _segment(path, _index(path, folder_fps), None, None)[1]


def _index(
    path: Path, fps: float, start: float | None = None, end: float | None = None
) -> FrameIndex:
    """Index a folder of images, or a file; a large file may be indexed around a segment only."""
    check_readable(path)
    return index_images(path, fps) if path.is_dir() else index_file(path, start, end)


def _decode(
    path: Path, index: FrameIndex, positions: Ints, threads: Threads, damage: Damage
) -> Iterator[IndexedFrame]:
    if index.images:
        return decode_images(index.images, positions, damage)
    return decode(path, index, positions, threads, damage)


def _known_damage(index: FrameIndex) -> Damage:
    return Damage(missing=index.missing, corrupt=index.corrupt, assumed_fps=index.assumed_fps)


def _choose(sampler: Sampler, timeline: Timeline) -> Ints:
    if not callable(sampler):
        expected = "a function of the timeline, such as fewact.video.Segments(8)"
        raise OptionError("not a sampler", where="sampler", got=repr(sampler), expected=expected)
    indices = np.asarray(sampler(timeline))
    valid = indices.ndim == 1 and indices.size and np.issubdtype(indices.dtype, np.integer)
    if not valid or indices.min() < 0 or indices.max() >= timeline.n:
        raise OptionError(
            "the sampler chose frames that do not exist",
            where=repr(sampler),
            got=f"{indices.dtype} {indices.shape}: {indices.ravel()[:8].tolist()}",
            expected=f"(t,) integers from 0 to {timeline.n - 1}, at least one",
        )
    return indices.astype(np.int64)


def _segment(
    path: Path, index: FrameIndex, start: float | None, end: float | None
) -> tuple[int, Timeline]:
    try:
        segment = find_segment(index, start, end)
        if segment is not None:
            return segment
        video = find_segment(index if index.complete else index_file(path), None, None)
    except OptionError:
        raise VideoError(
            path, "the times of its frames are damaged", hint="Copy or convert it again."
        ) from None
    seconds = video[1].end if video else 0.0
    upto = "its end" if end is None else f"{end} s"
    raise VideoError(
        path,
        f"no frame is shown from {start or 0.0} s to {upto}",
        expected=f"a segment within the video's duration of {seconds:.3f} s",
    )


def _undecodable(path: Path) -> VideoError:
    return VideoError(path, "no frame can be decoded", hint="Copy, record or convert it again.")


_IMAGE = re.compile(r"[^.].*\.(jpe?g|png|bmp|webp)", re.IGNORECASE)

# FFmpeg's demuxers of single images, and the first bytes of their files. FFmpeg would choose by the
# name where it is not sure: many JPEG files would be a sequence.
_IMAGE_FORMATS = {
    "jpeg_pipe": re.compile(rb"\xff\xd8\xff"),
    "png_pipe": re.compile(rb"\x89PNG"),
    "bmp_pipe": re.compile(rb"BM"),
    "webp_pipe": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


def index_images(path: Path, fps: float) -> FrameIndex:
    """Index a folder of numbered images, shown in the order of their numbers at a constant rate."""
    if not (isinstance(fps, float | Real) and math.isfinite(fps) and fps > 0):
        raise OptionError(
            "invalid frame rate",
            where="folder_fps",
            got=repr(fps),
            expected="frames per second, > 0",
        )
    images = tuple(_numbered_images(path))
    first = next(filter(None, map(_decode_image, images)), None)
    return FrameIndex(
        pts=np.arange(len(images)),
        keyframes=np.arange(len(images)),
        time_base=1 / Fraction(fps).limit_denominator(1_000_000),
        last_duration=1,
        first_pts=0,
        rate=fps,
        size=(first.width, first.height) if first else (0, 0),
        codec=images[0].suffix[1:].lower(),
        images=images,
    )


def decode_images(
    images: Sequence[Path], positions: Ints, damage: Damage
) -> Iterator[IndexedFrame]:
    """Decode images of a folder, see ``decode``."""
    for position in positions.tolist():
        frame = _decode_image(images[position])
        if frame is None:
            damage.replaced += 1
            near = sorted(range(len(images)), key=lambda k: abs(k - position))
            frame = next(filter(None, (_decode_image(images[k]) for k in near)), None)
        if frame is not None:
            yield position, frame


def _numbered_images(path: Path) -> list[Path]:
    """Return the images of a folder whose names contain a number, 2 before 10."""
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise VideoError(path, f"the folder cannot be listed: {reason}") from error
    images = [name for name in names if _IMAGE.fullmatch(name) and _split_numbers(name)[1:]]
    if not images:
        raise VideoError(path, "the folder holds no numbered images", expected=READABLE)
    return [path / name for name in sorted(images, key=lambda name: (_split_numbers(name), name))]


def _split_numbers(name: str) -> list[str | int]:
    """Split a file name without its extension into texts and numbers: ["frame", 2, ""]."""
    parts = re.split(r"(\d+)", name.rpartition(".")[0])
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _image_format(path: Path) -> str | None:
    """Return FFmpeg's name of an image's format by the first bytes; None for other formats."""
    with path.open("rb") as file:
        begin = file.read(12)
    return next((name for name, bytes in _IMAGE_FORMATS.items() if bytes.match(begin)), None)


def _decode_image(path: Path) -> VideoFrame | None:
    try:
        check_readable(path)  # Opening a pipe would wait for its writer.
        format = _image_format(path)
        if format is None:
            return None
        with open_video(path, format=format) as image:
            for packet in packets(image):
                for frame in packet.decode():
                    return frame
            return next(iter(image.stream.codec_context.decode(None)), None)
    except (VideoError, FFmpegError, OSError):
        return None
