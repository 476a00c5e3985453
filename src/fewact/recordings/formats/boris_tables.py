"""Tables of BORIS: aggregated and tabular events; also those that were pasted without a header.

Times of an observation count over its media files, see ``fewact.recordings.formats.boris``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fewact.data.cells import first_lines, table_rows
from fewact.data.column_names import RATERS
from fewact.data.columns import END, START, Column, Schema
from fewact.data.files import VIDEO_SUFFIXES
from fewact.data.grid import Grid, checked_time_cells, frame_of, mapped_times
from fewact.data.times import NUMBER_TEXT, TimeCells, TimeFault, is_missing
from fewact.recordings.formats.boris import NO_SUBJECT, Media, placed
from fewact.recordings.formats.event import EVENTS_EXPECTED, Row
from fewact.recordings.formats.pairs import Timed, paired, status_of

BORIS_IGNORED: Final = (
    "observation_date date description observation_duration observation_type total_length "
    "coding_duration observation_duration_by_subject_by_observation behavioral_category "
    "observation_duration_by_subject comment comment_start comment_stop image_file_path "
    "image_file_path_start image_file_path_stop fps_(frame/s) fps media_file(s) player_#1 "
    "independent_variables variable"
)
"""Columns of BORIS that say nothing about an event."""

MODIFIERS: Final = ("modifiers", *(f"modifier_#{number}" for number in range(1, 10)))

BORIS_COLUMNS: Final = Schema(
    (
        Column("observation", "observation_id"),
        Column("label", "behavior behaviour", required=True),
        Column("subject"),
        Column("rater", RATERS),
        Column("status", "behavior_type status"),
        Column("time", timed=True),
        START,
        END,
        Column("duration", timed=True),
        Column("start_frame", "image_index_start"),
        Column("end_frame", "image_index_stop"),
        Column("frame", "image_index"),
        Column("name", "media_file_name"),
        Column("file", "media_file media_file_path"),
        Column("source"),
        Column("offset", "time_offset_(s)"),
        Column("lengths", "media_duration_(s)"),
        *map(Column, MODIFIERS),
    ),
    EVENTS_EXPECTED,
    accounts=True,
    ignored=BORIS_IGNORED,
)
"""Columns of tables of BORIS."""

OLD_COLUMNS: Final = frozenset(("time", "label", "status"))
"""Columns of old tabular events, which have facts of the observation above them."""

BARE_ROWS: Final = 20
"""Number of rows that show whether a table without a header is one of BORIS."""

BARE_SEPARATORS: Final = "\t;,"


def is_table(path: Path, text: str) -> bool:
    """Whether a table was exported by BORIS: aggregated or tabular events."""
    named = set(BORIS_COLUMNS.of(BORIS_COLUMNS.header(text)))
    first = re.split(r"[\t,;]", "".join(first_lines(text, 1)))[0]
    is_old = named >= OLD_COLUMNS and BORIS_COLUMNS.column(first.strip(' "')) == "observation"
    return {"observation", "label"} <= named or is_old


def read_table(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of a table of BORIS; several media files have their durations in it."""
    grid = Grid(path, text, BORIS_COLUMNS)
    is_aggregated = {"start", "end"} <= grid.named
    timed = is_aggregated or {"time", "status"} <= grid.named
    note = grid.note(timed=timed, unused=MODIFIERS)
    yield "", {"note": note}
    rows = [(where, row) for where, row in grid.rows()]
    media = _media([row for _, row in rows if "fault" not in row])
    if is_aggregated:
        yield from _aggregated(grid, rows, media)
    else:
        for where, fields in paired(_tabular(grid, rows, media)):
            yield where, placed(fields)


def _media(rows: Sequence[Mapping[str, str]]) -> dict[str, Media]:
    """Return the media files of each observation."""
    sources: dict[str, Mapping[str, str]] = {}
    files: dict[str, dict[str, None]] = {}
    for row in rows:
        name = row.get("observation", "")
        if name not in sources or not sources[name].get("source"):
            sources[name] = row
        if file := _file(row):
            files.setdefault(name, {})[file] = None
    return {name: _media_of(row, [*files.get(name, ())]) for name, row in sources.items()}


def _media_of(row: Mapping[str, str], played: Sequence[str]) -> Media:
    source = re.sub(r"^player #1:", "", row.get("source", "").split("|")[0])
    files = [name for name in source.split(";") if name] or list(played)
    cells = TimeCells()
    offset = cells.number(row.get("offset", "")) or 0.0
    if not files:
        return Media(("",), offset=offset)
    if len(files) == 1:
        return Media(tuple(files), offset=offset)
    lengths = [cells.number(part) for part in row.get("lengths", "").split("|")[0].split(";")]
    if len(lengths) < len(files) or None in lengths:
        return Media(
            (), fault="the table has no durations of the media files: read the project (.boris)"
        )
    return Media.in_a_row(files, lengths, offset)


def _file(row: Mapping[str, str]) -> str:
    cells = (row.get("name", ""), row.get("file", ""))
    return next((cell for cell in cells if not is_missing(cell)), "")


def _who(row: Mapping[str, str]) -> dict[str, Any]:
    subject = row.get("subject", "")
    return {
        "label": row.get("label", ""),
        "subject": "" if subject == NO_SUBJECT else subject,
        "rater": row.get("rater", ""),
    }


def _aggregated(
    grid: Grid, rows: Sequence[tuple[str, Mapping[str, str]]], media: Mapping[str, Media]
) -> Iterator[Row]:
    for where, row in rows:
        if "fault" in row:
            yield where, row
            continue
        try:
            times = mapped_times(grid, row)
            begin, end = times.get("start"), times.get("end")
            if status_of(row.get("status", "")) == "POINT":
                end = begin
            frames = frame_of(row, "start_frame"), frame_of(row, "end_frame")
        except TimeFault as fault:
            yield where, {"fault": str(fault)}
            continue
        if begin is None or end is None:
            yield where, {"fault": "it has no start, or no stop"}
            continue
        fields = media[row.get("observation", "")].event(begin, end)
        known = {} if None in frames else {"frames": frames}
        yield where, {**fields, **_who(row), **known}


def _tabular(
    grid: Grid, rows: Sequence[tuple[str, Mapping[str, str]]], media: Mapping[str, Media]
) -> Iterator[Timed]:
    """Yield the rows for ``paired``, each with its time in the observation."""
    for where, row in rows:
        if "fault" in row:
            yield where, where, "", {}, row
            continue
        try:
            times = mapped_times(grid, row, start="time")
            frame = frame_of(row, "frame")
        except TimeFault as fault:
            yield where, where, "", {}, {"fault": str(fault)}
            continue
        if "start" not in times:
            yield where, where, "", {}, {"fault": "it has no time"}
            continue
        name, who = row.get("observation", ""), _who(row)
        key = (name, *who.values(), *(row.get(modifier, "") for modifier in MODIFIERS))
        fields = {**who, "media": media[name]}
        yield where, key, status_of(row.get("status", "")), {**times, "frame": frame}, fields


def is_bare(path: Path, text: str) -> bool:
    """Whether a text has rows of BORIS without a header: aggregated, or pasted from its window."""
    return _bare(text) is not None


def read_bare(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of rows without a header."""
    delimiter, state = _bare(text) or ("\t", 0)
    rows = list(table_rows(path, text, delimiter))
    if state < 0:
        yield from _pasted(path, rows)
    else:
        yield from _bare_aggregated(path, rows, state)


def _bare(text: str) -> tuple[str, int] | None:
    """Return the separator, and the column of STATE and POINT; -1 for five pasted columns."""
    lines = first_lines(text, BARE_ROWS)
    for delimiter in BARE_SEPARATORS:
        rows = [[cell.strip(' "') for cell in line.split(delimiter)] for line in lines]
        width = min(map(len, rows), default=0)
        for at in range(5, width - 3):
            if all(row[at] in ("STATE", "POINT") for row in rows):
                return delimiter, at
        if width and all(len(row) == 5 and _is_pasted(row) for row in rows):
            return delimiter, -1
    return None


def _is_pasted(row: Sequence[str]) -> bool:
    """Whether cells are a time, a subject, a behaviour, a modifier and a comment."""
    return bool(
        NUMBER_TEXT.fullmatch(row[0].replace(",", ".")) and row[2]
    ) and not NUMBER_TEXT.fullmatch(row[2].replace(",", "."))


def _pasted(path: Path, rows: Sequence[tuple[int, list[str]]]) -> Iterator[Row]:
    """Yield the states of pasted rows: those of a behaviour are START and STOP in turn."""
    yield "", {"note": "it has no header: the rows of a behaviour are START and STOP in turn"}
    cells = checked_time_cells(path, (row[0] for _, row in rows))
    going_on: set[tuple[str, ...]] = set()
    timed: list[Timed] = []
    for line, row in rows:
        where, key = f"line {line}", tuple(row[1:4])
        time = cells.number(row[0]) if len(row) == 5 else None
        if time is None:
            timed.append((where, where, "", {}, {"fault": f"no time: {row[0][:40]!r}"}))
            continue
        status = "STOP" if key in going_on else "START"
        going_on ^= {key}
        subject = "" if row[1] == NO_SUBJECT else row[1]
        timed.append((where, key, status, {"start": time}, {"label": row[2], "subject": subject}))
    yield from paired(timed)


def _bare_aggregated(
    path: Path, rows: Sequence[tuple[int, list[str]]], state: int
) -> Iterator[Row]:
    """Yield the events of aggregated rows: type, start, stop and duration follow each other."""
    yield "", {"note": "it has no header: its columns are those of BORIS's aggregated events"}
    times = (cell for _, row in rows for cell in row[state + 1 : state + 3])
    cells = checked_time_cells(path, times)
    for line, row in rows:
        where = f"line {line}"
        try:
            fields = _bare_event(row, state, cells)
        except TimeFault as fault:
            fields = {"fault": str(fault)}
        yield where, fields


def _bare_event(row: Sequence[str], state: int, cells: TimeCells) -> dict[str, Any]:
    if len(row) < state + 3 or row[state] not in ("STATE", "POINT"):
        raise TimeFault("it has not the columns of the other rows")
    begin, end = (cells.number(cell) for cell in row[state + 1 : state + 3])
    if begin is None or end is None:
        raise TimeFault(f"no times: {row[state + 1 : state + 3]}")
    duration = cells.number(row[state + 3]) if state + 3 < len(row) else None
    if duration is not None and abs(begin + duration - end) > 0.01:
        raise TimeFault(f"from {begin:g} to {end:g} s is not its duration, {duration:g} s")
    subject, label = row[state - 4], row[state - 3]
    if not subject or not label:
        raise TimeFault("it has no subject, or no behaviour")
    videos = [cell for cell in row[1 : state - 4] if Path(cell).suffix.lower() in VIDEO_SUFFIXES]
    return {
        "recording": videos[0] if len(videos) == 1 else "",
        "label": label,
        "subject": "" if subject == NO_SUBJECT else subject,
        "start": begin,
        "end": begin if row[state] == "POINT" else end,
    }
