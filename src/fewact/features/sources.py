"""Where the features of a list's videos come from."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.backbones.backbone import Backbone
from fewact.backbones.card import Card
from fewact.data.simulated_camera import simulated_cameras
from fewact.data.videos import VideoList
from fewact.errors import DataError, ShapeError
from fewact.features.extract import extract
from fewact.features.precomputed import check_vectors, precomputed_card
from fewact.features.request import Features, Request
from fewact.shapes import check_shape


class FeatureSource(Protocol):
    """Gives the features of videos by their positions in a list."""

    @property
    def name(self) -> str:
        """For people: a file, a backbone."""

    @property
    def card(self) -> Card:
        """What taps there are, and what the weights have seen."""

    @property
    def digest(self) -> str:
        """SHA-256 of the features, or of all that decides them."""

    def check_list(self, videos: VideoList) -> None:
        """Raise a ``DataError`` where these are features of other videos."""

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Features of these videos, one at a time, each (t d) or (t c h w)."""


def check_same_list(videos: VideoList, featured: VideoList) -> None:
    """See that a list is the one that features are of.

    Raises:
        DataError: It is another.
    """
    if videos.digest != featured.digest:
        raise DataError("these are features of another list", where=videos.name, got=featured.name)


class ArrayFeatures:
    """Vectors in an array: of any network, of skeletons, sound or flow.

    Args:
        vectors: (videos, t, d) floating, in the order of the list.
        name: For people.
        trained_on: Data sets that the network behind them has seen.

    Raises:
        ShapeError: Another shape or type.
        DataError: There are numbers that are not finite.
    """

    def __init__(
        self,
        vectors: NDArray[np.floating[Any]],
        name: str = "features",
        *,
        trained_on: tuple[str, ...] = (),
    ) -> None:
        sizes = check_shape(vectors, "v t d", name)
        if not np.issubdtype(vectors.dtype, np.floating):
            raise ShapeError("not floating", where=name, got=str(vectors.dtype))
        finite = np.isfinite(vectors).all((1, 2))
        if not finite.all():
            raise DataError(
                "there are numbers that are not finite",
                where=f"{name}, video {int(np.argmin(finite))}",
            )
        self.name = name
        self.frames = sizes["t"]
        self._vectors = vectors
        sha = hashlib.sha256(f"{vectors.shape} {vectors.dtype.name}\n".encode())
        sha.update(vectors.astype(vectors.dtype.newbyteorder("<"), order="C", copy=False).data)
        self.digest = sha.hexdigest()
        self.card = precomputed_card(name, sizes["d"], sha256=self.digest, trained_on=trained_on)

    def check_list(self, videos: VideoList) -> None:
        """See that there is one row for each video.

        Raises:
            DataError: There are more or fewer.
        """
        if len(self._vectors) != len(videos.videos):
            raise DataError(
                "not as many rows as videos",
                where=self.name,
                got=f"{len(self._vectors)} rows",
                expected=f"{len(videos.videos)}, one for each video of {videos.name}, in its order",
            )

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Vectors (t d), float32.

        Raises:
            OptionError: A method asks for another tap or number of frames.
        """
        check_vectors(requests, self.frames, self.name)
        for position in positions:
            vectors = torch.from_numpy(self._vectors[position].astype(np.float32))
            yield dict.fromkeys(requests, vectors)


class VideoFeatures:
    """Features that are extracted from the videos' files when they are asked for.

    Args:
        videos: Those that are needed must have footage.
        backbone: For the features.
        keep: Keep in memory what was extracted, for methods that ask for the same again.
    """

    def __init__(self, videos: VideoList, backbone: Backbone, *, keep: bool = False) -> None:
        self.card = backbone.card
        self.name = f"{backbone.card.name}, {backbone.card.precision}"
        facts = f"{videos.digest} {self.card.digest}{simulated_cameras(videos)}"
        self.digest = hashlib.sha256(facts.encode()).hexdigest()
        self._videos, self._backbone, self._keep = videos, backbone, keep
        self._kept: dict[tuple[int, Request], Tensor] = {}

    def of(self, videos: VideoList) -> "VideoFeatures":
        """Features of other videos by the same backbone."""
        return VideoFeatures(videos, self._backbone, keep=self._keep)

    def check_list(self, videos: VideoList) -> None:
        """See that these are the videos whose files are read.

        Raises:
            DataError: They are others.
        """
        check_same_list(videos, self._videos)

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Features of these videos, decoding one while another is in the network.

        Raises:
            DataError: Videos are missing or cannot be read; all are named, after the others.
        """
        videos = [self._videos.videos[position] for position in positions]
        if missing := [video.id for video in videos if video.source is None]:
            raise self._refusal("there are no files of", missing)
        known = [
            all((position, request) in self._kept for request in requests) for position in positions
        ]
        new = [video for video, kept in zip(videos, known, strict=True) if not kept]
        extracted = extract(
            [video.source for video in new if video.source], self._backbone, requests
        )
        unreadable: list[str] = []
        for position, video, kept in zip(positions, videos, known, strict=True):
            if kept:
                yield {request: self._kept[position, request] for request in requests}
                continue
            found = next(extracted).features
            if found is None:
                unreadable.append(video.id)
            else:
                found = {request: value.cpu() for request, value in found.items()}
                if self._keep:
                    self._kept |= {(position, request): value for request, value in found.items()}
                yield found
        if unreadable:
            raise self._refusal("cannot be read:", unreadable)

    def _refusal(self, what: str, ids: Sequence[str]) -> DataError:
        shown = ", ".join(ids[:10]) + (", …" if len(ids) > 10 else "")
        return DataError(
            f"{what} {len(ids)} videos that the episodes need",
            where=self._videos.name,
            got=shown,
            hint="Mend or leave out these videos, and draw the episodes again.",
        )
