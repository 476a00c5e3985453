"""Tables with a row for each frame: of the budget, DeepEthogram, SimBA and EthoVision."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.recordings.formats import Event, EventTable, is_event_file, read_events
from fewact.recordings.result_tables import frame_header, frame_lines
from fewact.video import write_video
from fewact.video.reading import timeline_of


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "m.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    return tmp_path / "m.mp4"


def read(folder: Path, name: str, text: str) -> EventTable:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_events(path)


def spans(table: EventTable) -> list[tuple[object, float, float]]:
    return [(event.label, event.start, event.end) for event in table.events]


def test_what_the_budget_writes_is_read(video: Path) -> None:
    events = [
        Event("wave", 0.5, 1.5, recording="m.mp4"),
        Event("clap", 1.0, 4.0, recording="m.mp4"),
    ]
    classes = ["clap", "wave"]
    text = frame_header(classes) + frame_lines("m.mp4", events, timeline_of(video), classes)
    table = read(video.parent, "f.csv", text)
    assert sorted(table.events, key=lambda event: event.start) == events
    assert table.notes == ()


def test_deepethogram_has_unnamed_frames_and_a_background(video: Path) -> None:
    shown = [int(3 <= i < 9) for i in range(40)]
    text = ",background,rear\n" + "".join(f"{i},{1 - on},{on}\n" for i, on in enumerate(shown))
    table = read(video.parent, "m_labels.csv", text)
    assert [(e.recording, e.label, e.start, e.end) for e in table.events] == [
        ("m.mp4", "rear", 0.3, 0.9)
    ]
    assert any("background" in note for note in table.notes)


def test_numbers_beside_the_classes_are_named(video: Path) -> None:
    rows = "".join(f"{i},{i / 7:.3f},{int(i > 35)}\n" for i in range(40))
    table = read(video.parent, "m.csv", f"frame,Probability_rear,rear\n{rows}")
    assert spans(table) == [("rear", 3.6, 4.0)]
    assert any("Probability_rear" in note for note in table.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_ethovision(tmp_path: Path, encoding: str) -> None:
    facts = ["Number of header lines:;6", "Experiment;day 1", "Video file;m.mpg", "Arena;1"]
    header = ["Trial time;Recording time;X center;Rearing;Grooming", "s;s;cm;;"]
    rows = [
        f"{i / 25};{i / 25};{i / 3};{int(5 <= i < 10)};{int(i >= 45) or '-'}" for i in range(50)
    ]
    path = tmp_path / "t.txt"
    path.write_text("\n".join([*facts, *header, *rows]), encoding=encoding)
    table = read_events(path)
    assert spans(table) == [("Rearing", 0.2, 0.4), ("Grooming", 1.8, 2.0)]


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([(0, 0), (1, 1), (2, 1), (30, 1), (31, 0)], "line 5"),
        ([(0, 0), (1, 1), (1, 1), (2, 1), (3, 0), (4, 0), (5, 0), (6, 0)], "line 4"),
    ],
)
def test_frames_that_do_not_go_on_are_refused(
    video: Path, rows: list[tuple[int, int]], place: str
) -> None:
    text = "frame,rear\n" + "".join(f"{frame},{on}\n" for frame, on in rows)
    with pytest.raises(DataError) as caught:
        read(video.parent, "m.csv", text)
    assert place in caught.value.where


def test_a_class_that_is_neither_0_nor_1_is_refused(video: Path) -> None:
    text = "frame,rear\n" + "".join(f"{i},{int(i > 3)}\n" for i in range(300)) + "300,7\n"
    with pytest.raises(DataError) as caught:
        read(video.parent, "m.csv", text)
    assert caught.value.got == "7"


def test_boxes_are_no_frames_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("frame,id,x,y,w,h\n" + "".join(f"{i},1,{i},0,1,1\n" for i in range(40)))
    assert not is_event_file(path)
