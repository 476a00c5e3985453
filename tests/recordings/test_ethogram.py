"""Ethograms: a bar for each event, as long as it, in the row of its class and subject."""

import re

from fewact.recordings.ethogram import NAMES_WIDTH, TIME_WIDTH, ethogram
from fewact.recordings.formats import Event
from fewact.report import svg


def bars(file: str, colour: str) -> list[tuple[float, float, float]]:
    """Return left end, width and top of the rectangles of a colour."""
    sides = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall("<rect[^>]*>", file)]
    return [
        (float(one["x"]), float(one["width"]), float(one["y"]))
        for one in sides
        if one.get("fill") == colour
    ]


def test_bars_are_where_and_as_long_as_events() -> None:
    events = [
        Event("a", 10, 20, recording="x"),
        Event("b", 0, 50, recording="x"),
        Event("a", 40, 999, recording="y"),
    ]
    file = ethogram(events, {"x": 100.0, "y": 50.0}, ["a", "b"]).file
    first, second = bars(file, svg.COLOURS[0])
    (other,) = bars(file, svg.COLOURS[1])
    assert first[:2] == (NAMES_WIDTH + TIME_WIDTH / 10, TIME_WIDTH / 10)
    assert other[:2] == (NAMES_WIDTH, TIME_WIDTH / 2)
    assert second[:2] == (NAMES_WIDTH + 0.4 * TIME_WIDTH, TIME_WIDTH / 10)  # cut at the end
    assert first[2] < other[2] < second[2]


def test_a_subject_has_rows_of_what_it_did() -> None:
    events = [Event("a", 0, 1, subject="rat"), Event("b", 0, 1, subject="dog")]
    file = ethogram(events, {"": 2.0}, ["a", "b"]).file
    assert [name for name in ("rat: a", "rat: b", "dog: a", "dog: b") if name in file] == [
        "rat: a",
        "dog: b",
    ]
