"""Footage: the frames of one video, wherever they come from."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fewact.video import FrameSets, Sampler

Transform = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Applied to each frame (h w 3) as soon as it is there, so that only what it returns is held."""


def transformed(frames: NDArray[np.uint8], transform: Transform | None) -> NDArray[Any]:
    """Frames (t h w 3) that are there already, as ``Footage.read`` hands them out."""
    return frames if transform is None else np.stack([transform(frame) for frame in frames])


class VideoSource(Protocol):
    """What frames can be read from: a clip in a file, a video that is rendered when it is read."""

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Read what several samplers choose, each frame once.

        Args:
            samplers: Each chooses a set of frames by the video's timeline.
            transform: Applied to each frame.

        Returns:
            For each sampler (t h w 3) uint8 RGB, or (t …) of what ``transform`` returned.

        Raises:
            VideoError: It cannot be read.
        """

    def fingerprint(self) -> str:
        """SHA-256 of all that decides the frames: of a file its bytes, wherever it lies.

        Raises:
            VideoError: It cannot be read.
        """
