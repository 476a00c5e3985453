"""Repetitions are counted in the picture or in joints, whatever the pace and the windows."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.data.joints import JointTrack
from fewact.recordings.formats import Event
from fewact.recordings.repetitions import (
    SIGNAL_RATE,
    Cycles,
    RepetitionCounter,
    grid_of,
    spread,
    turning_points,
)
from fewact.recordings.windows import Pace
from fewact.video.recording import open_recording

LENGTHS = (2.0, 3.0)
Height = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Returns how high a bar is, 0 … 1, at times."""


def frame(height: float, left: float = 0.4, noise: int = 0) -> NDArray[np.uint8]:
    """Return a picture of a bar before a background with edges."""
    image = np.full((96, 128, 3), 60, np.float64)
    image[:, ::16] += 40
    top = 70 - round(50 * height)
    image[top : top + 24, int(128 * left) : int(128 * left) + 26] = 220
    image += np.random.default_rng(noise).normal(0, 4, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def counter_of(
    height: Height, seconds: float, lengths: tuple[float, ...] = LENGTHS, pan: float = 0.0
) -> RepetitionCounter:
    counter = RepetitionCounter(lengths)
    times = np.arange(0, seconds, 1 / SIGNAL_RATE)
    for i, (time, h) in enumerate(zip(times.tolist(), height(times).tolist(), strict=True)):
        counter.add(time, frame(h, 0.2 + pan * time / seconds, i))
    return counter


def steady(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two seconds a repetition."""
    return (1 - np.cos(np.pi * times)) / 2


def slower_and_slower(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ten repetitions of 1 to 3 s in 20 s."""
    ends = np.cumsum(np.linspace(0, 3, 11)[1:] / 1.65 + 1.09)
    phase = np.interp(times, [0, *ends], np.arange(11))
    return (1 - np.cos(2 * np.pi * phase)) / 2


def with_pauses(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Six repetitions of 2 s, with 4 s between the second and the third, and the fourth and fifth.

    They are the first 20 s.
    """
    phase = np.interp(times, [0, 4, 8, 12, 16, 20], [0, 2, 2, 4, 4, 6])
    return (1 - np.cos(2 * np.pi * phase)) / 2


def gesture(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Up, three small waves there, and down: at 4, 12 and 20 s."""
    raised = np.zeros_like(times)
    for start in (4.0, 12.0, 20.0):
        own = times - start
        raised += np.interp(own, [0, 0.8, 2.8, 3.6], [0, 1, 1, 0])
        raised -= np.where((own > 0.8) & (own < 2.8), 0.1 * np.sin(3 * np.pi * (own - 0.8)) ** 2, 0)
    return raised


@pytest.mark.parametrize("lengths", [(2.0, 3.0), (1.0, 1.5), (5.0, 7.0)])
@pytest.mark.parametrize(
    ("height", "seconds", "true"),
    [(steady, 20.0, 10), (slower_and_slower, 27.0, 10), (with_pauses, 20.0, 6)],
)
def test_repetitions_are_counted_at_any_pace_with_windows_of_any_length(
    height: Height, seconds: float, true: int, lengths: tuple[float, ...]
) -> None:
    counter = counter_of(height, seconds, lengths)
    for performances in (1, 20):
        event = counter.count(Event("squat", 0.0, seconds, 0.9, performances))
        assert abs(event.repetitions - true) <= (1 if true > 6 else 0)
        assert len(event.repetition_times) == event.repetitions
        assert (event.start, event.end) == (0.0, seconds)


def test_repetitions_have_their_times() -> None:
    event = counter_of(steady, 12.0).count(Event("squat", 0.0, 12.0))
    middles = [(one.start + one.end) / 2 for one in event.repetition_times]
    assert middles == pytest.approx([1, 3, 5, 7, 9, 11], abs=0.3)
    assert all(1.0 < one.end - one.start <= 2.1 for one in event.repetition_times)


def test_pauses_are_in_no_repetition() -> None:
    event = counter_of(with_pauses, 20.0).count(Event("squat", 0.0, 20.0))
    for begin, end in ((4.5, 7.5), (12.5, 15.5)):
        assert not any(one.start < end and begin < one.end for one in event.repetition_times)


def test_a_camera_that_pans_is_no_repetition() -> None:
    event = counter_of(steady, 20.0, pan=0.5).count(Event("squat", 0.0, 20.0))
    assert abs(event.repetitions - 10) <= 1


def test_a_gesture_is_one_whatever_is_in_it() -> None:
    counter = counter_of(gesture, 28.0)
    for start in (4.0, 12.0, 20.0):
        assert counter.count(Event("wave", start, start + 3.6)).repetitions == 1
    assert counter.count(Event("wave", 4.0, 23.6, repetitions=5)).repetitions == 3


def test_what_is_not_alike_has_the_performances_of_windows() -> None:
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(0, 1, 1000))
    path = (path - path.min()) / np.ptp(path)
    counter = RepetitionCounter(LENGTHS)
    for i in range(160):
        counter.add(i / SIGNAL_RATE, rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    event = Event("play", 1.0, 9.0, 0.5, 3)
    assert counter.count(event) == replace(event, repetition_times=tuple(spread(event)))


def test_repetitions_that_continue_an_event_count_once() -> None:
    counter = counter_of(steady, 34.0)
    first = counter.complete(Event("squat", 4.0, 17.0))
    second = counter.complete(Event("squat", 17.5, 28.0))
    times = [*first.repetition_times, *second.repetition_times]
    assert all(a.end <= b.start + 0.1 for a, b in pairwise(times))
    assert times[0].start < 4.0
    assert first.repetitions + second.repetitions == pytest.approx(14, abs=1)
    assert counter.complete(Event("other", 4.0, 17.0)).repetitions == first.repetitions


def test_a_short_event_counts_in_a_class_that_is_surely_repeated() -> None:
    counter, short = counter_of(steady, 34.0), Event("squat", 28.0, 32.0)
    assert counter.count(short).repetitions == 1
    counter.complete(Event("squat", 4.0, 24.0))
    assert counter.complete(short).repetitions == pytest.approx(3, abs=1)


def test_each_short_shot_is_one() -> None:
    counter = RepetitionCounter(LENGTHS)
    for i in range(100):
        shot, time = divmod(i, 20)
        image = frame(float(np.sin(np.pi * time / 40)), 0.1, i)
        counter.add(i / SIGNAL_RATE, image if shot % 2 else (255 - image)[:, ::-1])
    assert counter.count(Event("dip", 0.0, 6.2, repetitions=2)).repetitions == 5


@pytest.mark.parametrize(
    ("inside", "difference", "performances", "surely"),
    [
        (5, 0.4, 5, True),
        (5, 0.6, 5, False),
        (4, 0.4, 2, False),
        (4, 0.4, 1, True),
        (3, 0.1, 3, True),
    ],
)
def test_few_cycles_are_sure_where_they_are_nearly_equal_or_in_one_performance(
    inside: int, difference: float, performances: int, surely: bool
) -> None:
    assert Cycles((), inside, difference).repeat(performances) is surely


def test_frames_before_all_events_are_forgotten() -> None:
    counter = counter_of(steady, 20.0)
    counter.forget(15.0)
    assert len(counter) == pytest.approx((5 + 1.5 * 3) * SIGNAL_RATE, abs=1)
    counter.clear()
    event = Event("squat", 0.0, 20.0, repetitions=4)
    assert len(counter) == 0
    assert counter.count(event) == event


def test_angles_count_where_a_body_is_found_and_give_the_range_of_motion() -> None:
    counter = RepetitionCounter(LENGTHS)
    still = frame(0.0)
    for i in range(160):
        knee = np.radians(170 - 80 * steady(np.array([i / SIGNAL_RATE]))[0])
        values = np.zeros((1, 34), np.float32)
        hip, leg, ankle = (1, 1), (1, 2), (1 + np.sin(knee), 2 - np.cos(knee))
        values[0, 22:24], values[0, 26:28], values[0, 30:32] = hip, leg, ankle
        counter.add(i / SIGNAL_RATE, still, JointTrack(values * (i % 10 > 0), "coco17:xy"))
    event = counter.count(Event("squat", 0.0, 10.0))
    assert event.repetitions == 5
    assert {one.joint for one in event.repetition_times} == {"left knee"}
    ranges = [one.motion_range for one in event.repetition_times]
    assert ranges == pytest.approx([80] * 5, abs=8)


def test_the_grid_does_not_depend_on_the_size_or_the_brightness_of_a_frame() -> None:
    small = frame(0.5)
    large = small.repeat(5, axis=0).repeat(5, axis=1)
    assert grid_of(large) == pytest.approx(grid_of(small), abs=20)
    assert grid_of(small // 2 + 20) == pytest.approx(grid_of(small) / 2, abs=1)
    assert grid_of(np.zeros((3, 5, 3), np.uint8)).shape == (64,)


def test_small_swings_are_no_turning_points() -> None:
    signal = np.sin(np.linspace(0, 6 * np.pi, 300)) + 0.1 * np.sin(np.linspace(0, 90, 300))
    assert len(turning_points(signal, 0.8)) == 8
    assert turning_points(np.zeros(10), 0.5) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start", "end", "true"),
    [("push_up_videoplayback", 0.0, 55.2, 31), ("pull_up_videoplayback1", 2.2, 44.0, 20)],
)
def test_sets_of_real_recordings_are_counted(
    assets: Path, name: str, start: float, end: float, true: int
) -> None:
    counter, pace = RepetitionCounter((2.6, 3.8)), Pace(SIGNAL_RATE)
    with open_recording(assets / "more" / "scored_reps" / "videos" / f"{name}.mp4") as recording:
        for time, image in recording.frames():
            if pace.needs(time):
                pace.take(time)
                counter.add(time, recording.convert(image))
    event = counter.complete(Event("set", start, end, repetitions=5))
    assert event.repetitions == pytest.approx(true, rel=0.1)
