"""Results on stdout, in aligned tables, JSON, CSV, Markdown or LaTeX; progress on stderr."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.core.text_table import WIDTH, printable, printed_json, text_table

if TYPE_CHECKING:
    from fewact.report import Table, TableFormat


ListFormat = Literal["table", "json"]
"""Format of a list."""

ResultFormat = Literal["table", "json", "csv", "markdown", "latex"]
"""Format of results."""

ListOutputFormat = Annotated[ListFormat, typer.Option("--format", help="Format of the output.")]
OutputFormat = Annotated[ResultFormat, typer.Option("--format", help="Format of the output.")]


class Columns:
    """Rows of text in columns whose widths are known before the rows.

    Args:
        header: Names of the columns.
        widest: For each column but the last, texts among which the widest decides the width.
    """

    def __init__(self, header: Sequence[str], *widest: Iterable[object]) -> None:
        from rich.cells import cell_len

        self._width = cell_len
        self._header = header
        self._widths = [
            max((cell_len(str(text)) for text in (name, *texts)), default=0)
            for name, texts in zip(header, widest, strict=False)
        ]

    def print_header(self) -> None:
        """Write the names of the columns, bold on a terminal."""
        typer.secho(self._line(self._header), bold=True)

    def print(self, *cells: object) -> None:
        """Write one row on one line; classes may be integers."""
        print(self._line([printable(str(cell)) for cell in cells]), flush=True)

    def _line(self, cells: Sequence[str]) -> str:
        *first, last = cells
        padded = (
            cell + " " * (width - self._width(cell))
            for cell, width in zip(first, self._widths, strict=True)
        )
        return "  ".join((*padded, last)).rstrip()


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; cells are wrapped so that it fits the terminal, or 100 columns."""
    lines = text_table((header, *rows), text_width()).splitlines()
    typer.secho(lines[0], bold=True)
    for line in lines[1:]:
        print(line)
    sys.stdout.flush()


def print_line(text: str) -> None:
    """Write one line; line breaks and control characters, which names may have, as escapes."""
    print(printable(text))


def text_width() -> int:
    """Return the number of columns of the terminal, or 100 if stdout is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def print_json(value: Any) -> None:
    """Write a value as indented JSON; other scripts are not escaped."""
    print(printed_json(value, indent=2), flush=True)


def print_result_tables(tables: Sequence["Table"], format: "TableFormat") -> None:
    """Write tables with an empty line between them."""
    from fewact.report import render

    width = text_width()
    print("\n".join(render(table, format, width) for table in tables), end="")


Show = Callable[..., None]
"""Shows the numbers of finished steps and of all steps, with another label if one follows."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Show]:
    """Show a progress bar.

    Args:
        what: Label on the left of the bar.
        quiet: Whether to show nothing. Nothing is shown either if stderr is not a terminal.

    Yields:
        Function to call after each step.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, label=None: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # Results on the same terminal are written above the bar; a pipe is not redirected.
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, label=None: bar.update(
            task, completed=done, total=total, description=label or what
        )
