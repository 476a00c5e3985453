"""Tables as text that fits a number of columns; names as text and in Markdown."""

import io
from collections.abc import Sequence

WIDTH = 100
"""Number of columns of a table as text, where the terminal does not say more."""

MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~!&"})
"""Characters that Markdown would take for its own, escaped."""


def text_table(lines: Sequence[Sequence[str]], width: int = WIDTH) -> str:
    """Return rows of cells as aligned text; long cells are wrapped, but not in the first column.

    Args:
        lines: Rows, of equally many cells.
        width: Largest number of columns.

    >>> print(text_table([("method", "1 shot"), ("a", "50.0")]), end="")
    method  1 shot
    a       50.0
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for number in range(len(lines[0])):
        grid.add_column(overflow="fold", no_wrap=number == 0)  # names are copied
    for line in lines:
        grid.add_row(*(Text(printable(cell)) for cell in line))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, legacy_windows=False).print(grid)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def printable(text: str) -> str:
    """Return a text on one line, with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def markdown_text(text: str) -> str:
    r"""Return a text on one line, escaped so that Markdown shows it unchanged.

    >>> print(markdown_text("a_b <c>"))
    a\_b \<c\>
    """
    return printable(text).translate(MARKDOWN)
