"""Layouts of joints, and joints over time."""

from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.joints import SKELETONS, JointTrack, layout_of, parse_joints
from tests.refused import refused


@pytest.mark.parametrize("name", SKELETONS)
def test_a_mirror_is_its_own_inverse(name: str) -> None:
    joints = parse_joints(f"{name}:xyc")
    count = SKELETONS[name][0]
    assert joints.width == 3 * count
    assert sorted(joints.mirror) == list(range(count))
    assert [joints.mirror[i] for i in joints.mirror] == list(range(count))


def test_two_hands_swap_beside_a_body() -> None:
    joints = parse_joints("pose33:xyzc+hand21:xyz+hand21:xyz")
    assert joints.width == 258
    assert joints.mirror[33:54] == tuple(range(54, 75))
    assert joints.mirror[15:17] == (16, 15)  # the wrists
    assert joints.coordinates[33] == (132, 133, 134)
    assert joints.confidences[32:34] == (131, -1)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("", "no part of a layout"),
        ("kinect2:xyz", 'unknown skeleton "kinect2"'),
        ("kinect20:xzy", "no part of a layout"),
        ("3(0-3):xy", "does not exist"),
        ("3(0-1,1-2):xy", "in two of them"),
        ("3(0):xy", "no pair"),
        ("coco17:xy+hand21:xyz", "some in space"),
        ("999:xy", "999 joints"),
    ],
)
def test_what_is_no_layout_is_refused(layout: str, text: str) -> None:
    with pytest.raises(DataError, match="not a layout of joints") as refused:
        parse_joints(layout)
    assert text in str(refused.value)


def test_names_say_left_and_right() -> None:
    assert layout_of(["nose", "ear_left", "ear_right", "tail"], "xy") == "4(1-2):xy"
    assert layout_of(["LEFT_HIP", "RIGHT_HIP"], "xyzc") == "2(0-1):xyzc"
    assert layout_of(["left", "tail", "l"], "xyc") == "3:xyc"


LAYOUT = "3:xyc"


def track_of(values: np.ndarray, **options: Any) -> JointTrack:
    """Return a track of three joints whose coordinates are ``values`` (t 6), all of them sure."""
    joints = np.concatenate([values.reshape(-1, 3, 2), np.ones((len(values), 3, 1))], -1)
    return JointTrack(joints.reshape(len(values), -1), LAYOUT, **options)


def line(count: int) -> np.ndarray:
    """Return coordinates (t 6) that grow by 1 a frame."""
    return np.arange(1.0, count + 1)[:, None] + np.arange(6)


def test_frames_without_times_are_even_over_the_clip() -> None:
    track = track_of(line(4))
    assert track.times_in(8.0).tolist() == [1.0, 3.0, 5.0, 7.0]
    np.testing.assert_array_equal(track.at([1, 3, 5, 7], 8.0), track.values)
    np.testing.assert_allclose(track.at([4.0], 8.0)[0, :2], [3.5 - 1, 4.5 - 1])
    np.testing.assert_array_equal(track.at([0.0, 8.0], 8.0), track.values[[0, -1]])


def test_beyond_half_a_step_from_the_ends_a_joint_is_missing() -> None:
    track = track_of(line(3), times=[1.0, 2.0, 3.0])
    found = track.at([0.4, 0.6, 3.4, 3.6], 4.0)
    assert found.any(1).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(found[1:3], track.values[[0, -1]])


def test_a_joint_that_one_neighbour_lacks_is_taken_from_the_nearest_frame() -> None:
    track = track_of(line(3), times=[0.0, 1.0, 2.0])
    values = track.values.copy()
    values[1, 2] = 0  # the confidence of the first joint
    missing = JointTrack(values, LAYOUT, track.times)
    found = missing.at([0.4, 0.6], 2.0)
    np.testing.assert_array_equal(found[:, :3], [values[0, :3], [0, 0, 0]])
    np.testing.assert_allclose(found[:, 3], [3.4, 3.6])


def test_nothing_is_interpolated_over_a_gap() -> None:
    track = track_of(line(5), times=[0.0, 0.1, 0.2, 5.0, 5.1])
    assert track.at([1.0, 2.6, 4.0], 6.0).any(1).tolist() == [False] * 3
    assert track.at([0.15, 5.05], 6.0).all()


@pytest.mark.parametrize("strange", [np.nan, np.inf, 1e30])
def test_a_joint_that_is_no_number_is_missing(strange: float) -> None:
    values = track_of(line(2)).values.astype(np.float64)
    values[1, 3] = strange
    track = JointTrack(values, LAYOUT)
    assert track.present.tolist() == [[True] * 3, [True, False, True]]
    assert np.isfinite(track.values).all()
    assert not track.values[1, 3:6].any()


def test_joints_of_a_later_start() -> None:
    track = track_of(line(4))
    later = track.since(2.0, span=8.0)
    np.testing.assert_array_equal(later.at([1.0], 1.0), track.at([3.0], 8.0))


def test_fractions_of_the_picture_become_heights() -> None:
    track = JointTrack(np.ones((1, 8)), "2:xyzc", of_picture=True)
    found = track.in_heights(1.5)
    assert found.values.tolist() == [[1.5, 1, 1.5, 1] * 2]
    assert not found.of_picture
    assert found.in_heights(1.5) is found


def test_digests_tell_joints_apart() -> None:
    track = track_of(line(3))
    others = [
        track_of(line(3) + 1),
        track_of(line(3), times=[0, 1, 2]),
        track_of(line(3), of_picture=True),
        JointTrack(track.values, "3(1-2):xyc"),
    ]
    assert len({track.digest, *(other.digest for other in others)}) == 5
    assert track_of(line(3)).digest == track.digest


@pytest.mark.parametrize(
    ("values", "times", "got"),
    [
        (np.ones((2, 8)), None, "(2, 8)"),
        (np.ones((0, 9)), None, "(0, 9)"),
        (np.ones(9), None, "(9,)"),
        (np.full((2, 9), "a"), None, "<U1"),
        (np.ones((2, 9)), [0.0], "1 times for 2 frames"),
        (np.ones((2, 9)), [1.0, 1.0], "2 times for 2 frames"),
        (np.ones((2, 9)), [0.0, np.nan], "2 times for 2 frames"),
    ],
)
def test_what_is_no_track_is_refused(values: np.ndarray, times: Any, got: str) -> None:
    with refused(DataError, got=got):
        JointTrack(values, LAYOUT, times)
