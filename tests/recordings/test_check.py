"""Windows that are drawn at random, and scored by a person."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, OptionError
from fewact.recordings.check import CheckPlan, ScoredWindows, blank_table, draw, totals
from fewact.recordings.formats import Event, EventTable


def plan_of(*windows: int) -> CheckPlan:
    """A recording of 200 s, and windows of 10 s that are shown every 12 s."""
    plan = draw({"a.mp4": 200.0}, "12", 10.0, 0)
    some = [
        one.model_copy(update={"window": w}) for one, w in zip(plan.checked, windows, strict=False)
    ]
    shown = [12.0 * i + 2 for i in range(len(some))]
    return plan.model_copy(update={"checked": some, "shown": shown, "classes": ["a"]})


def table_of(*events: Event, skipped: tuple[str, ...] = ()) -> EventTable:
    rows = tuple((f"line {i}", event) for i, event in enumerate(events, start=2))
    return EventTable(Path("check.csv"), rows, skipped)


def test_every_window_is_drawn_as_often() -> None:
    drawn = np.zeros(30)
    for seed in range(600):
        plan = draw({"a": 100.0, "b": 203.0}, "40%", 10.0, seed)
        assert [part.windows for part in plan.recordings] == [10, 20]
        for one in plan.checked:
            drawn[10 * one.recording + one.window] += 1
    assert drawn.sum() == 600 * 12
    assert ((drawn > 190) & (drawn < 290)).all()  # 240 ± 4 standard deviations
    for check in ("2%", "31", "x", "nan%"):
        with pytest.raises(OptionError):
            draw({"a": 100.0, "b": 203.0}, check, 10.0, 0)


def test_scored_events_are_cut_at_the_windows_and_what_went_on_is_not_counted() -> None:
    plan = plan_of(5, 0, *range(6, 16))
    events = [
        Event("a", 1.0, 4.0),  # begins in the title: it went on before
        Event("a", 10.0, 15.0, repetitions=2),  # ends in the next window, at 0 there
        Event("none", 26.0, 36.0),
        Event("b", 0.5, 1.5),  # in a title
        Event("a", 11.0, 11.0),  # a point event
        Event("a", 12.5, 12.5),  # one in a title
    ]
    scored = ScoredWindows(
        plan, table_of(*events, skipped=("x: no",)), Path("check.mp4"), complete=True
    )
    spans = [(e.start, e.end, e.repetitions) for e in scored.events[0]]
    assert spans == [(50.0, 52.0, 0), (58.0, 60.0, 2), (0.0, 1.0, 2), (59.0, 59.0, 1)]
    assert [row.split(": ")[-1] for row in scored.skipped] == [
        "no",
        "it is in no window, but in a title",
        "it is in no window, but in a title",
    ]
    (count, seconds) = totals(plan, {}, scored)
    assert (count[:2], seconds[:2]) == (("a", "count"), ("a", "seconds"))


def test_windows_are_scored_in_their_order() -> None:
    plan = plan_of(*range(12))
    each = [Event("none", 12.0 * i + 2, 12.0 * i + 12) for i in range(12)]
    video = Path("check.mp4")
    assert ScoredWindows(plan, table_of(*each[:11]), video, complete=False).checked == 11
    fault = "check.csv, line 2: its start is no time"
    with pytest.raises(DataError) as refused:
        ScoredWindows(plan, table_of(*each[1:], skipped=(fault,)), video, complete=False)
    assert refused.value.got == "1"
    assert fault in refused.value.hint
    with pytest.raises(DataError) as refused:
        ScoredWindows(plan, table_of(*each[:5]), video, complete=False)
    assert refused.value.got == "5 of 12"
    elsewhere = table_of(Event("a", 2.0, 3.0, recording="monday.mp4"))
    with pytest.raises(DataError) as refused:
        ScoredWindows(plan, elsewhere, video, complete=True)
    assert "monday.mp4" in refused.value.got


def test_the_blank_table_has_a_row_for_each_window() -> None:
    lines = blank_table(plan_of(5, 0), "check.mp4").splitlines()
    assert lines == [
        "video,start,end,label,window,shows",
        "check.mp4,2.000,12.000,,1,a.mp4 50.0 s to 60.0 s",
        "check.mp4,14.000,24.000,,2,a.mp4 0.0 s to 10.0 s",
    ]
