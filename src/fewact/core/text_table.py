"""Tables as text that fits a number of columns, lines of CSV; names as text and in Markdown."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 100
"""Default width of a table as text, in columns of a terminal."""

COLUMN_GAP = 2
"""Number of spaces between columns."""

READABLE = range(12, 21)
"""Limits of the smallest width of a column, in characters: its longest word within these limits."""

TIED = "\ue000"
"""Replaces a space where no line may break: around ±."""

JOINERS = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])")
"""Joiners and non-joiners between other characters, as in Persian words and in emoji."""

NOT_ASCII = re.compile(r"[^\n -~]")

MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~!&"})
"""Characters with a meaning in Markdown, escaped."""


def text_table(
    lines: Sequence[Sequence[str]], width: int = WIDTH, *, copied_names: bool = True
) -> str:
    """Return rows of cells as aligned text; long cells are wrapped at a width in columns.

    Names of the first column are copied from the terminal, so that they are not wrapped.

    >>> print(text_table([("method", "1 shot"), ("a", "50.0")]), end="")
    method  1 shot
    a       50.0
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = list(zip(*lines, strict=True))
    longest = [max(map(cell_len, column)) for column in columns]
    if copied_names and longest[0] > width / 2:  # no row is broken: the table is wider
        width = max(width, sum(longest) + COLUMN_GAP * len(longest))
    grid = Table.grid(padding=(0, COLUMN_GAP))
    for number, limit in enumerate(_widths(columns, longest, width, whole=copied_names)):
        grid.add_column(overflow="fold", max_width=limit, no_wrap=number == 0 and copied_names)
    for line in lines:
        cells = (printable(cell).replace(" ± ", f"{TIED}±{TIED}") for cell in line)
        grid.add_row(*map(Text, cells))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, legacy_windows=False).print(grid)
    printed = text.getvalue().replace(TIED, " ")
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def _widths(
    columns: Sequence[Sequence[str]], longest: Sequence[int], width: int, *, whole: bool
) -> list[int]:
    """Return the largest width of each column: long columns share the space by their text.

    Rich alone makes all long columns equally wide, so that a table of summaries has many lines.
    """
    words = [max(map(len, " ".join(column).split()), default=0) for column in columns]
    narrowest = [min(max(length, READABLE[0]), READABLE[-1]) for length in words]
    wrapped = set(range(int(whole), len(columns)))
    while wrapped:
        fixed = (size for number, size in enumerate(longest) if number not in wrapped)
        space = width - COLUMN_GAP * len(columns) - sum(fixed)
        text = {number: sum(map(len, columns[number])) + 1 for number in wrapped}
        shares = {number: space * size // sum(text.values()) for number, size in text.items()}
        short = {
            number
            for number in wrapped
            if longest[number] <= max(shares[number], narrowest[number])
        }
        if not short:
            return [max(shares.get(i, size), narrowest[i]) for i, size in enumerate(longest)]
        wrapped -= short
    return list(longest)


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


def printed_json(value: Any, indent: int | None = None) -> str:
    r"""Return a value as JSON for a terminal: what ``printable`` escapes has escapes of JSON.

    >>> printed_json("a\u202eb é"), json.loads(printed_json("a\u202eb é")) == "a\u202eb é"
    ('"a\\u202eb é"', True)
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    joiners = {match.start() for match in JOINERS.finditer(text)}

    def escaped(match: re.Match[str]) -> str:
        is_shown = match[0].isprintable() or match.start() in joiners
        return match[0] if is_shown else json.dumps(match[0])[1:-1]

    return NOT_ASCII.sub(escaped, text)


def is_printable(text: str) -> bool:
    r"""Return whether all characters are printable, or join others as in Persian words and emoji.

    >>> is_printable("می\u200cخورد"), is_printable("\u200cwave"), is_printable("a\u202eb")
    (True, False, False)
    """
    return text.isprintable() or JOINERS.sub("", text).isprintable()


def printable(text: str, keep: str = "") -> str:
    r"""Return a text on one line, with line breaks, controls and bidirectional marks escaped.

    Args:
        text: Text, such as the name of a file.
        keep: Characters that stay as they are.

    >>> printable("a\n\u202eb"), printable("می\u200cخورد") == "می\u200cخورد"
    ('a\\n\\u202eb', True)
    """
    if text.isprintable():
        return text
    joiners = {match.start() for match in JOINERS.finditer(text)}
    return "".join(
        c if c.isprintable() or i in joiners or c in keep else c.encode("unicode_escape").decode()
        for i, c in enumerate(text)
    )


def markdown_text(text: str) -> str:
    r"""Return a text on one line, escaped so that Markdown shows it unchanged.

    >>> print(markdown_text("a_b <c>"))
    a\_b \<c\>
    """
    return printable(text).translate(MARKDOWN)
