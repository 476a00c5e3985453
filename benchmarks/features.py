"""Features of videos that can all be read."""

from collections.abc import Iterator, Sequence

from fewact.core.errors import VideoError
from fewact.features.request import Features, Request
from fewact.features.sources import FeatureSource


def features_of(
    source: FeatureSource, positions: Sequence[int], requests: Sequence[Request]
) -> Iterator[Features]:
    """Yield the features of videos, one video after the other.

    Raises:
        VideoError: A video cannot be read.
    """
    for found in source.features(positions, requests):
        if isinstance(found, VideoError):
            raise found
        yield found
