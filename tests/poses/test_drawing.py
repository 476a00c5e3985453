"""Joints are drawn where they are, and only those that are sure."""

import numpy as np
import pytest

from fewact.data.joints import SKELETONS
from fewact.poses.drawing import BONES, FIRST, MIDDLE, SECOND, drawn, sheet


def test_joints_are_dots_in_the_colours_of_their_sides() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    joints = np.array([0.5, 0.5, 1, 1.5, 0.25, 1, 1.0, 0.75, 1, 0.1, 0.1, 0], np.float32)
    image = np.asarray(drawn(frame, joints, "4(1-2):xyc"))
    assert tuple(image[50, 50]) == MIDDLE
    assert tuple(image[25, 150]) == FIRST
    assert tuple(image[75, 100]) == SECOND
    assert not image[5:15, 5:15].any()  # its confidence is 0
    assert not frame.any()


def test_bones_connect_sure_joints() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    joints = np.zeros((17, 3), np.float32)
    joints[5], joints[7], joints[9] = (0.2, 0.2, 1), (0.2, 0.8, 1), (0.8, 0.8, 0.1)
    image = np.asarray(drawn(frame, joints.reshape(-1), "coco17:xyc"))
    assert tuple(image[50, 20]) == FIRST
    assert not image[80, 40:].any()


def test_without_a_body_the_frame_stays() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    image = drawn(frame, np.zeros(34, np.float32), "coco17:xy")
    assert (np.asarray(image) == frame).all()


@pytest.mark.parametrize("skeleton", BONES)
def test_bones_are_between_joints_of_the_skeleton(skeleton: str) -> None:
    joints = {joint for chain in BONES[skeleton] for joint in chain}
    assert joints <= set(range(SKELETONS[skeleton][0]))


def test_a_sheet_has_all_images() -> None:
    images = [drawn(np.full((90, 60, 3), 40 * i, np.uint8), np.ones(2), "1:xy") for i in range(6)]
    page = np.asarray(sheet(images))
    assert page.shape == (540, 4 * 180, 3)
    assert page[300, 200].tolist() == [200] * 3
    assert not page[300, 400].any()
