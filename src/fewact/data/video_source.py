"""Video source: the frames of one video, from a file or rendered when they are read."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fewact.video import FrameSets, Sampler

Transform = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Function applied to each frame (h w 3) when it is read; only its result is kept in memory."""


def transformed(frames: NDArray[np.uint8], transform: Transform | None) -> NDArray[Any]:
    """Return frames (t h w 3) as ``VideoSource.read`` returns them."""
    return frames if transform is None else np.stack([transform(frame) for frame in frames])


class VideoSource(Protocol):
    """Source of frames: a clip in a file, or a video that is rendered when it is read."""

    @property
    def changes(self) -> str:
        """How the frames of another source are changed; empty if they are not."""

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Read the frames that several samplers choose; each frame is read once.

        Args:
            samplers: Functions that each choose a set of frames by the video's timeline.
            transform: Function applied to each frame.

        Returns:
            For each sampler frames (t h w 3), uint8, RGB, or (t …) from ``transform``.

        Raises:
            VideoError: The video cannot be read.
        """

    def fingerprint(self) -> str:
        """Return a SHA-256 that determines the frames; of a file only its content counts.

        Raises:
            VideoError: The video cannot be read.
        """


class ChangedSource(ABC):
    """A video source whose frames are those of another one, changed when they are read.

    Attributes:
        source: Source that is read.
    """

    source: VideoSource

    @property
    @abstractmethod
    def change(self) -> str:
        """What is changed, with all values that the frames depend on."""

    @property
    def changes(self) -> str:
        """What is changed, after what was changed before."""
        return f"{self.source.changes} {self.change}"

    def fingerprint(self) -> str:
        """Return the SHA-256 of the source's fingerprint and what is changed."""
        return hashlib.sha256(f"{self.source.fingerprint()} {self.change}".encode()).hexdigest()


def changes_of(source: VideoSource | None) -> str:
    """Return how a source changes the frames of another one; empty if there is none."""
    return "" if source is None else source.changes
