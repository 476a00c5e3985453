"""Labelled videos, and the lists of them that episodes are drawn from."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from fewact.core.errors import DataError, did_you_mean
from fewact.data.clips import Clip

if TYPE_CHECKING:
    from fewact.video.source import Step, VideoSource

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

GroupScope = Literal["none", "within-class", "shared"]
"""Scope of group names. Support and query of an episode never share a group.

``none``: groups are ignored. ``within-class``: a name identifies a group within its class only
(UCF's g01). ``shared``: a name identifies the same person or recording in all classes, and is drawn
once for the entire episode.
"""


@dataclass(frozen=True)
class Video:
    """Video of a benchmark or of a list.

    Args:
        id: Name in the list, unique there.
        label: Class of the video.
        split: ``train``, ``val`` or ``test``; None if the list has no splits.
        group: Recording or person; None if it is not known.
        source: Source of the frames; None if the video is missing or has only features.

    Raises:
        DataError: The class or the group is no text.
    """

    id: str
    label: str
    split: Split | None = None
    group: str | None = None
    source: "VideoSource | None" = None

    def __post_init__(self) -> None:
        for name, text in (("class", self.label), ("group", self.group)):
            if not isinstance(text, str) and (name, text) != ("group", None):
                what = f"the {name} of a video is not a text"
                raise DataError(what, where=str(self.id), got=repr(text), expected="a text")

    @property
    def clip(self) -> Clip | None:
        """Clip of the video if its source is a file."""
        return self.source if isinstance(self.source, Clip) else None


@dataclass(frozen=True)
class VideoList:
    """Labelled videos in a fixed order.

    Args:
        name: Name of the data set and its variant.
        videos: Videos in a fixed order, with unique ids.
        groups: Scope of the group names.
        flags: Remarks that every result must show: "modified list", "3 of 2400 videos missing".
        availability: SHA-256 of the availability of a published list; empty if it was not checked.
    """

    name: str
    videos: tuple[Video, ...]
    groups: GroupScope = "none"
    flags: tuple[str, ...] = ()
    availability: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of id, class, split and group of every video, in order."""
        lines = (f"{v.id}\t{v.label}\t{v.split or ''}\t{v.group or ''}\n" for v in self.videos)
        text = "".join((f"groups={self.groups}\n", *lines))
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their first videos."""
        return tuple(dict.fromkeys(video.label for video in self.videos))

    def of(self, split: Split) -> "VideoList":
        """Return the videos of one split, in the same order.

        Raises:
            DataError: The list has no videos of this split.
        """
        videos = tuple(video for video in self.videos if video.split == split)
        if not videos:
            splits = sorted({video.split for video in self.videos if video.split})
            raise DataError(
                "no videos of this split",
                where=self.name,
                got=split,
                expected=", ".join(splits) or "a list with splits",
                hint=did_you_mean(split, splits)
                if splits
                else "Use a table with the column split, or the folders train, val and test.",
            )
        return replace(self, videos=videos)

    def with_flags(self, flags: Iterable[str]) -> "VideoList":
        """Return the same list with additional flags."""
        return replace(self, flags=(*self.flags, *flags))

    def processed(self, step: "Callable[[Video], Step]", flag: str) -> "VideoList":
        """Return the flagged list whose videos are read with one more step; its digest stays."""
        from fewact.video.source import ProcessedVideo

        videos = tuple(
            video
            if video.source is None
            else replace(video, source=ProcessedVideo(video.source).then(step(video)))
            for video in self.videos
        )
        return replace(self.with_flags([flag]), videos=videos)
