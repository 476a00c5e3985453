"""Tables as text that fits a number of columns, lines of CSV; names as text and in Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 100
"""Number of columns of a table as text, where the terminal does not say more."""

GAP = 2
"""Number of spaces between columns."""

TIED = "\ue000"
"""Stands for a space where no line may break: around ±."""

NARROWEST = 6
"""Width of a column that loses no more characters."""

READABLE = 12
"""Width of a column whose words are worth splitting."""

PUNCTUATION = re.compile("[/_=:,;-]")
"""Characters after which a word that is too long is broken."""

ROWS = 50
"""Number of rows that decide the widths of the columns."""

MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~!&"})
"""Characters that Markdown would take for its own, escaped."""


def text_table(
    lines: Sequence[Sequence[str]], width: int = WIDTH, *, copied_names: bool = True
) -> str:
    """Return rows of cells as aligned text; long cells are wrapped.

    Args:
        lines: Rows, of equally many cells.
        width: Largest number of columns.
        copied_names: Whether the first column has names that are copied: it is not wrapped.

    >>> print(text_table([("method", "1 shot"), ("a", "50.0")]), end="")
    method  1 shot
    a       50.0
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = tied(lines)
    grid = Table.grid(padding=(0, GAP))
    widths = column_widths(cells, width, copied_names=copied_names)
    for number, size in enumerate(widths):
        grid.add_column(overflow="fold", no_wrap=number == 0 and copied_names, width=size)
    for line in cells:
        grid.add_row(*(Text(_broken(cell, size)) for cell, size in zip(line, widths, strict=True)))
    text = io.StringIO()
    width = max(width, sum(widths) + GAP * (len(widths) - 1))
    Console(file=text, width=width, color_system=None, legacy_windows=False).print(grid)
    printed = text.getvalue().replace(TIED, " ")
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def tied(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows of cells, each on one line, in which no line may break around ±."""
    return [[printable(cell).replace(" ± ", f"{TIED}±{TIED}") for cell in line] for line in lines]


def _broken(cell: str, width: int) -> str:
    """Return a cell in which words that are too long are on several lines; see ``_pieces``."""
    return " ".join("\n".join(_pieces(word, width)) for word in cell.split(" "))


def _pieces(word: str, width: int) -> Iterator[str]:
    """Yield parts of a word that are short enough, each up to the last punctuation, if any."""
    while len(word) > width:
        end = max((match.end() for match in PUNCTUATION.finditer(word, 0, width)), default=width)
        yield word[:end]
        word = word[end:]
    yield word


def column_widths(
    lines: Sequence[Sequence[str]], width: int, *, copied_names: bool = True
) -> list[int]:
    """Return widths of the columns that fit, for a table of few lines.

    Columns begin as wide as their longest cell. While the table is too wide, the column loses a
    character whose loss adds the fewest lines. Where only split words are left, the widest does.
    The first column keeps its width if names in it are copied. Where a long one leaves no width for
    the others, no row is broken, and the table is wider.
    """
    from rich.cells import cell_len

    columns = [
        [[cell_len(word) for word in cell.split()] for cell in column]
        for column in zip(*lines, strict=True)
    ]
    widths = [max(1, *(sum(cell) + len(cell) - 1 for cell in column)) for column in columns]
    words = [max(1, *(max(cell, default=0) for cell in column)) for column in columns]
    first = [column[:ROWS] for column in columns]
    heights = [
        [_height(cell, size) for cell in column] for column, size in zip(first, widths, strict=True)
    ]

    def lines_without(number: int) -> tuple[int, int]:
        shorter = [_height(cell, widths[number] - 1) for cell in first[number]]
        others = (x for i, x in enumerate(heights) if i != number)
        return sum(map(max, zip(shorter, *others, strict=True))), -widths[number]

    gaps = GAP * (len(widths) - 1)
    needed = widths[0] + gaps + sum(min(length, READABLE) for length in words[1:])
    if copied_names and needed > width and widths[0] > width / 2:
        return widths
    while sum(widths) + gaps > width:
        wrapped = range(1 if copied_names else 0, len(widths))
        splittable = [i for i in wrapped if widths[i] > NARROWEST]
        if between := [i for i in wrapped if widths[i] > words[i]]:
            chosen = min(between, key=lines_without)
        elif splittable:
            chosen = max(splittable, key=lambda i: widths[i])
        else:
            break
        widths[chosen] -= 1
        heights[chosen] = [_height(cell, widths[chosen]) for cell in first[chosen]]
    return widths


def _height(words: Sequence[int], width: int) -> int:
    """Return the number of lines of a cell, from the lengths of its words."""
    lines, used = 1, 0
    for length in words:
        if used and used + 1 + length > width:
            lines, used = lines + 1, length
        else:
            used += length + (used > 0)
        lines, used = lines + max(0, used - 1) // width, used and (used - 1) % width + 1
    return lines


def csv_line(cells: Iterable[object]) -> str:
    r"""Return a row as CSV, with a line break at its end.

    A cell with a carriage return is quoted, too: Python quotes only the characters with which a
    line ends, and readers end a line at either.

    >>> csv_line(["a", "b,c", "d\re"])
    'a,"b,c","d\re"\n'
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def printable(text: str) -> str:
    """Return a text on one line, with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def markdown_text(text: str) -> str:
    r"""Return a text on one line, escaped so that Markdown shows it unchanged.

    >>> print(markdown_text("a_b <c>"))
    a\_b \<c\>
    """
    return printable(text).translate(MARKDOWN)
