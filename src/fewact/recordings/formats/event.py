"""An event of a recording: what all formats of events are read into and written from."""

import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.core.text_table import printable
from fewact.data.cells import number, seconds
from fewact.data.class_names import NAME_EXPECTED, is_class_name
from fewact.data.column_names import LABEL_NAMES, RATERS, RECORDING_NAMES, SUBJECTS, TIME_NAMES
from fewact.data.columns import SEGMENT_COLUMNS, Column, Schema
from fewact.data.files import natural_key
from fewact.data.tables import SIDES
from fewact.recordings.formats.repetition import Repetition

EVENTS = FileType(
    "file of events",
    DataError,
    256 * MIB,
    "events of BORIS (.boris, exported tables), ELAN (.eaf), Sportscode or Nacsport (.xml), VIA, "
    "ActivityNet, Create ML or Label Studio, or a table with video, label, start and end",
    'In a spreadsheet, save it as .xlsx or "CSV UTF-8".',
)

EVENTS_EXPECTED: Final = (
    "names such as video, label, start, end, duration, subject and rater, also in other languages, "
    "with units as in start (ms) or end [frame]"
)

STATUS_NAMES: Final = "state_event start_stop on_off start_end"

EVENT_COLUMNS: Final = Schema(
    (
        Column("recording", RECORDING_NAMES),
        Column("label", LABEL_NAMES, required=True),
        *SEGMENT_COLUMNS,
        Column("first_frame", "first_frame", distinctive=False),
        Column("last_frame", "last_frame", distinctive=False),
        Column("time", TIME_NAMES, timed=True, frames="frame"),
        Column("frame", "frame frame_id frame_number frame_index frame_no image_index"),
        Column("status", f"status event_type behavior_type behaviour_type {STATUS_NAMES}"),
        Column("observation", "observation observation_id observation_name"),
        Column("subject", SUBJECTS),
        Column("rater", RATERS),
        Column("confidence", "confidence probability score"),
        Column("repetitions", "repetitions count"),
        *map(Column, ("clock", "mark", *SIDES)),
    ),
    EVENTS_EXPECTED,
    accounts=True,
)
"""Columns of a table of events, and names of the fields of a document."""


@dataclass(frozen=True, slots=True)
class Event:
    """An action in a recording, performed once or several times in a row.

    An event that starts and ends at the same time is a point event: it has no duration.

    Args:
        label: Class of the action; an integer if the classes were given as integers.
        start: Start, in seconds of the recording.
        end: End, in seconds of the recording; infinite for its end.
        confidence: Estimated probability that the action was performed there, 0 … 1, for its
            clearest repetition. None if a person scored it.
        repetitions: Number of times that the action was performed.
        recording: File of the recording, as its table names it; empty if it names none.
        subject: Individual that performed the action; empty if there is one.
        frames: Numbers of the first and the last frame, from 0, if they are known.
        clock: Date and time of the start, ISO 8601; empty if they are not known.
        box: Where the subject is: left, top, width and height in pixels; None if it is not known.
        mark: Whether a person found it ``right`` or ``wrong``; ``?`` where that is not known yet.
        repetition_times: Each repetition; empty where they are not known.
    """

    label: str | int
    start: float
    end: float
    confidence: float | None = None
    repetitions: int = 1
    recording: str = ""
    subject: str = ""
    frames: tuple[int, int] | None = None
    clock: str = ""
    box: tuple[float, float, float, float] | None = None
    mark: str = ""
    repetition_times: tuple[Repetition, ...] = ()

    @property
    def is_point(self) -> bool:
        """Whether the event has no duration: it counts, but takes no time."""
        return self.start == self.end

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are known, for JSON; times are rounded to milliseconds."""
        end = round(self.end, 3) if math.isfinite(self.end) else "inf"
        fields = asdict(self) | {"start": round(self.start, 3), "end": end}
        fields["repetition_times"] = [each.to_dict() for each in self.repetition_times]
        return {name: value for name, value in fields.items() if value not in ("", None, [])}

    def to_json(self) -> str:
        """Return the fields of ``to_dict`` as a line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the event of the fields of ``to_dict``, read from JSON."""
        times = tuple(Repetition(**each) for each in fields.get("repetition_times", ()))
        return cls(**{**fields, "repetition_times": times})


Row = tuple[str, Mapping[str, Any]]
"""Place of an event in its file, and its fields: texts or numbers, not checked; or a ``fault``."""

Read = Callable[[Path, str], Iterator[Row]]
Write = Callable[[Sequence[Event], Path], str]
"""Returns the text of events; recordings are relative to the folder."""


def event_of(fields: Mapping[str, Any]) -> Event:
    """Return the event of a row.

    Raises:
        ValueError: The row cannot be used; the message says why.
    """
    if fault := fields.get("fault"):
        raise ValueError(fault)
    label = _name(_text(fields.get("label")))
    if not label:
        raise ValueError("it has no class")
    if not is_class_name(label):
        got = printable(label[:60])
        raise ValueError(f'"{got}" is no class name (expected: {NAME_EXPECTED})')
    begin, end = (_time(name, fields.get(name)) for name in ("start", "end"))
    if begin is None and end is None:
        if "start" in fields or "end" in fields:
            raise ValueError("it has no times")
        begin, end = 0.0, math.inf  # a format without times: the recording is the event
    if begin is None:
        raise ValueError(f"it has no start, and ends at {end:g} s")
    start, end = begin, begin if end is None else end
    if end < start:
        raise ValueError(f"it ends ({end:g} s) before it starts ({start:g} s)")
    return Event(
        label,
        start,
        end,
        _number("confidence", fields.get("confidence"), float),
        _number("repetitions", fields.get("repetitions"), int) or 1,
        _name(_text(fields.get("recording"))),
        _name(_text(fields.get("subject"))),
        fields.get("frames"),
        str(fields.get("clock") or ""),
        _box(fields),
        mark=_text(fields.get("mark")).casefold(),
    )


@lru_cache(maxsize=4096)
def _name(text: str) -> str:
    """Return a name in Unicode normal form C; equal names of a table are one string."""
    return unicodedata.normalize("NFC", text)


def _text(value: Any) -> str:
    """Return a cell without spaces around it; classes and subjects may be numbers, also 0."""
    return "" if value is None else str(value).strip()


def _box(fields: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    if "w" not in fields:
        return None
    x, y, w, h = (_number(side, fields.get(side), float) for side in SIDES)
    if None in (x, y, w, h):
        return None
    if w <= 0 or h <= 0:
        raise ValueError(f"its box is no box: {w:g} x {h:g} pixels")
    return x, y, w, h


def _time(name: str, value: Any) -> float | None:
    """Return the seconds of a cell; None if it is empty."""
    if type(value) is float and 0.0 <= value < math.inf:
        return value
    if value is None or value in ("", "NA"):
        return None
    if name == "end" and isinstance(value, str) and value.strip() == "inf":
        return math.inf  # the end of the recording, as ``write_table`` writes it
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        time = float(value) if is_number else seconds(str(value).strip())
    except OverflowError:  # an integer of hundreds of digits
        time = None
    if time is None or not math.isfinite(time):
        raise ValueError(f"its {name} is no time: {str(value)[:40]!r}")
    if time < 0:
        raise ValueError(f"its {name} is before the recording: {time:g} s")
    return time


def _number(name: str, value: Any, type_: type) -> Any:
    if value is None or value == "" or value == "NA":
        return None
    parsed = number(str(value))
    if parsed is None or (issubclass(type_, int) and (parsed < 0 or parsed % 1)):
        raise ValueError(f"its {name} is no number: {str(value)[:40]!r}")
    return type_(parsed)


def frames_of(first: object, last: object) -> tuple[int, int] | None:
    """Return the numbers of the first and the last frame; None if a cell has none."""
    texts = str(first), str(last)
    if all(text.isdecimal() and len(text) < 16 for text in texts):
        return int(texts[0]), int(texts[1])
    return None


def by_recording(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the events of each recording, in the order of the first events."""
    return _grouped(events, attrgetter("recording"))


def by_subject(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the events of each subject, in the natural order of their names."""
    groups = _grouped(events, attrgetter("subject"))
    return {name: groups[name] for name in sorted(groups, key=natural_key)}


def _grouped(events: Iterable[Event], name: Callable[[Event], str]) -> dict[str, list[Event]]:
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(name(event), []).append(event)
    return groups
