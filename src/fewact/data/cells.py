"""Cells of tables: rows, separators and times, as spreadsheets and people write them."""

import csv
import io
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from fewact.core.errors import DataError

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


def delimiter_of(text: str, columns: Collection[str]) -> str:
    """Return the separator that gives most known columns in the first non-empty line.

    Of a line without a known column, the most frequent one: an error shows its cells. A guess from
    the rows could mistake a comma inside a file name for a separator.
    """
    header = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> tuple[int, int]:
        cells = header.replace('"', "").split(delimiter)
        names = {cell.strip().casefold() for cell in cells}
        return len(names & set(columns)), len(cells)

    return max(",;\t", key=known)


def is_number(text: str) -> bool:
    """Return whether a cell is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def seconds(text: str) -> float | None:
    """Return the seconds of "12.5", "1:12.5" or "1:01:12.5"; None if it is no time.

    A decimal comma is allowed.
    """
    match = TIME.fullmatch(text.replace(",", "."))
    if match is None:
        return None
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    colons = text.count(":")
    if (colons and rest >= 60) or (colons == 2 and minutes >= 60):
        return None
    return 3600 * hours + 60 * minutes + rest
