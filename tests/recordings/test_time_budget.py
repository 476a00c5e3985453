"""Time budgets: known events in, exact numbers out."""

import math

import pytest

from fewact.recordings.formats import Event
from fewact.recordings.time_budget import Budget, budgets


def test_time_budgets_are_exact() -> None:
    events = [
        Event("wave", 5, 15, repetitions=3),
        Event("wave", 12, 20),  # 12 to 15 counts once
        Event("wave", 55, math.inf),
    ]
    (wave, clap) = budgets("a", events, 60, ["wave", "clap"])
    assert wave == Budget("a", "wave", 0, 60, 5, 20, (10 + 8 + 5) / 3, 5)
    assert wave.share == pytest.approx(1 / 3)
    assert clap == Budget("a", "clap", 0, 60, 0, 0, None, None)
    bins = list(budgets("a", events, 60, ["wave"], width=25))
    assert [(b.start, b.end, b.count, b.total, b.latency) for b in bins] == [
        (0, 25, 4, 15, 5),
        (25, 50, 0, 0, None),
        (50, 60, 1, 5, 5),
    ]


def test_point_events_count_and_take_no_time() -> None:
    events = [Event("nod", 5, 5), Event("nod", 60, 60), Event("nod", 60.4, 60.4)]
    (nod,) = budgets("a", events, 60, ["nod"])
    assert nod == Budget("a", "nod", 0, 60, 3, 0, None, 5)
    assert [b.count for b in budgets("a", events, 60, ["nod"], width=30)] == [1, 2]
    (mixed,) = budgets("a", [Event("nod", 5, 5), Event("nod", 10, 14)], 60, ["nod"])
    assert (mixed.count, mixed.total, mixed.mean) == (2, 4, 4)
    (alone,) = budgets("a", [Event("nod", 0, 0)], 0, ["nod"])
    assert alone.count == 1
