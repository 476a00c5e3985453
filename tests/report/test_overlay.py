"""Events drawn on frames."""

import numpy as np
import pytest

from fewact import svg
from fewact.classifier.events import Event
from fewact.report.overlay import LIVE_SPAN, Overlay, _performed

GREY = np.full((90, 160, 3), 90, np.uint8)
EVENTS = [Event("wave", 1.0, 4.0, 0.9, 3), Event("clap", 6.0, 8.0, 0.8, 1)]


def bar_colour(frame: np.ndarray, fraction: float) -> list[int]:
    """Return the colour of the bar at a fraction of its width."""
    colour: list[int] = frame[-8, round(fraction * frame.shape[1])].tolist()
    return colour


def near(colour: list[int], name: str) -> bool:
    expected = [int(name[i : i + 2], 16) for i in (1, 3, 5)]
    return bool(np.abs(np.subtract(colour, expected)).max() < 40)


def test_small_frames_are_enlarged_and_the_frame_is_not_changed() -> None:
    before = GREY.copy()
    drawn = Overlay(["wave"], 10.0).draw(0.0, GREY)
    assert drawn.shape == (360, 640, 3)
    assert np.array_equal(GREY, before)
    assert drawn[180, 320].tolist() == [90, 90, 90]


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
        time: near(overlay.draw(time, GREY)[10, 12].tolist(), svg.COLOURS[1])
        for time in (0.9, 1.0, 3.9, 4.0, 7.0)
    }
    assert labelled == {0.9: False, 1.0: True, 3.9: True, 4.0: False, 7.0: False}


def test_bar_of_a_camera_shows_the_last_minute() -> None:
    overlay = Overlay(["clap", "wave"])
    overlay.add(EVENTS)
    assert near(bar_colour(overlay.draw(10.0, GREY), 1 - 7 / LIVE_SPAN), svg.COLOURS[1])
    late = overlay.draw(100.0, GREY)
    assert all(max(bar_colour(late, x)) < 90 for x in (0.1, 0.5, 0.9))


def test_performances_are_counted_while_they_go_on() -> None:
    assert [_performed(EVENTS[:1], time)["wave"] for time in (1.0, 1.9, 2.0, 3.5, 4.0)] == [
        0,
        0,
        1,
        2,
        3,
    ]


def test_characters_without_a_font_are_named() -> None:
    with pytest.warns(UserWarning, match="no font"):
        Overlay(["wave \U0010fffd"])
