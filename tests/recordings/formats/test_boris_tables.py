"""Tables of BORIS without a part of what newer versions write, pasted ones, and point events."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, EventTable, read_events

TABULAR = (
    "Observation id\tObservation date\tSource\tTime offset (s)\tMedia duration (s)\tFPS (frame/s)\t"
    "Subject\tBehavior\tBehavior type\tTime\tMedia file name\tImage index\tImage file path\n"
)


def read(folder: Path, name: str, text: str) -> EventTable:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_events(path)


def tabular(*rows: tuple[object, ...], source: str = "player #1:m.mp4") -> str:
    return TABULAR + "".join(
        f"o\t2026-03-02\t{source}\t0.0\t39.3\t15.0\tM1\t{what}\t{status}\t{time}\t{file}\t{frame}\tNA\n"
        for what, status, time, file, frame in rows
    )


def test_a_file_that_is_not_found_at_a_time_is_the_only_one(tmp_path: Path) -> None:
    text = tabular(
        ("wave", "START", 0.0, "not found", 0),
        ("wave", "STOP", 3.0, "m.mp4", 45),
        ("nod", "POINT", 5.0, "m.mp4", "NA"),
    )
    expected = [
        Event("wave", 0.0, 3.0, recording="m.mp4", subject="M1", frames=(0, 45)),
        Event("nod", 5.0, 5.0, recording="m.mp4", subject="M1"),
    ]
    assert read(tmp_path, "t.tsv", text).events == expected
    without = read(tmp_path, "t.tsv", text.replace("player #1:m.mp4", ""))
    assert without.events == expected


def test_rows_that_are_named(tmp_path: Path) -> None:
    text = tabular(
        ("wave", "STOP", 1.0, "m.mp4", 1),
        ("wave", "START", "soon", "m.mp4", 1),
        ("wave", "START", 2.0, "m.mp4", 1),
        ("wave", "START", 3.0, "m.mp4", 1),
        ("wave", "pause", 4.0, "m.mp4", 1),
        ("wave", "STOP", 5.0, "m.mp4", 1),
        ("groom", "START", 6.0, "m.mp4", 1),
    )
    table = read(tmp_path, "t.tsv", text)
    assert [(event.start, event.end) for event in table.events] == [(2.0, 5.0)]
    assert [named.split(", ")[1].split(":")[0] for named in table.skipped] == [
        f"line {line}" for line in (2, 3, 5, 6, 8)
    ]


def test_a_duration_that_is_another_one_is_named(tmp_path: Path) -> None:
    header = (
        "Observation id,Media file name,Behavior,Behavior type,Start (s),Stop (s),Duration (s)\n"
    )
    text = header + "o,m.mp4,wave,STATE,1,2.5,1.5\no,m.mp4,wave,STATE,1,2.5,9\n"
    table = read(tmp_path, "t.csv", text + "o,m.mp4,nod,POINT,3,NA,NA\n")
    assert [(event.start, event.end) for event in table.events] == [(1.0, 2.5), (3.0, 3.0)]
    assert len(table.skipped) == 1


def test_an_unknown_column_that_looks_like_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "t.csv", "Observation id,Behavior,Start (h),Stop (x)\no,wave,1,2\n")
    assert "Stop (x)" in caught.value.what


def test_two_raters_are_asked_for(tmp_path: Path) -> None:
    header = "Observation id,Media file name,Behavior,Behavior type,Start (s),Stop (s),observer\n"
    rows = "o,m.mp4,wave,STATE,1,2.5,ann\np,m.mp4,wave,STATE,1.1,2.6,bob\n"
    with pytest.raises(DataError):
        read(tmp_path, "t.csv", header + rows)
    table = read_events(tmp_path / "t.csv", EventOptions(rater="bob"))
    assert [(event.start, event.end) for event in table.events] == [(1.1, 2.6)]


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_aggregated_rows_without_a_header(tmp_path: Path, separator: str) -> None:
    rows = [
        ["o", "2026-03-02", "a.mp4", "40", "25.0", "x", "No focal subject", "s", "", "", "STATE"],
        ["o", "2026-03-02", "a.mp4", "40", "25.0", "x", "M1", "p", "", "", "POINT"],
        ["o", "2026-03-02", "a.mp4", "40", "25.0", "x", "M1", "s", "", "", "STATE"],
    ]
    times = [["1.8", "8.125", "6.325"], ["9", "9", "NA"], ["10", "12", "9"]]
    text = "\r\n".join(
        separator.join([*row, *of, "", ""]) for row, of in zip(rows, times, strict=True)
    )
    table = read(tmp_path, "t.tsv", text)
    assert table.events == [
        Event("s", 1.8, 8.125, recording="a.mp4"),
        Event("p", 9.0, 9.0, recording="a.mp4", subject="M1"),
    ]
    assert "line 3" in table.skipped[0]


def test_rows_that_were_pasted_are_states_in_turn(tmp_path: Path) -> None:
    wave, clap = "M1\twave\t\t", "\tclap\tleft\t"
    rows = [(4.0, wave), (5.5, clap), (7.6, wave), (9, clap), (10, wave)]
    table = read(tmp_path, "t.tsv", "".join(f"{time}\t{row}\n" for time, row in rows))
    assert table.events == [
        Event("wave", 4.0, 7.6, subject="M1"),
        Event("clap", 5.5, 9.0),
    ]
    assert "line 5" in table.skipped[0]
    assert table.notes
