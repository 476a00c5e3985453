"""Reading the frames that samplers choose, and the facts of a video."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewact.errors import OptionError, ShapeError, VideoError
from fewact.video.canvas import Canvas
from fewact.video.damage import Losses
from fewact.video.frame_sets import FrameSets
from fewact.video.index import index_file
from fewact.video.opening import Threads
from fewact.video.segment import VideoSegment, check_times, cut_out
from fewact.video.source import Source, open_source
from fewact.video.timeline import Array, Ints, Picture, Sampler, Timeline

Transform = Callable[[Picture], Array]

FOLDER_FPS = 25.0


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video.

    Args:
        path: The file or folder.
        duration: From the first frame's appearance to the last one's end, in seconds.
        fps: Frames a second on average.
        frames: Frames that are shown.
        width: Of the picture as shown, after rotation, in pixels.
        height: Likewise.
        rotation: Degrees clockwise that stored frames are turned to be upright: 0, 90, 180, 270.
        codec: FFmpeg's name of it, such as "h264"; of a folder the pictures' kind.
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
    """Look at a video: its packets are counted and its first frame is decoded.

    Args:
        path: A video file, or a folder of numbered pictures.
        folder_fps: Pictures a second of a folder.

    Raises:
        VideoError: It cannot be read.

    Warns:
        VideoWarning: The file is cut short or damaged.
    """
    source = open_source(path, folder_fps)
    timeline = _stretch(source, None, None).timeline
    losses = Losses(cut=source.index.cut, broken=source.index.broken)
    canvas = Canvas(str(path), *source.index.size)
    for _, frame in source.decode(np.zeros(1, np.int64), 1, losses):
        height, width, _ = canvas.draw(frame).shape
        losses.warn(source.path)
        return VideoInfo(
            path=source.path,
            duration=timeline.end,
            fps=timeline.fps,
            frames=timeline.n,
            width=width,
            height=height,
            rotation=canvas.rotation,
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
        path: A video file, or a folder of numbered pictures.
        sampler: Chooses frames by the video's timeline, or by that of the stretch.
        start: Where a stretch begins, in seconds from the first frame; a frame that is still
            shown then belongs to it.
        end: Where it ends; past the video's end means there.
        transform: Applied to each frame (h w 3) as soon as it is decoded, so that only what it
            returns is held: a smaller picture, say.
        threads: Decoder threads; "auto" takes one for small pictures and one a core for large
            ones. Take 1 where several videos are read at once. The pixels of a sound video do not
            depend on it; what a decoder makes of damage can.
        folder_fps: Pictures a second of a folder.

    Returns:
        (t h w 3) uint8 RGB in the sampler's order, or (t …) of what ``transform`` returned.

    Raises:
        VideoError: The video cannot be read, or has no frame in the stretch.
        OptionError: The sampler chose frames that do not exist, or none.

    Warns:
        VideoWarning: The file is cut short or damaged; the nearest frames stand in.
    """
    return _read(path, [sampler], start, end, transform, threads, folder_fps)[0]


def read_frame_sets(
    path: str | Path,
    samplers: Sequence[Sampler],
    *,
    start: float | None = None,
    end: float | None = None,
    transform: Transform | None = None,
    threads: Threads = "auto",
    folder_fps: float = FOLDER_FPS,
) -> FrameSets:
    """Read what several samplers choose, decoding each frame once.

    Args:
        path: As in ``read_frames``, as are all others.
        samplers: Each chooses a set.
        start: Where a stretch begins, in seconds.
        end: Where it ends.
        transform: Applied to each frame.
        threads: Decoder threads.
        folder_fps: Pictures a second of a folder.

    Returns:
        For each sampler what ``read_frames`` returns, with the size of the video's frames.
    """
    return _read(path, samplers, start, end, transform, threads, folder_fps)


def _read(
    path: str | Path,
    samplers: Sequence[Sampler],
    start: float | None,
    end: float | None,
    transform: Transform | None,
    threads: Threads,
    folder_fps: float,
) -> FrameSets:
    check_times(Path(path), start, end)
    source = open_source(path, folder_fps, start, end)
    segment = _stretch(source, start, end)
    chosen = [_choose(sampler, segment.timeline) for sampler in samplers]
    width, height = source.index.size
    if not chosen:
        return FrameSets([], (height, width))
    wanted = np.unique(np.concatenate(chosen))  # (u,)
    losses = Losses(cut=source.index.cut, broken=source.index.broken)
    canvas = Canvas(str(path), *source.index.size)
    held: Array | None = None  # (u …)
    for position, frame in source.decode(wanted + segment.first, threads, losses):
        picture: Array = canvas.draw(frame)
        height, width = picture.shape[:2]
        if transform is not None:
            picture = np.asarray(transform(picture))
        if held is None:
            held = np.empty((len(wanted), *picture.shape), picture.dtype)
        if picture.shape != held.shape[1:]:
            raise ShapeError(
                "frames of one video differ in shape",
                where="what transform returned",
                got=str(picture.shape),
                expected=f"{held.shape[1:]}, as before",
            )
        held[np.searchsorted(wanted, position - segment.first)] = picture
    if held is None:
        raise _undecodable(source)
    losses.warn(source.path, stacklevel=3)
    if len(chosen) == 1 and np.array_equal(chosen[0], wanted):
        return FrameSets([held], (height, width))
    return FrameSets(
        (held[np.searchsorted(wanted, indices)] for indices in chosen), (height, width)
    )


def _choose(sampler: Sampler, timeline: Timeline) -> Ints:
    indices = np.asarray(sampler(timeline))
    whole = indices.ndim == 1 and indices.size and np.issubdtype(indices.dtype, np.integer)
    if not whole or indices.min() < 0 or indices.max() >= timeline.n:
        raise OptionError(
            "the sampler chose frames that do not exist",
            where=repr(sampler),
            got=f"{indices.dtype} {indices.shape}: {indices.ravel()[:8].tolist()}",
            expected=f"(t,) whole numbers from 0 to {timeline.n - 1}, at least one",
        )
    return indices.astype(np.int64)


def _stretch(source: Source, start: float | None, end: float | None) -> VideoSegment:
    found = cut_out(source.index, start, end)
    if found is not None:
        return found
    index = source.index if source.index.whole else index_file(source.path)
    whole = cut_out(index, None, None)
    seconds = whole.timeline.end if whole else 0.0
    upto = "its end" if end is None else f"{end} s"
    raise VideoError(
        source.path,
        f"no frame is shown from {start or 0.0} s to {upto}",
        expected=f"a stretch within the {seconds:.3f} s that it lasts",
    )


def _undecodable(source: Source) -> VideoError:
    return VideoError(
        source.path, "no frame can be decoded", hint="Copy, record or convert it again."
    )
