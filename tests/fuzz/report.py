"""What a fuzzer found."""

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count as numbers
from pathlib import Path
from random import Random
from time import monotonic


@dataclass
class Report:
    """Outcomes of a fuzzer's cases, by name, and its defects.

    A defect is one line that says which seed and case gives it, what was done and what happened.
    Notes say what else was measured.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    notes: str = ""

    @property
    def cases(self) -> int:
        return self.outcomes.total()

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {number}" for name, number in self.outcomes.most_common())
        parts = (f"{self.cases} cases: {outcomes or 'none'}", f"{len(self.defects)} defects")
        return "; ".join((*parts, self.notes) if self.notes else parts)


def cases(seconds: float | None, count: int | None) -> Iterator[int]:
    """Yield the numbers of cases, until ``count`` of them or for ``seconds``."""
    if seconds is None and count is None:
        raise ValueError("a fuzzer needs an end: seconds or count")
    end = None if seconds is None else monotonic() + seconds
    for number in numbers():
        if number == count or (end is not None and monotonic() >= end):
            return
        yield number


def in_folder(
    attempt: Callable[[Random, Path, str, Report], None],
    seed: int,
    seconds: float | None,
    count: int | None,
) -> Report:
    """Run the cases of a fuzzer of files in a folder, without warnings.

    Args:
        attempt: Writes the files of a case in the folder, reads them and reports; its third
            argument is the name of the case.
        seed: Seed of the first case and of all others.
        seconds: Time for all cases; None for no limit.
        count: Number of cases; None for no limit.
    """
    report = Report()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in cases(seconds, count):
            attempt(Random(f"{seed} {number}"), Path(folder), f"seed {seed}, case {number}", report)
    return report
