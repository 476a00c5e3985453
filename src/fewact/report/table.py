"""Tables as text, CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from fewact.text_table import WIDTH, markdown_text, printable, text_table

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


def render(table: Table, format: TableFormat, width: int = WIDTH) -> str:
    """Return the text of a table, with a line break at the end of each line.

    Args:
        table: Table.
        format: Format; LaTeX needs the package booktabs.
        width: Largest number of columns of a table as text; longer cells are wrapped.

    >>> print(render(Table(("method", "1 shot"), (("a", "50.0"),)), TableFormat.MARKDOWN), end="")
    | method | 1 shot |
    |---|---|
    | a | 50.0 |
    """
    write: dict[TableFormat, Callable[[Table], str]] = {
        TableFormat.TABLE: partial(_text, width=width),
        TableFormat.CSV: _csv,
        TableFormat.MARKDOWN: _markdown,
        TableFormat.LATEX: _latex,
    }
    return write[format](table)


def _text(table: Table, width: int) -> str:
    title = f"{table.title}\n" if table.title else ""
    return title + text_table((table.header, *table.rows), width)


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((table.header, *table.rows))
    return text.getvalue()


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(markdown_text, cells))} |\n"

    title = f"**{markdown_text(table.title)}**\n\n" if table.title else ""
    rule = "|---" * len(table.header) + "|\n"
    return title + line(table.header) + rule + "".join(map(line, table.rows))


def _latex(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(printable(cell).translate(LATEX) for cell in cells) + " \\\\\n"

    title = f"% {printable(table.title)}\n" if table.title else ""
    return (
        f"{title}% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{'l' * len(table.header)}}}\n"
        f"\\toprule\n{line(table.header)}\\midrule\n{''.join(map(line, table.rows))}"
        f"\\bottomrule\n\\end{{tabular}}\n"
    )
