"""Feature sources: features of a list's videos, computed from the videos or read from an array."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import DataError, ShapeError, VideoError
from fewact.data.clips import UNUSABLE_FEATURES, USABLE_FEATURES, Clip, usable_features
from fewact.data.files import first_few
from fewact.data.images import check_vectors_are_numpy
from fewact.data.videos import VideoList
from fewact.features.extract import extract
from fewact.features.joints import recorded
from fewact.features.precomputed import check_vectors, precomputed_card
from fewact.features.request import Features, Request
from fewact.networks.backbone import Backbone
from fewact.networks.card import Card
from fewact.video.source import VideoSource, changes_of


class FeatureSource(Protocol):
    """Features of a list's videos by their positions."""

    @property
    def name(self) -> str:
        """Name of the source for people: a file, a backbone."""

    @property
    def card(self) -> Card:
        """Card of the backbone: feature levels, and the data its weights were trained on."""

    @property
    def digest(self) -> str:
        """SHA-256 of the features, or of all that decides them."""

    def check_list(self, videos: VideoList) -> None:
        """Raise a ``DataError`` if these are features of another list."""

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        """Return features of videos, one video after the other.

        Args:
            positions: Positions of the videos in the list.
            requests: Requested features.

        Returns:
            Features of each video, each with the shape of its request; for a video that cannot be
            read the error.

        Raises:
            OptionError: The source does not have the requested features.
            DataError: Videos are known to be missing.
        """


def check_same_list(videos: VideoList, featured: VideoList) -> None:
    """Refuse another list than the list of the features."""
    if videos.digest != featured.digest:
        raise DataError("these are features of another list", where=videos.name, got=featured.name)


class ArrayFeatures:
    """Precomputed vectors in an array: of any network, of skeletons, sound or flow.

    Args:
        vectors: (v t d) floating-point vectors, in the order of the list.
        name: Name of the source for people.
        trained_on: Data sets that the network behind the vectors was trained on.
        joints: Layout of the joints in a vector, see ``fewact.data.joints``; empty without joints.

    Raises:
        ShapeError: The array has another shape or type.
        DataError: It is no NumPy array, or has numbers that are not finite, or too large.
    """

    def __init__(
        self,
        vectors: NDArray[np.floating[Any]],
        name: str = "features",
        *,
        trained_on: tuple[str, ...] = (),
        joints: str = "",
    ) -> None:
        check_vectors_are_numpy(vectors, name, "an array (v t d), floating-point")
        sizes = check_shape(vectors, "v t d", name)
        if not np.issubdtype(vectors.dtype, np.floating):
            raise ShapeError("not floating", where=name, got=str(vectors.dtype))
        usable = usable_features(vectors)
        if not usable.all():
            where = f"{name}, video {int(np.argmin(usable))}"
            raise DataError(UNUSABLE_FEATURES, where=where, expected=USABLE_FEATURES)
        self.name = name
        self.frames = sizes["t"]
        self._vectors = vectors
        sha = hashlib.sha256(f"{vectors.shape} {vectors.dtype.name}\n".encode())
        sha.update(vectors.astype(vectors.dtype.newbyteorder("<"), order="C", copy=False).data)
        self.digest = sha.hexdigest()
        self.card = precomputed_card(
            name, sizes["d"], sha256=self.digest, trained_on=trained_on, joints=joints
        )

    def check_list(self, videos: VideoList) -> None:
        """Check that there is one row for each video."""
        if len(self._vectors) != len(videos.videos):
            raise DataError(
                "not as many rows as videos",
                where=self.name,
                got=f"{len(self._vectors)} rows",
                expected=f"{len(videos.videos)}, one for each video of {videos.name}, in its order",
            )

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Return vectors (t d) float32 of videos, one video after the other.

        Raises:
            OptionError: Another level or number of frames is requested.
        """
        check_vectors(requests, self.frames, self.name)
        for position in positions:
            yield dict.fromkeys(requests, self._vectors[position].astype(np.float32))


class VideoFeatures:
    """Features of videos that a backbone computes when they are requested.

    One video is decoded while the network runs on the video before.

    Args:
        videos: List of videos; requested videos need a video source.
        backbone: Backbone that computes the features.
        keep: Keep computed features in memory, for later requests.
    """

    def __init__(self, videos: VideoList, backbone: Backbone, *, keep: bool = False) -> None:
        self.card = backbone.card
        self.name = backbone.card.summary
        self._videos, self._backbone, self._keep = videos, backbone, keep
        self._computed: dict[tuple[int, Request], NDArray[Any]] = {}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the list, the backbone's card, the changes of the videos, and their joints."""
        changes = "".join(
            f" {video.id} {changes}"
            for video in self._videos.videos
            if (changes := changes_of(video.source))
        )
        joints = "".join(
            f" {video.id} {track.digest}"
            for video in self._videos.videos
            if isinstance(clip := recorded(video.source), Clip)
            and (track := clip.joint_track()) is not None
        )
        facts = f"{self._videos.digest} {self.card.digest}{changes}{joints}"
        return hashlib.sha256(facts.encode()).hexdigest()

    def of(self, videos: VideoList) -> "VideoFeatures":
        """Return features of other videos by the same backbone."""
        return VideoFeatures(videos, self._backbone, keep=self._keep)

    def check_list(self, videos: VideoList) -> None:
        """Refuse another list than the list whose videos are read."""
        check_same_list(videos, self._videos)

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        """Return features of videos, one video after the other.

        Raises:
            OptionError: The backbone does not have a requested level.
            DataError: There are no files of some videos.
        """
        videos = [self._videos.videos[position] for position in positions]
        if missing := [video.id for video in videos if video.source is None]:
            raise DataError(
                f"there are no files of {len(missing)} videos that are needed",
                where=self._videos.name,
                got=first_few(missing),
                hint="Add their files or remove them from the list, then draw episodes again.",
            )
        stored = {position for position in positions if self._has(position, requests)}
        new = [position for position in positions if position not in stored]
        extracted = extract(new, self._backbone, requests, source=self._source_of)
        for position in positions:
            if position in stored:
                yield {request: self._computed[position, request] for request in requests}
                continue
            clip = next(extracted)
            clip.warn()
            features = clip.result
            if self._keep and not isinstance(features, VideoError):
                self._computed |= {
                    (position, request): value for request, value in features.items()
                }
            yield features

    def _has(self, position: int, requests: Sequence[Request]) -> bool:
        return all((position, request) in self._computed for request in requests)

    def _source_of(self, position: int) -> VideoSource:
        video = self._videos.videos[position]
        if video.source is None:
            raise DataError("there is no file", where=video.id)
        return video.source
