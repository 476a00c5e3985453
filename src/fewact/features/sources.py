"""Feature sources: features of videos by position, from videos, from arrays or from a store.

``VideoFeatures`` runs a backbone on videos, ``ArrayFeatures`` reads arrays of precomputed vectors,
whose size ``Precomputed`` describes, and ``fewact.lab.store.stored.StoredFeatures`` reads a store.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, OptionError, ShapeError, VideoError
from fewact.core.shapes import check_shape
from fewact.data.clips import (
    UNUSABLE_FEATURES,
    USABLE_FEATURES,
    FeatureClip,
    usable_features,
)
from fewact.data.files import first_few
from fewact.data.images import check_vectors_are_numpy
from fewact.data.videos import VideoList
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.networks.backbone import Backbone
from fewact.networks.card import Card
from fewact.networks.choices import Device, check_device_name
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


PRECOMPUTED = "precomputed"
"""Name on the card of precomputed features; no backbone has this name."""


class Precomputed:
    """Size of precomputed features, in the place of a backbone.

    Args:
        frames: Number t of vectors of a clip.
        width: Length d of a vector.
        device: Device of the method that reads them, as in ``fewact.networks.create``.
        joints: Layout of the joints in a vector, see ``fewact.data.joints``; empty without joints.

    Raises:
        OptionError: A number is not positive, or there is no such device.

    >>> Precomputed(8, 75).card.vectors
    75
    """

    def __init__(self, frames: int, width: int, device: Device = "auto", joints: str = "") -> None:
        for name, value in (("frames", frames), ("width", width)):
            if value < 1:
                raise OptionError(
                    "the number is not positive", where=name, got=repr(value), expected="at least 1"
                )
        check_device_name(device)
        self.frames = frames
        self.device = "cpu" if device == "auto" else device
        self.card = precomputed_card(PRECOMPUTED, width, joints=joints)

    def check(self, clip: FeatureClip) -> None:
        """Refuse features of another size."""
        if clip.vectors.shape != (self.frames, self.card.vectors):
            frames, width = clip.vectors.shape
            raise DataError(
                "wrong number or length of the feature vectors",
                where=clip.name,
                got=f"{frames} vectors of length {width}",
                expected=f"{self.frames} vectors of length {self.card.vectors}",
                hint="Compute them in the same way as the features of the training clips.",
            )
        if clip.joints != self.card.joints:
            raise DataError(
                "other joints than in the training clips",
                where=clip.name,
                got=clip.joints or "no layout of joints",
                expected=self.card.joints or "no layout of joints",
            )

    def check_requests(self, requests: Iterable[Request]) -> None:
        """Refuse requests other than vectors of this number of frames."""
        check_vectors(requests, self.frames, "features")


def precomputed_card(
    name: str,
    width: int,
    *,
    sha256: str = "",
    trained_on: tuple[str, ...] = (),
    joints: str = "",
) -> Card:
    """Return the card of precomputed features, whose only level is ``vectors`` of length d.

    ``sha256`` identifies the features, if the source has a fixed set of them; ``joints`` is the
    layout of the joints in a vector.
    """
    return Card(
        name=name,
        input_size=(0, 0),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=width,
        maps=None,
        middle=None,
        shallow=None,
        parameters=0,
        licence="",
        weights="",
        weights_sha256=sha256,
        trained_on=trained_on,
        joints=joints,
    )


def check_vectors(requests: Iterable[Request], frames: int, where: str) -> None:
    """Refuse requests other than vectors of a number of frames; ``where`` names the source."""
    for request in requests:
        if request != FeatureRequest("vectors", View(frames)):
            raise OptionError(
                "does not hold the features that the method requests",
                where=where,
                got=f"{request}",
                expected=f"vectors:{frames}",
                hint=f"Choose a method that takes vectors, with option frames={frames}"
                f"{' and stabilise=off' if request.uses_camera_motion else ''}.",
            )


class ArrayFeatures:
    """Precomputed vectors in an array: of any network, of skeletons, sound or flow.

    Args:
        vectors: (v t d) floating-point vectors, in the order of the list.
        name: Name of the source for people.
        trained_on: Data sets that the network behind the vectors was trained on.
        ids: Names of the videos for errors (default: the name of the source and a number).
        skip_invalid: Report vectors that are not finite or too large as videos that cannot be read,
            instead of refusing the array.
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
        ids: Sequence[str] = (),
        skip_invalid: bool = False,
        joints: str = "",
    ) -> None:
        check_vectors_are_numpy(vectors, name, "an array (v t d), floating-point")
        sizes = check_shape(vectors, "v t d", name)
        if not np.issubdtype(vectors.dtype, np.floating):
            raise ShapeError("not floating", where=name, got=str(vectors.dtype))
        usable = usable_features(vectors)
        if not skip_invalid and not usable.all():
            raise DataError(
                UNUSABLE_FEATURES,
                where=_title(name, ids, int(np.argmin(usable))),
                expected=USABLE_FEATURES,
            )
        self.name = name
        self.frames = sizes["t"]
        self._vectors, self._ids, self._usable = vectors, ids, usable
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

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        """Return vectors (t d) float32 of videos, one video after the other.

        Raises:
            OptionError: Another level or number of frames is requested.
        """
        check_vectors(requests, self.frames, self.name)
        for position in positions:
            if self._usable[position]:
                vectors = self._vectors[position].astype(np.float32)
                yield dict.fromkeys(requests, vectors)
            else:
                title = _title(self.name, self._ids, position)
                yield VideoError(title, UNUSABLE_FEATURES, expected=USABLE_FEATURES)


def _title(name: str, ids: Sequence[str], position: int) -> str:
    return ids[position] if ids else f"{name}, video {position}"


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
        """SHA-256 of the list, the backbone's card, and the simulated cameras and conditions."""
        changes = "".join(
            f" {video.id} {changes}"
            for video in self._videos.videos
            if (changes := changes_of(video.source))
        )
        facts = f"{self._videos.digest} {self.card.digest}{changes}"
        return hashlib.sha256(facts.encode()).hexdigest()

    def of(self, videos: VideoList) -> "VideoFeatures":
        """Return features of other videos by the same backbone."""
        return VideoFeatures(videos, self._backbone, keep=self._keep)

    def check_list(self, videos: VideoList) -> None:
        """Check that a list is the one whose videos are read."""
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
