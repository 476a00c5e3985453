"""A table's header, what is above it, and times that columns give together."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.columns import SEGMENT_COLUMNS, Column, Schema
from fewact.data.grid import Grid, declared_rate, frame_of, mapped_times
from fewact.data.times import VIDEO_RATE, TimeFault

SCHEMA = Schema((Column("label", required=True), *SEGMENT_COLUMNS), "a label", accounts=True)


def grid(text: str) -> Grid:
    return Grid(Path("t.csv"), text, SCHEMA)


def times(text: str) -> dict[str, object]:
    table = grid(text)
    ((_, row),) = table.rows()
    return mapped_times(table, row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label,start,end\na,1,2\n", {"start": 1.0, "end": 2.0}),
        ("label,start,duration (ms)\na,1,500\n", {"start": 1.0, "end": 1.5}),
        ("label,start,end,duration\na,1,2,1.2\n", {"start": 1.0, "end": 2.0}),
        ("label,start\na,1\n", {"start": 1.0}),
        ("label,start,end\na,,\n", {}),
        ("label,end\na,inf\n", {"end": float("inf")}),
        ("label,start_frame,end_frame\na,5,9\n", {"span": (5, 9), "fps": VIDEO_RATE}),
        ("label,start [frame],number of frames,fps\na,5,4,25\n", {"span": (5, 9), "fps": 25.0}),
    ],
)
def test_times_of_a_row(text: str, expected: dict[str, object]) -> None:
    assert times(text) == expected


def test_timecodes_wait_for_a_rate() -> None:
    by_rate = times("label,start,end\na,0:00:01:05,0:00:02:00\n")["by_rate"]
    assert callable(by_rate)
    assert by_rate(10.0) == {"start": 1.5, "end": 2.0}
    with pytest.raises(TimeFault):
        by_rate(5.0)


@pytest.mark.parametrize(
    "text",
    [
        "label,start,end\na,1,soon\n",
        "label,start,end,duration\na,1,2,9\n",
        "label,start,duration\na,1,0:-1\n",
        "label,start_frame,end_frame\na,9,5\n",
        "label,start_frame,end_frame\na,1.5,5\n",
        "label,start_frame,end_frame,fps\na,1,5,-25\n",
    ],
)
def test_times_that_do_not_fit_together(text: str) -> None:
    with pytest.raises(TimeFault):
        times(text)


@pytest.mark.parametrize(
    "text",
    [
        "label,start,end_frame\na,1,5\n",
        "label,start,start_frame\na,1,5\n",
        "label,start_frame,duration\na,1,5\n",
        "label,start,end,end_frame\na,1,5,7\n",
    ],
)
def test_a_start_and_an_end_of_different_sorts_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        _ = grid(text).columns


def test_what_is_above_the_header_is_used_named_or_refused() -> None:
    table = grid('"A study; 2026";;\n\nfps;25\nlabel;start;end\na;1;2\na;2;3\n')
    assert (table.header, table.facts) == (["label", "start", "end"], {"rate": "25"})
    assert [where for where, _ in table.rows()] == ["line 5", "line 6"]
    assert declared_rate(table, {}) == 25.0
    assert "A study" in table.note(timed=True)
    assert "fps" not in table.note(timed=True)
    for line in ("start;12", "Time shift;12", "clock;0:12"):
        with pytest.raises(DataError):
            grid(f"{line}\nlabel;start;end\na;1;2\n").note(timed=True)


def test_rows_with_too_many_cells_and_repeated_headers_are_faults() -> None:
    table = grid("label,start\na,1,2\nlabel,start\na,1,,\n")
    faults = ["fault" in row for _, row in table.rows()]
    assert faults == [True, True, False]


def test_numbers_of_frames() -> None:
    assert frame_of({"frame": "12"}, "frame") == 12
    assert frame_of({"frame": "NA"}, "frame") is None
    for text in ("1.5", "-1", "x", "9" * 400):
        with pytest.raises(TimeFault):
            frame_of({"frame": text}, "frame")
