"""JSON documents of events whose times have units, are frames, or have a duration."""

import json
from pathlib import Path
from typing import Any

import pytest

from fewact.recordings.event_text import events_text
from fewact.recordings.formats import Event, is_event_file, read_events

CLAP = {"video": "monday.mp4", "label": "clap"}


@pytest.mark.parametrize(
    "times",
    [
        {"start": 12.6, "end": 16.6},
        {"begin_ms": 12600, "finish_ms": 16600},
        {"start (ms)": "12600", "duration (s)": "4"},
        {"start": 12.6, "dur": 4},
        {"start_frame": 189, "end_frame": 249, "fps": 15},
        {"start": "00:00:12:09", "end": "00:00:16:09", "fps": 15},
    ],
)
@pytest.mark.parametrize("is_fewact", [False, True])
def test_units_of_names_are_read(tmp_path: Path, times: dict[str, Any], is_fewact: bool) -> None:
    rows = [CLAP | times]
    path = tmp_path / "events.json"
    path.write_text(json.dumps({"source": "monday.mp4", "events": rows} if is_fewact else rows))
    table = read_events(path)
    assert [(e.recording, e.start, e.end) for e in table.events] == [("monday.mp4", 12.6, 16.6)]
    assert table.skipped == ()


@pytest.mark.parametrize("times", [{"start_ms": 12600}, {"start": 1, "dur": True}, {"end_ms": 1}])
def test_row_without_times_is_named(tmp_path: Path, times: dict[str, Any]) -> None:
    path = tmp_path / "events.json"
    path.write_text(json.dumps([CLAP | times]))
    table = read_events(path)
    assert table.events == []
    assert len(table.skipped) == 1


def test_json_lines_are_read_and_a_cut_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = Event("clap", 12.6, 16.6, 0.5, recording="monday.mp4")
    path.write_text(
        events_text(path, [event], {}) + '\n{}\n{"start_ms": 1}\n{"label": "wave", "sta',
        encoding="utf-8",
    )
    table = read_events(path)
    assert table.events == [event]
    assert [row.split(": ")[0] for row in table.skipped] == [
        f"{path}, line {number}" for number in (5, 3, 4)
    ]
    assert is_event_file(path)
