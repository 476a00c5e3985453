"""Label Studio: frames at the rate of the labelling setup, raters, and what was cancelled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, events_text, read_events
from fewact.video import write_video

WAVE = {"value": {"ranges": [{"start": 61, "end": 114}], "timelinelabels": ["wave"]}}
CLAP = {"value": {"ranges": [{"start": 241, "end": 300}], "timelinelabels": ["clap"]}}


def tasks(path: Path, *annotations: dict[str, Any], **data: Any) -> Path:
    task = {"id": 1, "data": {"video": "/data/upload/1/0a1b2c3d-a.mp4", **data}}
    path.write_text(json.dumps([{**task, "annotations": list(annotations)}]))
    return path


@pytest.mark.parametrize("name", ["fps", "framerate", "frameRate", "frame_rate"])
def test_frames_are_at_the_rate_of_the_data(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), 8)
    path = tasks(tmp_path / "e.json", {"result": [WAVE]}, **{name: "15"})
    table = read_events(path)
    assert table.events == [Event("wave", 4.0, 7.6, recording="a.mp4")]
    (warning,) = table.warnings
    assert "15 per second; a.mp4 has 8" in warning


def test_a_rate_that_is_not_said_is_asked_for(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), 8)
    path = tasks(tmp_path / "e.json", {"result": [WAVE]})
    with pytest.raises(DataError) as error:
        read_events(path)
    assert "--fps" in error.value.hint
    assert "8" in error.value.hint
    assert read_events(path, EventOptions(fps=15)).events[0].end == 7.6


@pytest.mark.parametrize(
    "data", [{"fps": 0}, {"fps": "fast"}, {"fps": 24, "framerate": 25}, {"samplerate": 9}]
)
def test_a_rate_that_is_not_understood_is_refused(tmp_path: Path, data: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="frame rate"):
        read_events(tasks(tmp_path / "e.json", {"result": [WAVE]}, **data))


def test_what_was_cancelled_or_predicted_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tasks(
        tmp_path / "e.json",
        {"result": [WAVE]},
        {"result": [CLAP], "was_cancelled": True},
        {"result": [CLAP], "was_cancelled": True},
        fps=15,
    )
    task = json.loads(path.read_text())
    task[0]["predictions"] = [{"result": [CLAP]}]
    path.write_text(json.dumps(task))
    table = read_events(path)
    assert [event.label for event in table.events] == ["wave"]
    notes = " ".join(table.notes)
    assert "2 cancelled annotations were left out" in notes
    assert "1 prediction was left out" in notes


def test_two_raters_are_asked_for_by_name(tmp_path: Path) -> None:
    path = tasks(
        tmp_path / "e.json",
        {"result": [WAVE], "completed_by": {"id": 1, "email": "a@x.org"}},
        {"result": [CLAP], "completed_by": 7},
        fps=15,
    )
    with pytest.raises(DataError) as error:
        read_events(path)
    assert "a@x.org" in error.value.got
    assert "--rater" in error.value.hint
    assert [e.label for e in read_events(path, EventOptions(rater="7")).events] == ["clap"]
    with pytest.raises(DataError, match="no such rater"):
        read_events(path, EventOptions(rater="8"))


def test_one_bad_region_does_not_refuse_the_file(tmp_path: Path) -> None:
    bad = {"value": {"ranges": [{"start": None, "end": 3}], "timelinelabels": ["wave"]}}
    box = {"value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Car"]}}
    twice = {"value": {"ranges": [{"start": 1, "end": 3}], "timelinelabels": ["a", "b"]}}
    regions = [WAVE, bad, box, twice, {"value": 3}]
    table = read_events(tasks(tmp_path / "e.json", {"result": regions}, fps=15))
    assert len(table.events) == 1
    assert [row.split(", ")[2][:8] for row in table.skipped] == [f"region {i}" for i in range(2, 6)]


def test_a_track_of_boxes_has_the_rate_of_its_video(tmp_path: Path) -> None:
    keys = [
        {"frame": f, "enabled": e} for f, e in ((11, True), (31, False), (41, True), (50, True))
    ]
    value = {"sequence": keys, "framesCount": 100, "duration": 10.0, "labels": ["rat"]}
    table = read_events(tasks(tmp_path / "e.json", {"result": [{"value": value}]}))
    assert [(e.start, e.end) for e in table.events] == [(1.0, 3.1), (4.0, 5.0)]


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_the_short_exports_are_read(tmp_path: Path, suffix: str) -> None:
    regions = json.dumps([WAVE["value"], CLAP["value"]])
    video = "/data/upload/3/1a2b3c4d-a.mp4"
    path = tmp_path / f"e{suffix}"
    if suffix == ".json":
        row = f'{{"video": "{video}", "fps": 15, "id": 7, "tl": {regions}, "annotator": 1}}'
        path.write_text(f"[{row}]")
    else:
        quoted = regions.replace('"', '""')
        path.write_text(f'video,fps,id,tl,annotator\n{video},15,7,"{quoted}",1\n')
    assert [(e.label, e.start, e.end) for e in read_events(path).events] == [
        ("wave", 4.0, 7.6),
        ("clap", 16.0, 20.0),
    ]


def test_an_unknown_field_that_looks_like_a_time_is_refused(tmp_path: Path) -> None:
    region = {**WAVE, "time_shift": 3}
    with pytest.raises(DataError, match="time_shift"):
        read_events(tasks(tmp_path / "e.json", {"result": [region]}, fps=15))


def test_a_point_event_is_written_as_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), 8)
    path = tmp_path / "e.labelstudio.json"
    path.write_text(events_text(path, [Event("nod", 2.0, 2.0, recording="a.mp4")]))
    assert read_events(path).events == [Event("nod", 2.0, 2.125, recording="a.mp4")]
