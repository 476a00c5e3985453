"""``fewact episodes``: draw episodes and save them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from fewact.cli.run import say
from fewact.cli.synthetic import is_synthetic
from fewact.errors import EpisodeError, OptionError

if TYPE_CHECKING:
    from fewact import data as labelled
    from fewact.data import FeatureDataset, VideoList
    from fewact.episodes import Protocol


class Groups(StrEnum):
    """How support and query are kept apart; ``auto`` goes by the data's own groups."""

    AUTO = "auto"
    NONE = "none"
    WITHIN_CLASS = "within-class"
    SHARED = "shared"


class Split(StrEnum):
    """Which classes; ``all`` for data without splits."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    ALL = "all"


DATA = (
    "A benchmark's name, motions or motions:PRESET for the synthetic one, a folder that holds a "
    "folder of clips for each class, a CSV table with the columns path,label[,split][,group], or "
    "an .npz file of features."
)
Root = Annotated[Path | None, typer.Option(help="Folder of a benchmark's videos.")]
Splits = Annotated[Path | None, typer.Option(help="Folder of the benchmarks' published lists.")]
Dataset = Annotated[str | None, typer.Option(help="Which one of a features file of several.")]
WhatIsThere = Annotated[
    Path | None,
    typer.Option(help="What `fewact data check` wrote: what it found unreadable is left out."),
]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Go on without missing videos; every result says so."),
]
WhichGroups = Annotated[
    Groups, typer.Option(help="Recordings or persons that support and query must not share.")
]
WhichSplit = Annotated[
    Split | None, typer.Option(help="Classes to draw from; test where there are splits.")
]
Ways = Annotated[int | None, typer.Option(min=2, help="Classes of an episode; 5.")]
Shots = Annotated[int | None, typer.Option(min=1, help="Support videos of a class; 1.")]
Queries = Annotated[int | None, typer.Option(min=1, help="Query videos of a class; 1.")]
Count = Annotated[int | None, typer.Option(min=1, help="Number of episodes; 10000.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Another one draws other episodes; 0.")]


def episodes(
    data: Annotated[str, typer.Argument(help=DATA)],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to save the episodes in.")],
    ways: Ways = None,
    shots: Shots = None,
    queries: Queries = None,
    count: Count = None,
    seed: Seed = None,
    groups: WhichGroups = Groups.AUTO,
    split: WhichSplit = None,
    dataset: Dataset = None,
    root: Root = None,
    splits: Splits = None,
    availability: WhatIsThere = None,
    allow_missing: AllowMissing = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that is there.")
    ] = False,
) -> None:
    """Draw episodes, the same on every machine, and save them."""
    from fewact.episodes import draw, save

    if output.exists() and not overwrite:
        raise EpisodeError(
            "the file is there already",
            where=str(output),
            hint="Replace it with --overwrite, or save elsewhere.",
        )
    videos, _ = open_list(
        data,
        groups=groups,
        split=split,
        dataset=dataset,
        root=root,
        splits=splits,
        availability=availability,
        allow_missing=allow_missing,
    )
    drawn = draw(videos, make_protocol(videos, groups, ways, shots, queries, count, seed))
    save(drawn, output)
    say(f"Drawn from {len(videos.videos)} videos of {len(videos.classes)} classes, {videos.name}")
    print(f"{drawn.digest}  {output}")


def open_list(
    data: str,
    *,
    groups: Groups,
    split: Split | None,
    dataset: str | None,
    root: Path | None,
    splits: Path | None,
    availability: Path | None,
    allow_missing: bool,
    usual: Split = Split.TEST,
) -> tuple["VideoList", "FeatureDataset | None"]:
    """The videos that a text stands for, and their features where it names such a file.

    Args:
        data: A benchmark, ``motions``, a folder, a table or a features file.
        groups: Asked for.
        split: Asked for; None for the usual one where there are splits.
        dataset: Which one of a features file.
        root: Of a benchmark's videos.
        splits: Where published lists are.
        availability: What was found to be there of a benchmark.
        allow_missing: Whether a benchmark may be incomplete.
        usual: The split where none is asked for.
    """
    from fewact.data import FeatureDataset, FolderDataset, TableDataset, load_benchmark
    from fewact.synthetic import named

    path = Path(data).expanduser()
    features = None
    if path.suffix == ".npz":
        features = FeatureDataset(path, groups=_wanted(groups), dataset=dataset)
        videos = features.videos
    elif dataset is not None:
        raise OptionError("only a features file holds several", where="--dataset", got=dataset)
    elif path.is_dir():
        videos = FolderDataset(path).videos
    elif path.is_file():
        videos = TableDataset(path, groups=_wanted(groups)).videos
    elif is_synthetic(data):
        videos = named(data).videos
    else:
        only = _only(split or usual)
        videos = load_benchmark(
            data,
            root,
            splits=splits,
            split=only,
            allow_missing=allow_missing,
            availability=availability,
        )
    if split is None and all(video.split is None for video in videos.videos):
        return videos, features
    only = _only(split or usual)
    return (videos if only is None else videos.of(only)), features


def make_protocol(
    videos: "VideoList",
    groups: Groups,
    ways: int | None,
    shots: int | None,
    queries: int | None,
    count: int | None,
    seed: int | None,
) -> "Protocol":
    """The protocol of what was given; the field's usual numbers for the rest."""
    from fewact.episodes import Protocol

    given = {"ways": ways, "shots": shots, "queries": queries, "count": count, "seed": seed}
    kept = videos.groups if groups is Groups.AUTO else cast("labelled.GroupScope", groups.value)
    return Protocol(**{k: v for k, v in given.items() if v is not None}, groups=kept)


def _wanted(groups: Groups) -> "labelled.GroupScope | Literal['auto']":
    return groups.value


def _only(split: Split) -> "labelled.Split | None":
    return None if split is Split.ALL else cast("labelled.Split", split.value)
