"""Episodes as positions in a list of videos."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import EpisodeError
from fewact.data.videos import VideoList
from fewact.evaluation.episodes.protocol import Protocol

Positions = NDArray[np.int32]


@dataclass(frozen=True)
class EpisodeSet:
    """Episodes as positions in a list of videos.

    Videos are in the order of the episode's classes: support video i belongs to class i // shots,
    query video i to class i // queries.

    Args:
        protocol: Size and number of the episodes, seed and groups.
        list_name: Name of the list that they were drawn from.
        list_digest: SHA-256 of that list.
        support: (count, ways·shots) int32 positions of the support videos.
        query: (count, ways·queries) int32 positions of the query videos.
    """

    protocol: Protocol
    list_name: str
    list_digest: str
    support: Positions
    query: Positions

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the protocol, the list's digest and all positions as little-endian int32."""
        facts = {**asdict(self.protocol), "list": self.list_digest}
        sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for positions in (self.support, self.query):
            sha.update(positions.astype("<i4").tobytes())
        return sha.hexdigest()

    @cached_property
    def needed(self) -> Positions:
        """Positions of all videos of the episodes, ascending."""
        return np.union1d(self.support, self.query).astype(np.int32)

    @property
    def parts(self) -> tuple[tuple[str, Positions, tuple[int, int]], ...]:
        """Name and positions of the support and the query, and the shape that they must have."""
        count, ways = self.protocol.count, self.protocol.ways
        return (
            ("support", self.support, (count, ways * self.protocol.shots)),
            ("query", self.query, (count, ways * self.protocol.queries)),
        )

    def check_list(self, videos: VideoList) -> None:
        """Check that the episodes were drawn from this list, and are episodes.

        Raises:
            EpisodeError: They were drawn from another list; positions are missing or not in it; or
                an episode has a video twice, a class twice, or videos of other classes than the
                order requires.
        """
        if videos.digest != self.list_digest:
            raise EpisodeError(
                f'the episodes were drawn from another list, "{self.list_name}"',
                where=videos.name,
                got=f"a list with SHA-256 {videos.digest[:12]}…",
                expected=f"{self.list_digest[:12]}…",
                hint="Draw episodes from this list, or use the list they were drawn from.",
            )
        self._check_shapes(len(videos.videos))
        together = np.sort(np.concatenate([self.support, self.query], 1), 1)
        self._refuse((np.diff(together, axis=1) == 0).any(1), "a video is in it twice")
        _, labels = np.unique([video.label for video in videos.videos], return_inverse=True)
        ways = self.protocol.ways
        support, query = (
            labels[one].reshape(len(one), ways, -1) for one in (self.support, self.query)
        )
        classes = support[:, :, :1]  # (count n 1)
        wrong = (support != classes).any((1, 2)) | (query != classes).any((1, 2))
        self._refuse(wrong, "videos are not in the order of its classes")
        twice = (np.diff(np.sort(classes[..., 0], 1), axis=1) == 0).any(1)
        self._refuse(twice, "a class is in it twice")

    def _check_shapes(self, videos: int) -> None:
        for name, positions, shape in self.parts:
            if positions.shape != shape:
                raise EpisodeError(
                    "positions of another shape",
                    where=name,
                    got=str(positions.shape),
                    expected=f"{shape}, as the protocol says",
                )
            if positions.min() < 0 or positions.max() >= videos:
                raise EpisodeError(
                    "positions that are not in the list",
                    where=name,
                    got=f"{positions.min()} to {positions.max()}",
                    expected=f"0 to {videos - 1}",
                )

    def _refuse(self, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            i = int(wrong.argmax())
            raise EpisodeError(
                what,
                where=f"episode {i}",
                got=f"support {self.support[i].tolist()}, query {self.query[i].tolist()}",
                expected="videos of different classes, each once, in the order of the classes",
            )
