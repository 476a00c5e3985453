"""Tables of repetitions are written, and read as events of one repetition each."""

import csv
from pathlib import Path

from fewact.recordings.formats import Event, events_text, read_events
from fewact.recordings.formats.repetition import Repetition

TIMES = (Repetition(1.0, 2.5, 80.25, "left knee"), Repetition(3.0, 5.0, 82.0, "left knee"))
EVENTS = [
    Event("squat", 1.0, 5.0, 0.9, 2, "a.mp4", repetition_times=TIMES),
    Event("jump", 7.0, 8.0, 0.5, 3, "a.mp4", subject="Ada"),
]


def test_each_repetition_has_a_row(tmp_path: Path) -> None:
    path = tmp_path / "set.repetitions.csv"
    path.write_text(events_text(path, EVENTS), encoding="utf-8")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["set"], row["repetition"]) for row in rows] == [("1", "1"), ("1", "2"), ("2", "1")]
    assert [row["duration"] for row in rows] == ["1.500", "2.000", "1.000"]
    assert [row["motion_range"] for row in rows] == ["80.2", "82.0", ""]
    assert [row["joint"] for row in rows] == ["left knee", "left knee", ""]
    assert rows[2]["subject"] == "Ada"


def test_the_rows_are_read_as_events(tmp_path: Path) -> None:
    path = tmp_path / "set.repetitions.csv"
    path.write_text(events_text(path, EVENTS), encoding="utf-8")
    events = read_events(path).events
    assert [(e.label, e.start, e.end) for e in events] == [
        ("squat", 1.0, 2.5),
        ("squat", 3.0, 5.0),
        ("jump", 7.0, 8.0),
    ]
    assert sum(event.repetitions for event in events) == 3


def test_json_has_the_repetitions_of_an_event() -> None:
    fields = EVENTS[0].to_dict()
    assert fields["repetition_times"] == [
        {"start": 1.0, "end": 2.5, "motion_range": 80.2, "joint": "left knee"},
        {"start": 3.0, "end": 5.0, "motion_range": 82.0, "joint": "left knee"},
    ]
    again = Event.from_dict(fields)
    assert again.repetition_times[1] == TIMES[1]
    assert "repetition_times" not in EVENTS[1].to_dict()
    assert Event.from_dict(EVENTS[1].to_dict()) == EVENTS[1]
