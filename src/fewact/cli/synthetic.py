"""The synthetic benchmark on the command line: its presets, and ``fewact data render``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewact.cli.options import Quiet
from fewact.cli.output import ListFormat, print_json, print_table
from fewact.cli.progress import progress
from fewact.core.atomic import check_output_folder

SplitName = Literal["train", "val", "test"]
"""Splits of a benchmark."""


def render(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="Synthetic benchmark: motions, or motions:PRESET such as motions:misaligned."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the videos: new, empty, or of an earlier run.",
        ),
    ],
    videos: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of videos per class.")
    ] = 40,
    size: Annotated[
        int, typer.Option(min=16, max=4096, metavar="N", help="Side of a frame, in pixels.")
    ] = 112,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed; each seed gives other videos.")
    ] = 0,
    split: Annotated[
        SplitName | None,
        typer.Option(help="Split to render (default: all; 64, 12 and 24 classes)."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render the synthetic benchmark as mp4 files.

    A JSON file has the ground truth of each video, and a CSV table lists the clips. An
    interrupted command continues when it is run again; no file is overwritten.
    """
    check_output_folder(output)
    from fewact.synthetic import named, write_folder

    made = named(benchmark, videos=videos, size=size, seed=seed)
    with progress("Rendering", quiet=quiet) as show:
        written = write_folder(made, output, split=split, progress=show)
    print(f"Saved {len(written.videos)} videos of {len(written.classes)} classes to {output}")
    print(f"Ground truth of each frame: {output / 'motions.json'}")


def presets() -> list[str]:
    """Return the names of the presets, as on the command line."""
    from fewact.synthetic import PRESETS

    return [f"motions:{preset}" for preset in PRESETS]


def is_synthetic(name: str) -> bool:
    """Return whether a name is of the synthetic benchmark; the preset may be unknown."""
    return name.partition(":")[0] == "motions"


def synthetic_facts(name: str) -> dict[str, Any]:
    """Return facts of the synthetic benchmark of this name."""
    from fewact.synthetic import PRESETS, named

    made = named(name)
    splits = {of: made.videos.of(of) for of in ("train", "val", "test")}
    return {
        "name": f"motions:{made.preset}",
        "title": f"synthetic; {PRESETS[made.preset].summary}",
        "version": made.name,
        "classes": {of: len(videos.classes) for of, videos in splits.items()},
        "videos": {of: len(videos.videos) for of, videos in splits.items()},
        "all_classes": {of: list(videos.classes) for of, videos in splits.items()},
    }


def show_synthetic(name: str, *, classes: bool, format: ListFormat) -> None:
    """Print a preset: splits, version, and all classes if requested."""
    one = synthetic_facts(name)
    if format == "json":
        print_json(one)
        return
    print(f"{one['name']}: {one['title']}\n")
    print_table(
        ("split", "classes", "videos"),
        [(of, str(number), str(one["videos"][of])) for of, number in one["classes"].items()],
    )
    print(f"\nVersion: {one['version']}; the pixels of a version never change")
    print("Videos are rendered when they are read; `fewact data render` writes files.")
    print(f"Presets: {', '.join(presets())}")
    if classes:
        print()
        rows = [(of, label) for of, labels in one["all_classes"].items() for label in labels]
        print_table(("split", "class"), rows)
