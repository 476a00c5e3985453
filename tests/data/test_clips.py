import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import DataError, OptionError
from fewact.data import (
    Clip,
    FeatureClip,
    Frames,
    JointTrack,
    VideoBytes,
    is_background,
    is_none,
    limit_per_class,
)
from fewact.data.poses.file import write_track
from fewact.video import write_video
from tests.refused import refused

CLIPS = [Clip(Path(f"{label}/{i}.mp4"), label) for label in "abc" for i in range(7)]


@given(st.integers(1, 10), st.integers(0, 5))
def test_limit_keeps_k_of_each_class_in_order(k: int, seed: int) -> None:
    kept = limit_per_class(CLIPS, k, seed)
    assert Counter(clip.label for clip in kept) == {label: min(k, 7) for label in "abc"}
    assert kept == [clip for clip in CLIPS if clip in kept]


def test_limit_depends_on_the_seed_but_not_on_order_or_folder() -> None:
    shuffled = random.Random(1).sample(CLIPS, len(CLIPS))
    moved = [Clip(Path("/elsewhere") / clip.path, clip.label) for clip in CLIPS]
    kept = limit_per_class(CLIPS, 3)
    assert set(limit_per_class(shuffled, 3)) == set(kept)
    assert [c.path.name for c in limit_per_class(moved, 3)] == [c.path.name for c in kept]
    assert len({tuple(limit_per_class(CLIPS, 3, seed)) for seed in range(8)}) > 1


def test_limit_of_features_does_not_depend_on_the_order() -> None:
    clips = [FeatureClip(f"{i}", np.ones((2, 3)), "ab"[i % 2]) for i in range(10)]
    kept = {clip.name for clip in limit_per_class(clips, 2)}
    assert len(kept) == 4
    assert {clip.name for clip in limit_per_class(clips[::-1], 2)} == kept


def test_an_added_clip_displaces_at_most_one() -> None:
    kept = set(limit_per_class(CLIPS, 3))
    for i in range(20):
        more = set(limit_per_class([*CLIPS, Clip(Path(f"a/new{i}.mp4"), "a")], 3))
        assert len(kept - more) <= 1


def test_a_limit_of_zero_is_refused() -> None:
    with refused(OptionError, where="limit"):
        limit_per_class(CLIPS, 0)


@pytest.mark.parametrize("path", [None, 3, [Path("a.mp4")]])
def test_a_clip_of_no_path_is_refused(path: Any) -> None:
    with pytest.raises(DataError, match=r"^not a path \(got .*VideoBytes"):
        Clip(path)
    assert Clip("a.mp4") == Clip(Path("a.mp4"))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^not a path \(got bytes\).*VideoBytes"):
        Clip(b"a.mp4")  # type: ignore[arg-type]


def test_the_background_label_may_have_any_case() -> None:
    assert all(map(is_background, ("none", "None", " NONE ")))
    assert not any(map(is_background, ("nothing", "no", "", "(none)")))
    assert all(map(is_none, ("None", "(none)", " (NONE) ")))
    assert not any(map(is_none, ("(none", "((none))", "()", "no")))


LAYOUT = "2:xy"


def track(**options: Any) -> JointTrack:
    return JointTrack(np.arange(1.0, 17).reshape(4, 4), LAYOUT, **options)


def test_a_segment_of_a_recording_has_its_part_of_the_joints(tmp_path: Path) -> None:
    video = tmp_path / "day.mp4"
    write_video(video, np.zeros((40, 32, 32, 3), np.uint8), 10)
    timed, even = track(times=[0.5, 1.5, 2.5, 3.5]), track()
    for joints in (timed, even):
        found = Clip(video, start=1.0, end=3.0, joints=joints).joint_track()
        assert found is not None
        assert found.times is not None
        assert found.times.tolist() == [-0.5, 0.5, 1.5, 2.5]
        assert Clip(video, joints=joints).joint_track() is joints
        of_bytes = VideoBytes(video.read_bytes(), start=1.0, end=3.0, joints=joints).joint_track()
        assert of_bytes is not None
        assert of_bytes.digest == found.digest


def test_fractions_of_a_picture_of_which_a_box_is_read_become_heights(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((4, 32, 64, 3), np.uint8), 10)
    box = (0, 0, 20, 20)
    found = Clip(tmp_path / "a.mp4", box=box, joints=track(of_picture=True)).joint_track()  # type: ignore[arg-type]
    assert found is not None
    assert not found.of_picture
    assert found.values[0].tolist() == [2, 2, 6, 4]


def test_joints_change_the_fingerprint_but_not_what_a_clip_equals(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, np.zeros((4, 32, 32, 3), np.uint8), 10)
    plain, with_joints, other = Clip(path), Clip(path, joints=track()), Clip(path, joints=track())
    assert plain == with_joints
    assert hash(plain) == hash(with_joints)
    assert plain.fingerprint() != with_joints.fingerprint() == other.fingerprint()
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    assert Frames(frames).fingerprint() != Frames(frames, joints=track()).fingerprint()


@pytest.mark.parametrize("joints", [np.zeros((4, 4)), 3, LAYOUT.encode()])
def test_joints_that_are_neither_a_track_nor_a_path_are_refused(joints: Any) -> None:
    with refused(DataError, where="a.mp4"):
        Clip(Path("a.mp4"), joints=joints)
    with refused(DataError, where="Frames"):
        Frames(np.zeros((4, 32, 32, 3), np.uint8), joints=joints)


def test_joints_may_be_named_by_a_path(tmp_path: Path) -> None:
    write_track(tmp_path / "a.poses.npz", track())
    clip = Clip(Path("a.mp4"), joints=str(tmp_path / "a.poses.npz"))  # type: ignore[arg-type]
    found = clip.joint_track()
    assert found is not None
    assert found.digest == track().digest
    with refused(DataError, where="b.poses.npz"):
        Clip(Path("a.mp4"), joints=tmp_path / "b.poses.npz").joint_track()
