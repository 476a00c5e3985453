"""Files that other programs wrote, and inputs after public reports that once failed."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import EventTable, read_events

MONDAY = [
    ("swipe_left", 4.0, 7.6),
    ("clap", 12.6, 16.6),
    ("swipe_right", 22.6, 26.33),
    ("wave", 31.33, 35.33),
]
FRAME = 1 / 15


def read(path: Path, **options: object) -> EventTable:
    return read_events(path, EventOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "tables/boris_tab.tsv",
        "tables/dartfish.csv",
        "tables/fr.csv",
        "tables/longomatch.csv",
        "tables/monday_labels.csv",
        "tables/observer.csv",
        "tables/paste.tsv",
        "tables/startdur.csv",
        "tables/title.xlsx",
        "tables/utf16.csv",
        "time-columns/it.tsv",
    ],
)
def test_monday_is_read_from_every_table(assets: Path, name: str) -> None:
    path = assets / "reports4" / name
    table = read(path, video=path.parent / "monday.mp4") if "time" not in name else read(path)
    assert table.skipped == ()
    expected = [("swipe_left", 0.0, 3.0), *MONDAY[1:]] if "boris" in name else MONDAY
    assert [event.label for event in table.events] == [label for label, _, _ in expected]
    tolerance = 1.01 * FRAME if "labels" in name else 0.002
    for event, (_, start, end) in zip(table.events, expected, strict=True):
        assert (event.start, event.end) == pytest.approx((start, end), abs=tolerance)
        assert Path(event.recording).stem == "monday"


@pytest.mark.parametrize("name", ["whole.tsv", "whole2.csv"])
def test_times_in_seconds_are_not_the_whole_video(assets: Path, name: str) -> None:
    events = read(assets / "reports4" / "time-columns" / name).events
    assert {(event.start, event.end) for event in events} == {(0.5, 2.0)}
    assert len(events) == 6


def test_two_raters_are_read_apart(assets: Path) -> None:
    path = assets / "reports4" / "tables" / "raters.csv"
    with pytest.raises(DataError):
        read(path)
    assert [(e.start, e.end) for e in read(path, rater="B").events] == [(12.8, 16.4)]


@pytest.mark.parametrize(
    ("name", "events", "skipped"),
    [
        ("dim.xlsx", 1, 0),
        ("styles.xlsx", 1, 0),
        ("fo.xlsx", 0, 1),
        ("xlsx-a38e3b-x.xlsx", 6, 0),
        ("z.csv", 1, 0),
        ("vb.csv", 0, 1),
    ],
)
def test_hostile_tables_that_are_read(assets: Path, name: str, events: int, skipped: int) -> None:
    table = read(assets / "reports4" / "hostile" / name)
    assert (len(table.events), len(table.skipped)) == (events, skipped)


@pytest.mark.parametrize(
    "name",
    ["enc.xlsx", "m99.xlsx", "r12.xlsx", "xlsx-9cb8f6-x.xlsx", "xlsx-d03aba-x.xlsx", "bl.csv"],
)
def test_hostile_tables_that_are_refused(assets: Path, name: str) -> None:
    path = assets / "reports4" / "hostile" / name
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.where.startswith(str(path))


@pytest.mark.parametrize(
    ("name", "events", "skipped"),
    [
        ("boris/test_export_events_tabular.csv", 4, 0),
        ("boris/test_export_aggregated_events_test_full_2.tsv", 2, 0),
        ("boris/test_export_aggregated_events_test_full_4.tsv", 6, 0),
        ("jwatcher/test_jwatcher_subject1.dat", 3, 0),
    ],
)
def test_exports(assets: Path, name: str, events: int, skipped: int) -> None:
    table = read(assets / "more" / "exports" / name)
    assert (len(table.events), len(table.skipped)) == (events, skipped)


def test_every_scoring_of_dlcanalyzer_is_read(assets: Path) -> None:
    path = assets / "more" / "exports" / "dlcanalyzer" / "AllLabDataOFT_final.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    for rater in ("scorer1", "scorer2", "scorer3"):
        own = [row for row in rows if row["Experimenter"] == rater]
        table = read(path, rater=rater)
        assert len(table.events) + len(table.skipped) >= len(own)
        known = [
            row for row in own if row["type"] != "NA" and float(row["to"]) >= float(row["from"])
        ]
        assert [
            (event.recording, event.label, event.start, event.end) for event in table.events
        ] == [(row["ID"], row["type"], float(row["from"]), float(row["to"])) for row in known]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("boris/export_observations_list_test1.tsv", "no events"),
        ("boris/test_export_events_tabular.html", "no events"),
        ("jwatcher/Mantid_Ethogram.csv", "several columns"),
        ("jwatcher/test_jwatcher_subject1.fmf", "no events"),
        ("label_studio/csv_test2_result.csv", ""),
    ],
)
def test_exports_without_events_are_refused(assets: Path, name: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        read(assets / "more" / "exports" / name)
    assert re.search(reason, caught.value.what)


def test_a_file_whose_name_is_in_another_form_of_unicode(assets: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(assets / "reports4" / "unicode-nfd.tar.xz", tmp_path)
    tables = [read(tmp_path / "tab" / name).events for name in ("nfc.csv", "nfd.csv")]
    assert tables[0] == tables[1]
