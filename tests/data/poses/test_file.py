"""Files of joints: one track a file, and those of the clips of a table."""

import os
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.joints import JointTrack
from fewact.data.poses.file import TrackSource, in_picture, read_track, read_tracks, write_track
from fewact.video import write_video
from tests.data.test_poses import mediapipe, movement, openpose
from tests.refused import refused

LAYOUT = "pose33:xyzc"
ASSETS = os.environ.get("FEWACT_TEST_ASSETS")


def joints(clips: int = 1, frames: int = 4) -> np.ndarray:
    """Return joints (clips t 132) of bodies in fractions of the picture."""
    return np.random.default_rng(0).uniform(0.1, 0.9, (clips, frames, 132)).astype(np.float32)


def table(folder: Path, rows: str, clips: int) -> Path:
    file = folder / "poses.npz"
    np.savez(file, features=joints(clips), joints=LAYOUT)
    file.with_suffix(".tsv").write_text(rows)
    return file


@pytest.mark.parametrize("times", [None, [0.0, 0.5, 1.0, 2.0]])
@pytest.mark.parametrize("of_picture", [True, False])
def test_a_track_is_read_as_it_was_written(tmp_path: Path, times: list | None, of_picture: bool):
    written = JointTrack(joints()[0], LAYOUT, times, of_picture)
    write_track(tmp_path / "squat.poses.npz", written)
    assert read_track(tmp_path / "squat.poses.npz").digest == written.digest


def test_a_table_names_the_clips_relative_to_it(tmp_path: Path) -> None:
    file = table(tmp_path, "clip\tclass\na/1.mp4\tup\n../b/1.mp4\tdown\n", 2)
    first, second = tmp_path / "a" / "1.mp4", tmp_path.parent / "b" / "1.mp4"
    assert [*read_tracks(file)] == [TrackSource.of(first), TrackSource.of(second)]
    np.testing.assert_array_equal(read_track(file, second).values, joints(2)[1])
    with refused(DataError, where=str(file), got="c.mp4"):
        read_track(file, tmp_path / "c.mp4")


def test_a_row_may_be_a_segment_of_a_recording(tmp_path: Path) -> None:
    write_video(tmp_path / "day.mp4", np.zeros((40, 32, 32, 3), np.uint8), 10)
    file = table(tmp_path, "clip\tstart\tend\nday.mp4\t1\t3\nday.mp4\t2\t\n", 2)
    first, second = read_tracks(file).items()
    assert (first[0][1:], second[0][1:]) == ((1.0, 3.0), (2.0, None))
    assert first[1].times is not None
    assert first[1].times.tolist() == [1.25, 1.75, 2.25, 2.75]
    assert second[1].times is not None
    assert second[1].times.tolist() == [2.25, 2.75, 3.25, 3.75]


def test_poses_of_other_programs_are_read_in_all_their_frames(tmp_path: Path) -> None:
    body = movement(33) / 300
    track = read_track(mediapipe(tmp_path / "a.json", body))
    assert (track.layout, track.of_picture) == ("pose33:xyzc", True)
    assert track.values.shape == (9, 132)
    assert not track.values[3].any()
    with pytest.warns(UserWarning, match="2 bodies"):
        folder = read_track(openpose(tmp_path / "b", movement(25)))
    assert folder.layout.startswith("body25:xyc")
    assert not folder.of_picture


def test_world_coordinates_are_no_fractions_of_the_picture() -> None:
    middle = joints()[0].reshape(-1, 4) - [0.5, 0.5, 0, 0]
    assert in_picture(joints()[0], LAYOUT)
    assert not in_picture(middle.reshape(4, 132), LAYOUT)
    assert not in_picture(joints()[0, :, :60], "kinect20:xyz")


@pytest.mark.parametrize(
    ("rows", "field", "text"),
    [
        ("clip\na.mp4\n", "got", "1 rows for 2 clips"),
        ("clip\na.mp4\na.mp4\n", "what", "twice"),
        ("name\na.mp4\nb.mp4\n", "where", "poses.tsv"),
        ("clip\tstart\na.mp4\t0\nb.mp4\tnow\n", "got", "now"),
        ("clip\tstart\na.mp4\t0\n\t1\n", "where", "line 3"),
        ("", "where", "poses.tsv"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, rows: str, field: str, text: str) -> None:
    with refused(DataError, **{field: text}):
        read_tracks(table(tmp_path, rows, 2))


def test_files_without_joints_are_refused(tmp_path: Path) -> None:
    with refused(DataError, where="missing.npz"):
        read_track(tmp_path / "missing.npz")
    with refused(DataError, where="missing.json"):
        read_track(tmp_path / "missing.json")
    np.savez(tmp_path / "plain.npz", features=joints())
    with refused(DataError, got="features"):
        read_track(tmp_path / "plain.npz")
    np.savez(tmp_path / "several.npz", features=joints(3), joints=LAYOUT)
    with refused(DataError, got="3 clips"):
        read_track(tmp_path / "several.npz")
    np.savez(tmp_path / "wrong.npz", features=joints(), joints="coco17:xyc")
    with refused(DataError, got="(4, 132)"):
        read_track(tmp_path / "wrong.npz")


@pytest.mark.skipif(not ASSETS, reason="FEWACT_TEST_ASSETS names no folder of real clips")
@pytest.mark.parametrize(("name", "clips"), [("workout7", 47), ("yoga6", 48), ("ucf7", 350)])
def test_real_joints_are_of_real_clips(name: str, clips: int) -> None:
    tracks = read_tracks(Path(ASSETS or "") / "more" / "poses" / f"{name}_pose33.npz")
    assert len(tracks) == clips
    assert all(Path(source.file).is_file() for source in tracks)
    assert {track.layout for track in tracks.values()} == {LAYOUT}
    assert all(track.of_picture for track in tracks.values())
