"""What several benchmarks need: tables, files of arrays, features that can all be read."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import VideoError
from fewact.core.intervals import half_width
from fewact.core.workers import one_blas_core
from fewact.features.request import Features, Request
from fewact.lab.evaluation import Result
from fewact.lab.evaluation.comparison import check_same_episodes
from fewact.lab.store.sources import FeatureSource


def heading(*columns: str) -> str:
    """Return the first two lines of a table."""
    cells = "|".join(f" {column} " if column else " " for column in columns)
    return f"|{cells}|\n{'|---' * len(columns)}|"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(line(*cells) for cells in (head, ["---"] * len(head), *rows))


def line(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def accuracies_cell(values: Iterable[float]) -> str:
    """Return a cell of mean accuracies, by the number of shots."""
    return " / ".join(f"{value:.1f}" for value in values)


def interval_cell(value: float, half: float | None, format: str = ".1f") -> str:
    """Return a value and half of its 95 % interval."""
    return f"{value:{format}} ± {half or 0:.{format[-2]}f}"


def difference_cell(first: Result, second: Result) -> str:
    """Return the paired difference of two results on the same episodes."""
    check_same_episodes([first, second], None)
    values = np.array(first.per_episode) - np.array(second.per_episode)
    return interval_cell(float(values.mean()), half_width(values), "+.1f")


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file; it appears when it is complete."""
    new = file.with_suffix(".new.npz")
    np.savez(new, **arrays)  # type: ignore[arg-type]  # the stub takes them for allow_pickle, too
    new.replace(file)


def features_of(
    source: FeatureSource, positions: Sequence[int], requests: Sequence[Request]
) -> Iterator[Features]:
    """Yield the features of videos, one video after the other.

    Raises:
        VideoError: A video cannot be read.
    """
    for found in source.features(positions, requests):
        if isinstance(found, VideoError):
            raise found
        yield found


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Let the core of fewact use so many threads inside of ``with``, or in a function."""
    blas = one_blas_core() if count == 1 else nullcontext()
    with patch.dict(os.environ, OMP_NUM_THREADS=str(count)), blas:
        yield
