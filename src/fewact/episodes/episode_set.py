"""Episodes as positions in a list of videos."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fewact.data.videos import VideoList
from fewact.episodes.protocol import Protocol
from fewact.errors import EpisodeError

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

    def check_list(self, videos: VideoList) -> None:
        """Check that the episodes were drawn from this list.

        Raises:
            EpisodeError: They were drawn from another list.
        """
        if videos.digest != self.list_digest:
            raise EpisodeError(
                f'the episodes were drawn from another list, "{self.list_name}"',
                where=videos.name,
                got=f"a list with SHA-256 {videos.digest[:12]}…",
                expected=f"{self.list_digest[:12]}…",
                hint="Draw episodes from this list, or use the list they were drawn from.",
            )
