"""Joints are found for the clips that they belong to."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.clips import Clip
from fewact.data.joints import JointTrack
from fewact.data.poses.beside import file_beside, with_file_beside, with_joints
from fewact.data.poses.file import write_track
from tests.data.poses.test_file import LAYOUT, joints, table
from tests.data.test_poses import mediapipe, movement, openpose
from tests.refused import refused


def clip(folder: Path, name: str, **options: object) -> Clip:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return Clip(path, **options)  # type: ignore[arg-type]


def joints_at(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_track(file, JointTrack(joints()[0], LAYOUT))
    return file


def test_a_file_of_the_same_stem_is_found_beside_a_clip(tmp_path: Path) -> None:
    clips = [clip(tmp_path, f"{name}.mp4") for name in "abcdef"]
    files = [
        joints_at(tmp_path / "a.poses.npz"),
        mediapipe(tmp_path / "b.json", movement(33)),
        openpose(tmp_path / "c", movement(25)),
        None,
        None,
        None,
    ]
    (tmp_path / "d.json").write_text('{"events": []}')
    (tmp_path / "e.csv").write_text("path,label\ne.mp4,up\n")
    (tmp_path / "f").mkdir()
    assert [file_beside(one.path) for one in clips] == files
    assert [with_file_beside(one).joints for one in clips] == files
    track = JointTrack(joints()[0], LAYOUT)
    assert with_file_beside(Clip(clips[0].path, joints=track)).joints is track


def test_a_folder_has_joints_by_stem_and_by_the_folders_of_the_clips(tmp_path: Path) -> None:
    clips = [clip(tmp_path / "clips", f"{name}.mp4") for name in ("up/1", "down/1", "up/2", "3")]
    poses = tmp_path / "poses"
    files = [joints_at(poses / "up" / "1.poses.npz"), joints_at(poses / "down" / "1.poses.npz")]
    files.append(poses / "2DLC_resnet50.csv")
    files[-1].write_text(
        "scorer,s,s,s,s,s,s,s,s,s\nbodyparts,a,a,a,b,b,b,c,c,c\n"
        "coords,x,y,likelihood,x,y,likelihood,x,y,likelihood\n0,1,2,1,3,4,1,5,6,1\n"
    )
    found = with_joints(clips, poses)
    assert [one.joints for one in found] == [*files, None]
    assert found[2].joint_track() is not None


def test_two_files_for_one_clip_are_refused(tmp_path: Path) -> None:
    one = clip(tmp_path / "clips", "1.mp4")
    joints_at(tmp_path / "poses" / "a" / "1.poses.npz")
    joints_at(tmp_path / "poses" / "b" / "1.poses.npz")
    with refused(DataError, where="1.mp4"):
        with_joints([one], tmp_path / "poses")


def test_a_table_has_joints_of_some_clips_and_of_segments(tmp_path: Path) -> None:
    file = table(tmp_path, "clip\tstart\tend\na.mp4\t\t\na.mp4\t1\t2\n", 2)
    clips = [
        clip(tmp_path, "a.mp4"),
        clip(tmp_path, "a.mp4", start=1.0, end=2.0),
        clip(tmp_path, "a.mp4", start=2.0, end=3.0),
        clip(tmp_path, "b.mp4"),
    ]
    found = [one.joints for one in with_joints(clips, file)]
    values = joints(2)
    for track, right in zip(found, (values[0], values[1], values[0]), strict=False):
        assert isinstance(track, JointTrack)
        np.testing.assert_array_equal(track.values, right)
    assert found[3] is None


def test_joints_are_left_out_and_kept(tmp_path: Path) -> None:
    track = JointTrack(joints()[0], LAYOUT)
    one = clip(tmp_path, "a.mp4", joints=track)
    assert with_joints([one], None)[0].joints is track
    assert with_joints([one], "off")[0].joints is None


def test_the_joints_of_a_table_less_file_are_those_of_the_only_clip(tmp_path: Path) -> None:
    file = joints_at(tmp_path / "other.npz")
    clips = [clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4")]
    assert with_joints(clips[:1], file)[0].joints is not None
    with refused(DataError, where="other.npz"):
        with_joints(clips, file)


@pytest.mark.parametrize("name", ["empty", "text.json", "missing.npz"])
def test_a_source_without_joints_of_any_clip_is_refused(tmp_path: Path, name: str) -> None:
    one = clip(tmp_path, "a.mp4")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.json").write_text("{}")
    with refused(DataError, where=name):
        with_joints([one], tmp_path / name)
