"""Which frames of a video are taken.

A sampler is a frozen dataclass that is called with a ``Timeline`` and returns int64 indices. With
a seed it draws at random, from that seed alone: the same seed and timeline give the same frames.
A video of fewer frames than wanted has some of them taken twice.
"""

from dataclasses import dataclass

import numpy as np

from fewact.errors import OptionError
from fewact.video.timeline import Ints, Timeline


@dataclass(frozen=True)
class Segments:
    """One frame from each of equal segments of time.

    Args:
        count: Number of segments.
        seed: RandomStream the moment inside each segment; None takes its centre.

    At a constant rate the frame at the centre of segment k is ⌊(k + ½) n / count⌋; at a variable
    one it is what a viewer sees at that moment.

    >>> Segments(4)(Timeline(np.arange(10) / 25, end=10 / 25)).tolist()
    [1, 3, 6, 8]
    """

    count: int
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        inside = 0.5 if self.seed is None else np.random.default_rng(self.seed).random(self.count)
        return timeline.at((np.arange(self.count) + inside) * timeline.end / self.count)


@dataclass(frozen=True)
class Dense:
    """Neighbouring frames: a window of ``count`` frames, ``stride`` apart.

    Args:
        count: Number of frames.
        stride: Frames from one to the next.
        seed: Draws where the window starts; None centres it.

    A window that is longer than the video starts with it and repeats its last frame.
    """

    count: int
    stride: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count, stride=self.stride)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        room = max(timeline.n - 1 - (self.count - 1) * self.stride, 0)
        start = room // 2 if self.seed is None else _draw(self.seed, 0, room)
        return np.minimum(start + self.stride * np.arange(self.count), timeline.n - 1)


@dataclass(frozen=True)
class EveryNth:
    """Every n-th frame from the first on.

    Args:
        step: Frames from one to the next.
        limit: The most frames to take; None takes all.
    """

    step: int
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self, step=self.step)
        if self.limit is not None:
            _check(self, limit=self.limit)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (≤ limit,), sorted, no repeats."""
        return np.arange(0, timeline.n, self.step)[: self.limit]


@dataclass(frozen=True)
class PerrettTest:
    """The rule at test time of the code published with TRX, which STRM, TA²N and CLIP-SPM share.

    Args:
        count: Number of frames.
    """

    count: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        return perrett_test(timeline.n, self.count)


@dataclass(frozen=True)
class PerrettTrain:
    """The rule at training time of the code published with TRX.

    Args:
        count: Number of frames.
        seed: RandomStream the first and the last frame.
    """

    count: int
    seed: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)
        _check(self, 0, seed=self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        return perrett_train(timeline.n, self.count, self.seed)


@dataclass(frozen=True)
class BlockCentres:
    """The centres of equal blocks of frames: HyRSM's, MoLo's and CLIP-FSAR's rule at rate 50.

    Their code draws a frame of each block at random, at test time too; here it is the centre.

    Args:
        count: Number of blocks.
    """

    count: int

    def __post_init__(self) -> None:
        _check(self, count=self.count)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        return block_centres(timeline.n, self.count)


@dataclass(frozen=True)
class Window:
    """A window of ``count · rate`` frames at 12 frames a second: HyRSM's, MoLo's, CLIP-FSAR's rule.

    Args:
        count: Number of frames.
        rate: Sampling rate, 35 for Kinetics.
        seed: Draws where the window starts, as in training; None centres it, as at test time.
    """

    count: int
    rate: int = 35
    seed: int | None = None

    def __post_init__(self) -> None:
        _check(self, count=self.count, rate=self.rate)
        _check_seed(self, self.seed)

    def __call__(self, timeline: Timeline) -> Ints:
        """Indices (count,), sorted."""
        return window(timeline.n, self.count, timeline.fps, rate=self.rate, seed=self.seed)


def perrett_test(n_frames: int, count: int) -> Ints:
    """Frames that the published code of TRX takes when testing.

    It leaves out the first and the last frame, unless too few remain, and truncates evenly spaced
    positions.

    Args:
        n_frames: Frames of the video.
        count: Frames wanted.

    Returns:
        (count,) int64, sorted.

    >>> perrett_test(20, 8).tolist()
    [1, 3, 5, 8, 10, 13, 15, 18]
    """
    return _perrett(n_frames, count, 1, n_frames - 2)


def perrett_train(n_frames: int, count: int, seed: int) -> Ints:
    """Frames that the published code of TRX takes when training.

    As ``perrett_test``, from a start and to an end drawn among the first and last six frames, or
    fewer where the video has few to spare.

    Args:
        n_frames: Frames of the video.
        count: Frames wanted.
        seed: RandomStream the start and the end.

    Returns:
        (count,) int64, sorted.
    """
    pad = max(min(5, (n_frames - count) // 2), 0)
    start, back = np.random.default_rng(seed).integers(0, pad, 2, endpoint=True)
    return _perrett(n_frames, count, int(start), n_frames - 1 - int(back))


def _perrett(n_frames: int, count: int, start: int, end: int) -> Ints:
    if n_frames == count or end - start < count:
        start, end = 0, n_frames - 1
    return np.linspace(start, end, count).astype(np.int64)


def block_centres(n_frames: int, count: int) -> Ints:
    """The middle frame of each of ``count`` blocks of ⌊n/count⌋ frames.

    Args:
        n_frames: Frames of the video; what does not fill a block is left out at the end.
        count: Blocks; where there are more than frames, the blocks share the frames evenly.

    Returns:
        (count,) int64, sorted.

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
    """Frames of a window that spans ``count · rate`` frames of a video at 12 frames a second.

    A window longer than the video shrinks to whole blocks of ⌊n/count⌋ frames. The last frame
    taken is ``rate`` frames, at the video's own rate, before the window's end, as published. Where
    that would be before its start, the rule has no meaning, and block centres are taken.

    Args:
        n_frames: Frames of the video.
        count: Frames wanted.
        fps: Frames a second of the video.
        rate: Sampling rate.
        seed: RandomStream the start; None centres the window.

    Returns:
        (count,) int64, sorted.
    """
    length = count * rate * fps / 12
    if length > n_frames:
        length = n_frames // count * count
    if length < rate:
        return block_centres(n_frames, count)
    room = n_frames - length + 1
    start = room / 2 if seed is None else np.random.default_rng(seed).uniform(0, room)
    positions = np.linspace(start, start + length - rate, count)
    return np.clip(positions, 0, n_frames - 1).astype(np.int64)


def _draw(seed: int, low: int, high: int) -> int:
    return int(np.random.default_rng(seed).integers(low, high, endpoint=True))


def _check(sampler: object, least: int = 1, **options: int | None) -> None:
    for name, value in options.items():
        if not isinstance(value, int | np.integer) or value < least:
            raise OptionError(
                "is not accepted",
                where=f'{type(sampler).__name__}, option "{name}"',
                got=repr(value),
                expected=f"a whole number from {least} up",
            )


def _check_seed(sampler: object, seed: int | None) -> None:
    if seed is not None:
        _check(sampler, 0, seed=seed)
