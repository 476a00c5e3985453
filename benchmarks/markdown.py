"""Markdown tables of the benchmarks' pages."""

from collections.abc import Sequence


def heading(*columns: str) -> str:
    """Return the first two lines of a table."""
    cells = "|".join(f" {column} " if column else " " for column in columns)
    return f"|{cells}|\n{'|---' * len(columns)}|"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
