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

    Videos stand class by class: video i of the support belongs to the episode's class
    i // shots, video i of the query to i // queries.

    Args:
        protocol: What the episodes are made of.
        list_name: Of the list they were drawn from.
        list_digest: Its SHA-256.
        support: (count, ways·shots) int32.
        query: (count, ways·queries) int32.
    """

    protocol: Protocol
    list_name: str
    list_digest: str
    support: Positions
    query: Positions

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the protocol, the list's digest and all positions, little-endian int32."""
        facts = {**asdict(self.protocol), "list": self.list_digest}
        sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for positions in (self.support, self.query):
            sha.update(positions.astype("<i4").tobytes())
        return sha.hexdigest()

    @cached_property
    def needed(self) -> Positions:
        """Positions of all videos that occur, ascending."""
        return np.union1d(self.support, self.query).astype(np.int32)

    def check_list(self, videos: VideoList) -> None:
        """See that these episodes were drawn from this list.

        Raises:
            EpisodeError: They were drawn from another one.
        """
        if videos.digest != self.list_digest:
            raise EpisodeError(
                f'the episodes were drawn from another list, "{self.list_name}"',
                where=videos.name,
                got=f"a list with SHA-256 {videos.digest[:12]}…",
                expected=f"{self.list_digest[:12]}…",
                hint="Draw episodes from this list, or name the list they were drawn from.",
            )
