"""Tables of programs whose columns mean something else than in tables of people.

DLCAnalyzer, Dartfish, LongoMatch and The Observer; and the text of JWatcher.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.data.columns import DURATION, Column, Schema
from fewact.data.files import first_few
from fewact.data.grid import Grid
from fewact.data.times import TimeCells
from fewact.recordings.formats.event import EVENTS, EVENTS_EXPECTED, Row
from fewact.recordings.formats.tables import read_grid


def _same(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields


@dataclass(frozen=True)
class Program:
    """A program that writes tables.

    Args:
        name: Name for people.
        schema: Its columns; the required ones show that it wrote a table.
        units: Units of times, where the names of the columns say none.
        meaning: Returns the fields of a row as they are meant.
    """

    name: str
    schema: Schema
    units: Mapping[str, str] = field(default_factory=dict)
    meaning: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _same


def _schema(columns: Mapping[str, str], required: str, ignored: str = "") -> Schema:
    """Return the schema of a program; its columns have the names of ``EVENT_COLUMNS``."""
    timed = ("start", "end", "duration", "time")
    return Schema(
        tuple(
            Column(name, names, name in required.split(), timed=name in timed)
            for name, names in columns.items()
        ),
        EVENTS_EXPECTED,
        accounts=True,
        ignored=ignored,
    )


def _without_number(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an event of LongoMatch, whose name is the class and a number."""
    if "label" not in fields:
        return fields
    return {**fields, "label": re.sub(r"\s+\d+$", "", str(fields["label"]))}


PROGRAMS: Final = (
    Program(
        "DLCAnalyzer",
        _schema(
            {
                "rater": "experimenter",
                "start": "from",
                "end": "to",
                "label": "type",
                "recording": "id",
                "scores": "file",
            },
            "rater start end label recording scores",
            "dlcfile",
        ),
    ),
    Program(
        "LongoMatch",
        _schema(
            {
                "label": "name",
                "team": "team teams",
                "subject": "player players",
                "start": "start",
                "end": "stop",
                "duration": "duration",
            },
            "label team start end",
            "notes tags period score",
        ),
        meaning=_without_number,
    ),
    Program(
        "Dartfish",
        _schema(
            {"label": "name", "start": "position", "duration": "duration"},
            "label start duration",
        ),
        units={"start": "ms", "duration": "ms"},
    ),
    Program(
        "The Observer",
        _schema(
            {
                "time": "time_relative relative_time",
                "duration": DURATION.name,
                "observation": "observation observation_name",
                "subject": "subject subjects",
                "label": "behavior behaviour",
                "status": "event_type",
            },
            "time label status",
            "date_time_absolute_dmy_hmsf date_time_absolute_dmy_hms date_dmy date_time_absolute "
            "time_absolute_hms time_absolute_hmsf time_absolute_f date_time_start_dmy_hmsf "
            "event_log comment result_containers coding_scheme date_mdy date_ymd "
            "date_time_absolute_mdy_hmsf date_time_absolute_ymd_hmsf",
        ),
    ),
)
"""Programs, each with what shows its tables; the first that fits is taken."""


def is_program(path: Path, text: str) -> bool:
    """Whether a table was written by one of ``PROGRAMS``."""
    return _program(text) is not None


def _program(text: str) -> Program | None:
    return next((p for p in PROGRAMS if p.schema.fits(p.schema.header(text))), None)


def read_program(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of a table of one of ``PROGRAMS``."""
    program = _program(text)
    if program is None:
        EVENTS.refuse(path, "not a table of a known program")
    yield "", {"note": f"read as a table of {program.name}"}
    for where, fields in read_grid(Grid(path, text, program.schema, program.units)):
        yield where, program.meaning(fields)


JWATCHER: Final = re.compile(r"\A\s*FirstLineOfData\s*=")
JWATCHER_FACTS: Final = frozenset(
    ("FirstLineOfData", "FocalMasterFile", "StartTime", "StopTime", "Answer", "Question", "Notes")
)


def is_jwatcher(path: Path, text: str) -> bool:
    """Whether a text is a focal data file of JWatcher."""
    return JWATCHER.match(text) is not None


def read_jwatcher(path: Path, text: str) -> Iterator[Row]:
    """Yield the keys of JWatcher as point events: it has starts in milliseconds, and no ends.

    Raises:
        DataError: A line above the data is not known.
    """
    above, begin, below = text.partition("#BEGIN DATA")
    if not begin:
        EVENTS.refuse(path, "a file of JWatcher without #BEGIN DATA")
    names = [line.split("=")[0].split(".")[0].strip() for line in above.splitlines() if "=" in line]
    if unknown := [n for n in names if n not in JWATCHER_FACTS and not n.startswith("#")]:
        raise DataError(
            "a line above the data is not known",
            where=str(path),
            got=first_few(unknown),
            expected=", ".join(sorted(JWATCHER_FACTS)),
        )
    yield "", {"note": "JWatcher has starts and no ends: each key is a point event"}
    offset = above.count("\n") + 1
    for number, line in enumerate(below.splitlines(), start=offset):
        cells = [cell.strip() for cell in line.split(",")]
        if not any(cells) or line.startswith("#") or cells[-1] == "EOF":
            continue
        time = TimeCells().number(cells[0])
        if time is None or len(cells) < 2:
            yield f"line {number}", {"fault": f"not a time in ms and a key: {line[:40]!r}"}
        else:
            yield f"line {number}", {"label": cells[1], "start": time / 1000, "end": time / 1000}
