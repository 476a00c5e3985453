"""A clip, and the steps that process its frames when they are read.

A ``VideoSource`` is read as it was recorded. ``ProcessedVideo`` adds steps, each a frozen value:
``Part`` reads a part of the clip, ``Trim`` leaves out static ends, ``Clean`` corrects frames;
``fewact.synthetic`` simulates cameras and conditions. A ``Reading`` has the frames and the results
of all steps.

A clip that a person records often begins before the action and ends after it. Frames are chosen
evenly over the clip, so that few of them would show the action. The changes between frames locate
the action: a long end without changes is left out.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import VideoError, check_choice
from fewact.video.opening import collect_warnings, warn_of_video
from fewact.video.samplers import Array, Floats, Ints, Sampler, Segments, Timeline
from fewact.video.track import Around, Picture

if TYPE_CHECKING:
    from fewact.video.cleaning.correction import Fault

Transform = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Function applied to each frame (h w 3) when it is read; only its result is kept in memory."""


class Span(NamedTuple):
    """Part of a clip, in seconds from its start."""

    start: float
    end: float


@dataclass(frozen=True, eq=False)
class KeptFrames:
    """Frames of a clip at an even rate, enough to choose frames of any part.

    Args:
        frames: Frames (n h w 3), or (n …) of transformed frames.
        chosen: Positions (n) of the frames in the timeline, ascending.
        times: Times (n) at which they are shown, in seconds, ascending.
        aspect: Width over height of the frames as displayed, before they were transformed.
    """

    frames: Array
    chosen: Ints
    times: Floats
    aspect: float

    def nearest(self, positions: Ints) -> Ints:
        """Return the numbers (t) of the kept frames that are nearest to positions (t)."""
        after = np.searchsorted(self.chosen, positions).clip(1, len(self.chosen) - 1)
        before = after - 1
        is_before = positions - self.chosen[before] <= self.chosen[after] - positions
        return np.where(is_before, before, after)

    def within(self, span: Span) -> Iterator[tuple[float, Array]]:
        """Yield the times and the frames that are shown within a part of the clip."""
        first, last = np.searchsorted(self.times, span)
        yield from zip(self.times[first:last].tolist(), self.frames[first:last], strict=True)


@dataclass(frozen=True, eq=False)
class Reading:
    """Frames that samplers chose from a video, and results of its steps; iterates over the frames.

    Args:
        frames: For each sampler its frames (t h w 3), or (t …) of transformed frames.
        chosen: For each sampler the positions (t) of its frames in the timeline.
        timeline: Times of the frames that samplers could choose.
        size: Height and width of the frames as displayed, before they were transformed.
        quantiser: Median quantiser of the decoded frames, see ``fewact.video.decoding``; None if
            it is not known.
        uncut: Height and width before bars were cut off; None if they were not searched.
        active: Part of the clip that samplers could choose from; None for the full clip.
        faults: Faults of the recording, cleaned or not; empty if they were not searched.
        kept: Frames as recorded, at an even rate, see ``KeepFrames``; None if none were kept.
        compared: Frames of the full clip that ``Trim`` compared; None if they were not kept.
        uncut_duration: Duration of the clip in seconds; None if samplers could choose from all of
            it.
    """

    frames: Sequence[Array]
    chosen: Sequence[Ints]
    timeline: Timeline
    size: tuple[int, int]
    quantiser: float | None = None
    uncut: tuple[int, int] | None = None
    active: Span | None = None
    faults: "tuple[Fault, ...]" = ()
    kept: KeptFrames | None = None
    compared: KeptFrames | None = None
    uncut_duration: float | None = None

    def __iter__(self) -> Iterator[Array]:
        return iter(self.frames)

    @property
    def aspect(self) -> float:
        """Width over height of the frames as displayed."""
        height, width = self.size
        return width / height

    @property
    def uncut_aspect(self) -> float:
        """Width over height of the clip as displayed, before bars were cut off."""
        height, width = self.uncut or self.size
        return width / height

    @property
    def duration(self) -> float:
        """Duration of what samplers could choose from, in seconds."""
        return self.timeline.end

    @property
    def clip_duration(self) -> float:
        """Duration of the clip in seconds, of which a part may be active."""
        return self.duration if self.uncut_duration is None else self.uncut_duration

    def clip_times(self, number: int) -> Floats:
        """Return the times (t) of a sampler's frames, in seconds from the start of the clip."""
        start = 0.0 if self.active is None else self.active.start
        return np.asarray(self.timeline.times[self.chosen[number]] + start)

    def times(self, number: int) -> Floats:
        """Return the times (t) of a sampler's frames, as fractions of the clip."""
        return (self.timeline.times / self.timeline.end)[self.chosen[number]]

    def showing(
        self, frames: Sequence[NDArray[np.uint8]], transform: Transform | None
    ) -> "Reading":
        """Return the same reading with other images (t h w 3) for each sampler."""
        size = frames[0].shape[1:3] if frames else self.size
        sets = [transformed(images, transform) for images in frames]
        return replace(self, frames=sets, size=size, quantiser=None)


class VideoSource(Protocol):
    """Source of frames: a clip in a file or in memory, or a video that is rendered when read."""

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> Reading:
        """Read the frames that several samplers choose; each frame is read once.

        Args:
            samplers: Functions that each choose a set of frames by the video's timeline.
            transform: Function applied to each frame.

        Raises:
            VideoError: The video cannot be read.
        """

    def fingerprint(self) -> str:
        """Return a SHA-256 that determines the frames; of a file only its content counts.

        Raises:
            VideoError: The video cannot be read.
        """


class Step(ABC):
    """Step that processes the frames of a video source when they are read."""

    @property
    @abstractmethod
    def change(self) -> str:
        """Text that names the step, with all values that the frames depend on."""

    @property
    def others(self) -> Sequence[VideoSource]:
        """Other videos whose frames are shown."""
        return ()

    @abstractmethod
    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read changed frames of a source, see ``VideoSource.read``."""


@dataclass(frozen=True)
class ProcessedVideo:
    """A video source, and the steps that are applied to its frames when they are read.

    Args:
        source: Source of the frames.
        steps: Steps, the first one first.

    >>> from fewact.data import Clip
    >>> ProcessedVideo(Clip("clip.mp4")).then(Trim()).then(Clean()).changes
    'trim auto 2 corrected 8'
    """

    source: VideoSource
    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> "ProcessedVideo":
        """Return the same video with one more step."""
        return ProcessedVideo(self.source, (*self.steps, step))

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> Reading:
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        if not self.steps:
            return self.source.read(samplers, transform=transform)
        return self.steps[-1].read(self._before_last, samplers, transform)

    @property
    def changes(self) -> str:
        """What the steps change."""
        changes = (changes_of(self.source), *(step.change for step in self.steps))
        return " ".join(filter(None, changes))

    def fingerprint(self) -> str:
        """Return the SHA-256 of the sources' fingerprints and what each step changes."""
        if not self.steps:
            return self.source.fingerprint()
        step = self.steps[-1]
        videos = (self._before_last, *step.others)
        fingerprints = " ".join(video.fingerprint() for video in videos)
        return hashlib.sha256(f"{fingerprints} {step.change}".encode()).hexdigest()

    @property
    def _before_last(self) -> "ProcessedVideo":
        return ProcessedVideo(self.source, self.steps[:-1])


def changes_of(source: VideoSource | None) -> str:
    """Return what steps change in a source; empty if there are none."""
    return source.changes if isinstance(source, ProcessedVideo) else ""


def transformed(frames: NDArray[np.uint8], transform: Transform | None) -> NDArray[Any]:
    """Return frames (t h w 3) as ``VideoSource.read`` returns them."""
    return frames if transform is None else np.stack([transform(frame) for frame in frames])


TRIM_VERSION = 2
"""Version of the trimming; it increases when other parts are active."""

TrimMode = Literal["auto", "off"]
"""Whether still ends of clips are left out: where they are long, or never."""

TRIM_RATE = 8.0
"""Frames per second that are compared to find still ends."""

MOST_TRIM_FRAMES = 64
"""Largest number of these frames."""

LEAST_FRAME_RATIO = 0.75
"""Smallest number of frames of another sampler, as a fraction of the number above, at which its
frames are compared: no further frames are decoded and resized."""

MOST_FRAME_RATIO = 1.5
"""Largest such fraction."""

CHANGE_CELLS = 16
"""Rows and columns of the images that are compared."""

AVERAGED_PIXELS = 96
"""Most rows and columns of the pixels that are averaged."""

LIVELIEST_CELLS = 0.05
"""The change of a frame is the mean change over this fraction of its cells, which change most."""

LEAST_LIVELINESS = 4.0
"""Smallest change of an action between two frames, in levels of 0 … 255."""

ACTIVE_CHANGE = 0.2
"""Smallest change of an active frame: 0 is the change of quiet frames, 1 of the liveliest frames.
"""

STILL_CHANGE = 4.0
"""Largest mean change of an end that is left out, in levels of 0 … 255: noise of a camera, and a
person standing. Ends of clips that were cut to the action change by 5 to 35."""

LEAST_STILL_SECONDS = 1.0
"""Shortest end that is left out, in seconds. Shorter ends belong to the action, and clips without
padding stay unchanged."""

LEAST_STILL_FRACTION = 0.2
"""Shortest end that is left out, as a fraction of the clip."""

KEPT_SECONDS = 0.25
"""Seconds that are kept of an end that is left out: a movement begins slowly."""


CORRECTION_FRAMES = 8
"""Frames that a correction is found in; most methods read the same ones."""

CLEAN_VERSION = 8
"""Version of the correction; it increases when corrected frames change."""


def check_trim(trim: TrimMode) -> TrimMode:
    """Return the value unless it is unknown."""
    check_choice(trim, get_args(TrimMode), "trim")
    return trim


@dataclass(frozen=True)
class Part(Step):
    """Only a part of the clip is read."""

    span: Span

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read frames of the part, see ``VideoSource.read``."""
        reading = source.read([self._inside(sampler) for sampler in samplers], transform=transform)
        first, timeline = self._of(reading.timeline)
        return replace(
            reading,
            chosen=[indices - first for indices in reading.chosen],
            timeline=timeline,
            active=self.span,
            uncut_duration=reading.duration,
        )

    def of_kept(self, reading: Reading, kept: KeptFrames, samplers: Sequence[Sampler]) -> Reading:
        """Return a reading of the part whose frames are the nearest kept frames."""
        first, timeline = self._of(reading.timeline)
        nearest = [kept.nearest(sampler(timeline) + first) for sampler in samplers]
        return replace(
            reading,
            frames=[kept.frames[numbers] for numbers in nearest],
            chosen=[kept.chosen[numbers] - first for numbers in nearest],
            timeline=timeline,
            active=self.span,
            uncut_duration=reading.duration,
        )

    @property
    def change(self) -> str:
        """The part."""
        return str(self.span)

    def _inside(self, sampler: Sampler) -> Sampler:
        def choose(timeline: Timeline) -> Ints:
            first, part = self._of(timeline)
            return sampler(part) + first

        return choose

    def _of(self, timeline: Timeline) -> tuple[int, Timeline]:
        """Return the position of the first frame of the part, and the timeline of the part."""
        start, end = self.span
        bounds = np.append(timeline.times, timeline.end)
        shown = np.flatnonzero((bounds[1:] > start) & (bounds[:-1] < end))
        first, last = int(shown[0]), int(shown[-1]) + 1
        times = np.maximum(bounds[first:last], start) - start
        return first, Timeline(times, min(float(bounds[last]), end) - start)


@dataclass(frozen=True)
class Show(Step):
    """Only a part of the image is read, or other subjects are painted over.

    Args:
        picture: Part of the frames, and what is painted over in them.
    """

    picture: Picture | Around

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read frames of the picture, see ``VideoSource.read``.

        Raises:
            VideoError: The picture is beside the frames.
        """
        size: tuple[int, int] | None = None

        def shown(frame: NDArray[np.uint8]) -> NDArray[Any]:
            nonlocal size
            image = self.picture.of(frame)
            if not image.size:
                height, width = frame.shape[:2]
                raise VideoError(
                    getattr(source, "path", "clip"),
                    "the box is beside the picture",
                    expected=f"x, y, width and height in pixels of a picture of {width}x{height}",
                )
            size = image.shape[:2]
            return image if transform is None else transform(image)

        reading = source.read(samplers, transform=shown)
        return replace(reading, size=size or reading.size)

    @property
    def change(self) -> str:
        """The picture."""
        return str(self.picture)


@dataclass(frozen=True)
class KeepFrames(Step):
    """Frames of a long clip are kept at an even rate: its parts need no other decoding.

    Args:
        rate: Frames per second.
        longer: Duration in seconds above which a clip is long.
        most: Largest number of frames; of a clip that has more, none are kept.
    """

    rate: float
    longer: float
    most: int

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read frames, see ``VideoSource.read``."""

        def chosen(timeline: Timeline) -> Ints:
            # A sampler must choose at least one frame: one that is read anyway.
            times = self._times(timeline)
            return timeline.at(times) if len(times) else samplers[0](timeline)[:1]

        reading = source.read([*samplers, chosen], transform=transform)
        (*frames, own), (*positions, of_own) = reading.frames, reading.chosen
        times = self._times(reading.timeline)
        kept = KeptFrames(own, of_own, times, reading.aspect) if len(times) else None
        return replace(reading, frames=frames, chosen=positions, kept=kept)

    @property
    def change(self) -> str:
        """The rate, the shortest duration and the largest number of frames."""
        return f"kept {self.rate:g} {self.longer:g} {self.most}"

    def _times(self, timeline: Timeline) -> Floats:
        """Return the times (n) of the kept frames, each frame once; empty if none are kept."""
        count = max(1, math.floor(self.rate * timeline.end))
        if timeline.end <= self.longer or count > self.most:
            return np.zeros(0)
        times: Floats = (np.arange(count, dtype=np.float64) + 0.5) / self.rate
        # A clip may have fewer frames than this rate.
        return times[np.diff(timeline.at(times), prepend=-1) > 0]


@dataclass(frozen=True)
class Trim(Step):
    """Long static ends are left out.

    Args:
        keeps: Whether the reading has the frames that were compared.
    """

    keeps: bool = False

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read frames of the active part, see ``VideoSource.read``."""
        with collect_warnings() as warnings:
            reading = source.read([*samplers, _compared(samplers)], transform=transform)
        times = reading.timeline.times[reading.chosen[-1]]
        active = active_part(times, reading.frames[-1], reading.duration)
        compared = None
        if self.keeps:
            compared = KeptFrames(reading.frames[-1], reading.chosen[-1], times, reading.aspect)
        if active is None or reading.kept is not None:
            for text in warnings:  # Otherwise the second reading warns.
                warn_of_video(text)
        if active is None:
            reading = replace(reading, frames=reading.frames[:-1], chosen=reading.chosen[:-1])
        elif reading.kept is not None:
            reading = Part(active).of_kept(reading, reading.kept, samplers)
        else:
            reading = Part(active).read(source, samplers, transform)
        return replace(reading, compared=compared)

    @property
    def change(self) -> str:
        """The version of the trimming."""
        return f"trim auto {TRIM_VERSION}"


@dataclass(frozen=True)
class Clean(Step):
    """Black bars, flicker, blur and grain are removed, and the light is corrected.

    A small subject before a plain background is cropped. The reading has the faults of the
    recording, cleaned or not.
    """

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read corrected frames, see ``VideoSource.read``."""
        # Clips are described and listed without it.
        from fewact.video.cleaning.correction import find_correction, find_faults

        reading = source.read([*samplers, Segments(CORRECTION_FRAMES)], transform=transform)
        *sets, measured = reading.frames
        correction = find_correction(measured, reading.aspect)
        return replace(
            reading,
            frames=list(map(correction.frames, sets)) if correction else sets,
            chosen=reading.chosen[:-1],
            size=correction.size(reading.size) if correction else reading.size,
            uncut=reading.size,
            faults=find_faults(correction, reading.size, reading.quantiser, reading.timeline.fps),
        )

    @property
    def change(self) -> str:
        """Version of the correction."""
        return f"corrected {CLEAN_VERSION}"


def as_predicted(
    clip: VideoSource, trim: TrimMode = "auto", keep: KeepFrames | None = None
) -> ProcessedVideo:
    """Return a clip as a classifier reads it: trimmed unless ``trim`` is ``off``, and cleaned.

    With ``keep`` the reading has the kept frames, and the frames that trimming compared.
    """
    video = ProcessedVideo(clip, () if keep is None else (keep,))
    return (video if trim == "off" else video.then(Trim(keep is not None))).then(Clean())


def active_part(times: Floats, frames: NDArray[Any], duration: float) -> Span | None:
    """Return the part of a clip in which something moves; None if no end must be left out.

    A clip without movement, or with movement all the time (as with a moving camera), has no static
    ends.

    Args:
        times: Times (t) of frames, in seconds, ascending.
        frames: Frames (t h w 3), uint8.
        duration: Duration of the clip, in seconds.
    """
    changes = _changes(frames)  # (t-1)
    if len(changes) < 4:
        return None
    quiet, lively = np.quantile(changes, (0.1, 0.95))
    if lively - quiet < LEAST_LIVELINESS:
        return None
    moving = np.flatnonzero(changes > quiet + ACTIVE_CHANGE * (lively - quiet))
    start = float(times[moving[0]]) - KEPT_SECONDS
    end = float(times[moving[-1] + 1]) + KEPT_SECONDS
    shortest = max(LEAST_STILL_SECONDS, LEAST_STILL_FRACTION * duration)
    before, after = changes[: moving[0]], changes[moving[-1] + 1 :]
    start = start if start >= shortest and before.mean() <= STILL_CHANGE else 0.0
    end = end if duration - end >= shortest and after.mean() <= STILL_CHANGE else duration
    return Span(start, end) if end - start < duration else None


def _compared(samplers: Sequence[Sampler]) -> Sampler:
    """Return the sampler of the frames that are compared: about eight per second.

    If another sampler chooses about as many frames, some of its frames are used.
    """

    def choose(timeline: Timeline) -> Ints:
        count = max(2, min(MOST_TRIM_FRAMES, round(TRIM_RATE * timeline.end)))
        for sampler in samplers:
            if isinstance(sampler, Segments) and sampler.seed is None:
                step = max(1, round(sampler.count / count))
                if LEAST_FRAME_RATIO * count <= sampler.count / step <= MOST_FRAME_RATIO * count:
                    return sampler(timeline)[step // 2 :: step]
        return Segments(count)(timeline)

    return choose


def _changes(frames: NDArray[Any]) -> Floats:
    """Return how much each frame differs from the one before where it differs most: (t-1)."""
    steps = [max(1, size // AVERAGED_PIXELS) for size in frames.shape[1:3]]
    green = frames[:, :: steps[0], :: steps[1], 1].astype(np.float32)  # (t h w)
    t, height, width = green.shape
    rows, columns = (np.arange(CHANGE_CELLS) * size // CHANGE_CELLS for size in (height, width))
    cells = np.add.reduceat(np.add.reduceat(green, rows, 1), columns, 2)
    area = np.diff(rows, append=height)[:, None] * np.diff(columns, append=width)
    change = np.abs(np.diff(cells / area, axis=0)).reshape(t - 1, -1)
    loudest = max(1, round(LIVELIEST_CELLS * change.shape[1]))
    liveliest: Floats = np.sort(change, 1)[:, -loudest:].mean(1).astype(np.float64)
    return liveliest
