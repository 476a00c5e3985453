"""Spreadsheets of Datavyu, as text and in a project."""

import zipfile
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import read_events

DB = """#4
0:NOTES-QueryName|NOMINAL
walk (MATRIX,true,)-kind|NOMINAL,steps|NOMINAL
00:01:38:054,00:01:47:014,(m,14)
look (NOMINAL,true,)
00:00:01:500,00:00:00:000,left
00:00:02:000,00:00:03:000,right
remark (TEXT,true,)
00:00:05:000,00:00:06:000,first line \\
second line
what is this
00:00:07:000,lost
"""
EVENTS = [
    ("walk m", 98.054, 107.014),
    ("left", 1.5, 1.5),
    ("right", 2.0, 3.0),
    ("remark", 5.0, 6.0),
]


@pytest.mark.parametrize("name", ["a.opf", "a.csv"])
def test_cells_are_events(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.opf":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("project", "--- x\n")
            archive.writestr("db", DB)
    else:
        path.write_text(DB)
    table = read_events(path)
    assert [(e.label, e.start, e.end) for e in table.events] == EVENTS
    assert ["what is this" in table.skipped[0], "lost" in table.skipped[1]] == [True, True]
    assert len(table.skipped) == 2
    assert "walk: steps" in table.notes[0]
    assert len(read_events(path, EventOptions(tier="look")).events) == 2


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_what_is_no_project_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.opf").write_bytes(content)
    with pytest.raises(DataError, match="not a project of Datavyu"):
        read_events(tmp_path / "a.opf")
    with zipfile.ZipFile(tmp_path / "b.opf", "w") as archive:
        archive.writestr("project", "x")
    with pytest.raises(DataError, match="not a project of Datavyu"):
        read_events(tmp_path / "b.opf")
