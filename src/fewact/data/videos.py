"""The labelled list that episodes are drawn from, wherever it came from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from fewact.data.clips import Clip
from fewact.data.video_source import VideoSource
from fewact.errors import DataError, did_you_mean

Split = Literal["train", "val", "test"]

Groups = Literal["none", "within-class", "shared"]
"""How videos of one recording or person are kept apart.

``within-class``: the same group name in two classes means nothing (UCF's g01). ``shared``: a group
is the same person in all classes, and is drawn once for the whole episode.
"""


@dataclass(frozen=True)
class Video:
    """A benchmark's item.

    Args:
        id: Its name in the list, unique there.
        label: Its class.
        split: ``train``, ``val`` or ``test``; None where there are no splits.
        group: Its recording or person; None where that is not known.
        source: Its frames; None where it is missing, or where there are only features.
    """

    id: str
    label: str
    split: Split | None = None
    group: str | None = None
    source: VideoSource | None = None

    @property
    def clip(self) -> Clip | None:
        """Where it lies, if it lies in a file."""
        return self.source if isinstance(self.source, Clip) else None


@dataclass(frozen=True)
class VideoList:
    """Labelled videos in a fixed order.

    Args:
        name: Of the data set and its variant.
        videos: In a fixed order; ids are unique.
        groups: How groups are kept apart.
        flags: What every result on it must say: "modified list", "3 of 2400 videos missing".
        availability: SHA-256 of what of a published list is there; empty where nothing was looked
            for.
    """

    name: str
    videos: tuple[Video, ...]
    groups: Groups = "none"
    flags: tuple[str, ...] = ()
    availability: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over id, class, split and group of every video, in order."""
        lines = (f"{v.id}\t{v.label}\t{v.split or ''}\t{v.group or ''}\n" for v in self.videos)
        return hashlib.sha256("".join((f"groups={self.groups}\n", *lines)).encode()).hexdigest()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order in which they first appear."""
        return tuple(dict.fromkeys(video.label for video in self.videos))

    def of(self, split: Split) -> "VideoList":
        """The videos of one split, in the same order.

        Raises:
            DataError: The list has no videos of this split.
        """
        chosen = tuple(video for video in self.videos if video.split == split)
        if not chosen:
            there = sorted({video.split for video in self.videos if video.split})
            raise DataError(
                "has no videos of this split",
                where=self.name,
                got=split,
                expected=", ".join(there) or "a list with splits",
                hint=did_you_mean(split, there),
            )
        return replace(self, videos=chosen)

    def with_flags(self, flags: Iterable[str]) -> "VideoList":
        """The same list with more to say in every result."""
        return replace(self, flags=(*self.flags, *flags))
