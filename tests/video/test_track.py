"""Boxes, tracks, and what is shown of a subject."""

import numpy as np
import pytest

from fewact.video.track import SLIMMEST_ASPECT, Around, Box, CameraPose, Picture, Track, pictures


def numbered(height: int = 120, width: int = 160) -> np.ndarray:
    """Return a frame whose red is the row and whose green is the column of each pixel."""
    rows, columns = np.indices((height, width))
    return np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8)


def test_boxes_share_area() -> None:
    first, second = Box(0, 0, 10, 10), Box(5, 0, 20, 10)
    assert first.shared(second) == 50
    assert first.overlap(second) == 0.5
    assert first.iou(second) == pytest.approx(50 / 250)
    assert first.shared(Box(10, 0, 5, 5)) == 0


def test_the_box_of_a_time_is_around_the_boxes_then() -> None:
    boxes = np.array([[x, 10.0, 20.0, 30.0] for x in range(0, 100, 10)])
    track = Track("1", np.arange(10.0), boxes)
    assert track.box(2.0, 2.5) == Box(20, 10, 20, 30)
    assert track.box(-5.0, -4.0) == Box(0, 10, 20, 30)
    everything = track.box()
    assert everything.x == pytest.approx(4.5)
    assert everything.x + everything.width == pytest.approx(105.5)


def test_a_small_subject_is_cut_out_in_the_shape_of_the_picture() -> None:
    (picture,) = pictures([Box(100, 60, 12, 40)], (120, 160))
    assert picture.part is not None
    height, width, _ = picture.of(numbered()).shape
    assert height == round(1.35 * 40)
    assert width / height == pytest.approx(160 / 120, abs=0.02)
    assert picture.part.shared(Box(100, 60, 12, 40)) == 12 * 40


def test_one_subject_that_fills_the_picture_is_the_picture() -> None:
    (picture,) = pictures([Box(60, 10, 30, 100)], (120, 160))
    assert picture.is_full
    np.testing.assert_array_equal(picture.of(numbered()), numbered())


def test_the_picture_of_a_subject_at_the_border_stays_inside() -> None:
    (picture,) = pictures([Box(-4, -4, 20, 40)], (120, 160))
    assert picture.part is not None
    assert (picture.part.x, picture.part.y) == (0, 0)


def test_others_are_painted_over_and_the_subject_is_not() -> None:
    frame = np.full((120, 160, 3), 50, np.uint8)
    frame[20:100, 40:60], frame[30:100, 100:120] = 200, 250
    first, second = Box(40, 20, 20, 80), Box(100, 30, 20, 70)
    shown = pictures([first, second], (120, 160))[0]
    image = Picture(None, shown.own, shown.others).of(frame)
    assert (image[30:100, 100:120] == 50).all()
    assert (image[20:100, 40:60] == 200).all()
    assert (frame[30:100, 100:120] == 250).all()


def test_around_a_box_is_what_pictures_show_of_it() -> None:
    for box, aspect in ((Box(100, 40, 30, 40), 30 / 40), (Box(100, 60, 12, 40), SLIMMEST_ASPECT)):
        expected = pictures([box], (120, 160), aspect)[0].of(numbered())
        np.testing.assert_array_equal(Around(box).of(numbered()), expected)
    assert not Around(Box(500, 0, 10, 10)).of(numbered()).size


def test_a_stabilised_picture_moves_with_the_camera() -> None:
    picture = Picture(Box(40, 30, 60, 50))
    still = picture.of(numbered(), CameraPose(1, 0))
    np.testing.assert_array_equal(still, picture.of(numbered()))
    moved = picture.of(np.roll(numbered(), (3, -7), (0, 1)), CameraPose(1, -7 + 3j))
    np.testing.assert_array_equal(moved, still)


def test_what_a_camera_does_not_show_is_what_it_showed_before() -> None:
    picture = Picture(Box(100, 30, 60, 50))
    still = picture.of(numbered(), CameraPose(1, 0))
    beside = np.roll(numbered(), 7, 1)
    shown = picture.of(beside, CameraPose(1, 7), still)
    np.testing.assert_array_equal(shown, still)
    assert not np.array_equal(picture.of(beside, CameraPose(1, 7)), still)


def test_a_large_picture_is_shown_smaller() -> None:
    frame = numbered().repeat(9, 0).repeat(9, 1)
    height, width, _ = Picture(Box(0, 0, 1440, 1080)).of(frame, CameraPose(1, 0)).shape
    assert (height, width) == (540, 720)
