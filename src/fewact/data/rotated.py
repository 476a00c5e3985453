"""Videos that are rotated by quarter turns when they are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import ChangedSource, Transform, VideoSource

if TYPE_CHECKING:
    from fewact.video import FrameSets, Sampler


def rotate_frame(frame: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    """Return a frame (h w 3) after quarter turns, counter-clockwise; the frame itself for none."""
    return np.ascontiguousarray(np.rot90(frame, turns)) if turns else frame


class RotatedVideo(ChangedSource):
    """A video source whose frames are rotated when they are read.

    Args:
        source: Source that is read.
        turns: Number of quarter turns, counter-clockwise.
    """

    def __init__(self, source: VideoSource, turns: int) -> None:
        self.source, self._turns = source, turns % 4

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Return rotated frames, see ``VideoSource.read``."""
        from fewact.video import FrameSets

        def rotated(frame: NDArray[np.uint8]) -> NDArray[Any]:
            found = rotate_frame(frame, self._turns)
            return found if transform is None else transform(found)

        found = self.source.read(samplers, transform=rotated)
        height, width = found.size
        size = (width, height) if self._turns % 2 else (height, width)
        return FrameSets(found, size, found.quantiser)

    @property
    def change(self) -> str:
        """Number of quarter turns."""
        return f"rotated {self._turns}"
