"""Angles at joints."""

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.joint_angles import ANGLES, has_angles, joint_angles
from fewact.data.joints import SKELETONS, JointTrack, parse_joints


@pytest.mark.parametrize("skeleton", ANGLES)
def test_angles_are_of_the_joints_of_a_skeleton_on_both_sides(skeleton: str) -> None:
    mirror = parse_joints(f"{skeleton}:xyz").mirror
    for name, limb in ANGLES[skeleton].items():
        other = name.replace("left", "L").replace("right", "left").replace("L", "right")
        assert max(limb) < SKELETONS[skeleton][0]
        assert tuple(mirror[joint] for joint in limb) == ANGLES[skeleton][other]


@pytest.mark.parametrize("angle", [20.0, 90.0, 175.0])
def test_an_angle_does_not_depend_on_the_place_the_size_or_the_view(angle: float) -> None:
    elbow = np.array(
        [[1.0, 0, 0], [0, 0, 0], [np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0]]
    )
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    values = np.zeros((1, 33, 3), np.float32)
    values[0, [11, 13, 15]] = 3 * elbow @ rotation + (5, 6, 7)
    angles = joint_angles(JointTrack(values.reshape(1, 99), "pose33:xyz"))
    found = dict(zip(angles.names, angles.degrees[0].tolist(), strict=True))
    assert found["left elbow"] == pytest.approx(angle, abs=0.01)
    assert np.isnan(found["right elbow"])
    mirrored = dict(zip(angles.names, angles.mirrored().degrees[0].tolist(), strict=True))
    assert mirrored["right elbow"] == pytest.approx(angle, abs=0.01)


def test_fractions_of_a_picture_have_one_unit_by_its_aspect() -> None:
    values = np.zeros((1, 34), np.float32)
    values[0, 10:12], values[0, 14:16], values[0, 18:20] = (0.5, 0.5), (0.6, 0.5), (0.7, 0.7)
    track = JointTrack(values, "coco17:xy", of_picture=True)
    wide, square = (joint_angles(track, aspect).degrees[0, 0] for aspect in (2.0, 1.0))
    assert square == pytest.approx(180 - np.degrees(np.arctan2(0.2, 0.1)), abs=0.01)
    assert wide == pytest.approx(135.0, abs=0.01)


def test_an_unsure_joint_has_no_angle() -> None:
    values = np.zeros((2, 17, 3), np.float32)
    values[:, 5], values[:, 7], values[:, 9] = (1, 1, 0.9), (2, 1, 0.9), (2, 2, 0.9)
    values[1, 9, 2] = 0.4
    degrees = joint_angles(JointTrack(values.reshape(2, 51), "coco17:xyc")).degrees[:, 0]
    assert degrees[0] == pytest.approx(90, abs=0.01)
    assert np.isnan(degrees[1])


def test_other_layouts_have_no_known_angles() -> None:
    assert has_angles("pose33:xyzc+hand21:xyz")
    assert not has_angles("7(1-2):xyc")
    with pytest.raises(DataError) as caught:
        joint_angles(JointTrack(np.ones((1, 21), np.float32), "7:xyc"))
    assert caught.value.where == "7:xyc"
