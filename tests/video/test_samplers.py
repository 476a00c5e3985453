import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.core.errors import OptionError
from fewact.video import (
    BlockCentres,
    Dense,
    EveryNth,
    PerrettTest,
    PerrettTrain,
    Segments,
    Timeline,
    Window,
)
from fewact.video.samplers import RULES, sampler_of, training_sampler
from tests.refused import refused

seeds = st.none() | st.integers(0, 2**32)
counts = st.integers(1, 40)


def constant(n: int, fps: float = 25.0) -> Timeline:
    return Timeline(np.arange(n) / fps, end=n / fps)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    steps = draw(st.lists(st.floats(1e-3, 10), min_size=1, max_size=60))
    bounds = np.concatenate([[0.0], np.cumsum(steps)])
    return Timeline(bounds[:-1], end=float(bounds[-1]))


def samplers_of(count: int, seed: int | None) -> list[Any]:
    return [
        Segments(count, seed),
        Dense(count, 1 + count % 3, seed),
        PerrettTest(count),
        PerrettTrain(count, seed or 0),
        BlockCentres(count),
        Window(count, seed=seed),
        Window(count, rate=2, seed=seed),
    ]


@pytest.mark.vectors("frame_sampling_test.json")
def test_frame_sampling_vector(case: dict[str, Any], compare: Callable[..., None]) -> None:
    inputs = case["inputs"]
    compare(case, {"indices": PerrettTest(inputs["T"])(constant(inputs["n_frames"]))})


@settings(deadline=None)
@given(timelines(), counts, seeds)
def test_every_sampler_returns_the_requested_number_of_sorted_frames(
    timeline: Timeline, count: int, seed: int | None
) -> None:
    for sampler in samplers_of(count, seed):
        indices = sampler(timeline)
        assert indices.dtype == np.int64
        assert indices.shape == (count,), sampler
        assert indices.min() >= 0
        assert indices.max() < timeline.n
        assert (np.diff(indices) >= 0).all(), sampler


@settings(deadline=None)
@given(timelines(), counts, st.integers(0, 100))
def test_the_same_seed_gives_the_same_frames(timeline: Timeline, count: int, seed: int) -> None:
    np.random.seed(count)
    for sampler in samplers_of(count, seed):
        np.testing.assert_array_equal(sampler(timeline), sampler(timeline))


@settings(deadline=None)
@given(st.integers(1, 5000), counts, st.sampled_from([Fraction(30000, 1001), 25, 8, 59.94, 240]))
def test_segments_are_exact_at_constant_rates(n: int, count: int, fps: Any) -> None:
    times = np.array([float(k / Fraction(fps)) for k in range(n + 1)])
    expected = [(2 * k + 1) * n // (2 * count) for k in range(count)]
    assert Segments(count)(Timeline(times[:-1], float(times[-1]))).tolist() == expected


@settings(deadline=None)
@given(timelines(), counts, st.integers(0, 100))
def test_segments_choose_a_frame_shown_in_each(timeline: Timeline, count: int, seed: int) -> None:
    ends = np.append(timeline.times[1:], timeline.end)
    for k, index in enumerate(Segments(count, seed)(timeline)):
        begin, end = k * timeline.end / count, (k + 1) * timeline.end / count
        assert timeline.times[index] <= end + 1e-6
        assert ends[index] >= begin - 1e-6


def test_segments_respect_a_variable_rate() -> None:
    # The first frame is shown for nine of ten seconds.
    timeline = Timeline(np.array([0.0, 9.0, 9.25, 9.5, 9.75]), end=10.0)
    assert Segments(5)(timeline).tolist() == [0, 0, 0, 0, 1]
    assert Segments(10)(timeline).tolist() == [0] * 9 + [3]


def test_random_segments_reach_every_frame_and_stay_in_their_segment() -> None:
    drawn = np.array([Segments(4, seed)(constant(20)) for seed in range(300)])
    for k in range(4):
        assert set(drawn[:, k]) == set(range(5 * k, 5 * k + 5))


def test_dense_window() -> None:
    assert Dense(4)(constant(10)).tolist() == [3, 4, 5, 6]
    assert Dense(3, stride=3)(constant(10)).tolist() == [1, 4, 7]
    assert Dense(4, stride=3)(constant(10)).tolist() == [0, 3, 6, 9]
    assert Dense(5, stride=3)(constant(10)).tolist() == [0, 3, 6, 9, 9]
    starts = {int(Dense(4, seed=seed)(constant(10))[0]) for seed in range(200)}
    assert starts == set(range(7))


def test_every_nth() -> None:
    assert EveryNth(3)(constant(10)).tolist() == [0, 3, 6, 9]
    assert EveryNth(3, limit=2)(constant(10)).tolist() == [0, 3]
    assert EveryNth(50)(constant(10)).tolist() == [0]


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 300))
def test_perrett_training_rule(n: int, count: int, seed: int) -> None:
    got = PerrettTrain(count, seed)(constant(n))
    pad = math.floor(min(5, (n - count) / 2))
    if pad < 1:
        start, end = 0, n - 1
        assert got.tolist() == [int(x) for x in np.linspace(start, end, count)]
    else:
        assert 0 <= got[0] <= pad
        # The last index is the end, unless a single frame is requested.
        assert n - 1 - pad <= got[-1] <= n - 1 or count == 1
        step = np.diff(got)
        assert step.size == 0 or step.max() - step.min() <= 1


def test_perrett_training_chooses_every_start_and_end() -> None:
    drawn = np.array([PerrettTrain(8, seed)(constant(100)) for seed in range(300)])
    assert set(drawn[:, 0]) == set(range(6))
    assert set(drawn[:, -1]) == set(range(94, 100))


def test_block_centres_are_the_middle_frames_of_blocks() -> None:
    assert BlockCentres(8)(constant(300)).tolist() == [37 * k + 18 for k in range(8)]
    assert BlockCentres(8)(constant(3)).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_window_follows_the_published_formula() -> None:
    # 8 · 35 frames at 12 fps are 233⅓ frames at 10 fps: one of 300 − 233⅓ + 1 starts.
    length = 8 * 35 * 10 / 12
    start = (300 - length + 1) / 2
    expected = [int(start + (length - 35) * k / 7) for k in range(8)]
    assert Window(8)(constant(300, 10.0)).tolist() == expected
    # At 30 fps the window is longer than the video, and shrinks to 8 · 37 frames.
    expected = [int(2.5 + (296 - 35) * k / 7) for k in range(8)]
    assert Window(8)(constant(300, 30.0)).tolist() == expected
    assert Window(8)(constant(20, 30.0)).tolist() == BlockCentres(8)(constant(20)).tolist()
    starts = {int(Window(8, seed=seed)(constant(300, 10.0))[0]) for seed in range(600)}
    assert starts == set(range(68))


@pytest.mark.parametrize(
    ("create", "option"),
    [
        (lambda: Segments(0), "count"),
        (lambda: Segments(2.5), "count"),
        (lambda: Segments(8, seed=-1), "seed"),
        (lambda: Dense(8, stride=0), "stride"),
        (lambda: EveryNth(0), "step"),
        (lambda: EveryNth(2, limit=0), "limit"),
        (lambda: PerrettTest("8"), "count"),
        (lambda: PerrettTrain(8, seed=None), "seed"),
        (lambda: Window(8, rate=0), "rate"),
        (lambda: BlockCentres(-1), "count"),
    ],
)
def test_invalid_options_are_refused(create: Callable[[], Any], option: str) -> None:
    with refused(OptionError, where=option):
        create()


@pytest.mark.parametrize(
    ("name", "test", "train"),
    [
        ("segments", Segments(8), Segments(8, 5)),
        ("perrett", PerrettTest(8), PerrettTrain(8, 5)),
        ("blocks", BlockCentres(8), Segments(8, 5)),
        ("window", Window(8), Window(8, seed=5)),
        ("window:20", Window(8, 20), Window(8, 20, 5)),
        ("dense:4", Dense(8, 4), Dense(8, 4, 5)),
    ],
)
def test_names(name: str, test: Any, train: Any) -> None:
    assert sampler_of(name)(8) == test
    assert training_sampler(name, 8, 5) == train


@pytest.mark.parametrize("name", RULES)
def test_training_draws_frames_near_those_of_the_test(name: str) -> None:
    timeline = constant(90)
    assert sampler_of(name)(8)(timeline).shape == (8,)
    drawn = {tuple(training_sampler(name, 8, seed)(timeline).tolist()) for seed in range(9)}
    assert len(drawn) > 1


@pytest.mark.parametrize("name", ["", "other", "segments:3", "window:", "window:0", "dense:-1"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(OptionError):
        sampler_of(name)
