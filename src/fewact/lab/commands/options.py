"""Options and arguments that commands of the lab share."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from fewact.cli.command import SpecOptions
from fewact.core.errors import DataError
from fewact.core.options import option_descriptions
from fewact.core.paths import similar_name, user_path
from fewact.lab.evaluation.spec import DataSpec
from fewact.networks import TextSpec

SOURCES = (
    "name of a benchmark, motions or motions:PRESET, folder with one subfolder of clips per class"
)
TABLE = "CSV table with the columns path,label[,split][,group]"
VIDEOS = f"Videos: {SOURCES}, or {TABLE}."
DATA = f"Videos or features: {SOURCES}, {TABLE}, or .npz file of features."


def check_data(name: str) -> str:
    """Check that there is the folder or file, or the benchmark, that names data."""
    path = user_path(name, DataError)
    if path.exists():
        return name
    if "/" in name or os.sep in name or path.suffix.lower() in (".npz", ".csv", ".tsv"):
        raise DataError("no such folder or file", where=name, hint=similar_name(path))
    if name.partition(":")[0] == "motions":
        from fewact import synthetic

        synthetic.named(name)
    else:
        from fewact.lab.benchmarks.benchmarks import benchmark_of_data

        benchmark_of_data(name)
    return name


def complete_benchmarks(incomplete: str) -> list[str]:
    """Return the benchmarks whose names begin so, for the shell."""
    from fewact.lab.benchmarks.benchmarks import benchmark_names

    return [name for name in benchmark_names() if name.startswith(incomplete)]


Split = Literal["train", "val", "test", "all"]
"""Split of the data; ``all`` for all classes."""

Splits = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help=option_descriptions(DataSpec)["splits"].replace('"', "")),
]

Text = Annotated[TextSpec, SpecOptions("Class names (for methods that use text)")]
"""Text encoder and prompts."""
