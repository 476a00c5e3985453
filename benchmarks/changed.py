"""Footage whose frames are changed after reading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import Transform, VideoSource, transformed
from fewact.video import Sampler


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

    def read(
        self, samplers: Sequence[Sampler], *, transform: Transform | None = None
    ) -> list[NDArray[Any]]:
        """As ``Footage`` says."""
        sets = (self.change(frames) for frames in self.source.read(samplers))
        return [transformed(frames, transform) for frames in sets]

    def fingerprint(self) -> str:
        """Of the footage, and the change's name."""
        return f"{self.source.fingerprint()} {self.name}"
