"""A clip and what is done to its frames when they are read.

A ``VideoSource`` is read as it was recorded. ``ProcessedVideo`` adds steps, each a frozen value: a
part of the clip, without still ends, cleaned (see ``fewact.video.steps``), or by a simulated camera
and in a condition (see ``fewact.synthetic``). Each read returns all that was found on the way.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fewact.video.timeline import Array, Floats, Ints, Sampler, Timeline

if TYPE_CHECKING:
    from fewact.video.cleaning.correction import Fault

Transform = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Function applied to each frame (h w 3) when it is read; only its result is kept in memory."""


class Span(NamedTuple):
    """Part of a clip, in seconds from its start."""

    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Reading:
    """Frames that samplers chose from a video, and what was found in it; iterates over the frames.

    Args:
        frames: For each sampler its frames (t h w 3), or (t …) of transformed frames.
        chosen: For each sampler the positions (t) of its frames in the timeline.
        timeline: Times of the frames that samplers could choose.
        size: Height and width of the frames as displayed, before they were transformed.
        quantiser: How coarsely the file stores its frames, see ``fewact.video.conversion``: the
            median of those that were read; None if it is not known.
        uncut: Height and width before bars were cut off; None if they were not searched.
        active: Part of the clip that samplers could choose from; None for the full clip.
        faults: Faults of the recording, cleaned or not; empty if they were not searched.
    """

    frames: Sequence[Array]
    chosen: Sequence[Ints]
    timeline: Timeline
    size: tuple[int, int]
    quantiser: float | None = None
    uncut: tuple[int, int] | None = None
    active: Span | None = None
    faults: "tuple[Fault, ...]" = ()

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
    """What is done to the frames of a video source when they are read."""

    @property
    @abstractmethod
    def change(self) -> str:
        """What is changed, with all values that the frames depend on."""

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

    >>> from fewact.video.steps import Clean, Trim
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
