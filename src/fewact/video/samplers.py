"""Times at which the frames of a video are shown, and samplers: rules that choose frames by them.

Called with a ``Timeline``, a sampler returns int64 indices. Each is a frozen dataclass. A sampler
with a seed chooses at random: the same seed and timeline give the same frames. If a video has fewer
frames than requested, some are repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewact.core.errors import OptionError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RGBImage = NDArray[np.uint8]
"""One frame (h w 3), RGB."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Times at which the frames of a video, or of a segment of it, are shown.

    Args:
        times: Start of each frame (n,), float64, in seconds from 0, increasing.
        end: End of the last frame, in seconds.

    >>> Timeline(np.array([0.0, 1.0, 1.5]), end=2.0).at([0.9, 1.0, 1.9]).tolist()
    [0, 1, 2]
    """

    times: Floats
    end: float

    def __post_init__(self) -> None:
        times = np.asarray(self.times, np.float64)
        if times.ndim != 1 or not times.size or (np.diff(times, append=self.end) <= 0).any():
            raise OptionError(
                "the times of frames do not increase up to the end",
                got=f"{times.shape} times, end {self.end}",
                expected="(n,) increasing times of at least one frame, and an end after the last",
            )
        object.__setattr__(self, "times", times)

    @property
    def n(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def fps(self) -> float:
        """Average number of frames per second."""
        return self.n / self.end

    def at(self, seconds: ArrayLike) -> Ints:
        """Return the indices of the frames shown at the times, of the nearest outside the video.

        Args:
            seconds: Times (…) in seconds.

        Returns:
            Indices (…), int64, in 0 … n−1.
        """
        # A millionth of a frame: a time that is on a boundary up to rounding belongs to the frame
        # that starts there.
        slack = 1e-6 * self.end / self.n
        shown = np.searchsorted(self.times, np.asarray(seconds, np.float64) + slack, side="right")
        return np.clip(shown - 1, 0, self.n - 1).astype(np.int64)


Sampler = Callable[[Timeline], Ints]
"""Function that chooses frames: int64 indices in any order, repeats allowed."""


class _Checked:
    """Refuses options of a sampler that are no integers from 1 up, or seeds that are negative."""

    def __post_init__(self) -> None:
        for option in fields(self):  # type: ignore[arg-type]
            value, smallest = getattr(self, option.name), 0 if option.name == "seed" else 1
            if value is None and option.default is None:
                continue
            if not isinstance(value, int | np.integer) or value < smallest:
                raise OptionError(
                    "invalid value",
                    where=f'{type(self).__name__}, option "{option.name}"',
                    got=repr(value),
                    expected=f"an integer from {smallest} up",
                )


@dataclass(frozen=True)
class Segments(_Checked):
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

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        inside = 0.5 if self.seed is None else np.random.default_rng(self.seed).random(self.count)
        return timeline.at((np.arange(self.count) + inside) * timeline.end / self.count)


@dataclass(frozen=True)
class Dense(_Checked):
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

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        last = max(timeline.n - 1 - (self.count - 1) * self.stride, 0)
        start = (
            last // 2
            if self.seed is None
            else int(np.random.default_rng(self.seed).integers(0, last, endpoint=True))
        )
        return np.minimum(start + self.stride * np.arange(self.count), timeline.n - 1)


@dataclass(frozen=True)
class EveryNth(_Checked):
    """Every n-th frame, starting with the first.

    Args:
        step: Distance between two chosen frames, in frames.
        limit: Maximum number of frames; None takes all.
    """

    step: int
    limit: int | None = None

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (≤ limit,), sorted, no repeats."""
        return np.arange(0, timeline.n, self.step)[: self.limit]


@dataclass(frozen=True)
class PerrettTest(_Checked):
    """Sampling of TRX's published code at test time, also used by STRM, TA²N and CLIP-SPM.

    The first and the last frame are left out, unless too few remain. Evenly spaced positions are
    rounded down.

    Args:
        count: Number of frames.

    >>> PerrettTest(8)(Timeline(np.arange(20) / 25, end=20 / 25)).tolist()
    [1, 3, 5, 8, 10, 13, 15, 18]
    """

    count: int

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        return _perrett(timeline.n, self.count, 1, timeline.n - 2)


@dataclass(frozen=True)
class PerrettTrain(_Checked):
    """Sampling of TRX's published code at training time.

    As ``PerrettTest``, but start and end are chosen at random among the first and last six frames,
    or fewer if the video is short.

    Args:
        count: Number of frames.
        seed: Seed of the random start and end.
    """

    count: int
    seed: int

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        pad = max(min(5, (timeline.n - self.count) // 2), 0)
        start, back = np.random.default_rng(self.seed).integers(0, pad, 2, endpoint=True)
        return _perrett(timeline.n, self.count, int(start), timeline.n - 1 - int(back))


def _perrett(n_frames: int, count: int, start: int, end: int) -> Ints:
    if n_frames == count or end - start < count:
        start, end = 0, n_frames - 1
    return np.linspace(start, end, count).astype(np.int64)


@dataclass(frozen=True)
class BlockCentres(_Checked):
    """Middle frames of equal blocks: the sampling of HyRSM, MoLo and CLIP-FSAR at rate 50.

    Their code chooses a random frame of each block, also at test time; this is the middle frame.
    Blocks have ⌊n/count⌋ frames; the remainder at the end of the video is left out. If the video
    has fewer frames than blocks, neighbouring blocks share frames.

    Args:
        count: Number of blocks.

    >>> BlockCentres(4)(Timeline(np.arange(27) / 25, end=27 / 25)).tolist()
    [3, 9, 15, 21]
    """

    count: int

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        width = timeline.n // self.count
        if not width:
            return (2 * np.arange(self.count) + 1) * timeline.n // (2 * self.count)
        return width * np.arange(self.count) + width // 2


@dataclass(frozen=True)
class Window(_Checked):
    """Temporal window of ``count · rate`` frames at 12 fps, as in HyRSM, MoLo and CLIP-FSAR.

    A window longer than the video shrinks to ``count`` blocks of ⌊n/count⌋ frames. As in the
    published code, the last chosen frame is ``rate`` frames of the video before the window's end.
    If this is before the window's start, ``BlockCentres`` is used.

    Args:
        count: Number of frames.
        rate: Sampling rate, 35 for Kinetics.
        seed: Seed of the window's random start, as in training; None takes the middle of the video,
            as at test time.
    """

    count: int
    rate: int = 35
    seed: int | None = None

    def __call__(self, timeline: Timeline) -> Ints:
        """Return the indices (count,), sorted."""
        length = self.count * self.rate * timeline.fps / 12
        if length > timeline.n:
            length = timeline.n // self.count * self.count
        if length < self.rate:
            return BlockCentres(self.count)(timeline)
        last = timeline.n - length + 1
        start = last / 2 if self.seed is None else np.random.default_rng(self.seed).uniform(0, last)
        positions = np.linspace(start, start + length - self.rate, self.count)
        return np.clip(positions, 0, timeline.n - 1).astype(np.int64)


SEGMENTS = "segments"

RULES: Mapping[str, tuple[Callable[..., Sampler], Callable[..., Sampler], str]] = {
    SEGMENTS: (Segments, Segments, ""),
    "perrett": (PerrettTest, PerrettTrain, ""),
    # The published code of block centres draws a frame of each block in training, as segments do.
    "blocks": (BlockCentres, Segments, ""),
    "window": (Window, Window, "rate"),
    "dense": (Dense, Dense, "stride"),
}
"""Samplers by name: equal segments, TRX's code, HyRSM's code, its window, neighbouring frames.

Each name has a sampler for tests, a random sampler for training, and the option that a number after
the name sets."""


def sampler_of(name: str) -> Callable[[int], Sampler]:
    """Return the function from a number of frames to the sampler at test time.

    Args:
        name: Name of a rule, with a number where it takes one, such as ``window:35``.

    Raises:
        OptionError: There is no such rule, or the number is not positive.

    >>> sampler_of("dense:4")(8)
    Dense(count=8, stride=4, seed=None)
    """
    test, _, options = _parse(name)
    return partial(test, **options)


def training_sampler(name: str, count: int, seed: int) -> Sampler:
    """Return the sampler of a number of frames that draws at random.

    Raises:
        OptionError: As ``sampler_of``.

    >>> training_sampler("perrett", 8, 5)
    PerrettTrain(count=8, seed=5)
    """
    _, train, options = _parse(name)
    return train(count, seed=seed, **options)


def _parse(name: str) -> tuple[Callable[..., Sampler], Callable[..., Sampler], dict[str, int]]:
    word, colon, number = name.partition(":")
    test, train, option = RULES.get(word, (None, None, ""))
    valid = not colon or (number.isascii() and number.isdecimal() and 0 < int(number) < 10**6)
    if test is None or train is None or not valid or (colon and not option):
        raise OptionError(
            "no such sampler",
            where="sampler",
            got=repr(name)[:80],
            expected=", ".join(
                f"{name}[:{option.upper()}]" if option else name
                for name, (_, _, option) in RULES.items()
            ),
        )
    return test, train, {option: int(number)} if colon else {}
