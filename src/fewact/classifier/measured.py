"""A video source that remembers how long the clip was that it read."""

from collections.abc import Sequence

from fewact.data.video_source import Transform, VideoSource
from fewact.video import FrameSets, Sampler, Timeline
from fewact.video.timeline import Ints


class Measured:
    """A video source that knows its duration once it is read.

    Args:
        source: Source that is read.

    Attributes:
        duration: Duration in seconds; None before the source is read.
    """

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.duration: float | None = None

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Return frames, see ``VideoSource.read``."""

        def measuring(sampler: Sampler) -> Sampler:
            def measure(timeline: Timeline) -> Ints:
                self.duration = timeline.end
                return sampler(timeline)

            return measure

        return self._source.read([measuring(one) for one in samplers], transform=transform)

    def fingerprint(self) -> str:
        """Return the fingerprint of the source."""
        return self._source.fingerprint()
