"""Layouts of joints."""

import pytest

from fewact.core.errors import DataError
from fewact.data.joints import SKELETONS, layout_of, parse_joints


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
