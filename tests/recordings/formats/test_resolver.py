"""What a file of events leaves open: its recording, raters, and the window around point events."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data import Clip, event_clips
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import read_events
from fewact.video import write_video

INSTANCE = "<instance><code>{}</code><start>{}</start><end>{}</end></instance>"


def export(path: Path, *rows: tuple[str, float, float]) -> Path:
    """An export of Sportscode that names no video."""
    instances = "".join(INSTANCE.format(*row) for row in rows)
    path.write_text(f"<file><ALL_INSTANCES>{instances}</ALL_INSTANCES></file>")
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "game.mp4", np.zeros((40, 48, 64, 3), np.uint8), 8)
    return tmp_path / "game.mp4"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_video_beside_a_file_is_its_recording(video: Path, tmp_path: Path) -> None:
    path = export(tmp_path / "game.xml", ("pass", 1, 2))
    table = read_events(path)
    assert table.events[0].recording == "game.mp4"
    assert any("game.mp4 beside it" in note for note in table.notes)
    (tmp_path / "game.mkv").write_bytes(video.read_bytes())
    assert any("game.mkv" in note and "game.mp4" in note for note in read_events(path).notes)
    assert event_clips(path)[0] == [Clip(tmp_path / "game.mkv", "pass", 1, 2)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_video_is_named_for_a_file_of_one_recording(video: Path, tmp_path: Path) -> None:
    path = export(tmp_path / "other.xml", ("pass", 1, 2), ("shot", 3, 4))
    assert read_events(path).events[0].recording == ""
    with pytest.raises(DataError) as error:
        event_clips(path)
    assert "--video" in error.value.got
    clips, skipped = event_clips(path, EventOptions(video=video))
    assert (len(clips), skipped) == (2, [])
    (tmp_path / "two.csv").write_text("video,label,start,end\na.mp4,x,1,2\nb.mp4,x,1,2\n")
    with pytest.raises(DataError, match="one recording"):
        read_events(tmp_path / "two.csv", EventOptions(video=video))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_point_events_teach_with_a_window_that_is_asked_for(video: Path, tmp_path: Path) -> None:
    path = export(tmp_path / "game.xml", ("nod", 1, 1), ("nod", 0.25, 0.25), ("pass", 2, 3))
    clips, skipped = event_clips(path)
    assert [clip.label for clip in clips] == ["pass"]
    assert all("--window" in row for row in skipped)
    assert len(skipped) == 2
    clips, skipped = event_clips(path, EventOptions(window=2.0))
    assert skipped == []
    assert [(clip.start, clip.end) for clip in clips] == [(None, 2.0), (None, 1.25), (2.0, 3.0)]
    export(path, ("nod", 1, 1))
    with pytest.raises(DataError) as error:
        event_clips(path)
    assert "--window" in error.value.hint


def test_raters_of_different_recordings_are_no_conflict(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("video,label,start,end,rater\na.mp4,x,1,2,A\nb.mp4,x,1,2,B\n")
    assert len(read_events(path).events) == 2
    assert len(read_events(path, EventOptions(rater="B")).events) == 1
    path.write_text(f"{path.read_text()}b.mp4,x,1,2,A\n")
    with pytest.raises(DataError, match="several people"):
        read_events(path)


def test_a_file_without_raters_is_read_for_any_rater(tmp_path: Path) -> None:
    table = read_events(export(tmp_path / "e.xml", ("x", 1, 2)), EventOptions(rater="A"))
    assert len(table.events) == 1
    assert any("no rater" in note for note in table.notes)
