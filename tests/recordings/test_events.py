"""Events of a recording, from the scores of its windows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fewact.recordings.events import (
    CONFIDENCE_OFFSET,
    DEVIATION_WEIGHT,
    EVENT_GAP,
    KNOWN_WEIGHT,
    LEAST_CONFIDENCE,
    LONG_ACTION,
    OVERLAP_OF_CLASSES,
    OVERLAP_OF_ONE_CLASS,
    SHORT_RECORDING,
    THRESHOLD_MARGIN,
    WINDOWS_THAT_ADAPT,
    EventFinder,
    WindowScore,
)
from fewact.recordings.formats import Event


def slow_nms(windows: list[WindowScore], threshold: float) -> list[WindowScore]:
    """All windows at once, the best first."""
    kept: list[WindowScore] = []
    for one in sorted(windows, key=lambda w: (-w.score, w.start, w.end)):
        shared = [min(one.end, o.end) - max(one.start, o.start) for o in kept]
        shorter = [min(one.end - one.start, o.end - o.start) for o in kept]
        limits = [
            OVERLAP_OF_ONE_CLASS if o.label == one.label else OVERLAP_OF_CLASSES for o in kept
        ]
        if one.score >= threshold and all(
            s <= limit * d for s, d, limit in zip(shared, shorter, limits, strict=True)
        ):
            kept.append(one)
    return sorted(kept, key=lambda w: w.start)


def slide(scores: list[float], labels: str, length: float = 2.0) -> list[WindowScore]:
    return [
        WindowScore(i * length / 4, i * length / 4 + length, label, 0.9, score, 0.0)
        for i, (score, label) in enumerate(zip(scores, labels, strict=True))
    ]


def find(windows: list[WindowScore], threshold: float = 0.0) -> list[Event]:
    """Feed windows one by one, as they end."""
    finder = EventFinder(threshold, max((w.end - w.start for w in windows), default=1.0))
    events = [e for w in sorted(windows, key=lambda w: w.end) for e in finder.add([w], w.end)]
    return events + finder.close()


def test_one_peak_is_one_event() -> None:
    (event,) = find(slide([-1, 0.1, 0.8, 0.2, -1], "abbba"))
    assert event == Event("b", 1.0, 3.0, event.confidence, 1)
    assert event.to_dict() == {
        "label": "b",
        "start": 1.0,
        "end": 3.0,
        "confidence": event.confidence,
        "repetitions": 1,
    }


def test_performances_in_a_row_are_one_event_with_repetitions() -> None:
    (event,) = find(slide([0.9, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.7], "aaaaaaaaa"))
    assert (event.start, event.end, event.repetitions) == (0.0, 6.0, 3)
    start = 2 + 2 * EVENT_GAP + 0.1
    far = [*slide([0.9], "a"), WindowScore(start, start + 2, "a", 0.9, 0.5, 0.0)]
    assert [event.repetitions for event in find(far)] == [1, 1]


def test_the_clearest_repetition_says_how_sure_an_event_is() -> None:
    finder = EventFinder(0.0, 2.0)
    windows = [
        WindowScore(2.0 * i, 2.0 * i + 2, "a", 0.5, score, 0.0) for i, score in enumerate((1, 2))
    ]
    finder.add(windows, 4.0)
    (event,) = finder.close()
    log_odds = KNOWN_WEIGHT * 0.5 + DEVIATION_WEIGHT * (2 - 1.5) / 0.5 + CONFIDENCE_OFFSET
    assert event.repetitions == 2
    assert event.confidence == pytest.approx(1 / (1 + np.exp(-log_odds)))


def test_confidence_grows_with_the_score_and_is_never_certain() -> None:
    finder = EventFinder(0.0, 2.0)
    (window,) = slide([0.3], "a")
    expected = pytest.approx(1 / (1 + np.exp(-CONFIDENCE_OFFSET - KNOWN_WEIGHT * 0.9)))
    assert finder.confidence(window) == expected
    finder.add([window] * 3, 3.0)  # scores without a deviation
    assert finder.confidence(window) == expected
    finder.add(slide([-1.0, 2.0], "aa"), 4.0)
    found = [finder.confidence(one) for one in slide([-1e300, -1.0, 0.0, 1.0, 1e300], "aaaaa")]
    assert found == sorted(found)
    assert 0 < found[0] < found[1]
    assert found[3] < found[4] < 1


def test_the_window_of_the_most_distinct_class_is_kept() -> None:
    vague, clear = WindowScore(0.0, 2.0, "a", 0.9, 0.9, 0.1), WindowScore(1, 3, "b", 0.9, 0.7, 0.4)
    (event,) = find([vague, clear])
    assert (event.label, event.start) == ("b", 1)


def test_no_event_ends_after_the_recording() -> None:
    windows = slide([0.9, 0.1, 0.1, 0.1, 0.8], "aaaab")
    ends = {}
    for limit in (3.9, 5.0):
        finder = EventFinder(0.0, 2.0)
        finder.add(windows, 3.9)
        ends[limit] = [(event.label, event.end) for event in finder.close(limit)]
    assert ends == {3.9: [("a", 2.0), ("b", 3.9)], 5.0: [("a", 2.0), ("b", 4.0)]}


def test_nothing_below_the_threshold() -> None:
    assert find(slide([0.4, 0.5, 0.4], "aaa"), threshold=0.6) == []


@given(
    st.lists(
        st.tuples(st.floats(-1, 1, width=16), st.sampled_from("abc"), st.sampled_from([1.0, 1.5])),
        max_size=60,
    )
)
@example([(float(i == 1), "a", 1.0) for i in range(8)])
def test_events_are_those_of_all_windows_at_once(drawn: list[tuple[float, str, float]]) -> None:
    windows = [
        WindowScore(i * 0.3, i * 0.3 + length, label, 0.9, score, 0.0)
        for i, (score, label, length) in enumerate(drawn)
    ]
    found = find(windows)
    kept = slow_nms(windows, 0.0)
    assert sum(event.repetitions for event in found) == len(kept)
    for event in found:  # an action that goes on begins with a window that shows it
        of_action = windows if event.repetitions >= LONG_ACTION else kept
        assert any((event.label, event.start) == (one.label, one.start) for one in of_action)
    assert all(a.start <= b.start for a, b in pairwise(found))


def test_a_recording_of_lower_scores_lowers_the_threshold() -> None:
    scores = [-0.9, -0.8, -0.2, -0.8] * 20
    windows = slide(scores, "a" * len(scores))
    fixed, adapting = EventFinder(0.1, 2.0), EventFinder(0.1, 2.0, adapts=True)
    found = [
        event
        for finder in (fixed, adapting)
        for events in (*(finder.add([one], one.end) for one in windows), finder.close())
        for event in events
    ]
    assert fixed.threshold == 0.1
    middle = (0.1 + 3 * (-0.2 - 0.8) / 2) / 4
    assert adapting.threshold == pytest.approx(middle - THRESHOLD_MARGIN * np.std(scores))
    assert sum(event.repetitions for event in found) == 20


def test_a_short_recording_is_decided_by_its_own_scores_when_it_ends() -> None:
    windows = slide([-0.9, -0.2, -0.9], "aaa")
    assert len(windows) < WINDOWS_THAT_ADAPT
    finder = EventFinder(0.1, 2.0, adapts=True)
    assert [event for one in windows for event in finder.add([one], one.end)] == []
    assert finder.going_on == []
    assert finder.decided == windows[0].start
    (event,) = finder.close()
    assert event.start == windows[1].start


def test_what_reaches_the_threshold_of_the_model_is_a_candidate_in_any_recording() -> None:
    scores = [0.5, 1.9] * 20
    finder = EventFinder(0.4, 2.0, adapts=True)
    finder.add(slide(scores, "a" * len(scores)), 100.0)
    assert finder.threshold == 0.4


def test_improbable_events_are_reported_in_short_recordings_alone() -> None:
    scores = [-0.9, -0.2, -0.2, -0.2] * 20
    windows = [replace(one, known=0.0) for one in slide(scores, "a" * len(scores))]
    improbable = EventFinder(-0.3, 2.0, adapts=True)  # three of four windows reach its threshold
    first, end = windows[:SHORT_RECORDING], windows[SHORT_RECORDING].end
    assert improbable.add(first, end) == improbable.going_on == []
    assert improbable.close() == []
    short = EventFinder(-0.3, 2.0, adapts=True)
    found = short.add(first[:-1], end) + short.close()
    assert max(one.confidence for one in found) < LEAST_CONFIDENCE
    fixed = EventFinder(-0.3, 2.0)
    found = fixed.add(windows, windows[-1].end) + fixed.close()
    assert max(one.confidence for one in found) < LEAST_CONFIDENCE


@pytest.mark.parametrize(
    ("between", "repetitions"), [("aaa", [2]), ("aba", [1, 1]), ("baa", [1, 1]), ("aab", [1, 1])]
)
def test_a_missed_performance_is_within_an_event_if_all_windows_between_have_its_class(
    between: str, repetitions: list[int]
) -> None:
    labels = f"aab{between}baa"  # the outer two b overlap half of a performance
    scores = [0.9, *[-0.5] * 7, 0.9]
    assert [one.repetitions for one in find(slide(scores, labels))] == repetitions


def windows_of(truth: list[tuple[str, float, float]], lengths: list[float]) -> list[WindowScore]:
    """Windows of a recording of 100 s: a class is shown by those that are mostly inside of it.

    Longer windows are more distinct, so that they are kept where a window shows a class.
    """
    windows = []
    for length in lengths:
        for step in range(int(6 * (100 - length) / length) + 1):
            start = step * length / 6
            inside = {
                label: (min(end, start + length) - max(begin, start)) / length
                for label, begin, end in truth
            }
            label = max(inside, key=lambda name: inside[name])
            shown = inside[label] >= 0.8
            name = label if shown else "xyz"[step % 3]
            distinct = 0.2 * shown + length / 1000
            windows.append(WindowScore(start, start + length, name, 0.9, float(shown), distinct))
    return sorted(windows, key=lambda window: window.end)


@pytest.mark.parametrize("lengths", [[3.0], [3.0, 20.0], [3.0, 7.746, 20.0]])
@pytest.mark.parametrize("jogs", ["fits", "is a part"])
def test_an_action_that_goes_on_is_one_event_of_its_length(lengths: list[float], jogs: str) -> None:
    truth = [("wave", 10.0, 43.0), ("jog", 50.0, 90.0)]
    windows = [
        replace(one, fits=jogs == "fits" or (one.label != "jog") == (one.length < 10))
        for one in windows_of(truth, lengths)
    ]
    expected = truth if jogs == "fits" or len(lengths) > 1 else truth[:1]
    events = [event for event in find(windows, 0.5) if event.label not in "xyz"]
    assert [event.label for event in events] == [label for label, _, _ in expected]
    for event, (_, start, end) in zip(events, expected, strict=True):
        assert (event.start, event.end) == pytest.approx((start, end), abs=0.6)
        assert event.end - event.start == pytest.approx(end - start, abs=1)


@pytest.mark.slow
def test_events_of_one_class_never_overlap() -> None:
    generator = np.random.default_rng(0)
    every = windows_of([("a", 0, 100)], [3.0, 20.0])
    for _ in range(60):
        windows = [
            replace(one, label=str(label), score=float(score))
            for one, label, score in zip(
                every,
                generator.choice(list("ab"), len(every), p=[0.8, 0.2]),
                generator.uniform(0, 1, len(every)),
                strict=True,
            )
        ]
        events = find(windows, 0.3)
        assert events
        for label in "ab":
            alike = [event for event in events if event.label == label]
            assert all(a.end <= b.start for a, b in pairwise(alike))


def test_near_events_are_joined_and_short_ones_left_out() -> None:
    windows = slide(
        [0.9, *[-1.0] * 11, 0.9, *[-1.0] * 19, 0.9], "a" + "b" * 11 + "a" + "b" * 19 + "a"
    )

    def spans(gap: float, least: float) -> list[tuple[float, float, int]]:
        finder = EventFinder(0.0, 2.0, merge_gap=gap, min_duration=least)
        events = []
        for window in windows:
            events += finder.add([window], window.end)
            known = [*events, *finder.going_on]
            assert all(event.start < 2 or event.start > 4 for event in known)
        return [(e.start, e.end, e.repetitions) for e in events + finder.close()]

    assert spans(0, 0) == [(0, 2, 1), (6, 8, 1), (16, 18, 1)]
    assert spans(4, 0) == [(0, 8, 2), (16, 18, 1)]
    assert spans(4, 3) == [(0, 8, 2)]
    assert spans(8, 0) == [(0, 18, 3)]


def test_a_long_action_needs_bounded_memory() -> None:
    finder = EventFinder(0.0, 2.0)
    most = 0
    for i in range(4000):
        end = 2 + i * 0.5
        finder.add([WindowScore(end - 2, end, "a", 0.9, 0.5 + 0.01 * (i * 7 % 11), 0.0)], end)
        most = max(most, len(finder._pending))
    assert most < 40
