"""Tables of results: what is not defined is empty, or null in JSON."""

import json

import numpy as np

from fewact.recordings.agreement import Scored, agree
from fewact.recordings.formats import Event
from fewact.recordings.result_tables import (
    agreement_dict,
    agreement_lists,
    agreement_tables,
    frame_header,
    frame_lines,
    totals_table,
)
from fewact.recordings.totals import Total
from fewact.video.samplers import Timeline

ALL_TIME = [Event("a", 0, 10, 0.9, recording="x")]


def test_a_kappa_that_is_not_defined_is_null_and_empty() -> None:
    result = agree([Scored("x", tuple(ALL_TIME), tuple(ALL_TIME))])
    document = json.loads(json.dumps(agreement_dict(result)))
    assert document["kappa_per_second"]["value"] is None
    assert document["kappa_per_frame"] is None
    assert document["mean_average_precision"] == [1.0] * 5
    classes, kappas, *_ = agreement_tables(result)
    assert classes.rows[-1] == ("all", "1", "1", "1", "0", "0", "1.00", "")
    assert kappas.rows == (("per second", "", "", "10"),)
    assert agreement_lists(result) == []


def test_missed_and_false_events_are_listed() -> None:
    false = Event("b", 20, 21, 0.5, recording="x", subject="rat")
    result = agree([Scored("x", (false,), tuple(ALL_TIME))])
    assert agreement_lists(result) == [
        "Missed: x 00:00:00.000 to 00:00:10.000 a",
        "False: x 00:00:20.000 to 00:00:21.000 b rat",
    ]


def test_a_frame_is_in_an_event_by_its_middle() -> None:
    timeline = Timeline(np.array([0.0, 0.1, 0.2, 0.3]), 0.4)
    text = frame_header(["a"]) + frame_lines("x", [Event("a", 0.06, 0.24)], timeline, ["a"])
    assert [line.split(",")[-1] for line in text.splitlines()] == ["a", "0", "1", "0", "0"]


def test_a_point_event_is_in_the_frame_of_its_time() -> None:
    timeline = Timeline(np.array([0.0, 0.1, 0.2, 0.3]), 0.4)
    text = frame_lines("x", [Event("a", 0.29, 0.29), Event("a", 0.0, 0.0)], timeline, ["a"])
    assert [line.split(",")[-1] for line in text.splitlines()] == ["1", "0", "1", "0"]


def test_a_total_without_an_interval_has_none() -> None:
    table = totals_table([("a", "count", Total(3.25, None, None, 2.0, 0.5))])
    assert table.rows == (("a", "count", "2.0", "3.2", "", ""),)
