"""Reading of the frames that samplers choose, and of the properties of a video."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from fewact.core.errors import OptionError, ShapeError, VideoError
from fewact.core.paths import clip_path
from fewact.video.conversion import FrameConverter, quantiser
from fewact.video.damage import Damage
from fewact.video.frame_source import (
    FrameSource,
    check_times,
    find_segment,
    open_source,
)
from fewact.video.index import FrameIndex, index_file
from fewact.video.opening import Threads
from fewact.video.source import Reading, Transform
from fewact.video.timeline import Array, Ints, Sampler, Timeline

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
    source = open_source(path, folder_fps)
    _, timeline = _segment(source, None, None)
    damage = _known_damage(source.index)
    converter = FrameConverter(str(path), *source.index.size)
    for _, frame in source.decode(np.zeros(1, np.int64), 1, damage):
        height, width, _ = converter.convert(frame).shape
        damage.warn(source.path)
        return VideoInfo(
            path=source.path,
            duration=timeline.end,
            fps=timeline.fps,
            frames=timeline.n,
            width=width,
            height=height,
            rotation=converter.rotation,
            codec=source.index.codec,
        )
    raise _undecodable(source)


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
    return _read(path, [sampler], start, end, transform, threads, folder_fps).frames[0]


def read_frame_sets(
    path: str | Path,
    samplers: Sequence[Sampler],
    *,
    start: float | None = None,
    end: float | None = None,
    transform: Transform | None = None,
) -> Reading:
    """Read the frames that several samplers choose; each frame is decoded once.

    Args:
        path: Video file, or folder of numbered images.
        samplers: Functions that each choose a set of frames.
        start: Start of a segment, in seconds.
        end: End of the segment, in seconds.
        transform: Function applied to each frame, see ``read_frames``.

    Returns:
        For each sampler the result of ``read_frames``, with the size of the video's frames.
    """
    return _read(path, samplers, start, end, transform, "auto", FOLDER_FPS)


def _read(
    path: str | Path,
    samplers: Sequence[Sampler],
    start: float | None,
    end: float | None,
    transform: Transform | None,
    threads: Threads,
    folder_fps: float,
) -> Reading:
    path = clip_path(path)
    check_times(path, start, end)
    source = open_source(path, folder_fps, start, end)
    if transform is not None and not callable(transform):
        got, expected = repr(transform), "a function of a frame (h w 3)"
        raise OptionError("not a function", where="transform", got=got, expected=expected)
    first, timeline = _segment(source, start, end)
    positions_of = [_choose(sampler, timeline) for sampler in samplers]
    width, height = source.index.size
    if not positions_of:
        return Reading([], [], timeline, (height, width))
    needed = np.array(sorted(set(np.concatenate(positions_of).tolist())))  # (u,)
    damage = _known_damage(source.index)
    converter = FrameConverter(str(path), *source.index.size)
    frames: Array | None = None  # (u …)
    quantisers = []
    for position, decoded in source.decode(needed + first, threads, damage):
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
        raise _undecodable(source)
    damage.warn(source.path)
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


def _segment(source: FrameSource, start: float | None, end: float | None) -> tuple[int, Timeline]:
    try:
        segment = find_segment(source.index, start, end)
        if segment is not None:
            return segment
        index = source.index if source.index.complete else index_file(source.path)
        video = find_segment(index, None, None)
    except OptionError:
        raise VideoError(
            source.path, "the times of its frames are damaged", hint="Copy or convert it again."
        ) from None
    seconds = video[1].end if video else 0.0
    upto = "its end" if end is None else f"{end} s"
    raise VideoError(
        source.path,
        f"no frame is shown from {start or 0.0} s to {upto}",
        expected=f"a segment within the video's duration of {seconds:.3f} s",
    )


def _undecodable(source: FrameSource) -> VideoError:
    return VideoError(
        source.path, "no frame can be decoded", hint="Copy, record or convert it again."
    )
