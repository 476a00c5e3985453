"""A training clip of a model, without what was computed of it. Needs no torch."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fewact.core.page_folder import PAGE_CLIP
from fewact.video.source import Span


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
