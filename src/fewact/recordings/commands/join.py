"""Option of the commands that read several files as one recording."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewact.cli.run import say

if TYPE_CHECKING:
    from fewact.recordings.joins import Source

JoinMode = Literal["auto", "on", "off"]
"""Which files are joined: those whose names and times say so, all of them, or none."""

Join = Annotated[
    JoinMode,
    typer.Option(
        "--join",
        help="Which files are one recording: those whose names and times say so (chapters and "
        "segments of a camera), all of them in their order, or none.",
    ),
]


def joined(sources: Sequence[str], mode: JoinMode) -> "list[Source]":
    """Return files as recordings, and say which are joined."""
    from fewact.recordings.joins import joined_sources, joined_text
    from fewact.video.joined import JoinedFiles

    recordings = joined_sources([*map(Path, sources)], mode)
    for recording in recordings:
        if isinstance(recording, JoinedFiles):
            say(joined_text(recording))
    return recordings
