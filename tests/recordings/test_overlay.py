"""Events drawn on frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame
from PIL import Image

from fewact.recordings.events import Event
from fewact.recordings.overlay import (
    LIVE_SPAN,
    MOST_SHOWN_SIDE,
    Overlay,
    _performed,
    _Picture,
    _prepared,
)
from fewact.report import svg
from fewact.video.writing import check_frame, planes_of

GREY = planes_of(np.full((90, 160, 3), 90, np.uint8))
EVENTS = [Event("wave", 1.0, 4.0, 0.9, 3), Event("clap", 6.0, 8.0, 0.8, 1)]


def rgb(planes: np.ndarray) -> np.ndarray:
    return np.asarray(VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(format="rgb24"))


def bar_colour(frame: np.ndarray, fraction: float) -> list[int]:
    """Return the colour of the bar at a fraction of its width."""
    colour: list[int] = rgb(frame)[-8, round(fraction * frame.shape[1])].tolist()
    return colour


def near(colour: list[int], name: str) -> bool:
    expected = [int(name[i : i + 2], 16) for i in (1, 3, 5)]
    return bool(np.abs(np.subtract(colour, expected)).max() < 40)


def test_panels_look_as_they_would_in_rgb() -> None:
    """A colour with opacity over a colour, within the rounding of YUV, at an odd position too."""
    ground, colour = np.array([200, 120, 40]), np.array([37, 99, 168])
    picture = _Picture(planes_of(np.broadcast_to(ground.astype(np.uint8), (64, 64, 3)).copy()))
    picture.paste(_prepared(Image.new("RGBA", (17, 11), (*colour.tolist(), 230))), (21, 31))
    shown = rgb(picture.planes).astype(int)
    expected = (ground * 25 + colour * 230) / 255
    assert np.abs(shown[32:40, 22:36] - expected).max() <= 4
    assert np.abs(shown[:28] - ground).max() <= 3
    picture.paste(_prepared(Image.new("RGBA", (40, 40), (0, 0, 0, 255))), (50, 60))
    assert rgb(picture.planes)[62, 62].max() <= 2


def test_small_frames_are_enlarged_and_the_frame_is_not_changed() -> None:
    before = GREY.copy()
    drawn = Overlay(["wave"], 10.0).draw(0.0, GREY)
    assert rgb(drawn).shape == (360, 640, 3)
    assert np.array_equal(GREY, before)
    assert np.array_equal(rgb(drawn)[180, 320], rgb(GREY)[45, 80])


def test_subjects_have_boxes_with_their_labels() -> None:
    boxes = [(20.0, 30.0, 40.0, 50.0), (100.0, 30.0, 80.0, 40.0)]  # the second leaves the frame
    events = [
        replace(event, start=1.0, end=4.0, box=box)
        for event, box in zip(EVENTS, boxes, strict=True)
    ]
    overlay = Overlay(["clap", "wave"], 10.0)
    overlay.add(events)
    drawn = rgb(overlay.draw(2.0, GREY))  # four times as large
    for name, left, top, bottom in (("wave", 80, 120, 320), ("clap", 400, 120, 280)):
        colour = svg.COLOURS[["clap", "wave"].index(name)]
        for y, x in ((top + 1, left + 60), (bottom - 2, left + 60), (top + 80, left + 1)):
            assert near(drawn[y, x].tolist(), colour), (name, y, x)
        assert near(drawn[top - 2, left + 2].tolist(), colour)  # its label stands on the box
        assert np.abs(drawn[top + 40, left + 60].astype(int) - 90).max() < 5
    assert near(drawn[200, 638].tolist(), svg.COLOURS[0])


@pytest.mark.parametrize("shape", [(1000, 2), (1, 1), (3, 5000)])
def test_thin_frames_are_enlarged_only_as_far_as_encoders_go(shape: tuple[int, int]) -> None:
    drawn = Overlay(["wave"], 4.0).draw(1.0, planes_of(np.zeros((*shape, 3), np.uint8)))
    assert max(rgb(drawn).shape) <= max(MOST_SHOWN_SIDE, *shape)
    check_frame(Path("a.mp4"), drawn, 25)


def test_bar_shows_all_events_of_a_file() -> None:
    overlay = Overlay(["clap", "wave"], 10.0)
    overlay.add(EVENTS)
    for time in (0.0, 5.0, 9.9):
        drawn = overlay.draw(time, GREY)
        assert near(bar_colour(drawn, 0.3), svg.COLOURS[1])
        assert near(bar_colour(drawn, 0.7), svg.COLOURS[0])
        assert max(bar_colour(drawn, 0.5 if time != 5 else 0.45)) < 90


def test_label_is_drawn_only_during_its_event() -> None:
    overlay = Overlay(["clap", "wave"], 10.0)
    overlay.add(EVENTS)
    labelled = {
        time: near(rgb(overlay.draw(time, GREY))[10, 12].tolist(), svg.COLOURS[1])
        for time in (0.9, 1.0, 3.9, 4.0, 7.0)
    }
    assert labelled == {0.9: False, 1.0: True, 3.9: True, 4.0: False, 7.0: False}


@pytest.mark.parametrize("longest", ["backhand topspin from mid-distance", "W" * 60])
def test_counts_do_not_hide_the_label(longest: str) -> None:
    grey = planes_of(np.full((432, 576, 3), 90, np.uint8))
    frame = rgb(grey)
    labels = [longest, "forehand smash down the line"]
    now, before = Event(longest, 6.0, 8.0, 0.9, 1), Event(labels[1], 1.0, 4.0, 0.9, 3)
    alone, counted = Overlay(labels, 10.0), Overlay(labels, 10.0)
    alone.add([now])
    counted.add([before, now])
    row = slice(0, 40)  # the label is in it
    label = rgb(alone.draw(7.0, grey))[row]
    assert np.array_equal(label, rgb(counted.draw(7.0, grey))[row])
    assert np.array_equal(label[:, -8:], frame[row, -8:])
    between = rgb(counted.draw(5.0, grey))
    assert np.array_equal(between[row], frame[row])
    assert not np.array_equal(between[40:80], frame[40:80])


def test_short_counts_are_beside_the_label() -> None:
    overlay = Overlay(["clap", "wave"], 10.0)
    overlay.add(EVENTS)
    assert not near(rgb(overlay.draw(5.0, GREY))[12, -12].tolist(), "#5a5a5a")


def test_bar_of_a_camera_shows_the_last_minute() -> None:
    overlay = Overlay(["clap", "wave"])
    overlay.add(EVENTS)
    assert near(bar_colour(overlay.draw(10.0, GREY), 1 - 7 / LIVE_SPAN), svg.COLOURS[1])
    late = overlay.draw(100.0, GREY)
    assert all(max(bar_colour(late, x)) < 90 for x in (0.1, 0.5, 0.9))


def test_performances_are_counted_while_they_go_on() -> None:
    times = (1.0, 1.9, 2.0, 3.5, 4.0)
    assert [_performed(EVENTS[:1], time)["wave"] for time in times] == [0, 0, 1, 2, 3]
