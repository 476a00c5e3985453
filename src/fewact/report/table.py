"""Tables as text, CSV, Markdown and LaTeX."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fewact.core.text_table import WIDTH, csv_line, markdown_text, printable, text_table

LATEX = str.maketrans(
    {
        "±": r"$\pm$",
        "−": r"$-$",
        "×": r"$\times$",
        "²": r"$^2$",
        "…": r"\ldots{}",
        "|": r"\textbar{}",
        "▸": r"$\triangleright$",
    }
)
"""Replacements for characters that are missing in old fonts of LaTeX."""

OPTION = re.compile(r"^( *)([*[])", re.MULTILINE)
"""Start of a row that LaTeX would take for an option of the command before it."""

DASH = re.compile("-(?=-)")

NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")
"""Sign of a negative number, which LaTeX would print as a hyphen."""


TableFormat = Literal["table", "csv", "markdown", "latex"]
"""Format of a table; LaTeX needs the package booktabs."""


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
        format: Format.
        width: Largest number of columns of a table as text; longer cells are wrapped.

    >>> print(render(Table(("method", "1 shot"), (("a", "50.0"),)), "markdown"), end="")
    | method   | 1 shot   |
    |----------|----------|
    | a        | 50.0     |
    """
    lines = (table.header, *table.rows)
    if format == "csv":
        return "".join(map(csv_line, lines))
    if format == "table":
        title = f"{table.title}\n" if table.title else ""
        return title + text_table(lines, width, copied_names=table.copied_names)
    if format == "markdown":
        title = f"**{markdown_text(table.title)}**\n\n" if table.title else ""
        return title + _tabulated(table, "github", markdown_text)
    title = f"% {printable(table.title)}\n" if table.title else ""
    text = _tabulated(table, "latex_booktabs", lambda cell: NEGATIVE.sub("−", printable(cell)))
    body = OPTION.sub(r"\1{\2}", _latex_text(text))
    return f"{title}% \\usepackage{{booktabs}}\n{body}"


def _tabulated(table: Table, format: str, cell_text: Callable[[str], str]) -> str:
    from tabulate import tabulate

    rows = [list(map(cell_text, row)) for row in (table.header, *table.rows)]
    text: str = tabulate(rows[1:], rows[0], tablefmt=format, disable_numparse=True)
    return f"{text}\n"


def _latex_text(escaped: str) -> str:
    """Return LaTeX in which no line breaks around ±, and which prints no two hyphens as a dash."""
    return DASH.sub("-{}", escaped.replace(" ± ", "~±~").translate(LATEX))


def latex_notes(notes: Sequence[str]) -> str:
    """Return paragraphs for notes below a table in LaTeX; a line may break in paths."""
    from tabulate import LATEX_ESCAPE_RULES

    def text(note: str) -> str:
        escaped = "".join(LATEX_ESCAPE_RULES.get(c, c) for c in printable(note))
        return (
            _latex_text(escaped).replace("/", r"/\allowbreak{}").replace(r"\_", r"\_\allowbreak{}")
        )

    lines = "".join(f"\\noindent {text(note)}\\par\n" for note in notes)
    return f"{{\\footnotesize\\raggedright\n{lines}}}\n" if notes else ""
