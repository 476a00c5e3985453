"""What a format of events cannot hold is counted."""

from dataclasses import replace

from fewact.recordings.formats import Event
from fewact.recordings.formats.losses import losses

WAVE = Event(
    "wave", 1.0, 2.0, 0.5, 2, "a.mp4", "rat", (10, 20), "2026-01-01", (1, 2, 3, 4), "right"
)
NOD = Event("nod", 3.0, 3.0)


def test_equal_events_lose_nothing_in_any_order() -> None:
    assert losses([WAVE, NOD], [NOD, replace(WAVE, start=1.0004)]) == []


def test_each_field_is_counted() -> None:
    bare = Event("wave", 1.0, 2.0)
    names = [sentence.partition(":")[0] for sentence in losses([WAVE, NOD], [bare, NOD])]
    assert names == [
        "recording",
        "subject",
        "confidence",
        "repetitions",
        "frames",
        "clock",
        "box",
        "mark",
    ]


def test_times_and_events_are_counted() -> None:
    (sentence,) = losses([WAVE, NOD], [WAVE, replace(NOD, end=3.25)])
    assert sentence == "times: 1 events change by up to 0.250 s"
    (sentence,) = losses([WAVE, NOD, NOD], [WAVE])
    assert sentence == "events: 3 become 1 (nod: -2)"
