"""``fewact data`` and ``fewact episodes``: benchmarks, rendered videos, and episodes of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import Command, SpecOptions, with_specs
from fewact.cli.options import Overwrite, Quiet, check_output_files, output_option
from fewact.cli.output import (
    ListFormat,
    ListOutputFormat,
    print_json,
    print_line,
    print_table,
    progress,
)
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder
from fewact.lab.commands.options import DATA, Splits, check_data
from fewact.lab.evaluation.episodes import Protocol
from fewact.lab.evaluation.spec import DataSpec

if TYPE_CHECKING:
    from fewact.lab.benchmarks import Availability, Benchmark


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
        Path, output_option("FOLDER", "Folder for the videos: new, empty, or of an earlier run.")
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
    from fewact.lab.synthetic.folder import write_folder
    from fewact.synthetic import named

    videos_of_preset = named(benchmark, videos=videos, size=size, seed=seed)
    with progress("Rendering", quiet=quiet) as show:
        written = write_folder(videos_of_preset, output, split=split, progress=show)
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

    preset = named(name)
    splits = {of: preset.videos.of(of) for of in ("train", "val", "test")}
    return {
        "name": f"motions:{preset.preset}",
        "title": f"synthetic; {PRESETS[preset.preset].summary}",
        "version": preset.name,
        "classes": {of: len(videos.classes) for of, videos in splits.items()},
        "videos": {of: len(videos.videos) for of, videos in splits.items()},
        "all_classes": {of: list(videos.classes) for of, videos in splits.items()},
    }


def show_synthetic(name: str, *, classes: bool, format: ListFormat) -> None:
    """Print a preset: splits, version, and all classes if requested."""
    facts = synthetic_facts(name)
    if format == "json":
        print_json(facts)
        return
    print(f"{facts['name']}: {facts['title']}\n")
    print_table(
        ("split", "classes", "videos"),
        [(of, str(number), str(facts["videos"][of])) for of, number in facts["classes"].items()],
    )
    print(f"\nVersion: {facts['version']}; the pixels of a version never change")
    print("Videos are rendered when they are read; `fewact data render` writes files.")
    print(f"Presets: {', '.join(presets())}")
    if classes:
        print()
        rows = [(of, label) for of, labels in facts["all_classes"].items() for label in labels]
        print_table(("split", "class"), rows)


app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Name = Annotated[str, typer.Argument(help="Name of a benchmark; see `fewact data list`.")]
SHOWN = 20
"""Largest number of missing videos that are printed."""

LIST_NEEDED = {True: "not needed", False: "needed", None: "rendered"}
"""Text of the column "list" by ``Benchmark.includes_all_videos``; None for rendered videos."""


@app.callback()
def data() -> None:
    """List, check and render benchmarks."""


@app.command("list", cls=Command)
def list_benchmarks(format: ListOutputFormat = "table") -> None:
    """List the benchmarks; each published list of videos has a name.

    Numbers of classes and videos are given as train/val/test.
    """
    from fewact.lab.benchmarks import benchmark, benchmark_names

    everything = [_facts(benchmark(name)) for name in benchmark_names()]
    everything += [synthetic_facts(name) for name in presets()]
    if format == "json":
        print_json(everything)
        return
    print_table(
        ("name", "classes", "videos", "list", "description"),
        [
            (
                entry["name"],
                "/".join(map(str, entry["classes"].values())),
                "/".join(map(str, entry["videos"].values())),
                LIST_NEEDED[entry.get("includes_all_videos")],
                entry["title"],
            )
            for entry in everything
        ],
    )


@app.command(cls=Command)
def show(
    name: Name,
    classes: Annotated[bool, typer.Option("--classes", help="List all classes too.")] = False,
    format: ListOutputFormat = "table",
) -> None:
    """Show a benchmark: splits, hashes, publisher, licence, caveats."""
    from fewact.lab.benchmarks import benchmark

    if is_synthetic(name):
        show_synthetic(name, classes=classes, format=format)
        return
    bench = benchmark(name)
    if format == "json":
        print_json(_facts(bench) | {"all_classes": _classes(bench)})
        return
    print(f"{bench.id}: {bench.title}\n")
    print_table(
        ("split", "classes", "videos", "videos per class"),
        [
            (
                split,
                str(len(counts)),
                str(sum(counts.values())),
                f"{min(counts.values())}-{max(counts.values())}",
            )
            for split, counts in bench.counts.items()
            if counts
        ],
    )
    print("\nSHA-256 of the lists:")
    for split, digest in bench.sha256.items():
        print(f"  {split:5}  {digest}")
    print(
        f"List: {'all videos of the classes' if bench.includes_all_videos else 'needed; --splits'}"
    )
    print(f"Published at: {bench.published} ({bench.licence})")
    print(f"Groups of near duplicates: {bench.groups}")
    if bench.exemplars:
        print(f"Exemplars, the only support: {', '.join(bench.exemplars)}")
    print("Caveats:")
    for caveat in bench.caveats:
        print(f"  {caveat}")
    if classes:
        print()
        header = ("split", "class", "videos", "name", "prompt")
        print_table(header, [tuple(str(row[cell]) for cell in header) for row in _classes(bench)])


@app.command(cls=Command)
def check(
    name: Name,
    root: Annotated[Path, typer.Argument(help="Folder with the videos.")],
    splits: Splits = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode all frames of each video (slow).")
    ] = False,
    output: Annotated[
        Path | None,
        output_option("FILE", "Availability file to write (default: NAME.availability.json)."),
    ] = None,
    overwrite: Overwrite = False,
    format: ListOutputFormat = "table",
    quiet: Quiet = False,
) -> None:
    """Check which videos of a benchmark are available.

    The result is written to an availability file. Videos are found in any layout:
    folders of classes, one flat folder, folders of frames. The exit code is 0 if all videos are
    available, and 3 if some are missing or cannot be read.
    """
    from fewact.lab import benchmarks

    bench = benchmarks.benchmark(name)
    target = output or Path(f"{bench.id}.availability.json")
    check_output_files(target, overwrite=overwrite, inputs=[splits])
    with progress("Decoding", quiet=quiet) as bar:
        availability = benchmarks.check_benchmark(
            bench.id, root, splits=splits, deep=deep, progress=bar
        )
    for id, reason in availability.unreadable.items():
        say(f"Unreadable: {id}: {reason}")
    availability.write(target)
    if format == "json":
        document = availability.model_dump(mode="json")
        print_json({"complete": not availability.gap(), "sha256": availability.digest, **document})
    else:
        _print(bench, availability, target, deep=deep)
    exit_skipped(bool(availability.gap()))


def _print(bench: "Benchmark", availability: "Availability", target: Path, *, deep: bool) -> None:
    names = {c.key: c.name for split in bench.classes.values() for c in split}
    print_table(
        ("split", "listed", "available", "missing", "unreadable", "class"),
        [
            (
                *(c.split, str(c.listed), str(c.available), str(c.missing), str(c.unreadable)),
                c.label
                if names.get(c.label, c.label) == c.label
                else f"{c.label}  {names[c.label]}",
            )
            for c in availability.classes
        ],
    )
    print()
    for flag in availability.flags:
        print(f"This is a {flag}.")
    for id in availability.missing[:SHOWN]:
        print_line(f"Missing: {id}")
    if len(availability.missing) > SHOWN:
        print(f"and {len(availability.missing) - SHOWN} more, listed in {target}")
    print(
        f"Not available: {availability.gap()}"
        if availability.gap()
        else "All videos are available."
    )
    if not deep:
        print("No video was decoded; --deep checks that all can be read.")
    print(f"Availability {availability.digest[:12]} written to {target}")


def _facts(bench: "Benchmark") -> dict[str, Any]:
    return {
        "name": bench.id,
        **bench.model_dump(mode="json", exclude={"id", "classes", "folders"}),
        "classes": {split: len(counts) for split, counts in bench.counts.items()},
        "videos": {split: sum(counts.values()) for split, counts in bench.counts.items()},
    }


def _classes(bench: "Benchmark") -> list[dict[str, Any]]:
    return [
        {"split": split, "class": c.key, "videos": c.videos, "name": c.name, "prompt": c.prompt}
        for split, classes in bench.classes.items()
        for c in classes
    ]


app.command(cls=Command)(render)


@with_specs
def episodes(
    data: Annotated[str, typer.Argument(help=DATA, callback=check_data)],
    output: Annotated[Path, output_option("FILE", "File for the episodes.")],
    videos: Annotated[
        dict[str, Any], SpecOptions("Data", DataSpec, without=("source", "store", "poses"))
    ],
    size: Annotated[Protocol, SpecOptions("Episodes")],
    overwrite: Overwrite = False,
) -> None:
    """Draw episodes and save them.

    The same options give the same episodes on every machine.
    """
    spec = DataSpec(source=data, **videos)
    inputs = [data, spec.splits, spec.availability]
    check_output_files(output, overwrite=overwrite, inputs=inputs)
    from fewact.lab.evaluation import open_videos
    from fewact.lab.evaluation.episodes import draw, save

    opened, _ = open_videos(spec)
    groups = opened.groups if spec.groups == "auto" else spec.groups
    drawn = draw(opened, size.model_copy(update={"groups": groups}))
    save(drawn, output)
    say(f"Drawn from {len(opened.videos)} videos of {len(opened.classes)} classes of {opened.name}")
    print(f"{drawn.digest}  {output}")
