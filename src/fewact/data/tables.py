"""Tables of clips, with a header and one clip per row; and clips in files of other programs."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, SkippedWarning, warn
from fewact.core.paths import user_path
from fewact.core.registry import Registry
from fewact.data.cells import number, seconds
from fewact.data.clips import BACKGROUND, Clip, as_box, is_background
from fewact.data.columns import Column, Schema, rows_of
from fewact.data.event_options import EventOptions
from fewact.data.files import TABLE_SUFFIXES, first_few, timeline_or_none

if TYPE_CHECKING:
    from fewact.video.track import Box

SIDES: Final = ("x", "y", "w", "h")
"""Columns of a box: left, top, width and height, in pixels."""

CLIPS_EXPECTED = (
    "a header with path and label; optional: start, end, group, subject, and box, or x, y, w and h"
)
BOX_CELL_EXPECTED = (
    "left, top, width and height in pixels of the picture as displayed, such as 310,80,90,200; or "
    "in the column box a table of boxes with frame, id, x, y, w and h"
)
CLIP_TABLE = FileType(
    "table",
    DataError,
    256 * MIB,
    CLIPS_EXPECTED,
    'In a spreadsheet, save it as "CSV UTF-8". Features are read from an .npz file.',
)
CLIP_COLUMNS: Final = Schema(
    (
        Column("path", required=True),
        Column("label", required=True),
        *map(Column, ("start", "end", "group", "box")),
        # Others may begin with names as common as these.
        *(Column(name, distinctive=False) for name in (*SIDES, "subject")),
    ),
    CLIPS_EXPECTED,
    refuses_misspelt=True,
)

CLIP_TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt")
"""Extensions of tables of clips; others may be files of other programs."""


class ClipReader(NamedTuple):
    """Reader of clips in files of other programs.

    Args:
        recognises: Returns whether it reads a file.
        read: Returns the clips of a file, and a sentence for each row that is skipped.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Path, EventOptions], tuple[list[Clip], list[str]]]


READERS: Final[Registry[ClipReader]] = Registry(
    "reader of clips", {"events": "fewact.recordings.formats.clips:EVENTS_AS_CLIPS"}
)


def is_table(path: str | Path) -> bool:
    """Return whether a path has the extension of a table, or of a file of events."""
    return Path(path).suffix.lower() in TABLE_SUFFIXES


def read_table(path: str | Path, *, background: bool = False) -> list[Clip]:
    """Return the clips of a table with the columns path and label.

    Optional columns are start, end and group. Where several people are in view, box, or x, y, w and
    h, say who is meant: in pixels; or box is a table of boxes, see ``read_tracks``, and subject the
    id there. Other columns are ignored. Cells are separated by commas, semicolons or tabs; the text
    is UTF-8. Relative paths start at the table's folder. Times are in seconds, ``mm:ss`` or
    ``hh:mm:ss``; an empty time means the start or end of the file. Rows with the label ``none``
    belong to no class. A missing file raises an error when it is read, or here if all files are
    missing. Files of events by other programs are read, too: their rows that cannot be used are
    skipped with a warning.

    Args:
        path: Table.
        background: Return the clips of no class, not the clips of classes.

    Raises:
        DataError: The table does not exist or has no clips, or a row is invalid.
    """
    rows = clips_and_cells(user_path(path, DataError), CLIP_COLUMNS)
    return [clip for clip, _ in rows if is_background(clip.label or "") == background]


def is_event_file(path: str | Path) -> bool:
    """Return whether a file has events of recordings, not a table of clips with path and label."""
    return READERS.get("events").recognises(Path(path))


def event_clips(
    path: str | Path, options: EventOptions | None = None
) -> tuple[list[Clip], list[str]]:
    """Return the clips of a file of events, and a sentence for each row that is skipped.

    A row is skipped if it names no existing video, or if its segment has several labels.

    Args:
        path: File of events.
        options: Choices where the file has several answers, such as the rater. With ``only``,
            other events are of the class ``not …``, unless this class is performed meanwhile.

    Raises:
        DataError: The file cannot be read, or no row can be used.
    """
    return READERS.get("events").read(user_path(path, DataError), options or EventOptions())


def clips_and_cells(table: Path, schema: Schema) -> list[tuple[Clip, dict[str, str]]]:
    """Return the clips of a table, of classes and of no class, each with its cells by column.

    Raises:
        DataError: As for ``read_table``.
    """
    text = CLIP_TABLE.text(table) if table.suffix.lower() in CLIP_TABLE_SUFFIXES else None
    is_clips = text is not None and CLIP_COLUMNS.fits(CLIP_COLUMNS.header(text))
    if not is_clips and is_event_file(table):
        clips, skipped = event_clips(table)
        for row in skipped:
            warn(f"skipped: {row}", SkippedWarning)
        rows = [(clip, _cells_of(clip, schema)) for clip in clips]
    else:
        rows = _clip_rows(table, CLIP_TABLE.text(table) if text is None else text, schema)
    if not rows:
        raise DataError("the table lists no clips", where=str(table), expected=CLIPS_EXPECTED)
    if not any(clip.path.exists() for clip, _ in rows):
        raise DataError(
            "none of the table's clips exist",
            where=str(table),
            got=f"first clip: {rows[0][0].path}",
            hint="Relative paths start at the table's folder.",
        )
    return rows


def _clip_rows(table: Path, text: str, schema: Schema) -> list[tuple[Clip, dict[str, str]]]:
    rows: list[tuple[Clip, dict[str, str]]] = []
    lines: dict[Clip, int] = {}
    for line, row in rows_of(table, text, schema):
        where = f"{table}, line {line}"
        clip = _clip(table.parent, where, row)
        segment = Clip(clip.path, start=clip.start, end=clip.end, box=clip.box)
        if segment in lines:
            raise DataError(
                f"the same clip as in line {lines[segment]}",
                where=where,
                got=row["path"],
                expected="each segment of a file once, or with another box",
            )
        lines[segment] = line
        rows.append((clip, row))
    return rows


def _cells_of(clip: Clip, schema: Schema) -> dict[str, str]:
    times = {"start": clip.start, "end": clip.end}
    cells = {name: "" if time is None else f"{time:g}" for name, time in times.items()}
    cells |= {"path": clip.path.name, "label": clip.label or ""}
    return {column: cells.get(column, "") for column in schema.names}


def _clip(folder: Path, where: str, row: dict[str, str]) -> Clip:
    for required in ("path", "label"):
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
    clip = Clip(path, label, start, end, row["group"] or None)
    return replace(clip, box=_box(folder, where, row, clip))


def _box(folder: Path, where: str, row: dict[str, str], clip: Clip) -> "Box | None":
    """Return the box of a row; None if all of the picture is meant, or the video cannot be read."""
    sides = [row[side] for side in SIDES]
    if any(sides) and row["box"]:
        raise DataError("two boxes", where=where, expected="either box, or x, y, w and h")
    where += ', columns "x", "y", "w", "h"' if any(sides) else ', column "box"'
    cells = sides if any(sides) else re.split(r"[\s,;]+", row["box"])
    if not any(cells):
        return None
    if len(cells) == 1 and number(cells[0]) is None:
        return _box_of_table(where, folder / user_path(row["box"], DataError), row["subject"], clip)
    numbers = [side for cell in cells if (side := number(cell)) is not None]
    return as_box(numbers, where, shown=", ".join(cells), expected=BOX_CELL_EXPECTED)


def _box_of_table(where: str, table: Path, subject: str, clip: Clip) -> "Box | None":
    from fewact.data.tracks import read_tracks

    if not table.is_file():
        raise DataError(
            "neither a box nor a file",
            where=where,
            got=str(table)[-80:],
            expected=BOX_CELL_EXPECTED,
        )
    timeline = timeline_or_none(clip.path)
    if timeline is None:  # its reader says why
        return None
    tracks = {track.subject: track for track in read_tracks(table, timeline.times)}
    start, end = clip.start or 0.0, clip.end or timeline.end
    if not subject and len(tracks) == 1:
        (subject,) = tracks
    if subject not in tracks:
        raise DataError(
            "no subject of the table of boxes"
            if subject
            else "several subjects, and none is named",
            where=f"{where}: {table}",
            got=subject,
            expected=f'one in the column "subject": {first_few(tracks)}',
        )
    track = tracks[subject]
    if track.end < start or track.start >= end:
        raise DataError(
            "the subject has no box in the clip",
            where=f"{where}: {table}",
            got=f"{subject}: {track.start:g} s to {track.end:g} s",
            expected=f"{start:g} s to {end:g} s",
        )
    return track.box(start, end)


def _seconds(where: str, text: str) -> float | None:
    if not text:
        return None
    time = seconds(text)
    if time is None:
        expected = "seconds, mm:ss or hh:mm:ss, such as 1:02.5"
        raise DataError("not a time", where=where, got=text, expected=expected)
    return time
