"""A synthetic video as footage: its frames are rendered when they are read."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import Transform, transformed
from fewact.errors import VideoError
from fewact.video import FrameSets, Sampler, Timeline


@dataclass(frozen=True)
class Rendered:
    """A video that a benchmark renders.

    Args:
        id: Its id, which with the benchmark's version decides every pixel.
        frames: How many it has.
        fps: Frames a second.
        render: Renders some of its frames: positions (t) → (t h w 3).
    """

    id: str
    frames: int
    fps: float
    render: Callable[[Sequence[int]], NDArray[np.uint8]] = field(repr=False, compare=False)

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Render what several samplers choose, each frame once, as ``Footage`` says."""
        timeline = Timeline(np.arange(self.frames) / self.fps, end=self.frames / self.fps)
        chosen = [sampler(timeline) for sampler in samplers]
        if not chosen:
            return FrameSets([], self.render([0]).shape[1:3])
        wanted = np.unique(np.concatenate(chosen))
        if wanted[0] < 0 or wanted[-1] >= self.frames:
            raise VideoError(self.id, f"has no such frame; it has {self.frames}")
        pictures = self.render(wanted.tolist())  # (u h w 3)
        held = transformed(pictures, transform)
        sets = (held[np.searchsorted(wanted, indices)] for indices in chosen)
        return FrameSets(sets, pictures.shape[1:3])

    def fingerprint(self) -> str:
        """SHA-256 of the id."""
        return hashlib.sha256(self.id.encode()).hexdigest()
