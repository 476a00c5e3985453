"""A stream: frames are pushed, windows share their features, and events come out."""

import collections
import contextlib
import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from fewact.classifier import FewShotClassifier
from fewact.classifier.names import existing_classes
from fewact.core.errors import DataError, OptionError
from fewact.data import Clip
from fewact.recordings.formats import Event
from fewact.recordings.stream import Stream
from fewact.video import EveryNth, read_frames
from tests.classifier.conftest import render
from tests.classifier.damage import DARK, dark
from tests.video.test_source import FPS


def frames_of(path: Path) -> np.ndarray:
    return read_frames(path, EveryNth(1))


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
        stream = Stream.of(examples, fps=12)
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
    stream = Stream.of(examples, fps=12)
    events = [event for _, clip in recording for frame in clip for event in stream.push(frame)]
    events += stream.close()
    assert all(a.end <= b.start + 0.5 for a, b in pairwise(events))
    performed = [label for event in events for label in [event.label] * event.repetitions]
    assert performed == [label for label, _ in recording]
    assert len(stream._ring) == 0
    assert stream.close() == []
    with pytest.raises(OptionError):
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
        stream = Stream.of(quick.fit(actions))
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
    stream = Stream.of(quick, fps=12)
    frames = [*frames_of(actions / "right/clip 0.mp4"), *frames_of(actions / "left/clip 0.mp4")]
    events = [event for frame in frames for event in stream.push(frame)]
    assert stream.state.label in {7, 12}
    events += stream.close()
    assert events
    assert {event.label for event in events} <= {7, 12}
    assert {event.to_dict()["label"] for event in events} <= {7, 12}
    for only in (quick.classes_[0], 7, "07", [7], quick.classes_[:1]):
        assert existing_classes(only, ("7", "12"), integers=True) == {"7"}
        Stream.of(quick, fps=12, only=only).close()


def test_events_of_some_classes_alone(quick: FewShotClassifier, actions: Path) -> None:
    """The other classes still compete: the events are those of the class among all events."""
    classifier = quick.fit(actions)
    classifier.false_alarms = 1
    frames = np.concatenate([frames_of(actions / n / "clip 0.mp4") for n in ("left", "down")] * 2)

    def watched(
        only: str | list[str] | None,
    ) -> tuple[list[Event], set[str], set[str | int | None]]:
        events, going_on, shown = [], set(), set()
        with Stream.of(classifier, fps=12, only=only) as stream:
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
        stream = Stream.of(quick, fps=50)
        events = [event for frame in frames for event in stream.push(frame)]
        if end == "close":
            events += stream.close()
        else:
            events += stream.push(frames[0], 500.0, after_gap=True)
            assert len(stream._ring) == 1
        # Of the last windows, the one from 1 s to 2 s is the best.
        assert events[-1].end == pytest.approx(len(frames) / 50)


def test_threads_may_push_and_look(
    taught: FewShotClassifier, recording: list[tuple[str, np.ndarray]]
) -> None:
    stream = Stream.of(taught, fps=12)
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


@pytest.mark.parametrize("ahead", [0, 2])
def test_small_steps_use_one_core(
    taught: FewShotClassifier,
    recording: list[tuple[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
) -> None:
    """Threads that wait for each other after each small step take more time than the steps."""
    stream = Stream.of(taught, fps=12, ahead=ahead)
    seen: set[int] = set()
    method = taught.fitted_.pipeline.method
    encode = method.encode
    monkeypatch.setattr(
        method, "encode", lambda *call: seen.update(blas_threads()) or encode(*call)
    )
    with threadpool_limits(4, user_api="blas"):
        for _, clip in recording[:3]:
            for frame in clip:
                stream.push(frame)
        stream.close()
    assert seen == {1}


def blas_threads() -> set[int]:
    """Return the number of threads of NumPy's BLAS; other packages bring one of their own."""
    return {
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    }


def test_windows_ahead_give_the_same_events(
    taught: FewShotClassifier, recording: list[tuple[str, np.ndarray]]
) -> None:
    frames = [frame for _, clip in recording for frame in clip]
    found, states = [], []
    for ahead in (0, 4):
        stream = Stream.of(taught, ahead=ahead)
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
    stream = Stream.of(taught, fps=12, ahead=2)

    def fails(features: object) -> None:
        raise MemoryError("none left")

    monkeypatch.setattr(stream.scorer, "encode", fails)
    frames = [np.zeros((48, 64, 3), np.uint8)] * 100
    with pytest.raises(MemoryError):
        collections.deque((stream.push(frame) for frame in frames), maxlen=0)


@pytest.mark.parametrize("how", ["error", "stop"])
def test_no_thread_remains(
    taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def stages() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name.startswith("fewact-stage")}

    before = stages()
    stream = Stream.of(taught, fps=12, ahead=2)
    frames = [np.zeros((48, 64, 3), np.uint8)] * 20
    for frame in frames:
        stream.push(frame)
    running = stages() - before
    assert len(running) == 3

    def fails(*_: object) -> None:
        raise MemoryError("none left")

    if how == "error":
        monkeypatch.setattr(stream, "_end", fails)
        with pytest.raises(MemoryError):
            stream.close()
    else:
        stream.stop()
    for thread in running:
        thread.join(10)
    assert not any(thread.is_alive() for thread in running)
    assert stream.close() == []
    with pytest.raises(OptionError):
        stream.push(frames[0])


def test_times_are_checked_and_gaps_begin_again(taught: FewShotClassifier) -> None:
    stream = Stream.of(taught)
    frame = np.zeros((48, 64, 3), np.uint8)
    stream.push(frame, 1.0)
    for wrong in (1.0, 0.5, 1e12, 1e308, float("nan"), float("inf"), "2"):
        with pytest.raises(OptionError) as refused:
            stream.push(frame, wrong)
        assert (refused.value.where, refused.value.got) == ("time", repr(wrong))
    for shape in ((48, 64), (1, 48, 64, 3), (2, 48, 64, 3)):
        with pytest.raises(DataError) as caught:
            stream.push(np.zeros(shape, np.uint8), 2.0)
        assert "FeatureClip" not in str(caught.value)
    with pytest.raises(DataError) as caught:
        stream.push(None, 2.0)
    assert caught.value.got == "NoneType"
    stream.push(torch.zeros((3, 48, 64), dtype=torch.uint8), 2.0)
    assert not stream.needs(1.01)
    stream.push(frame, 500.0)
    kept = math.ceil(2 * stream.lengths[-1] * stream.rate)
    assert 1 < len(stream._ring) <= kept


@pytest.mark.parametrize("still", [1.5, 8.0, 500.0])
def test_a_frame_lasts_until_the_next_one(
    taught: FewShotClassifier, recording: list[tuple[str, np.ndarray]], still: float
) -> None:
    """Events do not depend on whether a still part is stored as copies of its frame."""
    found: list[list[Event]] = []
    states = []
    first, second = recording[0][1], recording[2][1]
    for copies in (True, False):
        stream = Stream.of(taught)
        events: list[Event] = []
        time = 0.0
        for clip in (first, second):
            for frame in clip:
                events += stream.push(frame, time)
                time += 1 / 12
            if clip is first:
                time += still
                last = time - still - 1 / 12
                for k in range(1, round(12 * still) + 1) if copies and still < 100 else ():
                    events += stream.push(clip[-1], last + k / 12)
        states.append(stream.state)
        found.append(events + stream.close(time + 1))
    with_copies, held = found
    if still < 100:
        for one, other in zip(held, with_copies, strict=True):
            assert (one.label, one.start) == (other.label, pytest.approx(other.start))
            assert one.confidence == pytest.approx(other.confidence, abs=0.03)
    assert len(held) == 2
    assert held[1].start == pytest.approx(still + len(first) / 12, abs=1.0)


@pytest.mark.parametrize("end", ["3", float("nan"), float("inf")])
def test_an_end_that_is_no_time_leaves_the_stream_open(
    quick: FewShotClassifier, actions: Path, end: Any
) -> None:
    frames = frames_of(actions / "left" / "clip 0.mp4")
    expected, stream = (Stream.of(quick.fit(actions), fps=10) for _ in range(2))
    for frame in frames:
        expected.push(frame)
        stream.push(frame)
    with pytest.raises(OptionError) as refused:
        stream.close(end)
    assert refused.value.where == "end"
    assert stream.close() == expected.close() != []


def test_a_caller_may_reuse_the_frame(taught: FewShotClassifier) -> None:
    stream = Stream.of(taught, fps=10)
    frame = np.zeros((*stream._ring._backbone.card.input_size, 3), np.uint8)
    stream.push(frame)
    frame[:] = 255
    assert int(stream._ring._samples[0].frame.max()) == 0


def test_later_teaching_does_not_change_a_stream(taught: FewShotClassifier) -> None:
    stream = Stream.of(taught)
    taught.remove_class("down")
    assert stream._labels == ("down", "left", "right")


def test_durations_are_saved(quick: FewShotClassifier, actions: Path, tmp_path: Path) -> None:
    quick.fit(actions).save(tmp_path / "model")
    loaded = FewShotClassifier.load(tmp_path / "model")
    assert [clip.duration for clip in loaded.fitted_.clips] == [1.0] * 9
    assert Stream.of(loaded).lengths == (1.0,)
    part = quick.fit([Clip(p, p.parent.name, 0.25, 0.75) for p in sorted(actions.rglob("*.mp4"))])
    assert part.fitted_.clips[0].duration == pytest.approx(0.5)


def test_wrong_arguments_are_refused(taught: FewShotClassifier) -> None:
    rates = (0.0, -1.0, float("nan"), float("inf"), "25")
    seconds = (-1.0, float("nan"), float("inf"), "2")
    numbers = (-1, "4", 2.0, None)
    wrong: dict[str, tuple[Any, ...]] = {
        "fps": rates,
        "ahead": numbers,
        "merge_gap": seconds,
        "min_duration": seconds,
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(OptionError) as refused:
                Stream.of(taught, **{name: value})
            assert (refused.value.where, refused.value.got) == (name, repr(value))
    for only, got, hint in ((1.5, "1.5", ""), (["dow"], "'dow'", 'Did you mean "down"?')):
        with pytest.raises(DataError) as caught:
            Stream.of(taught, only=only)
        assert (caught.value.got, caught.value.hint) == (got, hint)


@pytest.mark.parametrize("ends", ["close", "stop", None, KeyError])
def test_a_block_stops_its_stream(
    taught: FewShotClassifier, ends: str | type[KeyError] | None
) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    with contextlib.ExitStack() as outside:
        if ends is None:
            outside.enter_context(pytest.warns(UserWarning, match="lost"))
        if ends is KeyError:
            outside.enter_context(pytest.raises(KeyError))
        with Stream.of(taught, fps=12, ahead=1) as stream:
            stream.push(frame)
            if isinstance(ends, str):
                getattr(stream, ends)()
            elif ends is not None:
                raise ends
    with pytest.raises(OptionError):
        stream.push(frame)
    with Stream.of(taught):
        pass  # without a frame no event is lost


def test_windows_of_a_dark_recording_are_corrected_too(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    for label, path in queries.items():
        stream = Stream.of(examples, fps=FPS)
        for i, frame in enumerate(dark(path)):
            stream._ring.add((i + 0.5) / FPS, frame)
        assert stream._window(0.0, 1.0).result().label == label


@pytest.mark.parametrize(("bright", "faults"), [(0, [DARK]), (1, [DARK]), (4, [])])
def test_a_recording_has_the_faults_of_most_of_its_windows(
    taught: FewShotClassifier, queries: dict[str, Path], bright: int, faults: list[str]
) -> None:
    frames = read_frames(queries["left"], EveryNth(1))
    stream = Stream.of(taught, fps=FPS)
    assert stream.faults == ()
    for frame in [*dark(queries["left"])] * (4 - bright) + [*frames] * bright:
        stream.push(frame)
    stream.close()
    assert stream.faults == tuple(faults)
