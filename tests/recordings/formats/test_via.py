"""Projects of the VGG Image Annotator 3."""

import json
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.formats import Event, read_events


def project(path: Path, *segments: dict[str, object]) -> Path:
    content = {
        "project": {"vid_list": ["1"]},
        "config": {},
        "attribute": {"1": {"aname": "action", "options": {"0": "wave"}}, "2": {"options": {}}},
        "file": {"1": {"fname": "a.mp4"}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {f"1_{i}": {"vid": "1", "flg": 0, **s} for i, s in enumerate(segments)},
    }
    path.write_text(json.dumps(content))
    return path


def test_segments_are_events_and_regions_are_named(tmp_path: Path) -> None:
    table = read_events(
        project(
            tmp_path / "p.json",
            {"z": [1.25, 2.5], "xy": [], "av": {"1": "0"}},
            {"z": [3], "xy": [], "av": {"2": "free text"}},
            {"z": [3], "xy": [2, 1, 1, 5, 5], "av": {"1": "0"}},
            {"z": [3, 4], "xy": [], "av": {"1": "0", "2": "x"}},
            {"z": [], "xy": [], "av": {"1": "0"}},
            {"z": [1, 2], "xy": [], "av": {"1": "0"}, "vid": "9"},
        )
    )
    assert table.events == [
        Event("wave", 1.25, 2.5, recording="a.mp4"),
        Event("free text", 3.0, 3.0, recording="a.mp4"),
    ]
    assert len(table.skipped) == 4


def test_an_unknown_field_that_looks_like_a_time_is_refused(tmp_path: Path) -> None:
    segment = {"z": [1, 2], "xy": [], "av": {"1": "0"}, "time_scale": 2}
    with pytest.raises(DataError, match="time_scale"):
        read_events(project(tmp_path / "p.json", segment))
