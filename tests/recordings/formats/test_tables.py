"""Tables of events: columns of people in many languages, units, states, instants and frames."""

import time
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import EventTable, events_text, is_event_file, read_events
from fewact.video import write_video

MONDAY = [("wave", 4.0, 7.6), ("clap", 12.6, 16.6)]


def read(folder: Path, text: str, name: str = "t.csv", **options: object) -> EventTable:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_events(path, EventOptions(**options))  # type: ignore[arg-type]


def times(table: EventTable) -> list[tuple[object, float, float]]:
    return [(event.label, event.start, event.end) for event in table.events]


@pytest.mark.parametrize(
    "text",
    [
        "Media file\tBehavior\tStart (s)\tStop (s)\nm.mp4\twave\t4,0\t7,6\n"
        "m.mp4\tclap\t12,6\t16,6\n",
        "video,label,start time (s),end time (s)\nm.mp4,wave,4.0,7.6\nm.mp4,clap,12.6,16.6\n",
        "video,label,start_ms,end_ms\nm.mp4,wave,4000,7600\nm.mp4,clap,12600,16600\n",
        "vidéo;comportement;début;fin\nm.mp4;wave;4,0;7,6\nm.mp4;clap;12,6;16,6\n",
        "Video|Verhalten|Beginn (ms)|Dauer (ms)\nm.mp4|wave|4000|3600\nm.mp4|clap|12600|4000\n",
        "视频,行为,开始,结束\nm.mp4,wave,0:04,0:07.6\nm.mp4,clap,0:12.6,0:16.6\n",
        "видео,поведение,начало,длительность\nm.mp4,wave,4,3.6\nm.mp4,clap,12.6,4\n",
        "video,label,start,duration\nm.mp4,wave,4.0,3.60\nm.mp4,clap,12.6,4.00\n",
        "video,label,start [frame],end [frame],fps\nm.mp4,wave,100,190,25\nm.mp4,clap,315,415,25\n",
        "video,label,start,end,fps\nm.mp4,wave,0:00:04:00,0:00:07:15,25\n"
        "m.mp4,clap,00:00:12:15,00:00:16:15,25\n",
        'video,label,start,end\nm.mp4,wave,4 s,"7,6"\nm.mp4,clap,12600 ms,0:16.6\n',
        "Lab of Ethology\n\nrate: none\n\nvideo,label,start,end\nm.mp4,wave,4,7.6\n"
        "m.mp4,clap,12.6,16.6\n",
        "video,label,time,status\nm.mp4,wave,4,START\nm.mp4,wave,7.6,STOP\n"
        "m.mp4,clap,12.6,begin\nm.mp4,clap,16.6,end\n",
        "video;fps;25\nlabel;start;end\nwave;0:00:04:00;0:00:07:15\nclap;00:00:12:15;00:00:16:15\n",
    ],
)
def test_ways_of_writing_the_same_events(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text.replace("video;fps;25\n", "fps;25\nvideo;m.mp4\n"))
    assert times(table) == MONDAY
    assert {event.recording for event in table.events} == {"m.mp4"}
    assert table.skipped == ()


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("video,label,Start X,End X\na.mp4,wave,1,2\n", "Start X"),
        ("video,label,moment,until\na.mp4,wave,1,2\n", "moment"),
        ("video,label,p,q\na.mp4,wave,1.5,2\n", '"p"'),
        ("video,label,start,end,Reaction time\na.mp4,wave,1,2,3\n", "Reaction time"),
        ("video,label,start,end,sampling rate\na.mp4,wave,1,2,3\n", "sampling rate"),
        ("source,label,start,end\na.mp4,wave,1,2\n", '"source"'),
        ("video,label,start,begin,end\na.mp4,wave,1,5,8\n", "start"),
        ("video,label,start,start_ms,end\na.mp4,wave,1,1000,8\n", "start"),
        ("video,label,start,end_frame\na.mp4,wave,1,50\n", "unit"),
        ("video,label,time,start,end\na.mp4,wave,1,1,8\n", "a time beside"),
        ('video,label,start,end\na.mp4,wave,"1,234","2,345"\n', "1,234"),
        ("Frame offset;12\nvideo;label;start;end\na.mp4;wave;1;2\n", "Frame offset"),
        ("label,note\nwave,x\n", "label, note"),
        ("path,label,start,end\na.mp4,wave,1,2\n", "path"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert got in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("a.mp4,wave,soon,2,", "no time"),
        ("a.mp4,wave,,,", "no times"),
        ("a.mp4,wave,,2,", "no start"),
        ("a.mp4,wave,NA,NA,", "no times"),
        ("a.mp4,wave,=A1,=B1,", "formula"),
        ("a.mp4,wave,3,2,", "before it starts"),
        ("a.mp4,wave,1,2,9", "duration"),
        ("a.mp4,,1,2,", "no class"),
        ("a.mp4,NA,1,2,", "no class"),
        (",wave,1,2,", "no video"),
        ("a.mp4,wave,1,2,1,5", "6 cells in 5 columns"),
        ("video,label,start,end,duration", "header"),
        (f"a.mp4,wave,1,{'9' * 400},", "no time"),
    ],
)
def test_rows_that_are_named(tmp_path: Path, cells: str, reason: str) -> None:
    table = read(tmp_path, f"video,label,start,end,duration\na.mp4,wave,1,2,1\n{cells}\n")
    assert times(table) == [("wave", 1.0, 2.0)]
    (named,) = table.skipped
    assert "line 3" in named
    assert reason in named


def test_other_columns_and_titles_are_named_once(tmp_path: Path) -> None:
    text = "Rat study\n\nvideo,label,start,end,Weight (g),Comment start\na.mp4,wave,1,2,31,x\n"
    (note,) = read(tmp_path, text).notes
    assert "Weight (g), Comment start" in note
    assert "Rat study" in note


def test_instants_are_point_events(tmp_path: Path) -> None:
    table = read(tmp_path, "video,behaviour,time (ms)\na.mp4,rear,1500\na.mp4,rear,NA\n")
    assert times(table) == [("rear", 1.5, 1.5)]
    assert len(table.skipped) == 1


def test_a_class_for_each_frame_is_segments(tmp_path: Path) -> None:
    write_video(tmp_path / "m.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    labels = (
        ["none", ""] + ["none"] * 3 + ["rear"] * 10 + ["groom"] * 5 + ["none"] * 5 + ["rear"] * 15
    )
    rows = "".join(f"m.mp4,{i},{label}\n" for i, label in enumerate(labels))
    table = read(tmp_path, f"video,frame,label\n{rows}")
    assert times(table) == [("rear", 0.5, 1.5), ("groom", 1.5, 2.0), ("rear", 2.5, 4.0)]


def test_frames_and_timecodes_are_those_of_the_video_if_no_rate_is_said(tmp_path: Path) -> None:
    write_video(tmp_path / "m.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    frames = "video,label,start_frame,end_frame\nm.mp4,wave,5,15\nm.mp4,wave,20,41\n"
    table = read(tmp_path, frames)
    assert times(table) == [("wave", 0.5, 1.5)]
    assert len(table.skipped) == 1
    codes = "video,label,start,end\nm.mp4,wave,00:00:00:05,00:00:01:05\nx.mp4,a,0:0:0:1,0:0:0:2\n"
    table = read(tmp_path, codes)
    assert times(table) == [("wave", 0.5, 1.5)]
    assert "rate is not known" in table.skipped[0]


def test_a_rate_that_is_not_the_videos_is_said(tmp_path: Path) -> None:
    write_video(tmp_path / "m.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    table = read(tmp_path, "video,label,start_frame,end_frame,fps\nm.mp4,wave,5,15,20\n")
    assert times(table) == [("wave", 0.25, 0.75)]
    assert any("20" in note and "10" in note for note in table.warnings)


def test_an_event_until_the_end_is_read_as_it_is_written(tmp_path: Path) -> None:
    table = read(tmp_path, "video,label,start,end\na.mp4,wave,1,inf\n")
    assert times(table) == [("wave", 1.0, float("inf"))]
    text = events_text(tmp_path / "e.csv", table.events)
    assert read(tmp_path, text).events == table.events


def test_raters_are_asked_for(tmp_path: Path) -> None:
    text = "Video,Behaviour,Onset,Offset,Rater\nm.mp4,clap,12.6,16.6,A\nm.mp4,clap,12.8,16.4,B\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert "--rater" in caught.value.hint
    assert times(read(tmp_path, text, rater="B")) == [("clap", 12.8, 16.4)]
    with pytest.raises(DataError):
        read(tmp_path, text, rater="C")


def test_names_are_in_one_form_of_unicode(tmp_path: Path) -> None:
    (event,) = read(
        tmp_path, "video,label,start,end,subject\nU\u0308.mp4,u\u0308ben,1,2,Zoe\u0308\n"
    ).events
    assert (event.recording, event.label, event.subject) == ("\u00dc.mp4", "\u00fcben", "Zo\u00eb")
    persian = "\u0645\u06cc\u200c\u0634\u0648\u062f"
    text = f"video,label,start,end\na.mp4,{persian},1,2\na.mp4,a\u202eb,1,2\n"
    table = read(tmp_path, text)
    assert [event.label for event in table.events] == [persian]
    assert "\\u202e" in table.skipped[0]
    assert "\u202e" not in table.skipped[0]


def test_sheets_with_events(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, path = openpyxl.Workbook(), tmp_path / "scores.xlsx"
    book.active.title = "Notes"
    book.active.append(["second cage"])
    for name, start in (("Day 1", 1), ("Day 2", 5)):
        sheet = book.create_sheet(name)
        sheet.append(["video", "label", "start", "end"])
        sheet.append(["a.mp4", "wave", start, start + 1])
    book.save(path)
    with pytest.raises(DataError) as caught:
        read_events(path)
    assert caught.value.got == "Day 1, Day 2"
    assert times(read_events(f"{path}#Day 2")) == [("wave", 5.0, 6.0)]
    assert is_event_file(Path(f"{path}#Day 1"))
    assert not is_event_file(Path(f"{path}#Notes"))
    del book["Day 1"]
    book.save(path)
    table = read_events(path)
    assert times(table) == [("wave", 5.0, 6.0)]
    assert any("Notes" in note for note in table.notes)


def test_a_class_for_each_step_of_time_is_segments(tmp_path: Path) -> None:
    rows = "".join(f"{i / 5};{'walk' if i < 12 else 'rest' if i < 20 else ''}\n" for i in range(30))
    table = read(tmp_path, f"Time;Behavior\n{rows}")
    assert times(table) == [("walk", 0.0, 2.4), ("rest", 2.4, 4.0)]
    rows = "".join(f"{at},rear\n" for at in (1, 2.5, 3, 7, 9.25, 30))
    assert {event.is_point for event in read(tmp_path, f"time,label\n{rows}").events} == {True}


@pytest.mark.parametrize("header", ["Start/Stop", "phase", "Reaction (time)"])
def test_a_status_is_known_or_refused(tmp_path: Path, header: str) -> None:
    text = f"video,label,{header},time\na.mp4,wave,Start,1.5\na.mp4,wave,Stop,2.5\n"
    if header == "Start/Stop":
        assert times(read(tmp_path, text)) == [("wave", 1.5, 2.5)]
    else:
        with pytest.raises(DataError):
            read(tmp_path, text)


def test_a_header_of_many_names_is_refused_in_time(tmp_path: Path) -> None:
    names = (",".join(f"c{i}y{j}" for i in range(10_000)) for j in range(70))
    began = time.process_time()
    with pytest.raises(DataError):
        read(tmp_path, "\n".join(names))
    assert time.process_time() - began < 10.0


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        ("a/b 1.mp4 0\nc.mp4 12\n", True),
        ("c.mp4\t12\n", True),
        ("videos/c 3\n", True),
        ("frames/c 163 1\n", False),
        ("c.mp4\twave\t4\t7\n", False),
        ("c.mp4 4.0 7\n", False),
        ("c.mp4 wave\n", False),
    ],
)
def test_a_list_has_paths_and_numbers_of_classes_alone(
    tmp_path: Path, text: str, is_list: bool
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert is_event_file(path) or not is_list
    if is_list:
        assert all(event.end == float("inf") for event in read_events(path).events)
    else:
        with pytest.raises(DataError):
            read_events(path)
