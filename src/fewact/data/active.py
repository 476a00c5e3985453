"""The active part of a clip: still ends before and after the action are left out.

A clip that a person records often begins before the action and ends after it. Frames are chosen
evenly over the clip, so that few of them would show the action. The changes between frames say
where it is: an end without changes is left out if it is long.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import OptionError, did_you_mean
from fewact.data.video_source import ChangedSource, Transform, VideoSource
from fewact.data.videos import VideoList
from fewact.video import FrameSets, Sampler, Segments, Timeline
from fewact.video.samplers import NotedSampler
from fewact.video.timeline import Floats, Ints

VERSION = 2
"""Version of the trimming; it increases when other parts are active."""

Trim = Literal["auto", "off"]
"""Whether still ends of clips are left out: where they are long, or never."""

RATE, MOST = 8.0, 64
"""Frames per second that are compared, and their largest number."""

FEWER, MORE = 0.75, 1.5
"""Smallest and largest number of frames, as multiples of that number, that are compared instead
where they are read anyway: no others need to be decoded and resized."""

FIRST = np.zeros(1, np.int64)
"""Position of the first frame."""

CELLS, PIXELS = 16, 96
"""Rows and columns of the images that are compared, and of the pixels that are averaged at most."""

LOUDEST = 0.05
"""Fraction of the cells that change most: their mean change is that of a frame."""

LEAST_CHANGE = 4.0
"""Smallest change of an action between two frames, in levels of 0 … 255."""

ACTIVE = 0.2
"""Change of an active frame, as a fraction of the way from the quiet to the liveliest frames."""

STILL = 4.0
"""Largest mean change of an end that is left out, in levels of 0 … 255: noise of a camera, and a
person standing. Ends of clips that were cut to the action change by 5 to 35."""

LEAST_SECONDS, LEAST_FRACTION = 1.0, 0.2
"""An end is left out if it lasts at least so long, in seconds and as a fraction of the clip.
Shorter ones belong to the action, and clips without padding stay what they are."""

MARGIN = 0.25
"""Seconds that are kept of an end that is left out: a movement begins slowly."""


def check_trim(trim: Trim) -> Trim:
    """Return the value unless it is unknown.

    Raises:
        OptionError: It is unknown.
    """
    if trim not in get_args(Trim):
        raise OptionError(
            "unknown value",
            where="trim",
            got=repr(trim),
            expected=", ".join(get_args(Trim)),
            hint=did_you_mean(str(trim), get_args(Trim)),
        )
    return trim


class Span(NamedTuple):
    """Part of a clip, in seconds from its start."""

    start: float
    end: float


class SpanSource(ChangedSource):
    """A part of a video source.

    Args:
        source: Source that is read.
        span: Part that samplers choose from.
    """

    def __init__(self, source: VideoSource, span: Span) -> None:
        self.source, self._span = source, span

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Return frames of the part, see ``VideoSource.read``."""
        parts = [inside(sampler, self._span) for sampler in samplers]
        return self.source.read(parts, transform=transform)

    @property
    def change(self) -> str:
        """The part."""
        return str(self._span)


class ActiveSource(ChangedSource):
    """A video source that is read without long still ends, and knows its duration afterwards.

    Args:
        source: Source that is read.
        trim: Whether still ends are left out.

    Attributes:
        duration: Duration of what was read, in seconds; None before.
        active: Part that was read; None if it is the full clip, and before.
    """

    def __init__(self, source: VideoSource, trim: Trim = "auto") -> None:
        self.source, self._trim = source, trim
        self.duration: float | None = None
        self.active: Span | None = None

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Return frames of the active part, see ``VideoSource.read``."""
        times = np.zeros(0)

        def watch(timeline: Timeline) -> Ints:
            nonlocal times
            self.duration = timeline.end
            count = max(2, min(MOST, round(RATE * timeline.end)))
            chosen = _compared(samplers, count, timeline) if self._trim == "auto" else FIRST
            times = timeline.times[chosen]
            return chosen

        *sets, watched = found = self.source.read([*samplers, watch], transform=transform)
        if self._trim == "auto" and self.duration is not None:
            self.active = active_part(times, watched, self.duration)
        if self.active is None:
            return FrameSets(sets, found.size, found.quantiser)
        self.duration = self.active.end - self.active.start
        return SpanSource(self.source, self.active).read(samplers, transform=transform)

    @property
    def change(self) -> str:
        """Whether still ends are left out, and the version of it."""
        return f"trim {self._trim}" if self._trim == "off" else f"trim {self._trim} {VERSION}"


def trimmed(videos: VideoList) -> VideoList:
    """Return the same videos, read without long still ends.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
    """
    return videos.with_sources(lambda _, source: ActiveSource(source), "trimmed")


def active_part(times: Floats, frames: NDArray[Any], duration: float) -> Span | None:
    """Return the part of a clip in which something moves; None if no end is to be left out.

    A clip in which nothing moves, or everything all the time (as with a moving camera), has no
    still ends.

    Args:
        times: Times (t) of frames, in seconds, ascending.
        frames: Frames (t h w 3), uint8.
        duration: Duration of the clip, in seconds.
    """
    changes = _changes(frames)  # (t-1)
    if len(changes) < 4:
        return None
    quiet, lively = np.quantile(changes, (0.1, 0.95))
    if lively - quiet < LEAST_CHANGE:
        return None
    moving = np.flatnonzero(changes > quiet + ACTIVE * (lively - quiet))
    start = float(times[moving[0]]) - MARGIN
    end = float(times[moving[-1] + 1]) + MARGIN
    least = max(LEAST_SECONDS, LEAST_FRACTION * duration)
    before, after = changes[: moving[0]], changes[moving[-1] + 1 :]
    start = start if start >= least and before.mean() <= STILL else 0.0
    end = end if duration - end >= least and after.mean() <= STILL else duration
    return Span(start, end) if end - start < duration else None


def _compared(samplers: Sequence[Sampler], count: int, timeline: Timeline) -> Ints:
    """Return the frames to compare: about ``count``, those of a sampler if they fit."""
    for noted in samplers:
        sampler = noted.sampler if isinstance(noted, NotedSampler) else noted
        if isinstance(sampler, Segments) and sampler.seed is None:
            every = max(1, round(sampler.count / count))
            if FEWER * count <= sampler.count / every <= MORE * count:
                return sampler(timeline)[every // 2 :: every]
    return Segments(count)(timeline)


def _changes(frames: NDArray[Any]) -> Floats:
    """Return how much each frame differs from the one before where it differs most: (t-1)."""
    steps = [max(1, size // PIXELS) for size in frames.shape[1:3]]
    green = frames[:, :: steps[0], :: steps[1], 1].astype(np.float32)  # (t h w)
    t, height, width = green.shape
    rows, columns = (np.arange(CELLS) * size // CELLS for size in (height, width))
    cells = np.add.reduceat(np.add.reduceat(green, rows, 1), columns, 2)
    area = np.diff(rows, append=height)[:, None] * np.diff(columns, append=width)
    change = np.abs(np.diff(cells / area, axis=0)).reshape(t - 1, -1)
    loudest = max(1, round(LOUDEST * change.shape[1]))
    liveliest: Floats = np.sort(change, 1)[:, -loudest:].mean(1).astype(np.float64)
    return liveliest


def inside(sampler: Sampler, span: Span) -> Callable[[Timeline], Ints]:
    """Return a sampler that chooses frames of a part of the video."""

    def choose(timeline: Timeline) -> Ints:
        bounds = np.append(timeline.times, timeline.end)
        shown = np.flatnonzero((bounds[1:] > span.start) & (bounds[:-1] < span.end))
        first, last = int(shown[0]), int(shown[-1]) + 1
        times = np.maximum(bounds[first:last], span.start) - span.start
        end = min(float(bounds[last]), span.end) - span.start
        return sampler(Timeline(times, end)) + first

    return choose
