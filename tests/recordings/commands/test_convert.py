"""``fewact convert-events``: any program's events into any other's form, and back."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fewact.cli.app import app
from fewact.recordings.event_text import events_text
from fewact.recordings.formats import Event, read_events
from fewact.video import write_video

EVENTS = [
    Event("nod", 0.5, 0.5, recording="a.mp4"),
    Event("wave", 1.0, 2.5, recording="a.mp4"),
    Event("clap", 2.0, 3.75, recording="a.mp4"),
]
NAMES = (
    "e.csv",
    "e.json",
    "e.boris",
    "e.eaf",
    "e.xml",
    "e.via.csv",
    "e.activitynet.json",
    "e.createml.json",
    "e.createml.csv",
    "e.labelstudio.json",
)
"""A file of each format that can hold these events."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["convert-events", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", np.zeros((64, 48, 64, 3), np.uint8), 16)
    return tmp_path


def test_events_become_a_file_of_nwb_that_lists_what_it_cannot_hold(folder: Path) -> None:
    pytest.importorskip("ndx_ethogram", reason='needs pip install "fewact[nwb]"')
    events = folder / "e.csv"
    events.write_text("video,start,end,label,mark\na.mp4,1,2.5,wave,right\na.mp4,3,3,nod,\n")
    result = run(events, folder / "e.nwb")
    assert result.exit_code == 0, result.output
    assert "Lost in e.nwb: mark: of 1 events" in result.stderr
    assert (folder / "e.nwb").read_bytes()[:4] == b"\x89HDF"


def test_a_format_whose_library_is_missing_is_refused_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ndx_ethogram", None)
    events = folder / "e.csv"
    events.write_text("video,start,end,label\na.mp4,1,2.5,wave\n")
    result = run(events, folder / "e.nwb")
    assert (result.exit_code, (folder / "e.nwb").exists()) == (2, False)
    assert 'pip install "fewact[nwb]"' in str(result.exception or "") + result.stderr


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_any_format_becomes_any_other(folder: Path, source: str, target: str) -> None:
    old, new = folder / f"from_{source}", folder / f"to_{target}"
    old.write_text(events_text(old, EVENTS, {}), newline="")
    result = run(old, new)
    assert result.exit_code == 0, result.output
    read = sorted(read_events(new).events, key=lambda event: event.start)
    assert [(e.label, e.recording) for e in read] == [(e.label, e.recording) for e in EVENTS]
    frame = 1 / 16 + 0.002  # ELAN and Label Studio have no point events
    assert all(
        abs(a.start - b.start) < 0.002 and abs(a.end - b.end) <= frame
        for a, b in zip(read, EVENTS, strict=True)
    )
    before = sorted(read_events(old).events, key=lambda event: event.start)
    moved = [abs(a.end - b.end) > 0.001 for a, b in zip(read, before, strict=True)]
    assert any(moved) == ("times:" in result.output)


def test_what_a_format_cannot_hold_is_listed(folder: Path) -> None:
    table = folder / "e.csv"
    table.write_text("video,label,start,end,subject\na.mp4,wave,1,2,rat\na.mp4,,1,2,\n")
    result = run(table, folder / "e.createml.json")
    assert result.exit_code == 3
    assert "subject: of 1 events" in result.output
    assert "line 3" in result.output
    assert "all but classes and times" in run(table, folder / "e.srt").output


def test_a_class_of_the_whole_recording_ends_with_it(folder: Path) -> None:
    table = folder / "e.csv"
    table.write_text("video,label\na.mp4,3\n")
    assert run(table, folder / "e.boris").exit_code == 0
    assert read_events(folder / "e.boris").events[0].end == pytest.approx(4.0, abs=0.01)
    assert run(table, folder / "e.txt").exit_code == 0
    assert (folder / "e.txt").read_text() == "a.mp4 3\n"
    table.write_text("video,label\ngone.mp4,3\n")
    assert run(table, folder / "e.eaf").exit_code == 2
    assert run(table, folder / "f.json").exit_code == 0
    assert read_events(folder / "f.json").events[0].end == float("inf")


@pytest.mark.parametrize("name", ["e.doc", "e.txt", "e.csv"])
def test_what_cannot_be_written_is_refused(folder: Path, name: str) -> None:
    table = folder / "e.csv"
    table.write_text("video,label,start,end\na.mp4,wave,1,2\n")
    assert run(table, folder / name).exit_code == 2
    assert table.read_text().startswith("video,label")
