"""What a fuzzer found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count as numbers
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
