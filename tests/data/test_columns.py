"""Schemas of tables: names of columns, and headers that are refused."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data import feature_files, tracks
from fewact.data.columns import Column, Schema, normalised, rows_of
from fewact.data.poses import tables as poses
from fewact.lab.benchmarks.user_lists import LIST_COLUMNS
from fewact.recordings.formats import boris_tables, event, frames, programs

SCHEMAS = [
    LIST_COLUMNS,
    feature_files.CLIP_LABELS,
    tracks.TRACK_COLUMNS,
    poses.POSE_COLUMNS,
    event.EVENT_COLUMNS,
    boris_tables.BORIS_COLUMNS,
    frames.FRAME_TABLE_COLUMNS,
    *(program.schema for program in programs.PROGRAMS),
]
SEGMENTS = Schema(
    (
        Column("path", required=True),
        Column("start", "start begin start_(s)"),
        Column("x", "x left", distinctive=False),
    ),
    "a path",
    refuses_misspelt=True,
)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_name_means_two_columns(schema: Schema) -> None:
    names = [name for column in schema.columns for name in (column.names or column.name).split()]
    assert len(set(names)) == len(names)
    assert names == [normalised(name) for name in names]


def test_a_header_is_matched_in_any_case_and_form_of_unicode() -> None:
    schema = Schema((Column("h\u00f6he"), Column("start", "start_(s)")))
    assert schema.of([" Ho\u0308he", "START (S)", "start"]) == ["h\u00f6he", "start", ""]


@pytest.mark.parametrize(
    ("header", "what", "got", "hint"),
    [
        (["pth", "x"], 'there is no column "path"', "pth, x", 'Rename the column "pth".'),
        (["y"], 'there is no column "path"', "y", ""),
        (["path", "Begin", "Start (s)"], 'several columns may be "start"', "Begin, Start (s)", ""),
        (
            ["path", "startt"],
            'unknown column "startt"',
            "",
            'Did you mean "start"? Rename the column.',
        ),
    ],
)
def test_headers_that_are_refused(header: list[str], what: str, got: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        SEGMENTS.checked("here", header)
    error = caught.value
    assert (error.what, error.where, error.got, error.hint) == (what, "here", got, hint)


def test_other_columns_are_left_alone() -> None:
    assert SEGMENTS.checked("", ["note", "path", "x_offset", "left"]) == ["", "path", "", "x"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_one_that_gives_most_known_columns(separator: str) -> None:
    text = f"\npath{separator}a note{separator}left\n1{separator}2{separator}3\n"
    assert SEGMENTS.delimiter(text) == separator
    assert list(rows_of(Path("t.csv"), text, SEGMENTS)) == [
        (3, {"path": "1", "start": "", "x": "3"})
    ]


def test_a_row_with_more_cells_than_columns_is_refused() -> None:
    assert len(list(rows_of(Path("t.csv"), "path,x\n1,2,,\n", SEGMENTS))) == 1
    with pytest.raises(DataError, match="line 2: more cells"):
        list(rows_of(Path("t.csv"), "path,x\n1,2,3\n", SEGMENTS))
