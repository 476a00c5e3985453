"""Tables as text, CSV, Markdown and LaTeX."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from fewact.core.text_table import (
    GAP,
    TIED,
    WIDTH,
    column_widths,
    csv_line,
    markdown_text,
    printable,
    text_table,
    tied,
)

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
        "|": r"\textbar{}",
        "<": r"$<$",
        ">": r"$>$",
        "▸": r"$\triangleright$",
        TIED: "~",
    }
)
"""Replacements for LaTeX's special characters and for characters missing in old fonts."""

OPTION = re.compile(r"\A[*[]")
"""Start of a row that LaTeX would take for an option of the command before it."""

DASH = re.compile("-(?=-)")

NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")
"""Sign of a negative number, which LaTeX would print as a hyphen."""

LATEX_WIDTH, SMALL_WIDTH = 64, 72
"""Characters of a row that fit a page of the class article, as it is and in ``\\footnotesize``, if
one has half an em."""

LONG = 30
"""Number of rows from which on a table in LaTeX continues on the next page."""


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
        copied_names: Whether the first column has names that are copied: as text it is not wrapped.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    copied_names: bool = True


def render(table: Table, format: TableFormat, width: int = WIDTH) -> str:
    """Return the text of a table, with a line break at the end of each line.

    Args:
        table: Table.
        format: Format; LaTeX needs the packages array, booktabs and longtable.
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
    lines = (table.header, *table.rows)
    return title + text_table(lines, width, copied_names=table.copied_names)


def _csv(table: Table) -> str:
    return "".join(map(csv_line, (table.header, *table.rows)))


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(markdown_text, cells))} |\n"

    title = f"**{markdown_text(table.title)}**\n\n" if table.title else ""
    rule = "|---" * len(table.header) + "|\n"
    return title + line(table.header) + rule + "".join(map(line, table.rows))


def latex_notes(notes: Sequence[str]) -> str:
    """Return paragraphs for notes below a table in LaTeX; a line may break in paths."""

    def text(note: str) -> str:
        return (
            _latex_text(printable(note))
            .replace("/", r"/\allowbreak{}")
            .replace(r"\_", r"\_\allowbreak{}")
        )

    lines = "".join(f"\\noindent {text(note)}\\par\n" for note in notes)
    return f"{{\\footnotesize\\raggedright\n{lines}}}\n" if notes else ""


def _latex_text(text: str) -> str:
    """Return a text escaped for LaTeX, which would print two hyphens as a dash."""
    return DASH.sub("-{}", text.translate(LATEX))


def _latex(table: Table) -> str:
    """Return a table that fits a page: in small print and with wrapped cells if it is wide."""
    cells = tied((table.header, *table.rows))
    single, wrapped = column_widths(cells, sys.maxsize), column_widths(cells, SMALL_WIDTH)
    columns = "".join(
        "l" if narrow == wide else rf">{{\raggedright\arraybackslash}}p{{{narrow / 2:g}em}}"
        for narrow, wide in zip(wrapped, single, strict=True)
    )

    def line(row: Sequence[str]) -> str:
        minus = (NEGATIVE.sub("−", cell) for cell in row)
        text = " & ".join(map(_latex_text, minus))
        return OPTION.sub(r"{\g<0>}", text) + " \\\\\n"

    title = f"% {printable(table.title)}\n" if table.title else ""
    name, head = ("longtable", "\\endhead\n") if len(table.rows) > LONG else ("tabular", "")
    text = (
        f"\\begin{{{name}}}{{{columns}}}\n\\toprule\n{line(cells[0])}\\midrule\n{head}"
        f"{''.join(map(line, cells[1:]))}\\bottomrule\n\\end{{{name}}}\n"
    )
    if sum(single) + GAP * (len(single) - 1) > LATEX_WIDTH:
        text = f"{{\\footnotesize\n{text}}}\n"
    return f"{title}% \\usepackage{{array,booktabs,longtable}}\n{text}"
