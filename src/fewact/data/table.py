"""Tables of clips: text files with a header and one clip per row."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, did_you_mean
from fewact.core.paths import user_path
from fewact.data.clips import BACKGROUND, Clip, is_background
from fewact.data.files import first_few
from fewact.data.videos import (
    GroupScopeOption,
    Video,
    VideoList,
    check_splits,
    read_split,
    resolve_groups,
)

REQUIRED = ("path", "label")
COLUMNS = (*REQUIRED, "start", "end", "group")
EXPECTED = "a header with path and label; optional: start, end and group"
TABLE = FileType(
    "table",
    DataError,
    256 * MIB,
    EXPECTED,
    'In a spreadsheet, save it as "CSV UTF-8". Features are read from an .npz file.',
)
SHOWN = 40
"""Characters of a cell that an error quotes."""
TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)


def is_table(path: str | Path) -> bool:
    """Return whether a path has the extension of a table."""
    return Path(path).suffix.lower() in (".csv", ".tsv")


def read_table(path: str | Path, *, background: bool = False) -> list[Clip]:
    """Return the clips of a table with the columns path and label.

    Optional columns are start, end and group; others are ignored. Cells are separated by commas,
    semicolons or tabs; the text is UTF-8. Relative paths start at the table's folder. Times are in
    seconds, ``mm:ss`` or ``hh:mm:ss``; an empty time means the start or end of the file. Rows with
    the label ``none`` belong to no class. A missing file raises an error when it is read, or here
    if all files are missing.

    Args:
        path: Table.
        background: Return the clips of no class instead of those of classes.

    Raises:
        DataError: The table does not exist or has no clips, or a row is invalid; the message says
            its line and column.
    """
    return [clip for clip, _ in read_rows(path, background=background)]


def read_rows(
    path: str | Path, columns: Sequence[str] = COLUMNS, *, background: bool = False
) -> list[tuple[Clip, dict[str, str]]]:
    """Return the clips of a table, see ``read_table``, each with the cells of its row.

    Args:
        path: Table.
        columns: Columns to read.
        background: Return the clips of no class instead of those of classes.

    Raises:
        DataError: As for ``read_table``.
    """
    table = user_path(path, DataError)
    rows: list[tuple[Clip, dict[str, str]]] = []
    lines: dict[Clip, int] = {}
    for line, row in _rows(table, TABLE.text(table), columns):
        where = f"{table}, line {line}"
        clip = _clip(table.parent, where, row)
        segment = Clip(clip.path, start=clip.start, end=clip.end)
        if segment in lines:
            raise DataError(
                f"the same clip as in line {lines[segment]}",
                where=where,
                got=row["path"],
                expected="each segment of a file once",
            )
        lines[segment] = line
        rows.append((clip, row))
    if not rows:
        raise DataError("the table lists no clips", where=str(table), expected=EXPECTED)
    if not any(clip.path.exists() for clip, _ in rows):
        raise DataError(
            "none of the table's clips exist",
            where=str(table),
            got=f"first clip: {rows[0][0].path}",
            hint="Relative paths start at the table's folder.",
        )
    return [(clip, row) for clip, row in rows if is_background(clip.label or "") == background]


def _rows(table: Path, text: str, readable: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield for each row its first line number and its stripped cells by column."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text, readable), strict=True
    )
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        where = f"{table}, line {line}"
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            raise DataError(f"invalid row: {error}", where=where) from None
        if not any(cells):
            continue
        if columns is None:
            columns = check_header(where, cells, readable)
            continue
        if any(cells[len(columns) :]):
            raise DataError(
                "more cells than columns",
                where=where,
                got=str(len(cells)),
                expected=str(len(columns)),
                hint="Put a cell that contains a separator into double quotes.",
            )
        row = dict(zip(columns, cells, strict=False))
        yield line, {column: row.get(column, "") for column in readable}
    if columns is None:
        raise DataError("the table is empty", where=str(table), expected=EXPECTED)


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """Return the separator that gives most known columns in the first non-empty line.

    A guess from the rows could mistake a comma inside a file name for a separator.
    """
    header = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> int:
        cells = header.replace('"', "").split(delimiter)
        return len({cell.strip().casefold() for cell in cells} & set(columns))

    return max(",;\t", key=known)


def check_header(
    where: str,
    cells: Sequence[str],
    readable: Sequence[str],
    *,
    required: Sequence[str] = REQUIRED,
    expected: str = EXPECTED,
) -> list[str]:
    """Return the names of a table's columns in lower case.

    Args:
        where: Place of the header, for errors.
        cells: Cells of the header.
        readable: Names of the columns that are read.
        required: Those of them that the table must have.
        expected: Description of the columns, for errors.

    Raises:
        DataError: A required column is missing, a name looks like that of a missing column, or two
            columns have the same name.
    """
    columns = [cell.casefold() for cell in cells]
    for name in required:
        if name not in columns:
            near = next((c for c in columns if c not in readable and did_you_mean(name, [c])), "")
            raise DataError(
                f'there is no column "{name}"',
                where=where,
                got=first_few(cell[:SHOWN] for cell in cells),
                expected=expected,
                hint=f'Rename the column "{near}".' if near else "",
            )
    absent = [column for column in readable if column not in columns]
    for column in columns:
        if column in readable and columns.count(column) > 1:
            raise DataError(f'two columns have the name "{column}"', where=where)
        # A misspelt column would be ignored, and full files used instead of segments.
        for name in absent:
            if column.startswith(name) or did_you_mean(column, [name]):
                raise DataError(
                    f'unknown column "{column}"',
                    where=where,
                    expected=expected,
                    hint=f'Did you mean "{name}"? Rename the column.',
                )
    return columns


def _clip(folder: Path, where: str, row: dict[str, str]) -> Clip:
    for required in REQUIRED:
        if not row[required]:
            raise DataError("the cell is empty", where=f'{where}, column "{required}"')
    start, end = (_seconds(f'{where}, column "{c}"', row[c]) for c in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DataError(
            "the clip ends before it starts",
            where=f'{where}, column "end"',
            got=f"{row['start'] or '0'} to {row['end']}",
        )
    path = folder / user_path(row["path"], DataError)
    if "\\" in row["path"] and not path.exists():  # a table written on Windows
        path = folder / row["path"].replace("\\", "/")
    label = unicodedata.normalize("NFC", row["label"])
    if not label.isprintable():
        raise DataError(
            "not a class name",
            where=f'{where}, column "label"',
            got=repr(label),
            expected="printable text",
            hint=f'Use "{BACKGROUND}" for clips of no class.',
        )
    return Clip(path, label, start, end, row["group"] or None)


def _seconds(where: str, text: str) -> float | None:
    """Return the seconds of "12.5", "1:12.5" or "1:01:12.5"; a decimal comma is allowed."""
    if not text:
        return None
    match = TIME.fullmatch(text.replace(",", "."))
    if match is not None:
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        colons = text.count(":")
        if (colons < 1 or seconds < 60) and (colons < 2 or minutes < 60):
            return 3600 * hours + 60 * minutes + seconds
    raise DataError(
        "not a time", where=where, got=text, expected="seconds, mm:ss or hh:mm:ss, such as 1:02.5"
    )


class TableDataset:
    """Table with the columns path and label; optional: split, group, start and end.

    Ids are the paths as written in the table, with the start and end of a segment.

    Args:
        table: Table, see ``read_table``.
        groups: Scope of the group names, or ``auto``, see ``resolve_groups``.

    Attributes:
        videos: List of the clips.

    Raises:
        DataError: As for ``read_table``; a split is unknown; only some clips have a split or a
            group.
    """

    videos: VideoList

    def __init__(self, table: str | Path, *, groups: GroupScopeOption = "auto") -> None:
        file = user_path(table, DataError)
        videos = []
        for clip, row in read_rows(file, (*COLUMNS, "split")):
            id = row["path"]
            if clip.start is not None or clip.end is not None:
                id += f"#{row['start']}-{row['end']}"
            split = read_split(row["split"], where=f"{file}, {id}")
            videos.append(Video(id, clip.label or "", split, clip.group, clip))
        check_splits(videos, where=str(file))
        scope = resolve_groups(videos, groups, where=str(file))
        self.videos = VideoList(file.stem, tuple(videos), scope)
