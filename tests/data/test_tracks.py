"""Tables of tracks: fewact's, and those of MOTChallenge."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.tracks import read_tracks

TIMES = np.arange(10) / 10


def table(folder: Path, text: str) -> Path:
    path = folder / "tracks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_a_header_counts_frames_from_0(tmp_path: Path) -> None:
    text = "frame,id,x,y,w,h\n0,anna,1,2,30,40\n2,bob,5,6,7,8\n1,anna,2,2,30,40\n"
    anna, bob = read_tracks(table(tmp_path, text), TIMES)
    assert (anna.subject, bob.subject) == ("anna", "bob")
    assert anna.times.tolist() == [0.0, 0.1]
    assert anna.boxes.tolist() == [[1, 2, 30, 40], [2, 2, 30, 40]]
    assert bob.times.tolist() == [0.2]


def test_names_and_separators_of_other_programs_are_read(tmp_path: Path) -> None:
    text = "track_id;frame;left;top;width;height;score\n7;3;1.5;2;30;40;0.9\n"
    (track,) = read_tracks(table(tmp_path, text), TIMES)
    assert (track.subject, track.start) == ("7", pytest.approx(0.3))
    assert track.boxes.tolist() == [[1.5, 2, 30, 40]]


def test_mot_counts_frames_from_1(tmp_path: Path) -> None:
    (track,) = read_tracks(table(tmp_path, "1,3,10,20,30,40,1,-1,-1,-1\n"), TIMES)
    assert (track.subject, track.start, track.boxes.tolist()) == ("3", 0.0, [[10, 20, 30, 40]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("path,label\na.mp4,wave\n", "not a table of tracks"),
        ("frame,id,x,y,w,h\n0,1,1,2,0,4\n", "not a box"),
        ("frame,id,x,y,w,h\n0,1,1,two,3,4\n", "line 2"),
        ("frame,id,x,y,w,h\n10,1,1,2,3,4\n", "the video has no such frame"),
        ("0,1,1,2,3,4\n", "expected: 1 to 10"),
        ("frame,id,x,y,w,h\n", "no box"),
        ("frame,id,x,y,w,h\n0,,1,2,3,4\n", "line 2: not a box"),
        ("frame,id,x,y,w,h\n0.5,1,1,2,3,4\n", "line 2: not a box"),
        ("frame,id,x,left,y,w,h\n0,1,1,9,2,3,4\n", 'several columns may be "x"'),
        ("1,-1,1,2,3,4\n1,-1,9,2,3,4\n", "line 2: a second box"),
    ],
)
def test_what_is_no_track_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tracks(table(tmp_path, text), TIMES)


@pytest.mark.parametrize("box", ["9000,2,30,40", "0.1,0.2,0.3,0.4", "-30,-40,30,40"])
def test_a_subject_beside_the_picture_is_refused(tmp_path: Path, box: str) -> None:
    path = table(tmp_path, f"frame,id,x,y,w,h\n0,anna,1,2,30,40\n1,anna,{box}\n1,bob,{box}\n")
    assert len(read_tracks(path, TIMES)) == 2
    with pytest.raises(DataError, match=r"bob.*pixels of a picture of 64x48"):
        read_tracks(path, TIMES, (48, 64))
