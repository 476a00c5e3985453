import re
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data import Clip, read_table
from fewact.lab.benchmarks import list_table
from fewact.video import write_video


@pytest.fixture
def write(tmp_path: Path):
    for name in ("a.mp4", "b.mp4", "c, d.mp4"):
        (tmp_path / name).touch()

    def run(text: str | bytes) -> Path:
        table = tmp_path / "clips.csv"
        table.write_bytes(text if isinstance(text, bytes) else text.encode())
        return table

    return run


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("byte_order_mark", ["", "\ufeff"])
def test_every_variant_of_a_table(
    write, separator: str, newline: str, byte_order_mark: str
) -> None:
    rows = [
        ["path", "Label", "note", "start", "end", "group"],
        ["a.mp4", "wave", "x", "1.5", "00:03", "anna"],
        [],
        ["a.mp4", "clap", "", "1:02", "01:01:02.5", ""],
        ['"c, d.mp4"', '"höhe; weite"', "", "", "7", "bo"],
    ]
    table = write(byte_order_mark + newline.join(separator.join(row) for row in rows))
    folder = table.parent
    with pytest.warns(UserWarning, match="ignored: note"):
        clips = read_table(table)
    assert clips == [
        Clip(folder / "a.mp4", "wave", 1.5, 3.0, "anna"),
        Clip(folder / "a.mp4", "clap", 62.0, 3662.5, None),
        Clip(folder / "c, d.mp4", "höhe; weite", None, 7.0, "bo"),
    ]


def test_a_box_says_who_is_meant(write) -> None:
    table = write(
        "path;label;box;x;y;w;h;subject;width;start\n"
        "a.mp4;wave;310,80,90,200;;;;;;640;\na.mp4;clap;10 80 90.5 200;;;;;bob;640;\n"
        "b.mp4;wave;;1;2;3;4;;640;0:01\nb.mp4;clap;;;;;;;640;\n"
    )
    with pytest.warns(UserWarning, match="ignored: width"):
        boxes = [clip.box for clip in read_table(table)]
    assert boxes == [(310, 80, 90, 200), (10, 80, 90.5, 200), (1, 2, 3, 4), None]
    with pytest.warns(UserWarning, match="ignored: width"):
        ids = [video.id for video in list_table(table).videos]
    assert ids[:2] == [
        "a.mp4@310,80,90,200",
        "a.mp4@10,80,90.5,200",
    ]


def test_a_table_of_boxes_says_where_a_subject_is(tmp_path: Path) -> None:
    write_video(tmp_path / "crowd.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    (tmp_path / "boxes.csv").write_text(
        "frame,id,x,y,w,h\n"
        + "".join(f"{i},anna,{i},2,10,20\n{i},bob,30,2,10,20\n" for i in range(20))
    )
    (tmp_path / "alone.txt").write_text("".join(f"{i},1,5,6,7,8,1\n" for i in range(1, 41)))
    table = tmp_path / "clips.csv"
    head = "path,label,start,end,box,subject\n"

    def boxes(*rows: str) -> list[object]:
        table.write_text(head + "".join(f"crowd.mp4,{row}\n" for row in rows))
        return [clip.box for clip in read_table(table)]

    anna, bob, alone = boxes(
        "wave,1,1.5,boxes.csv,anna", "clap,,,boxes.csv,bob", "jump,,,alone.txt,"
    )
    assert anna == pytest.approx((10.2, 2, 13.6, 20), abs=1e-6)  # frames 10 to 14
    assert bob == (30, 2, 10, 20)
    assert alone == (5, 6, 7, 8)
    for row, part in [
        ("wave,,,boxes.csv,", "several subjects, and none is named"),
        ("wave,,,boxes.csv,eve", 'one in the column "subject": anna, bob'),
        ("wave,3,,boxes.csv,bob", "the subject has no box in the clip (got bob: 0 s to 1.9 s"),
        ("wave,,,crowd.csv,bob", "neither a box nor a file"),
    ]:
        with pytest.raises(DataError, match=re.escape(part)) as caught:
            boxes(row)
        assert "line 2" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(write, encoding: str) -> None:
    table = write(
        "path,label,start (ms),duration (ms)\na.mp4,wave \u00e9t\u00e9,500,1500\n".encode(encoding)
    )
    assert read_table(table) == [Clip(table.parent / "a.mp4", "wave \u00e9t\u00e9", 0.5, 2.0)]


def test_frames_are_those_of_the_video(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), fps=10)
    table = tmp_path / "clips.csv"
    table.write_text("path,label,start_frame,end_frame\na.mp4,wave,5,15\na.mp4,clap,20,40\n")
    assert [(c.start, c.end) for c in read_table(table)] == [(0.5, 1.5), (2.0, 4.0)]
    table.write_text("path,label,start_frame,end_frame,fps\na.mp4,wave,5,15,5\n")
    assert [(c.start, c.end) for c in read_table(table)] == [(1.0, 3.0)]
    table.write_text("path,label,start_frame,end_frame\na.mp4,wave,5,41\n")
    with pytest.raises(DataError, match="frame 41 is after the end"):
        read_table(table)


def test_path_and_label_in_any_order(write) -> None:
    table = write("LABEL, Path\nwave, a.mp4\nclap, b.mp4\n")
    assert [(c.label, c.path.name, c.start) for c in read_table(table)] == [
        ("wave", "a.mp4", None),
        ("clap", "b.mp4", None),
    ]


def test_a_comma_in_a_name_does_not_split_a_table_of_semicolons(write) -> None:
    table = write("path;label;start\nc, d.mp4;wave;1,5\n")
    assert read_table(table) == [Clip(table.parent / "c, d.mp4", "wave", 1.5)]


def test_paths(write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.mp4").touch()
    table = write(f"path,label\n{tmp_path / 'a.mp4'},x\nsub\\e.mp4,y\nmissing.mp4,y\n")
    paths = [clip.path for clip in read_table(table)]
    assert paths == [tmp_path / "a.mp4", tmp_path / "sub" / "e.mp4", tmp_path / "missing.mp4"]


def test_rows_labelled_none_are_skipped(write) -> None:
    table = write("path,label\na.mp4,wave\nb.mp4,None\n")
    assert [clip.label for clip in read_table(table)] == ["wave"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["empty", "header with path and label"]),
        ("\n\n", ["empty"]),
        ("path,label\n", ["lists no clips"]),
        ("a.mp4,wave\n", ["line 1", 'no column "path"', "got a.mp4, wave"]),
        ("a.mp4\twave, twice\t1\n", ["line 1", "got a.mp4, wave, twice, 1"]),
        ("paths,label\na.mp4,x\n", ['no column "path"', 'Rename the column "paths"']),
        ("path,lable\na.mp4,x\n", ['no column "label"', 'Rename the column "lable"']),
        ("path,label,strat\na.mp4,x,1\n", ['column "strat"', 'Did you mean "start"']),
        ("path,label,starting\na.mp4,x,1\n", ['column "starting"', 'Did you mean "start"']),
        ("path,label,Zeit 1\na.mp4,x,1\n", ["Zeit 1", "looks like a time"]),
        ("path,label,p,q\na.mp4,x,1.5,2\n", ['column "p"', "looks like a time"]),
        ("path,label,segment\na.mp4,x,12.6-16.6\n", ["segment", "looks like a time"]),
        ("path,label,start\na.mp4,x,NA\n", ["line 2", "no time: 'NA'"]),
        ('path,label,start\na.mp4,x,"1,234"\n', ["1,234", "thousand"]),
        ("path,label,start,begin\na.mp4,x,1,5\n", ['several columns may be "start"']),
        ("path,label,label\na.mp4,x,y\n", ['several columns may be "label"', "got label, label"]),
        ("path,label\na.mp4,x\n\nb.mp4\n", ["line 4", 'column "label"', "empty"]),
        ("path,label\na.mp4,x\n,y\n", ["line 3", 'column "path"', "empty"]),
        ("path,label\nc, d.mp4,x\n", ["line 2", "3 cells in 2 columns", "in quotes"]),
        ('path,label\n"a.mp4,x\n', ["line 2", "invalid row"]),
        ('path,label\n"a\n.mp4",x\nb.mp4,\n', ["line 4", 'column "label"']),
        ("path,label,start\na.mp4,x,soon\n", ["line 2", "got start: soon", "hh:mm:ss"]),
        ("path,label,start\na.mp4,x,-1\n", ["line 2", "got -1 to"]),
        ("path,label,start\na.mp4,x,nan\n", ["no time"]),
        ("path,label,start\na.mp4,x,1:60\n", ["no time"]),
        ("path,label,start,end\na.mp4,x,2,1\n", ["line 2", "2 to 1"]),
        ("path,label,end\na.mp4,x,0\n", ["ends before it starts"]),
        ("path,label\na.mp4,x\na.mp4,x\n", ["line 3", "same clip as in line 2"]),
        ("path,label\na.mp4,x\na.mp4,y\n", ["line 3", "same clip as in line 2"]),
        ("path,label\nq.mp4,x\n", ["none of the table's clips exist", "table's folder"]),
        ("path,label,bbox\na.mp4,x,1\n", ['unknown column "bbox"', 'Did you mean "box"']),
        ('path,label,box\na.mp4,x,"1,2,3"\n', ["line 2", 'column "box"', "got 1, 2, 3", "width"]),
        ("path,label,box\na.mp4,x,1 2 0 4\n", ["not a box", "got 1, 2, 0, 4", "such as 310,80"]),
        ("path,label,box\na.mp4,x,anna\n", ["line 2", "neither a box nor a file", "anna", "frame"]),
        ("path,label,x,y,w,h\na.mp4,x,1,,3,4\n", ["line 2", '"x", "y", "w", "h"', "got 1, , 3, 4"]),
        ("path,label,box,x\na.mp4,x,1 2 3 4,1\n", ["line 2", "either box, or x, y, w and h"]),
        ("path,label,box\na.mp4,x,1 2 3 4\na.mp4,y,1 2 3 4.0\n", ["line 3", "as in line 2"]),
        (",".join(["0.123"] * 1000), ['no column "path"', "0.123, 0.123 and 995 more)"]),
        ("9" * 1000, [f"(got {'9' * 40})"]),
        (b"path,label\n\x81.mp4,x\n", ["not text in UTF-8", "Features are read from an .npz"]),
        ("path,label\n\u043f\u0440\u0438.mp4,x\n".encode("cp1251"), ["not text in UTF-8"]),
    ],
)
def test_invalid_tables_are_refused(write, text: str | bytes, parts: list[str]) -> None:
    table = write(text)
    with pytest.raises(DataError) as caught:
        read_table(table)
    missing = [p for p in ["clips.csv", *parts] if p not in str(caught.value)]
    assert not missing, str(caught.value)


def test_a_missing_table_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_table(path)
