"""The streaming core: windows of a recording that share their features, and events of them."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from fewact.classifier import FewShotClassifier
from fewact.classifier.names import existing_classes
from fewact.classifier.predict import window_lengths
from fewact.core.errors import DataError, ModelError, OptionError
from fewact.data import Clip
from fewact.features.request import FeatureRequest, View
from fewact.features.ring import FeatureRing
from fewact.networks import Backbone
from fewact.recordings.events import (
    BELOW,
    FEWEST,
    GAP,
    GOES_ON,
    LEAST_CONFIDENCE,
    OVERLAP,
    OVERLAP_SAME,
    SHORT,
    EventFinder,
    WindowScore,
)
from fewact.recordings.formats import Event
from fewact.recordings.stream import Stages
from fewact.video import EveryNth, read_frames
from tests.classifier.conftest import render


def frames_of(path: Path) -> np.ndarray:
    return read_frames(path, EveryNth(1))


def slow_nms(windows: list[WindowScore], threshold: float) -> list[WindowScore]:
    """All windows at once, the best first."""
    kept: list[WindowScore] = []
    for one in sorted(windows, key=lambda w: (-w.score, w.start, w.end)):
        shared = [min(one.end, o.end) - max(one.start, o.start) for o in kept]
        shorter = [min(one.end - one.start, o.end - o.start) for o in kept]
        limits = [OVERLAP_SAME if o.label == one.label else OVERLAP for o in kept]
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
    start = 2 + 2 * GAP + 0.1
    far = [*slide([0.9], "a"), WindowScore(start, start + 2, "a", 0.9, 0.5, 0.0)]
    assert [event.repetitions for event in find(far)] == [1, 1]


def test_the_clearest_repetition_says_how_sure_an_event_is() -> None:
    finder = EventFinder(0.0, 2.0)
    windows = [
        WindowScore(2.0 * i, 2.0 * i + 2, "a", 0.5, score, 0.0) for i, score in enumerate((1, 2))
    ]
    finder.add(windows, 4.0)
    (event,) = finder.close()
    log_odds = 1.2 * 0.5 + 1.2 * (2 - 1.5) / 0.5 - 1.75
    assert event.repetitions == 2
    assert event.confidence == pytest.approx(1 / (1 + np.exp(-log_odds)))


def test_confidence_grows_with_the_score_and_is_never_certain() -> None:
    finder = EventFinder(0.0, 2.0)
    (window,) = slide([0.3], "a")
    expected = pytest.approx(1 / (1 + np.exp(1.75 - 1.2 * 0.9)))
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
        of_action = windows if event.repetitions >= GOES_ON else kept
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
    assert adapting.threshold == pytest.approx(middle - BELOW * np.std(scores))
    assert sum(event.repetitions for event in found) == 20


def test_a_short_recording_is_decided_by_its_own_scores_when_it_ends() -> None:
    windows = slide([-0.9, -0.2, -0.9], "aaa")
    assert len(windows) < FEWEST
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
    assert improbable.add(windows[:SHORT], windows[SHORT].end) == improbable.going_on == []
    assert improbable.close() == []
    short = EventFinder(-0.3, 2.0, adapts=True)
    found = short.add(windows[: SHORT - 1], windows[SHORT].end) + short.close()
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


@pytest.mark.parametrize(
    ("durations", "lengths"),
    [([2.0], 1), ([2.0, 2.2, 2.4], 1), ([1.0, 1.9], 2), ([1.0, 60.0], 3)],
)
def test_window_lengths_follow_the_training_clips(durations: list[float], lengths: int) -> None:
    found = window_lengths(durations)
    assert len(found) == lengths
    assert min(durations) <= found[0] <= found[-1] <= max(durations)
    assert list(found) == sorted(found)
    with pytest.raises(ModelError, match="Teach again"):
        window_lengths([])


def test_ring_shares_features_and_gives_those_of_a_clip(backbone: Backbone) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (16, 60, 80, 3), np.uint8)
    clip[:] = clip[:1]  # nothing moves, so that all views are alike
    clip[8:, 20:30, 20:30] = 255
    requests = [FeatureRequest("middle", View(16)), FeatureRequest("vectors", View(8))]
    ring = FeatureRing(backbone, requests)
    for i, frame in enumerate(clip):
        ring.add(i + 0.5, frame)
    runs: list[int] = []
    run = backbone.features
    counted = FeatureRing(backbone, requests)
    counted._backbone = _Counting(run, backbone, runs)  # type: ignore[assignment]
    for i, frame in enumerate(clip):
        counted.add(i + 0.5, frame)
    counted.features(0, 16)
    counted.features(0, 16)
    assert sum(runs) == 16
    found = ring.features(0, 16)
    prepared = backbone.prepare(clip)
    expected = backbone.features(prepared, ["middle"])["middle"]
    torch.testing.assert_close(found[requests[0]], expected, rtol=1e-4, atol=1e-3)
    ring.forget(8.0)
    assert len(ring) == 8
    counted.clear()
    assert len(counted) == 0
    for i, frame in enumerate(clip):
        counted.add(i + 0.5, frame)
    counted.features(0, 16)
    assert sum(runs) == 32


def test_frames_run_as_deep_as_they_are_requested(backbone: Backbone) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (24, 60, 80, 3), np.uint8)
    clip[:] = clip[:1]  # the camera is static
    requests = [
        FeatureRequest("shallow", View(24)),
        FeatureRequest("middle", View(8)),
        FeatureRequest("vectors", View(8)),
    ]
    ring = FeatureRing(backbone, requests)
    for i, frame in enumerate(clip):
        ring.add(i + 0.5, frame)
    found = ring.features(0, 24)
    deep = [i for i, one in enumerate(ring._samples) if one.features.keys() > {"shallow"}]
    assert deep == list(range(1, 24, 3))
    assert all("shallow" in one.features for one in ring._samples)
    ring.features(1, 25)  # other frames are among the eight
    expected = backbone.features(backbone.prepare(clip), ["shallow", "middle"])
    torch.testing.assert_close(found[requests[0]], expected["shallow"], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found[requests[1]], expected["middle"][1::3], rtol=1e-4, atol=1e-3)
    more = [i for i, one in enumerate(ring._samples) if one.features.keys() > {"shallow"}]
    assert set(more) > set(deep)


class _Counting:
    """A backbone that notes how many frames pass it."""

    def __init__(self, run, backbone: Backbone, runs: list[int]) -> None:  # type: ignore[no-untyped-def]
        self._run, self._of, self._runs = run, backbone, runs

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._of, name)

    def features(self, frames, levels):  # type: ignore[no-untyped-def]
        self._runs.append(len(frames))
        return self._run(frames, levels)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, np.ndarray]]:
    """New clips of the classes, one after the other."""
    root = tmp_path_factory.mktemp("recording")
    motions = ["left", "left", "down", "right", "left"]
    return [(m, frames_of(render(root / f"{i}.mp4", m, 30 + i))) for i, m in enumerate(motions)]


def test_a_window_is_answered_as_the_clip_is(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    """Where all frames are kept, the window of a clip has the scores of ``predict``."""
    for path in queries.values():
        stream = examples.stream(fps=12)
        frames = frames_of(path)
        for frame in frames:
            stream._ring.add(stream._pushed / 12 + 1 / 24, frame)
            stream._pushed += 1
        window = stream._window(0.0, 1.0).result()
        predicted = examples.predict(path)
        assert window.label == predicted.best
        assert window.known == pytest.approx(predicted.known, abs=0.02)
        first, second = sorted(predicted.probabilities.values())[:-3:-1]
        assert window.distinct == pytest.approx(min(np.log(first / second) / 10, 1), abs=0.02)


@pytest.mark.slow
def test_actions_in_a_recording_are_found(
    examples: FewShotClassifier, recording: list[tuple[str, np.ndarray]]
) -> None:
    stream = examples.stream(fps=12)
    events = [event for _, clip in recording for frame in clip for event in stream.push(frame)]
    events += stream.close()
    assert all(a.end <= b.start + 0.5 for a, b in pairwise(events))
    performed = [label for event in events for label in [event.label] * event.repetitions]
    assert performed == [label for label, _ in recording]
    assert len(stream._ring) == 0
    assert stream.close() == []
    with pytest.raises(OptionError, match="closed"):
        stream.push(recording[0][1][0])


def test_the_last_windows_end_where_the_recording_ends(
    quick: FewShotClassifier,
    actions: Path,
    recording: list[tuple[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = [frame for _, clip in recording for frame in clip]
    duration = len(frames) / 50
    for end in (None, duration):
        stream = quick.fit(actions).stream()
        ends: list[float] = []
        window = stream._window

        def noted(a: float, b: float, ends: list[float] = ends, window: Any = window) -> Any:
            ends.append(b)
            return window(a, b)

        monkeypatch.setattr(stream, "_window", noted)
        for i, frame in enumerate(frames):
            if stream.needs(i / 50):
                stream.push(frame, i / 50)
        stream.close(end)
        if end is None:
            assert ends[-1] > duration + 0.001
        else:
            assert ends[-1] == pytest.approx(duration)


def test_events_have_the_labels_that_were_given(quick: FewShotClassifier, actions: Path) -> None:
    quick.fit({7: actions / "left", 12: actions / "right"}).false_alarms = 1.0
    stream = quick.stream(fps=12)
    frames = [*frames_of(actions / "right/clip 0.mp4"), *frames_of(actions / "left/clip 0.mp4")]
    events = [event for frame in frames for event in stream.push(frame)]
    assert stream.state.label in {7, 12}
    events += stream.close()
    assert events
    assert {event.label for event in events} <= {7, 12}
    assert {event.to_dict()["label"] for event in events} <= {7, 12}
    for only in (quick.classes_[0], 7, "07", [7], quick.classes_[:1]):
        assert existing_classes(only, ("7", "12"), integers=True) == {"7"}
        quick.stream(fps=12, only=only).close()


def test_events_of_some_classes_alone(quick: FewShotClassifier, actions: Path) -> None:
    """The other classes still compete: the events are those of the class among all events."""
    classifier = quick.fit(actions)
    classifier.false_alarms = 1
    frames = np.concatenate([frames_of(actions / n / "clip 0.mp4") for n in ("left", "down")] * 2)

    def watched(
        only: str | list[str] | None,
    ) -> tuple[list[Event], set[str], set[str | int | None]]:
        events, going_on, shown = [], set(), set()
        with classifier.stream(fps=12, only=only) as stream:
            for frame in frames:
                events += stream.push(frame)
                going_on |= {str(event.label) for event in stream.going_on}
                shown.add(stream.state.label)
            return events + stream.close(), going_on, shown

    every, _, labels = watched(None)
    some, going_on, shown = watched(["down"])
    assert {event.label for event in every} >= {"left", "down"}
    assert some == [event for event in every if event.label == "down"]
    assert going_on == {"down"}
    assert "left" in labels
    assert shown == {"down", None}
    assert watched("down")[0] == some
    assert watched([])[0] == []


def test_events_end_with_the_recording(quick: FewShotClassifier, actions: Path) -> None:
    quick.fit(actions).false_alarms = 1.0  # every window may be an event
    frames = np.random.default_rng(4).integers(0, 256, (99, 48, 64, 3), np.uint8)
    for end in ("close", "gap"):
        stream = quick.stream(fps=50)
        events = [event for frame in frames for event in stream.push(frame)]
        events += stream.close() if end == "close" else stream.push(frames[0], 500.0)
        # Of the last windows, the one from 1 s to 2 s is the best.
        assert events[-1].end == pytest.approx(len(frames) / 50)


def test_threads_may_push_and_look(
    taught: FewShotClassifier, recording: list[tuple[str, np.ndarray]]
) -> None:
    stream = taught.stream(fps=12)
    clip = recording[0][1]
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for frame in clip:
                stream.push(frame)
                assert 0 <= stream.state.confidence <= 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert stream.state.time == pytest.approx(4.0, abs=1.1)
    stream.close()


def test_small_steps_use_one_core(
    taught: FewShotClassifier,
    recording: list[tuple[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Threads that wait for each other after each small step take more time than the steps."""
    stream = taught.stream(fps=12)
    seen: dict[str, set[int]] = {}

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        threads = seen.setdefault(name, set())
        return lambda *call: threads.add(torch.get_num_threads()) or work(*call)

    for owner, name in ((stream._encoder, "encode"), (stream._ring._backbone, "prepare")):
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _, clip in recording[:3]:
            for frame in clip:
                stream.push(frame)
    finally:
        torch.set_num_threads(before)
    assert seen == {"encode": {1}, "prepare": {1}}


def test_windows_ahead_give_the_same_events(
    taught: FewShotClassifier, recording: list[tuple[str, np.ndarray]]
) -> None:
    frames = [frame for _, clip in recording for frame in clip]
    found, states = [], []
    for ahead in (0, 4):
        stream = taught.stream(ahead=ahead)
        # A gap in the middle: windows before it are not mixed with those after it.
        times = [i / 12 + (9 if i > 40 else 0) for i in range(len(frames))]
        pushed = zip(frames, times, strict=True)
        events = [event for frame, time in pushed for event in stream.push(frame, time)]
        found.append(events + stream.close())
        states.append(stream.state)
    assert found[0] == found[1] != []
    assert states[0] == states[1]


def test_an_error_of_a_window_ahead_is_raised(
    taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = taught.stream(fps=12, ahead=2)

    def fails(features: object) -> None:
        raise MemoryError("none left")

    monkeypatch.setattr(stream._encoder, "encode", fails)
    frames = [np.zeros((48, 64, 3), np.uint8)] * 100
    with pytest.raises(MemoryError, match="none left"):
        collections.deque((stream.push(frame) for frame in frames), maxlen=0)


@pytest.mark.parametrize("how", ["error", "stop"])
def test_no_thread_remains(
    taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def stages() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name.startswith("fewact-stage")}

    before = stages()
    stream = taught.stream(fps=12, ahead=2)
    frames = [np.zeros((48, 64, 3), np.uint8)] * 20
    for frame in frames:
        stream.push(frame)
    running = stages() - before
    assert len(running) == 3

    def fails(*_: object) -> None:
        raise MemoryError("none left")

    if how == "error":
        monkeypatch.setattr(stream, "_end", fails)
        with pytest.raises(MemoryError, match="none left"):
            stream.close()
    else:
        stream.stop()
    for thread in running:
        thread.join(10)
    assert not any(thread.is_alive() for thread in running)
    assert stream.close() == []
    with pytest.raises(OptionError, match="closed"):
        stream.push(frames[0])


def test_times_are_checked_and_gaps_begin_again(taught: FewShotClassifier) -> None:
    stream = taught.stream()
    frame = np.zeros((48, 64, 3), np.uint8)
    stream.push(frame, 1.0)
    for wrong in (1.0, 0.5):
        with pytest.raises(OptionError, match=r"not after .*more than 1$"):
            stream.push(frame, wrong)
    for wrong in (1e12, 1e308, float("nan"), float("inf"), "2"):
        with pytest.raises(OptionError, match="not a time"):
            stream.push(frame, wrong)
    for wrong in ((48, 64), (1, 48, 64, 3), (2, 48, 64, 3)):
        with pytest.raises(DataError, match="not an image") as caught:
            stream.push(np.zeros(wrong, np.uint8), 2.0)
        assert "FeatureClip" not in str(caught.value)
    with pytest.raises(DataError, match=r"not an image \(got NoneType\)"):
        stream.push(None, 2.0)
    stream.push(torch.zeros((3, 48, 64), dtype=torch.uint8), 2.0)
    assert not stream.needs(1.01)
    stream.push(frame, 500.0)
    assert len(stream._ring) == 1


@pytest.mark.parametrize("end", ["3", float("nan"), float("inf")])
def test_an_end_that_is_no_time_leaves_the_stream_open(
    quick: FewShotClassifier, actions: Path, end: Any
) -> None:
    frames = frames_of(actions / "left" / "clip 0.mp4")
    expected, stream = (quick.fit(actions).stream(fps=10) for _ in range(2))
    for frame in frames:
        expected.push(frame)
        stream.push(frame)
    with pytest.raises(OptionError, match=r"^end: not a time"):
        stream.close(end)
    assert stream.close() == expected.close() != []


def test_a_caller_may_reuse_the_frame(taught: FewShotClassifier) -> None:
    stream = taught.stream(fps=10)
    frame = np.zeros((*stream._ring._backbone.card.input_size, 3), np.uint8)
    stream.push(frame)
    frame[:] = 255
    assert int(stream._ring._samples[0].frame.max()) == 0


def test_later_teaching_does_not_change_a_stream(taught: FewShotClassifier) -> None:
    stream = taught.stream()
    taught.remove_class("down")
    assert stream._fitted.classes == ("down", "left", "right")


def test_durations_are_saved(quick: FewShotClassifier, actions: Path, tmp_path: Path) -> None:
    quick.fit(actions).save(tmp_path / "model")
    loaded = FewShotClassifier.load(tmp_path / "model")
    assert [clip.duration for clip in loaded.clips_] == [1.0] * 9
    assert loaded.stream().lengths == (1.0,)
    part = quick.fit([Clip(p, p.parent.name, 0.25, 0.75) for p in sorted(actions.rglob("*.mp4"))])
    assert part.clips_[0].duration == pytest.approx(0.5)


def test_wrong_arguments_are_refused(taught: FewShotClassifier) -> None:
    rates = (0.0, -1.0, float("nan"), float("inf"), "25")
    seconds = (-1.0, float("nan"), float("inf"), "2")
    numbers = (-1, "4", 2.0, None)
    wrong: list[tuple[str, str, tuple[Any, ...]]] = [
        ("fps", "expected: frames per second, > 0", rates),
        ("ahead", "expected: an integer, >= 0", numbers),
        ("merge_gap", "expected: seconds, >= 0", seconds),
        ("min_duration", "expected: seconds, >= 0", seconds),
    ]
    for name, expected, values in wrong:
        for value in values:
            with pytest.raises(OptionError, match=expected) as refused:
                taught.stream(**{name: value})
            assert (refused.value.where, refused.value.got) == (name, repr(value))
    for only, reason in ((1.5, r"not a label \(got 1\.5\)"), (["dow"], 'Did you mean "down"')):
        with pytest.raises(DataError, match=reason):
            taught.stream(only=only)  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", ["close", "stop", None, KeyError])
def test_a_block_stops_its_stream(
    taught: FewShotClassifier, ends: str | type[KeyError] | None
) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    with contextlib.ExitStack() as outside:
        if ends is None:
            outside.enter_context(pytest.warns(UserWarning, match="last events are lost"))
        if ends is KeyError:
            outside.enter_context(pytest.raises(KeyError))
        with taught.stream(fps=12, ahead=1) as stream:
            stream.push(frame)
            if isinstance(ends, str):
                getattr(stream, ends)()
            elif ends is not None:
                raise ends
    with pytest.raises(OptionError, match="closed"):
        stream.push(frame)
    with taught.stream():
        pass  # without a frame no event is lost


@pytest.mark.parametrize("threads", [False, True])
def test_values_pass_all_stages_in_order(threads: bool) -> None:
    seen: list[tuple[str, int]] = []

    def stage(name: str, add: int, value: int) -> int:
        seen.append((name, value))
        return value + add

    stages = Stages([lambda v: stage("a", 10, v), lambda v: stage("b", 100, v)], threads=threads)
    found = [stages.run(value) for value in range(20)]
    assert [one.result() for one in found] == [value + 110 for value in range(20)]
    for name, add in (("a", 0), ("b", 10)):
        assert [v for n, v in seen if n == name] == [value + add for value in range(20)]
    stages.close()


def test_stages_work_at_the_same_time() -> None:
    first_again, second = threading.Event(), threading.Event()

    def begin(value: int) -> int:
        if value:
            first_again.set()
        return value

    def end(value: int) -> int:
        if not value:
            second.set()
            assert first_again.wait(30)  # The next value is in the first stage meanwhile.
        return value

    stages = Stages([begin, end], threads=True)
    found = [stages.run(0), stages.run(1)]
    assert [one.result(60) for one in found] == [0, 1]
    assert second.is_set()
    stages.close()


@pytest.mark.parametrize("threads", [False, True])
def test_an_error_reaches_the_caller(threads: bool) -> None:
    def fails(value: int) -> int:
        raise ZeroDivisionError(value)

    stages = Stages([fails, str], threads=threads)
    with pytest.raises(ZeroDivisionError):
        stages.run(1).result()
    stages.close()


def test_nothing_runs_after_the_end() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def first(value: int) -> int:
        begun.set()
        assert go_on.wait(30)
        done.append(f"first {value}")
        return value

    def second(value: int) -> int:
        done.append(f"second {value}")
        return value

    stages = Stages([first, second], threads=True)
    found = [stages.run(0), stages.run(1)]
    assert begun.wait(30)
    closing = threading.Thread(target=stages.close)
    closing.start()
    while not stages._closed:
        time.sleep(0.001)
    go_on.set()
    closing.join()
    assert done == ["first 0"]
    for one in found:
        with pytest.raises(CancelledError):
            one.result(0)
