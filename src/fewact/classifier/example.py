"""A training clip of a model, and how users name it. Needs no torch."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fewact.classifier.labels import nfc
from fewact.core.errors import DataError, did_you_mean
from fewact.core.page_folder import PAGE_CLIP
from fewact.video.source import Span

ClipId = str | int
"""A training clip: its title, the end of its title, or its number in ``all_clips_`` from 1 on."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Example:
    """A training clip without its nodes.

    Args:
        name: Path relative to the folder given to ``fit``, with forward slashes; for features,
            their name.
        label: Class of the clip.
        start: Start in the file, in seconds; None for the start of the file.
        end: End in the file, in seconds; None for the end of the file.
        group: Group of the clip, such as the person or the recording; None if unknown.
        duration: Duration of what was used of the clip, in seconds; None for features.
        active: Start and end of the active part, in seconds from the start of the clip; None if the
            full clip was used.
        aspect: Width over height of the clip as displayed; None for features.
        page_file: File of the clip in the folder of its page, which identifies the clip whatever
            its name and class; None if it came by no page.
        faults: Faults of the recording, each with what to do, such as "very dark; record with more
            light".
    """

    name: Annotated[str, Field(min_length=1)]
    label: Annotated[str, Field(min_length=1)]
    start: float | None = None
    end: float | None = None
    group: str | None = None
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    active: Span | None = None
    aspect: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    page_file: Annotated[str, Field(pattern=PAGE_CLIP.pattern)] | None = None
    faults: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @property
    def title(self) -> str:
        """Name of the clip, with its time span if it is a segment of the file.

        >>> Example("game.mp4", "goal", start=12.5).title
        'game.mp4 [12.5 s …]'
        """
        if self.start is None and self.end is None:
            return self.name
        end = "…" if self.end is None else f"… {self.end:g} s"
        return f"{self.name} [{self.start or 0:g} s {end}]"


def find_clips(
    clips: Sequence[Example], clip_ids: Iterable[ClipId], *, classes: Sequence[str] = ()
) -> list[int]:
    """Return the positions of clips.

    A name is compared as it is; if no clip has it, both names in Unicode normal form C: names of
    files may have accents as separate characters, such as those of macOS.

    Args:
        clips: All clips.
        clip_ids: Clips to find.
        classes: Classes that could have been named instead, for the error.

    Raises:
        DataError: A clip is not found, or not the only one of its name.
    """
    return [_find(clips, clip_id, classes) for clip_id in clip_ids]


def _find(clips: Sequence[Example], clip_id: ClipId, classes: Sequence[str]) -> int:
    if isinstance(clip_id, int | np.integer) and not isinstance(clip_id, bool):
        number = int(clip_id)
        if not 1 <= number <= len(clips):
            raise DataError(
                "no clip has this number", got=str(number), expected=f"1 to {len(clips)}"
            )
        return number - 1
    if not isinstance(clip_id, str):
        raise DataError("not a training clip", got=repr(clip_id), expected="its title or number")
    titles = [clip.title for clip in clips]
    positions = _named(titles, clip_id) or _named([*map(nfc, titles)], nfc(clip_id))
    if len(positions) == 1:
        return positions[0]
    if not positions:
        raise DataError(
            f"no {'class or ' if classes else ''}training clip has this name",
            got=repr(clip_id),
            expected=", ".join(classes),
            hint=did_you_mean(clip_id, [*titles, *classes])
            or "`fewact info MODEL --clips` lists the clips.",
        )
    raise DataError(
        f"{len(positions)} training clips have this name",
        got=repr(clip_id),
        expected="; ".join(f"{i + 1}: {titles[i]}, {clips[i].label}" for i in positions[:5]),
        hint="Use the number of the clip.",
    )


def _named(titles: Sequence[str], name: str) -> list[int]:
    """Return the positions of the titles that are a name, or else of those that end with it."""
    exact = [i for i, title in enumerate(titles) if title == name]
    return exact or [i for i, title in enumerate(titles) if _ends_with(title, name)]


def _ends_with(title: str, end: str) -> bool:
    parts, last = PurePosixPath(title).parts, PurePosixPath(end).parts
    return bool(last) and parts[-len(last) :] == last
