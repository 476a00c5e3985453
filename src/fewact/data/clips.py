"""Clips and where they are listed: a folder of classes, a table, lists."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Clip:
    """A stretch of a video file.

    Args:
        path: The file, or a folder of numbered pictures.
        label: Its class; None where it is not known.
        start: Where the stretch begins, in seconds; None for the file's beginning.
        end: Where it ends, in seconds; None for the file's end.
        group: Clips of one group (a person, a recording) are kept apart when testing.
    """

    path: Path
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None
