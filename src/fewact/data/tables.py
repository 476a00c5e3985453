"""Tables of clips, with a header and one clip per row; and clips in files of other programs."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, SkippedWarning, warn
from fewact.core.paths import file_and_sheet, user_path
from fewact.core.registry import Registry
from fewact.data.cells import number
from fewact.data.class_names import NAME_EXPECTED, is_class_name, plain_name
from fewact.data.clips import BACKGROUND, Clip, as_box, is_background
from fewact.data.column_names import SUBJECTS
from fewact.data.columns import SEGMENT_COLUMNS, Column, Schema
from fewact.data.event_options import EventOptions
from fewact.data.files import TABLE_SUFFIXES, existing, first_few, timeline_or_none
from fewact.data.grid import END_COLUMNS, START_COLUMNS, Grid, mapped_times
from fewact.data.sheets import sheets_of
from fewact.data.times import VIDEO_RATE, TimeFault, is_missing

if TYPE_CHECKING:
    from fewact.video.track import Box

SIDES: Final = ("x", "y", "w", "h")
"""Columns of a box: left, top, width and height, in pixels."""

CLIPS_EXPECTED = (
    "a header with path and label; optional: start, end, group, joints (a file of poses), subject, "
    "and box, or x, y, w and h"
)
TIMES_EXPECTED = "seconds, mm:ss or hh:mm:ss; or in a column with a unit, as in end (ms)"
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
        *SEGMENT_COLUMNS,
        *map(Column, ("group", "box")),
        Column("subject", SUBJECTS, distinctive=False),
        # Others may begin with names as common as these.
        *(Column(name, distinctive=False) for name in SIDES),
        Column("joints", "joints poses pose_file", distinctive=False),
    ),
    CLIPS_EXPECTED,
    refuses_misspelt=True,
    accounts=True,
)


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
    return file_and_sheet(Path(path))[0].suffix.lower() in TABLE_SUFFIXES


def read_table(path: str | Path, *, background: bool = False) -> list[Clip]:
    """Return the clips of a table with the columns path and label.

    Optional columns are start, end or duration, and group. Where several people are in view, box,
    or x, y, w and h, say who is meant: in pixels; or box is a table of boxes, see ``read_tracks``,
    and subject the id there. A warning names other columns; what looks like a time is refused.
    Cells are separated by commas, semicolons or tabs; or the table is a sheet of a workbook, as in
    ``FILE.xlsx#Sheet``. Relative paths start at the table's folder. Times are in seconds,
    ``mm:ss`` or ``hh:mm:ss``, or in the unit after a column's name, as in ``start (ms)`` or ``end
    [frame]``; an empty time means the start or end of the file. Rows with the label ``none``
    belong to no class. A missing file raises an error when it is read, or here if all files are
    missing. Files of events by other programs are read, too: their rows that cannot be used are
    skipped with a warning.

    Args:
        path: Table.
        background: Return the clips of no class, not the clips of classes.

    Raises:
        DataError: The table does not exist or has no clips, or a row is invalid.
    """
    rows = clips_and_cells(user_path(path, DataError), CLIP_COLUMNS, say=not background)
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


def clips_and_cells(
    table: Path, schema: Schema, *, say: bool = True
) -> list[tuple[Clip, dict[str, str]]]:
    """Return the clips of a table, of classes and of no class, each with its cells by column.

    Args:
        table: Table, or a sheet as in ``FILE.xlsx#Sheet``.
        schema: Columns.
        say: Whether a warning names the columns that are ignored.

    Raises:
        DataError: As for ``read_table``.
    """
    file, text = _clip_text(table)
    if text is None and is_event_file(table):
        clips, skipped = event_clips(table)
        for row in skipped:
            warn(f"skipped: {row}", SkippedWarning)
        rows = [(clip, _cells_of(clip, schema)) for clip in clips]
    else:
        if text is None:
            text = sheets_of(table, CLIP_TABLE)[0].text
        rows = _clip_rows(Grid(file, text, schema), say=say)
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


def _clip_text(table: Path) -> tuple[Path, str | None]:
    """Return the file of a table, and the text of its sheet of clips; None if it has events."""
    file, _ = file_and_sheet(table)
    sheets = sheets_of(table, CLIP_TABLE)
    fitting = [sheet for sheet in sheets if CLIP_COLUMNS.fits(CLIP_COLUMNS.header(sheet.text))]
    if len(fitting) > 1:
        raise DataError(
            "several sheets of the workbook have clips",
            where=str(file),
            got=first_few(sheet.name for sheet in fitting),
            expected="one sheet",
            hint=f"Name it: {file.name}#{fitting[0].name}.",
        )
    return file, fitting[0].text if fitting else None


def _clip_rows(grid: Grid, *, say: bool) -> list[tuple[Clip, dict[str, str]]]:
    rows: list[tuple[Clip, dict[str, str]]] = []
    places: dict[Clip, str] = {}
    table = grid.path
    if not grid.header:
        raise DataError("the table is empty", where=str(table), expected=grid.schema.expected)
    note = grid.note(timed=bool(grid.named & START_COLUMNS and grid.named & END_COLUMNS))
    if note and say:
        warn(f"{table}: {note}")
    for place, cells in grid.rows():
        where = f"{table}, {place}"
        if fault := cells.get("fault"):
            raise DataError(fault, where=where)
        row = dict.fromkeys(grid.schema.names, "") | cells
        clip = _clip(grid, where, row)
        segment = Clip(clip.path, start=clip.start, end=clip.end, box=clip.box)
        if segment in places:
            raise DataError(
                f"the same clip as in {places[segment]}",
                where=where,
                got=row["path"],
                expected="each segment of a file once, or with another box",
            )
        places[segment] = place
        rows.append((clip, row))
    return rows


def _cells_of(clip: Clip, schema: Schema) -> dict[str, str]:
    times = {"start": clip.start, "end": clip.end}
    cells = {name: "" if time is None else f"{time:g}" for name, time in times.items()}
    cells |= {"path": clip.path.name, "label": clip.label or ""}
    return {column: cells.get(column, "") for column in schema.names}


def _clip(grid: Grid, where: str, row: dict[str, str]) -> Clip:
    for required in ("path", "label"):
        if not row[required]:
            raise DataError("the cell is empty", where=f'{where}, column "{required}"')
    folder = grid.path.parent
    path = existing(folder / user_path(row["path"], DataError))
    if "\\" in row["path"] and not path.exists():  # a table written on Windows
        path = existing(folder / row["path"].replace("\\", "/"))
    start, end = _segment(grid, where, row, path)
    label = plain_name(row["label"])
    if not is_class_name(label):
        raise DataError(
            "not a class name",
            where=f'{where}, column "label"',
            got=repr(label)[:80],
            expected=NAME_EXPECTED,
            hint=f'Use "{BACKGROUND}" for clips of no class.',
        )
    joints = _joints(folder, where, row["joints"])
    clip = Clip(path, label, start, end, row["group"] or None, joints=joints)
    return replace(clip, box=_box(folder, where, row, clip))


def _joints(folder: Path, where: str, cell: str) -> Path | None:
    """Return the file of poses of a row; None without."""
    if not cell:
        return None
    file = existing(folder / user_path(cell, DataError))
    if not file.exists():
        raise DataError(
            "there is no such file of poses", where=f'{where}, column "joints"', got=str(file)[-80:]
        )
    return file


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


def _segment(
    grid: Grid, where: str, row: dict[str, str], path: Path
) -> tuple[float | None, float | None]:
    """Return the start and the end of a row, in seconds; None where the row says none.

    Raises:
        DataError: The cells are no times, or the clip ends before it starts.
    """
    try:
        for name in grid.schema.timed:
            if row[name] and is_missing(row[name]):
                raise TimeFault(f"no time: {row[name]!r}")
        times = mapped_times(grid, row)
        if "span" in times or "by_rate" in times:
            times = _of_video(path, times)
    except TimeFault as fault:
        raise DataError(
            str(fault),
            where=where,
            got=", ".join(f"{name}: {row[name]}" for name in grid.schema.timed if row.get(name)),
            expected=f"{TIMES_EXPECTED}, such as 1:02.5",
        ) from None
    start, end = times.get("start"), times.get("end")
    end = None if end == math.inf else end
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise DataError(
            "the clip ends before it starts" if (start or 0.0) >= 0 else "the start is negative",
            where=where,
            got=f"{start or 0.0:g} to {'' if end is None else f'{end:g}'} s",
        )
    return start, end


def _of_video(path: Path, times: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds of frames of a video."""
    timeline = timeline_or_none(path)
    if "by_rate" in times:
        seconds: dict[str, Any] = times["by_rate"](timeline.fps if timeline else 0.0)
        return seconds
    (first, end), rate = times["span"], times["fps"]
    if rate != VIDEO_RATE:
        return {"start": round(first / rate, 6), "end": round(end / rate, 6)}
    if timeline is None:
        raise TimeFault("its times are frames, and its video cannot be read")
    if end > timeline.n:
        raise TimeFault(f"frame {end} is after the end: the video has {timeline.n} frames")
    ends = [*timeline.times, timeline.end]
    return {"start": round(float(ends[first]), 6), "end": round(float(ends[end]), 6)}
