"""Documents that other programs wrote, and inputs after public reports that once failed."""

import re
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data import event_clips
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import EventTable, read_events

MONDAY = [
    ("swipe_left", 4.0, 7.6),
    ("clap", 12.6, 16.6),
    ("swipe_right", 22.6, 26.33),
    ("wave", 31.33, 35.33),
]
FRAME = {"ls_fps.json": 1 / 24, "ls_framerate.json": 1 / 24, "ls_25.json": 1 / 25}


def read(path: Path, **options: object) -> EventTable:
    return read_events(path, EventOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("label-studio/ls_25.json", {"fps": 25}),
        ("label-studio/ls_fps.json", {}),
        ("label-studio/ls_framerate.json", {}),
        ("label-studio/ls_cancel.json", {"fps": 15}),
        ("label-studio/ls_two.json", {"fps": 15, "rater": "2"}),
        ("label-studio/ls_min.json", {"fps": 15}),
        ("label-studio/ls_csv.csv", {"fps": 15}),
        ("tables/elan_ref.eaf", {}),
        ("tables/cvat.xml", {}),
        ("tables/sportscode_no_video.xml", {"video": "monday.mp4"}),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_monday_is_read_from_every_document(
    assets: Path, name: str, options: dict[str, object]
) -> None:
    path = assets / "reports4" / name
    if "video" in options:
        options = {"video": path.parent / str(options["video"])}
    table = read(path, **options)
    assert table.skipped == ()
    assert [event.label for event in table.events] == [label for label, _, _ in MONDAY]
    for event, (_, start, end) in zip(table.events, MONDAY, strict=True):
        tolerance = 1.01 * FRAME.get(path.name, 1 / 15)
        assert (event.start, event.end) == pytest.approx((start, end), abs=tolerance)
    clips, skipped = event_clips(path, EventOptions(**options))  # type: ignore[arg-type]
    assert (len(clips), skipped) == (4, [])


@pytest.mark.parametrize("name", ["ls_25.json", "ls_cancel.json", "ls_min.json", "ls_csv.csv"])
def test_a_rate_that_no_field_says_is_asked_for(assets: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not say their rate") as caught:
        read(assets / "reports4" / "label-studio" / name)
    assert "--fps" in caught.value.hint


def test_two_annotations_of_a_task_are_two_raters(assets: Path) -> None:
    with pytest.raises(DataError, match="several people"):
        read(assets / "reports4" / "label-studio" / "ls_two.json", fps=15)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_export_that_names_no_video_is_not_taught_in_silence(assets: Path) -> None:
    with pytest.raises(DataError) as caught:
        event_clips(assets / "reports4" / "tables" / "sportscode_no_video.xml")
    assert "--video" in caught.value.got


@pytest.mark.parametrize(
    ("name", "events", "skipped"),
    [
        ("badurl.eaf", 1, 0),
        ("bigint.eaf", 0, 1),
        ("nt.xml", 0, 1),
        ("up.xml", 1, 0),
        ("cmds.json", 0, 1),
        ("fwms.json", 2, 0),
        ("ls1.json", 1, 1),
        ("ls4.json", 1, 0),
        ("fewact-e8d8fe-x.json", 2, 1),
    ],
)
def test_hostile_documents(assets: Path, name: str, events: int, skipped: int) -> None:
    table = read(assets / "reports4" / "hostile" / name)
    assert (len(table.events), len(table.skipped)) == (events, skipped)
    assert all(0 <= event.start <= event.end < 1e6 for event in table.events)


@pytest.mark.parametrize(
    ("name", "options", "events", "points", "skipped"),
    [
        ("boris/test.boris", {}, 91, 50, 1),
        ("boris/test_with_leading_trailing_spaces_in_modifiers.boris", {}, 4, 4, 0),
        ("boris/otx_import_test.boris", {}, 0, 0, 0),
        ("datavyu/location1.opf", {}, 50, 0, 0),
        ("datavyu/odbCSV.csv", {}, 53, 0, 0),
        ("praat/long_format.TextGrid", {}, 152, 0, 0),
        ("cvat/annotations.xml", {"fps": 25}, 3, 0, 0),
        ("label_studio/csv_test.json", {}, 0, 0, 3),
        ("via/01NVb-003-060-1-4CV.json", {}, 1, 0, 0),
        ("via/01NVb-003-063-1-4CV.json", {}, 2, 0, 0),
        ("via/01NVb-003-063-3-4CV.json", {}, 1, 0, 0),
    ],
)
def test_exports(
    assets: Path, name: str, options: dict[str, object], events: int, points: int, skipped: int
) -> None:
    table = read(assets / "more" / "exports" / name, **options)
    found = sum(event.is_point for event in table.events)
    assert (len(table.events), found, len(table.skipped)) == (events, points, skipped)


def test_no_value_of_an_export_is_lost(assets: Path) -> None:
    exports = assets / "more" / "exports"
    text = (exports / "praat" / "long_format.TextGrid").read_text()
    labels = re.findall(r'text = "(.+)" *\n', text)
    read_ = read(exports / "praat" / "long_format.TextGrid").events
    assert [event.label for event in read_] == [label.strip() for label in labels]
    cells = re.findall(
        r"(?m)^(\d\d:\d\d:\d\d:\d{3}),", (exports / "datavyu" / "odbCSV.csv").read_text()
    )
    assert len(cells) == len(read(exports / "datavyu" / "odbCSV.csv").events)


def test_a_template_of_the_observer_is_said_to_be_one(assets: Path) -> None:
    with pytest.raises(DataError, match="template") as caught:
        read(assets / "more" / "exports" / "observer" / "otx_parser_test.otx")
    assert "Food items" in caught.value.got
