"""Video source whose frames are rendered when they are read."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import VideoError
from fewact.data.video_source import Transform, transformed
from fewact.video import FrameSets, Sampler, Timeline


@dataclass(frozen=True)
class RenderedVideo:
    """Video that a benchmark renders.

    Args:
        id: Id of the video; with the benchmark's version it determines every pixel.
        frames: Number of frames.
        fps: Frames per second.
        render: Function that renders frames: positions (t) → (t h w 3).
    """

    id: str
    frames: int
    fps: float
    render: Callable[[Sequence[int]], NDArray[np.uint8]] = field(repr=False, compare=False)

    changes: ClassVar[str] = ""

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Render the frames that several samplers choose, see ``VideoSource.read``."""
        timeline = Timeline(np.arange(self.frames) / self.fps, end=self.frames / self.fps)
        chosen = [sampler(timeline) for sampler in samplers]
        if not chosen:
            return FrameSets([], self.render([0]).shape[1:3])
        requested = np.unique(np.concatenate(chosen))
        if requested[0] < 0 or requested[-1] >= self.frames:
            raise VideoError(self.id, f"no such frame: the video has {self.frames} frames")
        images = self.render(requested.tolist())  # (u h w 3)
        kept = transformed(images, transform)
        sets = (kept[np.searchsorted(requested, indices)] for indices in chosen)
        return FrameSets(sets, images.shape[1:3])

    def fingerprint(self) -> str:
        """Return the SHA-256 of the id."""
        return hashlib.sha256(self.id.encode()).hexdigest()
