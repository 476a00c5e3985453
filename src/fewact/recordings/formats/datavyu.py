"""Events of Datavyu and OpenSHAPA: spreadsheets of columns with cells that have onset and offset.

A project (.opf) is a zip archive with the spreadsheet in ``db``; a .csv file is the spreadsheet.
"""

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fewact.core.text_table import printable
from fewact.data.files import first_few
from fewact.recordings.formats.account import note
from fewact.recordings.formats.event import EVENTS, Row

DATABASE: Final = "db"
"""Name of the spreadsheet in a project."""

COLUMN: Final = re.compile(
    r"(?P<name>.*?) \((?P<type>TEXT|NOMINAL|INTEGER|FLOAT|MATRIX|PREDICATE),(?:true|false),.*?\)"
    r"(?:-(?P<codes>.*))?"
)
CELL: Final = re.compile(
    r"(?P<onset>\d\d:\d\d:\d\d:\d\d\d),(?P<offset>\d\d:\d\d:\d\d:\d\d\d),(?P<value>.*)"
)
OTHER: Final = re.compile(r"#\d+\s*|\d+:[^,]*\|[A-Z]+")
"""Lines that are neither columns nor cells: the version, and names of queries."""


def is_datavyu(path: Path, text: str) -> bool:
    """Whether a text is a spreadsheet of Datavyu."""
    lines = text[:20_000].split("\n")
    return bool(re.match(r"#\d+\s*$", lines[0])) and any(map(COLUMN.match, lines[1:]))


def read_datavyu(path: Path, text: str) -> Iterator[Row]:
    """Yield the cells of all columns.

    The class is the value of a nominal column. In a column of several codes it is the column and
    its first code, such as ``walk m``; in others the column.
    """
    column, kind = "", ""
    codes: list[str] = []
    ignored = Counter[str]()
    continued = False
    for number, line in enumerate(text.splitlines(), start=1):
        if match := COLUMN.fullmatch(line):
            column, kind = match["name"], match["type"]
            codes = [code.partition("|")[0] for code in (match["codes"] or "").split(",")]
            if kind == "MATRIX" and len(codes) > 1:
                ignored[f"{column}: {first_few(codes[1:])}"] += 1
            elif kind in ("TEXT", "INTEGER", "FLOAT"):
                ignored[f"{column}: values"] += 1
        elif match := CELL.fullmatch(line):
            where = f'line {number}, column "{column}"'
            start, end = _seconds(match["onset"]), _seconds(match["offset"])
            if end == 0 < start:  # no offset was set
                end = start
            label = _label(column, kind, match["value"])
            yield where, {"label": label, "start": start, "end": end, "tier": column}
        elif line and not continued and not OTHER.fullmatch(line):
            fault = f"neither a column nor a cell: {printable(line[:40])}"
            yield f"line {number}", {"fault": fault}
        continued = line.endswith("\\")
    yield note(f"codes that are ignored: {first_few(ignored, 12)}" if ignored else "")


def _label(column: str, kind: str, value: str) -> str:
    if kind == "NOMINAL":
        return value or column
    if kind == "MATRIX":
        first = value.strip("()").partition(",")[0]
        return f"{column} {first}".strip()
    return column


def _seconds(text: str) -> float:
    hours, minutes, seconds, milliseconds = map(int, text.split(":"))
    return 3600 * hours + 60 * minutes + seconds + milliseconds / 1000


def archive_text(path: Path) -> str:
    """Return the spreadsheet of a project.

    Raises:
        DataError: The file is no archive, or has no spreadsheet, or too large a one.
    """
    with EVENTS.open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive, archive.open(DATABASE) as member:
                return EVENTS.decode(EVENTS.limited(member.read, str(path)), str(path))
        except (zipfile.BadZipFile, zlib.error, KeyError, OSError, RuntimeError) as error:
            EVENTS.refuse(path, f"not a project of Datavyu: {error}"[:200])
