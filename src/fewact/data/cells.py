"""Cells of tables: rows, numbers and times, as spreadsheets and people write them."""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

from fewact.core.errors import DataError

LONGEST_HEADER = 1 << 20
"""Number of characters of the longest header that is looked at."""

EMPTY = ' \t\u00a0,;|"'
"""Characters of a line without text in a cell."""

LINE = re.compile(r"[^\r\n]+")
TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)


def table_rows(table: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line number and the stripped cells of each row that is not empty.

    Raises:
        DataError: A row is no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"invalid row: {error}", where=f"{table}, line {line}") from None
        if any(cells):
            yield line, cells


def header_line(text: str) -> str:
    """Return the first line that is not empty; empty if there is none."""
    first = re.search(r"\S", text)
    if first is None:
        return ""
    begin = max(text.rfind(end, 0, first.start()) for end in "\r\n") + 1
    return re.split(r"[\r\n]", text[begin : first.start() + LONGEST_HEADER], maxsplit=1)[0]


def first_lines(text: str, count: int) -> list[str]:
    r"""Return the first lines that have more than separators.

    >>> first_lines("a\n\r\n;;\nb;c\n", 5)
    ['a', 'b;c']
    """
    lines: list[str] = []
    for match in LINE.finditer(text):
        if len(lines) == count:
            break
        if match[0].strip(EMPTY):
            lines.append(match[0][:LONGEST_HEADER])
    return lines


def number(text: str) -> float | None:
    """Return the finite number in a cell; None if it has none. A decimal comma is allowed.

    >>> number("2,5"), number("1e3"), number("nan"), number("")
    (2.5, 1000.0, None, None)
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def seconds(text: str) -> float | None:
    """Return the seconds of "12.5", "1:12.5" or "1:01:12.5"; None if it is no time.

    A decimal comma is allowed.
    """
    match = TIME.fullmatch(text.replace(",", "."))
    if match is None:
        return None
    hours, minutes, remainder = (float(part or 0) for part in match.groups())
    colons = text.count(":")
    if (colons and remainder >= 60) or (colons == 2 and minutes >= 60):
        return None
    return 3600 * hours + 60 * minutes + remainder
