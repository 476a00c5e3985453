"""Events in JSON: fewact, ActivityNet and Create ML."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.core.text_table import csv_line
from fewact.data.grid import Grid, mapped_times
from fewact.data.tables import SIDES
from fewact.data.times import TimeFault
from fewact.recordings.formats.account import Account
from fewact.recordings.formats.event import EVENT_COLUMNS, EVENTS, Event, Row, by_recording

DOCUMENT_FACTS: Final = (
    "classes seconds faults dropped_frames damaged_frames missing_frames frames_out_of_order counts"
)
"""Fields of a result of ``fewact watch`` that say nothing about an event."""


JSON_LINES: Final = ".jsonl"
"""Extension of files with a JSON object in each line."""

OTHER_TIMES: Final = frozenset(("duration", "rate", "start_frame", "end_frame", "frames_long"))
"""Fields that say a time in another way than its start and end in seconds."""


def is_document(path: Path, text: str) -> bool:
    """Whether a text is JSON with the names of a known program."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    return _program(EVENTS.parse(text, str(path))) is not None


def read_document(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of a document; its names say which program wrote it."""
    content, account = EVENTS.parse(text, str(path)), Account(path)
    try:
        match _program(content):
            case "create ml":
                yield from _fields(path, account, content, "row")
            case "activitynet":
                yield from _activitynet(account, content)
            case "fewact":
                account.check("document", content, f"source events {DOCUMENT_FACTS}", strict=True)
                for where, event in _fields(path, account, content["events"], "event"):
                    yield where, {"recording": content.get("source"), **event}
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        EVENTS.refuse(path, "not events of a known program")
    yield account.note()


def is_lines(path: Path, text: str) -> bool:
    """Whether a file has a JSON object in each line, as ``fewact watch`` writes it."""
    return path.suffix.lower() == JSON_LINES


def read_lines(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of JSON lines; the last line may be cut off."""
    account, places, objects = Account(path), list[str](), list[Mapping[str, Any]]()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            content = EVENTS.parse(line, f"{path}, line {number}")
        except DataError:
            content = None
        if isinstance(content, Mapping):
            places.append(f"line {number}")
            objects.append(content)
        else:
            yield f"line {number}", {"fault": "not a JSON object"}
    rows = _fields(path, account, objects, "event")
    yield from ((place, fields) for place, (_, fields) in zip(places, rows, strict=True))
    yield account.note()


def _program(content: Any) -> str | None:
    """Return the program that wrote a document; None for another document, such as a result."""
    if isinstance(content, dict):
        if "database" in content or "results" in content:
            return "activitynet"
        return "fewact" if "events" in content else None
    first = content[0] if content else {"label": ""}
    if not isinstance(first, dict):
        return None
    return "create ml" if "label" in EVENT_COLUMNS.of([*first]) else None


def _fields(
    path: Path, account: Account, rows: Sequence[Mapping[str, Any]], name: str
) -> Iterator[Row]:
    """Yield the fields of objects whose names are columns of a table of events."""
    known: dict[tuple[str, ...], tuple[list[str], str, Grid | None]] = {}
    for number, row in enumerate(rows, start=1):
        names = tuple(row)
        if names not in known:
            columns = EVENT_COLUMNS.of(names)
            twice = [column for column, n in Counter(columns).items() if column and n > 1]
            unknown = [key for key, column in zip(names, columns, strict=True) if not column]
            account.check(name, unknown, "box frames", "id repetition_times")
            repeated = twice[0] if twice else ""
            known[names] = columns, repeated, None if repeated else _grid(path, names)
        columns, repeated, grid = known[names]
        if repeated:
            yield f"{name} {number}", {"fault": f"it has two values of {repeated}"}
            continue
        fields: dict[str, Any] = {c: v for c, v in zip(columns, row.values(), strict=True) if c}
        fields |= zip(SIDES, row.get("box") or (), strict=False)
        if grid is not None:
            yield f"{name} {number}", _in_units(grid, fields)
            continue
        if fields.get("start") is None or fields.get("end") is None:
            yield f"{name} {number}", {"fault": "it has no start, or no end"}
            continue
        if row.get("frames"):
            try:
                first, last = map(int, row["frames"])
            except (TypeError, ValueError, OverflowError):
                yield f"{name} {number}", {"fault": f"no frames: {str(row['frames'])[:40]}"}
                continue
            fields["frames"] = first, last
        yield f"{name} {number}", fields


def _grid(path: Path, names: Sequence[str]) -> Grid | None:
    """Return a table with these names as its header; None if a start and end have no unit.

    A row without a class is no event, whatever its times are.
    """
    if "label" not in EVENT_COLUMNS.of(names):
        return None
    grid = Grid(path, csv_line(names), EVENT_COLUMNS)
    is_plain = not grid.all_units and not grid.named & OTHER_TIMES
    return None if is_plain else grid


def _in_units(grid: Grid, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object whose times have units, or are frames or durations."""
    try:
        row = {column: "" if value is None else str(value) for column, value in fields.items()}
        times = mapped_times(grid, row)
    except TimeFault as fault:
        return {"fault": str(fault)}
    if not times.keys() & {"span", "by_rate"} and not {"start", "end"} <= times.keys():
        return {"fault": "it has no start, or no end"}
    if times.get("end") == math.inf:
        times["end"] = "inf"
    named = {k: v for k, v in fields.items() if k not in ("start", "end", *OTHER_TIMES)}
    return named | times


def _activitynet(account: Account, content: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the annotations of the truth, or the results of a detector."""
    ignored = "version external_data taxonomy"
    account.check("document", content, "database results", ignored, strict=True)
    for video, entry in (content.get("database") or content["results"]).items():
        if isinstance(entry, Mapping):
            account.check("video", entry, "annotations duration", "subset url resolution fps frame")
        for number, row in enumerate(
            entry["annotations"] if isinstance(entry, Mapping) else entry, start=1
        ):
            account.check("segment", row, "segment label score", "id")
            where = f'video "{video}", segment {number}'
            segment = row["segment"]
            if not isinstance(segment, Sequence) or len(segment) != 2:
                yield where, {"fault": f"no start and end: {str(segment)[:40]}"}
                continue
            start, end = segment
            fields = {"recording": video, "label": row["label"], "start": start, "end": end}
            yield where, fields | {"confidence": row.get("score")}


def write_activitynet(events: Sequence[Event], folder: Path) -> str:
    """Return detections if an event has a confidence, or truth."""
    detected = any(event.confidence is not None for event in events)
    videos: dict[str, Any] = {}
    for recording, listed in by_recording(events).items():
        rows = []
        for event in listed:
            times = [round(event.start, 3), round(event.end, 3)]
            score = {"score": event.confidence} if detected else {}
            rows.append({"label": str(event.label), **score, "segment": times})
        videos[recording] = rows if detected else {"subset": "training", "annotations": rows}
    named = {"results" if detected else "database": videos, "external_data": {}}
    return _text({"version": "VERSION 1.3", **named})


def write_createml(events: Sequence[Event], folder: Path) -> str:
    """Return the rows of Create ML."""
    rows = []
    for event in events:
        times = {"start": round(event.start, 3), "end": round(event.end, 3)}
        rows.append({"video": event.recording, "label": str(event.label), **times})
    return _text(rows)


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
