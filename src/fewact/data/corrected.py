"""Videos that are corrected when they are read; see ``fewact.video.cleaning.correction``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fewact.data.video_source import ChangedSource, Transform, VideoSource
from fewact.data.videos import VideoList

if TYPE_CHECKING:
    from fewact.video import FrameSets, Sampler
    from fewact.video.cleaning.correction import Fault

MEASURED = 8
"""Frames that a correction is found in; most methods read the same ones."""

VERSION = 8
"""Version of the correction; it increases when corrected frames change."""


class CorrectedVideo(ChangedSource):
    """A video source that is read without black bars, flicker, blur and grain, in a middle light.

    What is shown small before a plain background is cut out.

    Args:
        source: Source that is read.

    Attributes:
        faults: Faults of what was read, corrected or not; empty before.
        aspect: Width over height of what was read, before it was corrected; None before.
    """

    def __init__(self, source: VideoSource) -> None:
        self.source = source
        self.faults: tuple[Fault, ...] = ()
        self.aspect: float | None = None

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Return corrected frames, see ``VideoSource.read``."""
        from fewact.video import FrameSets, Segments
        from fewact.video.cleaning.correction import find_correction, find_faults

        samplers = [*samplers, Segments(MEASURED)]
        *sets, measured = found = self.source.read(samplers, transform=transform)
        self.aspect = found.aspect
        correction = find_correction(measured, found.aspect)
        self.faults = find_faults(correction, found.size, found.quantiser)
        if not correction:
            return FrameSets(sets, found.size, found.quantiser)
        sets = list(map(correction.frames, sets))
        return FrameSets(sets, correction.size(found.size), found.quantiser)

    @property
    def change(self) -> str:
        """Version of the correction."""
        return f"corrected {VERSION}"


def corrected(videos: VideoList) -> VideoList:
    """Return the same videos, corrected when they are read.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
    """
    return videos.with_sources(lambda _, source: CorrectedVideo(source), "corrected")
