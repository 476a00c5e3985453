"""Results on stdout: aligned tables, JSON, CSV."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any


class ListFormat(StrEnum):
    """How a list is written: for people, or as JSON for programs."""

    TABLE = "table"
    JSON = "json"


class Columns:
    """Rows of text in columns that are aligned before all rows are known.

    Args:
        header: Names of the columns.
        widest: For each column but the last, the texts that may stand in it, or the longest.
    """

    def __init__(self, header: Sequence[str], *widest: Iterable[str]) -> None:
        from rich.cells import cell_len

        self._width = cell_len
        self._header = header
        self._widths = [
            max((cell_len(text) for text in (name, *texts)), default=0)
            for name, texts in zip(header, widest, strict=False)
        ]

    def print_header(self) -> None:
        """Write the names of the columns, bold on a terminal."""
        from rich.console import Console

        line = self._line(self._header)
        Console().print(line, style="bold", markup=False, highlight=False, soft_wrap=True)

    def print(self, *cells: str) -> None:
        """Write one row, in one line whatever a name holds."""
        print(self._line([_printable(cell) for cell in cells]), flush=True)

    def _line(self, cells: Sequence[str]) -> str:
        *first, last = cells
        padded = (
            cell + " " * (width - self._width(cell))
            for cell, width in zip(first, self._widths, strict=True)
        )
        return "  ".join((*padded, last)).rstrip()


def _printable(text: str) -> str:
    """Line breaks and what would steer a terminal, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table of which all rows are known."""
    columns = Columns(header, *list(zip(*rows, strict=True))[:-1])
    columns.print_header()
    for row in rows:
        columns.print(*row)


def print_json(value: Any) -> None:
    """Write a value as indented JSON; signs of other scripts stay legible."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)
