"""Clips: those of the page, and the training clips of its model."""

from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fewact.core.page_folder import PAGE_CLIP
from fewact.data import VIDEO_SUFFIXES
from fewact.data.files import numbered
from fewact.page.names import Label

RECORDING_FROM: Final = 15.0
"""Seconds from which a clip is shown as a recording, in which actions are searched."""

Key = tuple[str, float | None, float | None, int]


class Part(BaseModel):
    """Part of the document: a value without other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _video_file(name: str) -> str:
    """Refuse a path: a document from elsewhere must not name files outside of its folder."""
    if not PAGE_CLIP.fullmatch(name) or PurePosixPath(name).suffix not in VIDEO_SUFFIXES:
        raise ValueError("not the name of a video file in the folder")
    return name


PageFile = Annotated[str, Field(pattern=PAGE_CLIP.pattern)]


class Clip(Part):
    """A clip, or a segment of one.

    Args:
        file: Name in the folder of clips; None if the model has features only.
        name: Name that the user sees.
        label: Action, or ``none``; None if it is no training clip.
        seconds: Duration of the file.
        frames: Number of frames side by side in its thumbnail.
        aspect: Width of a frame relative to its height.
        start: Start of the segment, in seconds; None for the start of the file.
        end: End of the segment, in seconds; None for the end of the file.
        binned: Whether the user removed it; it can be restored.
        number: Number among the model's clips of this name and segment.
        page_file: File in the folder of another page; None if this page has the video, or no page.
        name_number: Number among the files of this name and class, see ``distinct``.
    """

    file: Annotated[str, AfterValidator(_video_file)] | None
    name: str
    label: Label | None = None
    seconds: float = 0.0
    frames: int = 1
    aspect: float = 1.0
    start: float | None = None
    end: float | None = None
    binned: bool = False
    number: int = 0
    page_file: PageFile | None = None
    name_number: int = 1

    @property
    def source(self) -> str | None:
        """File in the folder of a page, which identifies it; None if a command added the clip."""
        return self.file or self.page_file

    @property
    def key(self) -> Key:
        """What identifies it in the model."""
        return self.source or self.name, self.start, self.end, self.number

    @property
    def title(self) -> str:
        """Name that the user sees."""
        if self.source is None:
            return self.name
        return numbered(self.name.rpartition("/")[2], self.name_number)

    @property
    def saved_as(self) -> str:
        """Name in the model."""
        return self.title if None in (self.source, self.label) else f"{self.label}/{self.title}"

    @property
    def is_recording(self) -> bool:
        """Whether actions are searched in it."""
        return self.start is None and self.seconds >= RECORDING_FROM

    @property
    def taught_as(self) -> str | None:
        """Label that the clip should have in the model; None if it should not be there."""
        return None if self.binned else self.label


class SavedExample(Part):
    """A training clip of the model.

    Args:
        name: Name in the model.
        label: Class, or ``none``.
        start: Start of the segment, in seconds.
        end: End of the segment, in seconds.
        number: Number among the clips of this name and segment.
        page_file: File in the folder of its page; None if it came by no page.
        faults: Faults of the recording, each with what to do.
    """

    name: str
    label: Label
    start: float | None = None
    end: float | None = None
    number: int = 0
    page_file: PageFile | None = None
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What identifies it in the document."""
        return self.page_file or self.name, self.start, self.end, self.number
