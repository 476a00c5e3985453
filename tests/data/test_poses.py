"""Files of poses: one movement, written as each program writes it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.core.errors import DataError, SkippedWarning
from fewact.data import is_features, labelled_features, read_features
from fewact.data.joints import parse_joints
from fewact.data.poses import read_pose
from fewact.lab.benchmarks import FeatureDataset

T = 9


def movement(joints: int, action: str = "up", seed: int = 0) -> np.ndarray:
    """Return coordinates (t joints 2) of a body whose last joint moves up or right."""
    rng = np.random.default_rng(joints)
    places = np.repeat(rng.uniform(100, 200, (1, joints, 2)), T, 0)
    places[:, -1, int(action == "up")] += np.linspace(0, 80, T)
    return places + np.random.default_rng(seed).normal(size=places.shape)


def openpose(folder: Path, body: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    hand = np.ones(63).tolist()
    for t, frame in enumerate(body):
        sure = np.c_[frame, np.full(len(frame), 0.9)].ravel().tolist()
        unsure = np.c_[frame + 50, np.full(len(frame), 0.2)].ravel().tolist()
        people = [
            {"pose_keypoints_2d": numbers, "hand_left_keypoints_2d": hand}
            for numbers in (unsure, sure)
        ]
        if t == 3:
            people = []
        (folder / f"v_{t}_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


def mediapipe(file: Path, body: np.ndarray) -> Path:
    frames: list[object] = [
        {"pose_landmarks": [{"x": x, "y": y, "z": 0.5, "visibility": 0.9} for x, y in frame]}
        for frame in body
    ]
    frames[3] = {"pose_landmarks": None}
    file.write_text(json.dumps({"fps": 25, "frames": frames}))
    return file


def coco(file: Path, body: np.ndarray) -> Path:
    rows = [
        {
            "image_id": t,
            "keypoints": np.c_[frame + move, np.full(len(frame), 2)].ravel().tolist(),
            "score": score,
            "category_id": 1,
        }
        for t, frame in enumerate(body)
        for move, score in ((30, 0.1), (0, 0.8))
        if t != 3
    ]
    file.write_text(json.dumps(rows[::-1]))
    return file


def deeplabcut(file: Path, body: np.ndarray) -> Path:
    names = [n for i in range(body.shape[1]) for n in (f"p{'LR'[i % 2]}_{i // 2}",) * 3]
    lines = [
        ["scorer", *["net"] * len(names)],
        ["bodyparts", *names],
        ["coords", *["x", "y", "likelihood"] * body.shape[1]],
    ]
    for t, frame in enumerate(body):
        numbers = np.c_[frame, np.full(len(frame), 0.9)].ravel()
        lines.append([str(t), *(("" if t == 3 else f"{x:.3f}") for x in numbers)])
    file.write_text("".join(",".join(line) + "\n" for line in lines))
    return file


def wide(file: Path, body: np.ndarray) -> Path:
    names = ["frame", *(f"joint{i}_{axis}" for i in range(body.shape[1]) for axis in "xy")]
    rows = [[t, *frame.ravel().round(3)] for t, frame in enumerate(body)]
    rows[3] = [3, *[""] * 2 * body.shape[1]]
    file.write_text("".join(",".join(map(str, line)) + "\n" for line in [names, *rows]))
    return file


def sleap(file: Path, body: np.ndarray) -> Path:
    h5py = pytest.importorskip("h5py")
    tracks = np.full((2, 2, body.shape[1], T), np.nan)
    tracks[1] = body.transpose(2, 1, 0)
    tracks[:, :, :, 3] = np.nan
    tracks[0, :, :, 0] = 7
    with h5py.File(file, "w") as out:
        out["tracks"] = tracks
        out["node_names"] = [b"nose", b"left_ear", b"right_ear", b"tail", b"tip"]
    return file


Write = Callable[[Path, np.ndarray], Path]
FORMATS: dict[str, tuple[Write, int, str, str]] = {
    "openpose": (openpose, 25, "", "body25:xyc+hand21:xyc"),
    "mediapipe": (mediapipe, 33, ".json", "pose33:xyzc"),
    "coco": (coco, 17, ".json", "coco17:xyc"),
    "deeplabcut": (deeplabcut, 6, ".csv", "6(0-1,2-3,4-5):xyc"),
    "wide": (wide, 33, ".csv", "pose33:xyc"),
    "sleap": (sleap, 5, ".h5", "5(1-2):xyc"),
}


def warning_of_bodies(name: str) -> AbstractContextManager[object]:
    """What says that a file has two bodies: the writers of these formats write two."""
    if name in ("openpose", "coco", "sleap"):
        return pytest.warns(UserWarning, match="2 bodies")
    return nullcontext()


@pytest.mark.parametrize("name", FORMATS)
def test_reads_the_movement(tmp_path: Path, name: str) -> None:
    write, joints, suffix, layout = FORMATS[name]
    body = movement(joints)
    file = write(tmp_path / f"clip{suffix}", body)
    assert is_features(file)
    read = read_pose(file)
    assert read.layout == layout
    assert (read.confidence[3] == 0).all()
    places = np.delete(read.places[:, :joints, :2], 3, 0)
    np.testing.assert_allclose(places, np.delete(body, 3, 0), atol=1e-3)
    with warning_of_bodies(name):
        (clip,) = read_features(file)
    assert clip.vectors.shape == (32, parse_joints(layout).width)
    assert np.isfinite(clip.vectors).all()


@pytest.mark.parametrize("name", FORMATS)
def test_teaches_from_class_folders(tmp_path: Path, name: str) -> None:
    write, joints, suffix, _ = FORMATS[name]
    for action in ("up", "right"):
        for i in range(3):
            folder = tmp_path / "poses" / action / f"s{i}"
            folder.mkdir(parents=True)
            write(folder / f"clip{i}{suffix}", movement(joints, action, seed=i))
    query = write(tmp_path / f"new{suffix}", movement(joints, "right", seed=9))
    with warning_of_bodies(name):
        clips = labelled_features(tmp_path / "poses")
        classifier = FewShotClassifier().fit(tmp_path / "poses")
        assert [p.label for p in classifier.predict(query)] == ["right"]
        videos = FeatureDataset(tmp_path / "poses").videos
    assert [clip.group for clip in clips] == ["s0", "s1", "s2"] * 2
    assert (videos.groups, len(videos.videos)) == ("shared", 6)


def test_what_cannot_be_read_is_named_and_skipped(tmp_path: Path) -> None:
    for action in ("up", "right"):
        (tmp_path / action).mkdir()
        wide(tmp_path / action / "a.csv", movement(5, action))
    (tmp_path / "up" / "b.json").write_text('{"landmarks": 3}')
    wide(tmp_path / "up" / "c.csv", movement(4))
    with pytest.warns(UserWarning, match="skipped") as warned:
        clips = read_features(tmp_path)
    assert [clip.name for clip in clips] == [f"{tmp_path}/{name}/a.csv" for name in ("right", "up")]
    assert "no landmarks" in str(warned[0].message)
    assert "its joints" in str(warned[1].message)
    with pytest.raises(DataError, match="no landmarks in a list of frames"):
        read_features(tmp_path / "up" / "b.json")


def test_a_file_without_poses_is_named_and_its_class_is_not_lost(tmp_path: Path) -> None:
    for action in ("up", "right"):
        (tmp_path / action).mkdir()
        wide(tmp_path / action / "a.csv", movement(5, action))
    (tmp_path / "up" / "empty.csv").touch()
    with pytest.warns(SkippedWarning, match="empty.csv: the file is empty"):
        assert len(labelled_features(tmp_path)) == 2
    (tmp_path / "up" / "a.csv").unlink()
    with (
        pytest.warns(SkippedWarning),
        pytest.raises(DataError, match='no clip of the class "up" can be read'),
    ):
        labelled_features(tmp_path)


@pytest.mark.parametrize(("write", "joints"), [(wide, 33), (deeplabcut, 6)])
def test_a_decimal_comma_is_read_and_text_is_refused(
    tmp_path: Path, write: Write, joints: int
) -> None:
    file = write(tmp_path / "a.csv", movement(joints))
    written = file.read_text()
    expected = read_pose(file).vectors()
    file.write_text(written.replace(",", ";").replace(".", ","))
    assert is_features(file)
    np.testing.assert_array_equal(read_pose(file).vectors(), expected)
    lines = written.split("\n")
    cells = lines[-2].split(",")
    file.write_text("\n".join([*lines[:-2], ",".join([*cells[:2], "NA", *cells[3:]]), ""]))
    assert (read_pose(file).confidence[-1] == 0).sum() == 1
    file.write_text("\n".join([*lines[:-2], ",".join([*cells[:2], "far", *cells[3:]]), ""]))
    with pytest.raises(DataError, match=r"column 3: not a coordinate \(got far\)"):
        read_pose(file)


def test_a_folder_of_videos_or_of_events_has_no_poses(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    wide(tmp_path / "wave" / "a.csv", movement(5))
    (tmp_path / "wave" / "a.mp4").touch()
    assert not is_features(tmp_path)
    table = tmp_path / "table.csv"
    table.write_text("path,label\na.mp4,wave\n")
    assert not is_features(table)
