"""A video source whose frames are edited after reading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import Transform, VideoSource, transformed
from fewact.video import FrameSets, Sampler


@dataclass(frozen=True)
class Edited:
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
    def changes(self) -> str:
        """Name of the edit, after what was changed before."""
        return f"{self.source.changes} {self.name}"

    def fingerprint(self) -> str:
        """Return the fingerprint of the source with the name of the edit."""
        return f"{self.source.fingerprint()} {self.name}"
