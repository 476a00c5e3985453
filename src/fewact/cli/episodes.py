"""``fewact episodes``: draw episodes and save them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from fewact.cli import early, early_outputs
from fewact.cli.option_groups import OptionGroup, with_option_groups
from fewact.cli.options import BenchmarkOptions, Dataset, Overwrite
from fewact.cli.run import say

if TYPE_CHECKING:
    from fewact.evaluation import DataConfig


Groups = Literal["auto", "none", "within-class", "shared"]
"""Separation of support and query; ``auto`` is the separation that the data define."""

Split = Literal["train", "val", "test", "all"]
"""Split of the data; ``all`` for all classes."""

SOURCES = (
    "name of a benchmark, motions or motions:PRESET, folder with one subfolder of clips per class"
)
TABLE = "CSV table with the columns path,label[,split][,group]"
VIDEOS = f"Videos: {SOURCES}, or {TABLE}."
DATA = f"Videos or features: {SOURCES}, {TABLE}, or .npz file of features."


@dataclass(frozen=True, kw_only=True)
class DataOptions(OptionGroup):
    """Options that choose videos."""

    heading: ClassVar[str] = "Data"

    split: Annotated[
        Split | None,
        typer.Option(help="Split whose classes are used (default: test, if the data have splits)."),
    ] = None
    groups: Annotated[
        Groups,
        typer.Option(
            help="Groups (recordings or persons) that support and query must not share.",
        ),
    ] = "auto"
    dataset: Dataset = None


@dataclass(frozen=True, kw_only=True)
class EpisodeOptions(OptionGroup):
    """Options that describe episodes; None means that nothing was requested."""

    heading: ClassVar[str] = "Episodes"

    ways: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Number of classes of an episode (default: 5)."),
    ] = None
    shots: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of support videos of each class (default: 1)."
        ),
    ] = None
    queries: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of query videos of each class (default: 1)."),
    ] = None
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of episodes (default: 10000).")
    ] = None
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Seed of the draw (default: 0).")
    ] = None

    @property
    def requested(self) -> dict[str, int]:
        """Options that were requested, by name."""
        names = ("ways", "shots", "queries", "count", "seed")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


@with_option_groups
def episodes(
    data: Annotated[str, typer.Argument(help=DATA, callback=early.data)],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File for the episodes.",
            callback=early_outputs.file_of_option,
        ),
    ],
    videos: DataOptions,
    size: EpisodeOptions,
    benchmark: BenchmarkOptions,
    overwrite: Overwrite = False,
) -> None:
    """Draw episodes and save them.

    The same options give the same episodes on every machine.
    """
    inputs = [data, benchmark.splits, benchmark.availability]
    early_outputs.output_files(output, overwrite=overwrite, inputs=inputs)
    from fewact.evaluation import EpisodeConfig, open_videos
    from fewact.evaluation.episodes import draw, save

    config = data_config(data, videos, benchmark)
    found, _ = open_videos(config)
    groups = found.groups if config.groups == "auto" else config.groups
    drawn = draw(found, EpisodeConfig(**size.requested).protocol(groups))
    save(drawn, output)
    say(f"Drawn from {len(found.videos)} videos of {len(found.classes)} classes of {found.name}")
    print(f"{drawn.digest}  {output}")


def data_config(
    data: str, videos: DataOptions, benchmark: BenchmarkOptions, *, store: Path | None = None
) -> "DataConfig":
    """Return the configuration of the data that the command line requests."""
    from fewact.evaluation import DataConfig

    return DataConfig(
        source=data,
        split=videos.split,
        groups=videos.groups,
        dataset=videos.dataset,
        store=store,
        **vars(benchmark),
    )
