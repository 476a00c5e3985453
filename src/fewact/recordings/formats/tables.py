"""Events in tables: of fewact, VIA, Create ML, VideoFolder and MMAction2, and written by people."""

import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from fewact.core.text_table import csv_line
from fewact.data.cells import header_line, table_rows
from fewact.data.columns import normalised
from fewact.data.tables import SIDES
from fewact.recordings.formats.event import EVENT_COLUMNS as FIELDS
from fewact.recordings.formats.event import EVENTS, Event, Row, extra_cells, frames_of

VIA_HEADER = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,"
ATTRIBUTES = "# ATTRIBUTE = "


def is_events(path: Path, text: str) -> bool:
    """Whether a table has events; one with path and label is a table of clips."""
    header = FIELDS.header(text)
    fields = set(FIELDS.of(header))
    is_clips = {"path", "label"} <= set(map(normalised, header))
    return not is_clips and (
        {"label", "start", "end"} <= fields or {"recording", "label"} <= fields
    )


def read_table(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a table whose columns have one of the known names."""
    rows = FIELDS.rows(path, text)
    fields = FIELDS.checked(str(path), next(rows)[1])
    for line, cells in rows:
        row: dict[str, Any] = dict(zip(fields, cells, strict=False))
        if row.get("first_frame") and row.get("last_frame"):
            row["frames"] = frames_of(row["first_frame"], row["last_frame"])
        yield f"line {line}", row | extra_cells(cells, fields)


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
    """Whether a text has lines of a path and the number of a class, as lists of MMAction2."""
    is_text = path.suffix.lower() == ".txt"
    return is_text and re.search(r"\S\s+\d+\s*$", header_line(text)) is not None


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


def sheet_text(path: Path) -> str:
    """Return the first sheet of an Excel workbook as CSV; it needs openpyxl."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        EVENTS.refuse(path, "an Excel file needs openpyxl: pip install 'fewact[excel]'")
    with EVENTS.open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                EVENTS.check_size(sum(part.file_size for part in archive.infolist()), str(path))
            book = load_workbook(file, read_only=True, data_only=True)
            rows = book.worksheets[0].iter_rows()
            return "".join(csv_line([_cell_text(cell) for cell in row]) for row in rows)
        except (
            zipfile.BadZipFile,
            KeyError,
            IndexError,
            ValueError,
            OSError,
            SyntaxError,
        ) as error:
            EVENTS.refuse(path, f"not a workbook of Excel: {error}")


def _cell_text(cell: Any) -> str:
    """Return the text of a cell; Excel reads 1:02 as hours and minutes, and shows it as typed."""
    value = cell.value
    if isinstance(value, time):
        value = datetime.combine(datetime.min, value) - datetime.min
    if not isinstance(value, timedelta):
        return "" if value is None else str(value)
    return f"{value.total_seconds() / (1 if 's' in cell.number_format else 60):.3f}"
