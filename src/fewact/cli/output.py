"""Results on stdout: aligned tables, JSON, CSV, Markdown, LaTeX."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fewact.report import Table


class ListFormat(StrEnum):
    """Format of a list."""

    TABLE = "table"
    JSON = "json"


class ResultFormat(StrEnum):
    """Format of results."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


ListOutputFormat = Annotated[ListFormat, typer.Option("--format", help="Format of the output.")]
OutputFormat = Annotated[ResultFormat, typer.Option("--format", help="Format of the output.")]


class Columns:
    """Rows of text in columns whose widths are known before the rows.

    Args:
        header: Names of the columns.
        widest: For each column but the last, texts among which the widest decides the width.
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
        """Write one row on one line."""
        print(self._line([_printable(cell) for cell in cells]), flush=True)

    def _line(self, cells: Sequence[str]) -> str:
        *first, last = cells
        padded = (
            cell + " " * (width - self._width(cell))
            for cell, width in zip(first, self._widths, strict=True)
        )
        return "  ".join((*padded, last)).rstrip()


def _printable(text: str) -> str:
    """Return a text with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table."""
    columns = Columns(header, *list(zip(*rows, strict=True))[:-1])
    columns.print_header()
    for row in rows:
        columns.print(*row)


def print_json(value: Any) -> None:
    """Write a value as indented JSON; other scripts are not escaped."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def print_result_tables(tables: Sequence["Table"], format: ResultFormat) -> None:
    """Write tables in any format but JSON, with an empty line between them."""
    from fewact.report import TableFormat, render

    print("\n".join(render(table, TableFormat(format.value)) for table in tables), end="")
