"""Which joints of two clips differ most, and when."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.classifier.joint_differences import (
    DIFFERENCE_HEADER,
    clip_joints,
    compared,
    joint_differences,
)
from fewact.core.errors import DataError
from fewact.data import Clip, Frames
from fewact.data.joints import JointTrack
from fewact.data.poses.file import read_track

LAYOUT = "coco17:xy"
LEFT_KNEE, RIGHT_KNEE = (11, 13, 15), (12, 14, 16)


def bent(
    degrees: NDArray[np.float64], times: NDArray[np.float64], knee: tuple[int, ...] = LEFT_KNEE
) -> JointTrack:
    """Return joints of a body whose other knee and elbows are straight."""
    values = np.zeros((len(degrees), 17, 2), np.float32)
    for limb in (LEFT_KNEE, RIGHT_KNEE, (5, 7, 9), (6, 8, 10)):
        angle = np.radians(degrees if limb == knee else np.full(len(degrees), 175.0))
        hip, middle, ankle = limb
        values[:, hip], values[:, middle] = (1 + limb[0], 1), (1 + limb[0], 2)
        values[:, ankle, 0] = 1 + limb[0] + np.sin(angle)
        values[:, ankle, 1] = 2 - np.cos(angle)
    return JointTrack(values.reshape(len(degrees), 34), LAYOUT, times)


def squat(seconds: float, depth: float, frames: int = 40) -> tuple[NDArray[np.float64], ...]:
    """Return the angle of a knee that bends to a depth in the middle, and times."""
    times = np.linspace(0, seconds, frames)
    return 175 - (175 - depth) * np.sin(np.pi * times / seconds) ** 2, times


def test_the_joint_that_differs_is_named_with_its_angle_and_time() -> None:
    first, second = bent(*squat(2.0, 90)), bent(*squat(4.0, 130))
    differences = joint_differences(first, second, (2.0, 4.0))
    assert not differences.mirrored
    joint = differences.joints[0]
    assert joint.joint == "left knee"
    assert joint.largest == pytest.approx(40, abs=4)
    assert joint.first_time == pytest.approx(1.0, abs=0.15)
    assert joint.second_time == pytest.approx(2.0, abs=0.5)
    assert joint.ranges == pytest.approx((85, 45), abs=4)
    assert all(other.mean < 0.5 for other in differences.joints[1:])
    assert [len(row) for row in differences.rows()] == [len(DIFFERENCE_HEADER)] * len(
        differences.joints
    )


def test_another_pace_and_another_side_are_no_difference() -> None:
    degrees, times = squat(2.0, 90)
    first = bent(degrees, times)
    slow = np.interp(np.linspace(0, 2, 60) ** 2 / 2, times, degrees)
    second = bent(slow, np.linspace(0, 5, 60), RIGHT_KNEE)
    differences = joint_differences(first, second, (2.0, 5.0))
    assert differences.mirrored
    assert all(joint.mean < 4 for joint in differences.joints)


def test_single_frames_of_another_body_are_no_difference() -> None:
    degrees, times = squat(2.0, 90)
    wrong = degrees.copy()
    wrong[[8, 25]] = 20
    differences = joint_differences(bent(degrees, times), bent(wrong, times), (2.0, 2.0))
    assert abs(differences.joints[0].largest) < 20


def test_clips_without_a_common_angle_are_refused() -> None:
    body = bent(*squat(2.0, 90))
    other = JointTrack(np.ones((3, 66), np.float32), "pose33:xy")
    nothing = JointTrack(np.zeros((3, 34), np.float32), LAYOUT)
    for second in (other, nothing):
        with pytest.raises(DataError) as caught:
            joint_differences(body, second, (2.0, 2.0))
        assert caught.value.got


def test_a_clip_without_joints_is_not_compared() -> None:
    frames = np.zeros((20, 32, 48, 3), np.uint8)
    assert clip_joints(Frames(frames, 10)) is None
    track = JointTrack(np.ones((20, 21), np.float32), "7:xyc")
    assert clip_joints(Frames(frames, 10, joints=track)) is None
    found = clip_joints(Frames(frames, 10, joints=bent(*squat(2.0, 90))))
    assert found is not None
    assert found.span == pytest.approx(2.0, abs=0.1)
    assert compared(found, found).joints[0].mean == 0


def test_real_bodies_of_one_recording_are_nearer_than_those_of_another(assets: Path) -> None:
    poses = assets / "more" / "poses" / "workout7_pose33.npz"
    clips = assets / "more" / "workout7" / "clips" / "squat"

    def joints(name: str) -> Clip:
        path = clips / name
        return Clip(path, joints=read_track(poses, path))

    first, same, other = map(
        clip_joints, map(joints, ("w26_24a.mp4", "w26_24b.mp4", "w28_34a.mp4"))
    )
    assert first is not None
    assert same is not None
    assert other is not None
    near, far = (
        np.mean([joint.mean for joint in compared(first, second).joints])
        for second in (same, other)
    )
    assert near < far
