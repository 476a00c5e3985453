"""Events in tables: written by people in many languages, and of VIA, Create ML and MMAction2."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.core.text_table import csv_line
from fewact.data.cells import first_lines, table_rows
from fewact.data.columns import normalised
from fewact.data.files import first_few
from fewact.data.grid import (
    END_COLUMNS,
    START_COLUMNS,
    Grid,
    declared_rate,
    frame_of,
    mapped_times,
)
from fewact.data.tables import SIDES
from fewact.data.times import VIDEO_RATE, TimeCells, TimeFault, is_missing
from fewact.recordings.formats.event import EVENT_COLUMNS as FIELDS
from fewact.recordings.formats.event import EVENTS, Event, Row
from fewact.recordings.formats.pairs import Timed, paired, status_of

VIA_HEADER = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,"
ATTRIBUTES = "# ATTRIBUTE = "

MISSING_CLASSES: Final = frozenset(("", "na", "n/a", "nan"))
"""Cells without a class, in lower case; ``none`` is a class."""

LISTED_LINES: Final = 100
"""Number of lines that show whether a text is a list."""

NO_CLASS: Final = ("none", "background")
"""Classes of a frame that shows none."""

LEAST_SAMPLES: Final = 5
"""Number of rows in equal steps from which a table has the class at each step."""


def is_events(path: Path, text: str) -> bool:
    """Whether a table has events; one with path and label is a table of clips."""
    header = FIELDS.header(text)
    columns = set(FIELDS.of(header))
    is_clips = {"path", "label"} <= set(map(normalised, header))
    placed = {"recording", "observation", "time", "frame", *START_COLUMNS}
    return not is_clips and "label" in columns and bool(columns & placed)


def read_table(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a table whose columns have one of the known names."""
    yield from read_grid(Grid(path, text, FIELDS))


def read_grid(grid: Grid) -> Iterator[Row]:
    """Yield the rows of a table: states, points, a START and a STOP, or a class for each frame.

    Raises:
        DataError: The columns are not understood.
    """
    starts, instants = grid.named & START_COLUMNS, grid.named & {"time", "frame"}
    ends = grid.named & END_COLUMNS
    if instants and (starts or grid.named & {"end", "end_frame"}):
        raise DataError(
            "a time beside a start or an end",
            where=str(grid.path),
            got=first_few(grid.header),
            expected="a start and an end; or one time, with a status such as START and STOP",
            hint="Rename the column that is not needed, such as to note.",
        )
    timed = bool((starts and ends) or (instants and "status" in grid.named))
    unused = {*grid.named} - {*FIELDS.names}
    if {"recording", "observation"} <= grid.named:
        unused |= {"observation"}
    yield "", {"note": grid.note(timed=timed, unused=unused)}
    if not instants:
        yield from _states(grid)
    elif "status" in grid.named:
        yield from paired(_timed(grid))
    elif "duration" not in grid.named and _is_sampled(grid):
        yield from _runs(grid)
    else:
        yield from _instants(grid)


def _states(grid: Grid) -> Iterator[Row]:
    """Yield rows with a start and an end; without columns of times, whole recordings."""
    timed = bool(grid.named & (START_COLUMNS | END_COLUMNS))
    who = Who(grid)
    for where, row in grid.rows():
        fields = who.fields(row)
        if "fault" in fields:
            yield where, fields
            continue
        try:
            times = mapped_times(grid, row)
            if "end" in times and "start" not in times:
                raise TimeFault("it has no start")
            if times.get("end") == math.inf:
                times["end"] = "inf"
            if timed and not times:
                times = {"start": None}
            status = status_of(row["status"]) if "status" in row else ""
            if status == "POINT" and "start" in times:
                times["end"] = times["start"]
            elif status in ("START", "STOP"):
                raise TimeFault(f"it is a {status}, in a table with starts and ends")
            frames = _whole_frames(row) if "last_frame" in row else {}
        except TimeFault as fault:
            yield where, {"fault": str(fault)}
        else:
            yield where, fields | frames | times


def _whole_frames(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the first and the last frame, where they are beside times."""
    try:
        first, last = (frame_of(row, name) for name in ("first_frame", "last_frame"))
    except TimeFault:  # the times say where the row is
        return {}
    return {} if first is None or last is None else {"frames": (first, last)}


class Who:
    """The recording, class, subject and rater of rows.

    Args:
        grid: Table.
    """

    def __init__(self, grid: Grid) -> None:
        self._names = [name for name in FURTHER if name in grid.named or name in grid.facts]
        is_named = "recording" in grid.named or "recording" in grid.facts
        self._recording = "recording" if is_named else "observation"
        at = grid.columns.index(self._recording) if self._recording in grid.columns else -1
        cells = (row[at] for row in grid.sample if at < len(row)) if at >= 0 else ()
        self._is_named = any(not is_missing(cell) for cell in cells)
        self._facts = grid.facts

    def fields(self, row: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields of a row, or its fault."""
        if "fault" in row:
            return dict(row)
        label = row.get("label", "")
        if label.lower() in MISSING_CLASSES:
            return {"fault": "it has no class"}
        recording = row.get(self._recording) or self._facts.get("observation", "")
        if is_missing(recording):
            if self._is_named:
                return {"fault": "it names no video"}
            recording = ""
        fields = {"label": label, "recording": recording}
        for name in self._names:
            fields[name] = row.get(name, "")
        return fields


FURTHER: Final = ("subject", "rater", "confidence", "repetitions", "clock", "mark", *SIDES)


def _instant(grid: Grid, row: Mapping[str, str]) -> dict[str, Any]:
    """Return the time of a row, see ``Timed``.

    Raises:
        TimeFault: It has none.
    """
    frame = frame_of(row, "frame")
    if "time" not in grid.named or is_missing(row.get("time", "")):
        if frame is None:
            raise TimeFault("it has no time")
        return {"span": (frame, frame), "fps": declared_rate(grid, row) or VIDEO_RATE}
    times = mapped_times(grid, {**row, "start": row["time"]}, start="time")
    return {**times, "frame": frame}


def _timed(grid: Grid) -> Iterator[Timed]:
    who = Who(grid)
    for where, row in grid.rows():
        fields = who.fields(row)
        if "fault" in fields:
            yield where, where, "", {}, fields
            continue
        status = status_of(row.get("status", ""))
        key = (fields["recording"], fields["label"], fields.get("subject"), fields.get("rater"))
        try:
            yield where, key, status, _instant(grid, row), fields
        except TimeFault as fault:
            yield where, where, "", {}, {"fault": str(fault)}


def _instants(grid: Grid) -> Iterator[Row]:
    """Yield a point event for each row; with a duration, a state."""
    who = Who(grid)
    for where, row in grid.rows():
        fields = who.fields(row)
        if "fault" not in fields:
            try:
                times = _instant(grid, row)
                times.pop("frame", None)
                fields |= times
            except TimeFault as fault:
                fields = {"fault": str(fault)}
        yield where, fields


def _is_sampled(grid: Grid) -> bool:
    """Whether a table has a row for each frame or each step of time, with the class there."""
    name = "frame" if "frame" in grid.named else "time"
    at, label = (grid.columns.index(column) for column in (name, "label"))
    rows = [row for row in grid.sample if max(at, label) < len(row)]
    try:
        cells = [(_position(grid, name, row[at]), row[label]) for row in rows]
    except TimeFault:
        return False
    steps = [round(b - a, 6) for (a, _), (b, _) in pairwise(cells)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0.0
    same = sum(a == b for (_, a), (_, b) in pairwise(cells))
    near = sum(abs(step - usual) <= 0.02 * usual for step in steps)
    is_step = usual == 1 if name == "frame" else usual > 0
    return len(cells) >= LEAST_SAMPLES and is_step and near >= 0.9 * len(steps) and same > 0


def _position(grid: Grid, name: str, cell: str) -> float:
    return grid.time_cells.seconds(cell, grid.all_units.get(name, ""), lambda: 0.0)


@dataclass(frozen=True)
class _Sample:
    """The class at a frame, or at a time in seconds; without fields if there is none."""

    where: str
    recording: str
    fields: Mapping[str, Any] | None
    position: float
    rate: float


def _runs(grid: Grid) -> Iterator[Row]:
    """Yield the consecutive samples of a class as an event; ``none`` and no class are none.

    An event ends where the next sample begins; after the last sample, a step later.
    """
    name = "frame" if "frame" in grid.named else "time"
    who, samples = Who(grid), []
    for where, row in grid.rows():
        fields: Mapping[str, Any] | None = who.fields(row)
        try:
            position = _position(grid, name, row.get(name, ""))
            rate = declared_rate(grid, row)
        except TimeFault as fault:
            yield where, {"fault": str(fault)}
            continue
        label = row.get("label", "").casefold()
        if label in NO_CLASS or label in MISSING_CLASSES:
            fields = None
        elif fields and "fault" in fields:
            yield where, fields
            continue
        recording = row.get("recording") or row.get("observation") or ""
        samples.append(_Sample(where, recording, fields, position, rate))
    steps = sorted(b.position - a.position for a, b in pairwise(samples))
    step = steps[len(steps) // 2]
    many = sum(sample.fields is None for sample in samples)
    yield "", {"note": f"rows of a class that follow are one event; {many} rows have none"}
    first = 0
    for i, sample in enumerate(samples):
        after = samples[i + 1] if i + 1 < len(samples) else None
        goes_on = after is not None and after.recording == sample.recording
        goes_on = (
            goes_on and after is not None and 0 < after.position - sample.position < 1.5 * step
        )
        if goes_on and after is not None and after.fields == sample.fields:
            continue
        end = after.position if goes_on and after is not None else sample.position + step
        begun, first = samples[first], i + 1
        if begun.fields is None:
            continue
        if name == "frame":
            span = (int(begun.position), int(end))
            yield begun.where, {**begun.fields, "span": span, "fps": begun.rate or VIDEO_RATE}
        else:
            yield begun.where, {**begun.fields, "start": begun.position, "end": round(end, 9)}


COLUMNS = ("start", "end", "label", "confidence", "repetitions")


def columns(events: Sequence[Event]) -> tuple[str, ...]:
    """Return the columns of a table of events: others than these where an event has them."""
    first = ("recording",) if any(event.recording for event in events) else ()
    subject = ("subject",) if any(event.subject for event in events) else ()
    frames = ("first_frame", "last_frame") if any(event.frames for event in events) else ()
    clock = ("clock",) if any(event.clock for event in events) else ()
    box = SIDES if any(event.box for event in events) else ()
    mark = ("mark",) if any(event.mark for event in events) else ()
    return (*first, *COLUMNS, *subject, *box, *frames, *clock, *mark)


def cells(event: Event, names: Sequence[str]) -> list[object]:
    """Return the cells of an event in these columns."""
    first, last = event.frames or ("", "")
    values = {
        "start": f"{event.start:.3f}",
        "end": f"{event.end:.3f}",
        "confidence": "" if event.confidence is None else f"{event.confidence:.4f}",
        "first_frame": first,
        "last_frame": last,
        **dict(zip(SIDES, event.box or ("",) * 4, strict=True)),
    }
    return [values[name] if name in values else getattr(event, name) for name in names]


def write_table(events: Sequence[Event], folder: Path) -> str:
    """Return the table of fewact."""
    names = columns(events)
    return csv_line(names) + "".join(csv_line(cells(event, names)) for event in events)


def write_createml(events: Sequence[Event], folder: Path) -> str:
    """Return the table of Create ML."""
    rows = ((e.recording, e.label, f"{e.start:.3f}", f"{e.end:.3f}") for e in events)
    return csv_line(("video", "label", "start", "end")) + "".join(map(csv_line, rows))


def is_list(path: Path, text: str) -> bool:
    """Whether a text has lines of a path and the number of a class, as lists of MMAction2.

    Lists of folders of images have the number of images between them, and are another format.
    """
    if path.suffix.lower() != ".txt":
        return False
    lines = [line.strip().rsplit(maxsplit=1) for line in first_lines(text, LISTED_LINES)]
    return bool(lines) and all(
        len(line) == 2
        and line[1].isdecimal()
        and "\t" not in line[0]
        and TimeCells().number(line[0].rsplit(maxsplit=1)[-1]) is None
        for line in lines
    )


def read_list(path: Path, text: str) -> Iterator[Row]:
    """Yield the videos of a list of MMAction2, each as a whole."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            *name, label = line.strip().rsplit(maxsplit=1)
            yield f"line {number}", {"recording": "".join(name), "label": label}


def write_list(events: Sequence[Event], folder: Path) -> str:
    """Return a list of MMAction2; it has no times."""
    return "".join(f"{event.recording} {event.label}\n" for event in events)


def is_via(path: Path, text: str) -> bool:
    """Whether a table was exported by the VGG Image Annotator 3."""
    return VIA_HEADER in text[:1_000_000]


def read_via(path: Path, text: str) -> Iterator[Row]:
    """Yield the segments of VIA; regions have spatial coordinates and are left out."""
    names: dict[str, dict[str, str]] = {}
    lines = text.splitlines(keepends=True)
    for line in lines:
        if line.startswith(ATTRIBUTES):
            attributes = EVENTS.parse(line.removeprefix(ATTRIBUTES), f"{path}, {ATTRIBUTES}")
            if isinstance(attributes, dict):
                options = {
                    k: v.get("options") for k, v in attributes.items() if isinstance(v, dict)
                }
                names = {k: v for k, v in options.items() if isinstance(v, dict)}
    body = "".join("\n" if line.startswith("#") else line for line in lines)
    for number, row in table_rows(path, body, ","):
        yield f"line {number}", _via_row(row, names)


def _via_row(row: Sequence[str], names: dict[str, dict[str, str]]) -> dict[str, Any]:
    try:
        files, times, region, values = (json.loads(row[i]) for i in (1, 3, 4, 5))
        if region:
            return {"fault": "a region of a frame"}
        start, end = (*times, None, None)[:2]
        labels = [names.get(key, {}).get(value, value) for key, value in values.items()]
        recording = files[0]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {"fault": "not a segment of VIA"}
    if len(labels) > 1:
        return {"fault": f"it has several attributes: {', '.join(map(str, labels))}"[:200]}
    label = labels[0] if labels else ""
    return {"recording": recording, "label": label, "start": start, "end": end}


def write_via(events: Sequence[Event], folder: Path) -> str:
    """Return the table of VIA: one attribute, whose options are the classes."""
    classes = sorted({str(event.label) for event in events})
    options = {str(number): name for number, name in enumerate(classes)}
    attribute = {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": ""}
    attribute |= {"options": options, "default_option_id": ""}
    lines = [
        "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)\n",
        f"{ATTRIBUTES}{json.dumps({'1': attribute}, ensure_ascii=False)}\n",
        f"{VIA_HEADER}spatial_coordinates,metadata\n",
    ]
    for number, event in enumerate(events):
        times = json.dumps([round(event.start, 3), round(event.end, 3)])
        value = json.dumps({"1": str(classes.index(str(event.label)))})
        files = json.dumps([event.recording], ensure_ascii=False)
        lines.append(csv_line((f"1_{number}", files, 0, times, "[]", value)))
    return "".join(lines)
