"""A step of reading a video: its frames are edited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fewact.video import Reading, Sampler
from fewact.video.source import Step, Transform, VideoSource, transformed


@dataclass(frozen=True)
class Edited(Step):
    """The frames that each sampler chose are edited together, at their own size.

    Args:
        edit: Function from frames (t h w 3) to the same number of frames.
        name: Name of the edit; part of the fingerprint.
    """

    edit: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    name: str

    @property
    def change(self) -> str:
        """Name of the edit."""
        return self.name

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Return the edited frames, see ``VideoSource.read``."""
        reading = source.read(samplers)
        edited = [self.edit(frames) for frames in reading]
        size = edited[0].shape[1:3] if edited else reading.size
        frames = [transformed(images, transform) for images in edited]
        return replace(reading, frames=frames, size=size)
