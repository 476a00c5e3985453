"""The synthetic benchmark on the command line: its facts, and ``fewact data render``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fewact.cli.options import Quiet
from fewact.cli.output import ListFormat, print_json, print_table
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
    from fewact.synthetic import named, write_folder

    made = named(benchmark, videos=videos, size=size, seed=seed)
    with progress("Rendering", quiet=quiet) as show:
        written = write_folder(made, output, split=split.value if split else None, progress=show)
    print(f"{len(written.videos)} videos of {len(written.classes)} classes are in {output}")
    print(f"Which frame shows what is in {output / 'motions.json'}")


def presets() -> list[str]:
    """Names of the synthetic benchmark's presets, as on the command line."""
    from fewact.synthetic import PRESETS

    return [f"motions:{preset}" for preset in PRESETS]


def is_synthetic(name: str) -> bool:
    """Whether a name is of the synthetic benchmark, be the preset right or not."""
    return name.partition(":")[0] == "motions"


def synthetic_facts(name: str) -> dict[str, Any]:
    """Facts of the synthetic benchmark that a name stands for."""
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
    """Show a preset: splits, version, on demand all classes."""
    one = synthetic_facts(name)
    if format is ListFormat.JSON:
        print_json(one)
        return
    print(f"{one['name']}: {one['title']}\n")
    print_table(
        ("split", "classes", "videos"),
        [(of, str(number), str(one["videos"][of])) for of, number in one["classes"].items()],
    )
    print(f"\nVersion: {one['version']}, whose pixels never change")
    print("Rendered when it is read; `fewact data render` writes it as files.")
    print(f"Presets: {', '.join(presets())}")
    if classes:
        print()
        rows = [(of, label) for of, labels in one["all_classes"].items() for label in labels]
        print_table(("split", "class"), rows)
