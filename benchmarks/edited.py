"""A video source whose frames are edited after reading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import ChangedSource, Transform, VideoSource, transformed
from fewact.video import FrameSets, Sampler


@dataclass(frozen=True)
class Edited(ChangedSource):
    """A video source whose sets of frames are edited, each as a whole.

    Args:
        source: Source that is read, at its own size.
        edit: Function from frames (t h w 3) to the same number of frames.
        name: Name of the edit; part of the fingerprint.
    """

    source: VideoSource
    edit: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    name: str

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Return the edited frames, see ``VideoSource.read``."""
        sets = self.source.read(samplers)
        edited = [self.edit(frames) for frames in sets]
        size = edited[0].shape[1:3] if edited else sets.size
        return FrameSets((transformed(frames, transform) for frames in edited), size)

    @property
    def change(self) -> str:
        """Name of the edit."""
        return self.name
