"""Tables as text, CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "±": r"$\pm$",
        "−": r"$-$",
        "×": r"$\times$",
        "²": r"$^2$",
        "…": r"\ldots{}",
        "<": r"$<$",
        ">": r"$>$",
    }
)
"""Replacements for LaTeX's special characters and for characters missing in old fonts."""


class TableFormat(StrEnum):
    """Format of a table."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


@dataclass(frozen=True)
class Table:
    """Table of text.

    Args:
        header: Names of the columns.
        rows: Cells of each row, one for each column.
        title: Title; empty for none.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


def render(table: Table, format: TableFormat) -> str:
    """Return the text of a table, with a line break at the end of each line.

    >>> print(render(Table(("method", "1 shot"), (("a", "50.0"),)), TableFormat.MARKDOWN), end="")
    | method | 1 shot |
    |---|---|
    | a | 50.0 |
    """
    write = {
        TableFormat.TABLE: _text,
        TableFormat.CSV: _csv,
        TableFormat.MARKDOWN: _markdown,
        TableFormat.LATEX: _latex,
    }[format]
    return write(table)


def _text(table: Table) -> str:
    from rich.cells import cell_len

    lines = [table.header, *([_printable(cell) for cell in row] for row in table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    title = f"{table.title}\n" if table.title else ""
    return title + "".join(
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((table.header, *table.rows))
    return text.getvalue()


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        escaped = (_printable(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(escaped)} |\n"

    title = f"**{table.title}**\n\n" if table.title else ""
    rule = "|---" * len(table.header) + "|\n"
    return title + line(table.header) + rule + "".join(map(line, table.rows))


def _latex(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(_printable(cell).translate(LATEX) for cell in cells) + " \\\\\n"

    title = f"% {_printable(table.title)}\n" if table.title else ""
    return (
        f"{title}\\begin{{tabular}}{{{'l' * len(table.header)}}}\n\\hline\n{line(table.header)}"
        f"\\hline\n{''.join(map(line, table.rows))}\\hline\n\\end{{tabular}}\n"
    )


def _printable(text: str) -> str:
    """Return a cell's text on one line, with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
