"""Footage whose frames are changed after reading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import Transform, VideoSource, transformed
from fewact.video import FrameSets, Sampler


@dataclass(frozen=True)
class Changed:
    """Footage of which every set of frames is changed as a whole.

    Args:
        source: What is read, at its own size.
        change: From frames (t h w 3) to as many.
        name: Of the change; part of the fingerprint.
    """

    source: VideoSource
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    name: str

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Read the changed frames, see ``VideoSource.read``."""
        sets = self.source.read(samplers)
        changed = [self.change(frames) for frames in sets]
        size = changed[0].shape[1:3] if changed else sets.size
        return FrameSets((transformed(frames, transform) for frames in changed), size)

    def fingerprint(self) -> str:
        """Of the footage, and the change's name."""
        return f"{self.source.fingerprint()} {self.name}"
