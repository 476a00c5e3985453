"""Samplers: rules that choose frames of a video.

Called with a ``Timeline``, a sampler returns int64 indices. Each is a frozen dataclass. A sampler
with a seed chooses at random: the same seed and timeline give the same frames. If a video has fewer
frames than requested, some are repeated.
"""

from dataclasses import dataclass

import numpy as np

from fewact.core.errors import OptionError
from fewact.video.timeline import Ints, Timeline


@dataclass(frozen=True)
class Segments:
    """One frame from each of several segments of equal duration.

    Args:
        count: Number of segments.
        seed: Seed of the random time inside each segment; None takes the middle of the segment.

    At a constant frame rate the frame in the middle of segment k is ⌊(k + ½) n / count⌋. At a
    variable rate it is the frame that is shown at that time.

    >>> Segments(4)(Timeline(np.arange(10) / 25, end=10 / 25)).tolist()
    [1, 3, 6, 8]
    """

    count: int
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        inside = 0.5 if self.seed is None else np.random.default_rng(self.seed).random(self.count)
        return timeline.at((np.arange(self.count) + inside) * timeline.end / self.count)


@dataclass(frozen=True)
class Dense:
    """Temporal window of ``count`` frames at a fixed stride.

    Args:
        count: Number of frames.
        stride: Distance between two chosen frames, in frames.
        seed: Seed of the window's random start; None takes the middle of the video.

    A window longer than the video starts at the first frame and repeats the last one.
    """

    count: int
    stride: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count, stride=self.stride)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        last = max(timeline.n - 1 - (self.count - 1) * self.stride, 0)
        start = last // 2 if self.seed is None else _draw(self.seed, 0, last)
        return np.minimum(start + self.stride * np.arange(self.count), timeline.n - 1)


@dataclass(frozen=True)
class EveryNth:
    """Every n-th frame, starting with the first.

    Args:
        step: Distance between two chosen frames, in frames.
        limit: Maximum number of frames; None takes all.
    """

    step: int
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self, step=self.step)
        if self.limit is not None:
            _check(self, limit=self.limit)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (≤ limit,), sorted, no repeats."""
        return np.arange(0, timeline.n, self.step)[: self.limit]


@dataclass(frozen=True)
class PerrettTest:
    """Sampling of TRX's published code at test time, also used by STRM, TA²N and CLIP-SPM.

    Args:
        count: Number of frames.
    """

    count: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        return perrett_test(timeline.n, self.count)


@dataclass(frozen=True)
class PerrettTrain:
    """Sampling of TRX's published code at training time.

    Args:
        count: Number of frames.
        seed: Seed of the random first and last frame.
    """

    count: int
    seed: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)
        _check(self, 0, seed=self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        return perrett_train(timeline.n, self.count, self.seed)


@dataclass(frozen=True)
class BlockCentres:
    """Middle frames of equal blocks: the sampling of HyRSM, MoLo and CLIP-FSAR at rate 50.

    Their code chooses a random frame of each block, also at test time; this is the middle frame.

    Args:
        count: Number of blocks.
    """

    count: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        return block_centres(timeline.n, self.count)


@dataclass(frozen=True)
class Window:
    """Temporal window of ``count · rate`` frames at 12 fps, as in HyRSM, MoLo and CLIP-FSAR.

    Args:
        count: Number of frames.
        rate: Sampling rate, 35 for Kinetics.
        seed: Seed of the window's random start, as in training; None takes the middle of the video,
            as at test time.
    """

    count: int
    rate: int = 35
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count, rate=self.rate)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        return window(timeline.n, self.count, timeline.fps, rate=self.rate, seed=self.seed)


def perrett_test(n_frames: int, count: int) -> Ints:
    """Return the frames that TRX's published code chooses at test time.

    The first and the last frame are left out, unless too few remain. Evenly spaced positions are
    rounded down.

    Args:
        n_frames: Number of frames of the video.
        count: Number of requested frames.

    Returns:
        Indices (count,), int64, sorted.

    >>> perrett_test(20, 8).tolist()
    [1, 3, 5, 8, 10, 13, 15, 18]
    """
    return _perrett(n_frames, count, 1, n_frames - 2)


def perrett_train(n_frames: int, count: int, seed: int) -> Ints:
    """Return the frames that TRX's published code chooses at training time.

    As ``perrett_test``, but start and end are chosen at random among the first and last six frames,
    or fewer if the video is short.

    Args:
        n_frames: Number of frames of the video.
        count: Number of requested frames.
        seed: Seed of the random start and end.

    Returns:
        Indices (count,), int64, sorted.
    """
    pad = max(min(5, (n_frames - count) // 2), 0)
    start, back = np.random.default_rng(seed).integers(0, pad, 2, endpoint=True)
    return _perrett(n_frames, count, int(start), n_frames - 1 - int(back))


def _perrett(n_frames: int, count: int, start: int, end: int) -> Ints:
    if n_frames == count or end - start < count:
        start, end = 0, n_frames - 1
    return np.linspace(start, end, count).astype(np.int64)


def block_centres(n_frames: int, count: int) -> Ints:
    """Return the middle frame of each of ``count`` blocks of ⌊n/count⌋ frames.

    Args:
        n_frames: Number of frames of the video; the remainder at its end is left out.
        count: Number of blocks; if the video has fewer frames, neighbouring blocks share frames.

    Returns:
        Indices (count,), int64, sorted.

    >>> block_centres(27, 4).tolist()
    [3, 9, 15, 21]
    """
    width = n_frames // count
    if not width:
        return (2 * np.arange(count) + 1) * n_frames // (2 * count)
    return width * np.arange(count) + width // 2


def window(
    n_frames: int, count: int, fps: float, *, rate: int = 35, seed: int | None = None
) -> Ints:
    """Return frames of a temporal window that spans ``count · rate`` frames at 12 fps.

    A window longer than the video shrinks to ``count`` blocks of ⌊n/count⌋ frames. As in the
    published code, the last chosen frame is ``rate`` frames of the video before the window's end.
    If this is before the window's start, ``block_centres`` is used.

    Args:
        n_frames: Number of frames of the video.
        count: Number of requested frames.
        fps: Frames per second of the video.
        rate: Sampling rate.
        seed: Seed of the random start; None takes the middle of the video.

    Returns:
        Indices (count,), int64, sorted.
    """
    length = count * rate * fps / 12
    if length > n_frames:
        length = n_frames // count * count
    if length < rate:
        return block_centres(n_frames, count)
    starts = n_frames - length + 1
    start = starts / 2 if seed is None else np.random.default_rng(seed).uniform(0, starts)
    positions = np.linspace(start, start + length - rate, count)
    return np.clip(positions, 0, n_frames - 1).astype(np.int64)


def _draw(seed: int, low: int, high: int) -> int:
    return int(np.random.default_rng(seed).integers(low, high, endpoint=True))


def _check(sampler: object, smallest: int = 1, **options: int | None) -> None:
    for name, value in options.items():
        if not isinstance(value, int | np.integer) or value < smallest:
            raise OptionError(
                "invalid value",
                where=f'{type(sampler).__name__}, option "{name}"',
                got=repr(value),
                expected=f"an integer from {smallest} up",
            )


def _check_seed(sampler: object, seed: int | None) -> None:
    if seed is not None:
        _check(sampler, 0, seed=seed)
