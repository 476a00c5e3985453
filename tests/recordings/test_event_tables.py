"""Tables of events for commands: durations without the recording, subjects, and pairs of tables."""

import math
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.event_tables import (
    are_apart,
    check_subjects,
    recording_duration,
    scored_twice,
)
from fewact.recordings.formats import Event, EventTable


def table(*events: Event) -> EventTable:
    return EventTable(Path("e.csv"), tuple((f"line {i}", one) for i, one in enumerate(events)), ())


def test_a_recording_that_cannot_be_read_lasts_until_its_last_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events = [Event("a", 1, 9, recording="gone.mp4"), Event("a", 2, 3, recording="gone.mp4")]
    assert recording_duration(table(*events), "gone.mp4", events) == (None, 9)
    assert "gone.mp4" in capsys.readouterr().err
    with pytest.raises(DataError) as refused:
        recording_duration(table(), "gone.mp4", [Event("a", 0, math.inf, recording="gone.mp4")])
    assert refused.value.where == "gone.mp4"


@pytest.mark.parametrize(
    ("found", "scored", "apart"),
    [(["x", "y"], ["y"], True), (["1"], ["x"], False), ([""], ["x"], False), ([""], [""], False)],
)
def test_events_are_apart_where_both_sides_name_a_subject(
    found: list[str], scored: list[str], apart: bool
) -> None:
    sides = ([Event("a", 0, 1, subject=name) for name in names] for names in (found, scored))
    assert are_apart(*sides) is apart


def test_tables_without_subjects_or_without_a_common_recording_are_refused() -> None:
    with pytest.raises(DataError):
        check_subjects(table(Event("a", 0, 1, subject="x")), table(Event("a", 0, 1)))
    tables = [table(Event("a", 0, 1, recording=name)) for name in ("a.mp4", "b.mp4", "C/a.avi")]
    (scored,) = scored_twice([tables[0], tables[1]], tables[2])
    assert (scored.name, len(scored.found), len(scored.scored)) == ("a", 1, 1)
    assert scored.frames is None
    assert scored_twice([table()], tables[2])[0].found == ()
    with pytest.raises(DataError) as refused:
        scored_twice([tables[1]], EventTable(Path("t.csv"), (), ()))
    assert refused.value.where == "t.csv"
