"""``fewact data render``: the synthetic benchmark as video files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.options import Quiet
from fewact.cli.progress import progress


class SplitName(StrEnum):
    """The splits of a benchmark."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


def render(
    benchmark: Annotated[
        str, typer.Argument(help="motions, or motions:PRESET such as motions:misaligned.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder to write into: new, empty, or an earlier one."),
    ],
    videos: Annotated[int, typer.Option(min=1, help="Videos of each class.")] = 40,
    size: Annotated[int, typer.Option(min=16, help="Side of a frame, in pixels.")] = 112,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives other videos.")] = 0,
    split: Annotated[
        SplitName | None, typer.Option(help="Only this one of the 64/12/24 classes.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render the synthetic benchmark as mp4 files, with the truth of each video.

    What was interrupted goes on when the command is given again; no file is written over.
    """
    from fewact.data.motions import named, write_folder

    made = named(benchmark, videos=videos, size=size, seed=seed)
    with progress("Rendering", quiet=quiet) as show:
        written = write_folder(made, output, split=split.value if split else None, progress=show)
    print(f"{len(written.videos)} videos of {len(written.classes)} classes are in {output}")
    print(f"Which frame shows what is in {output / 'motions.json'}")
