"""Windows of a recording: lengths that fit the classes, cuts while frames come, and the pace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact import FewShotClassifier, methods
from fewact.classifier.fitted import Fitted
from fewact.core.errors import ModelError
from fewact.data import FeatureClip
from fewact.recordings.windows import (
    WINDOW_STEP,
    Pace,
    SlidingWindows,
    check_watchable,
    fitting_lengths,
    window_starts,
)


def with_durations(fitted: Fitted, durations: dict[str, float | None]) -> Fitted:
    clips = tuple(
        replace(clip, duration=durations[str(clip.label)]) for clip in fitted.everything.clips
    )
    return replace(fitted, everything=replace(fitted.everything, clips=clips))


def test_a_class_that_no_window_fits_has_windows_of_its_own(taught: FewShotClassifier) -> None:
    fitted = with_durations(taught.fitted_, {"down": 2.0, "left": 2.0, "right": 2.0})
    assert check_watchable(fitted)[1] == (2.0,)
    fitted = with_durations(taught.fitted_, {"down": 2.0, "left": 2.2, "right": 20.0})
    _, lengths = check_watchable(fitted)
    assert min(lengths) == pytest.approx(2.0, abs=0.3)
    assert any(10 <= length <= 40 for length in lengths)
    fitting = fitting_lengths(fitted, lengths)
    assert all(1 <= length <= 4.4 for length in fitting["left"])
    assert all(length >= 10 for length in fitting["right"])
    assert fitting_lengths(fitted, (5.0,)) == {"down": {5.0}, "left": {5.0}, "right": {5.0}}


def test_a_classifier_that_cannot_watch_is_refused(taught: FewShotClassifier) -> None:
    with pytest.raises(ModelError):
        check_watchable(with_durations(taught.fitted_, dict.fromkeys(taught.classes_)))
    clips = [FeatureClip(str(i), np.full((8, 4), i, np.float32), label=str(i)) for i in range(2)]
    method = methods.create("protonet", frames=8)
    with pytest.raises(ModelError):
        check_watchable(FewShotClassifier(method=method).fit(clips).fitted_)


@given(
    st.lists(st.floats(0.02, 0.5), min_size=1, max_size=60),
    st.sampled_from([(1.0,), (0.7, 1.3), (2.0,)]),
)
def test_windows_end_a_step_apart_and_each_once(steps: list[float], lengths: tuple[float]) -> None:
    start, frames = 3.0, 8
    times = start + np.cumsum([0.0, *steps])
    windows = SlidingWindows(lengths, frames, start)
    cut = []
    for time in times.tolist():
        needed_from, complete = windows.needed_from, windows.complete(time)
        assert all(one.end - one.length / (2 * frames) <= time for one in complete)
        assert all(one.start >= needed_from for one in complete)
        cut += complete
    for length in lengths:
        own = [one for one in cut if one.length == length]
        expected = start + WINDOW_STEP * length * np.arange(len(own))
        assert [one.start for one in own] == pytest.approx(expected.tolist(), abs=1e-9)
        assert own or times[-1] < start + length


def test_starts_reach_the_end_and_one_window_is_never_missing() -> None:
    assert window_starts(3.0, 1.2, 0.6).tolist() == pytest.approx([0, 0.6, 1.2, 1.8])
    assert window_starts(1.0, 2.0, 0.5).tolist() == [0.0]


@pytest.mark.parametrize("rate", [8.0, 16.0])
@pytest.mark.parametrize("fps", [8, 15, 25, 29.97, 60])
def test_a_pace_is_kept_at_any_rate_of_frames(rate: float, fps: float) -> None:
    pace, taken = Pace(rate), 0
    times = np.arange(round(20 * fps)) / fps
    times += np.random.default_rng(0).uniform(-1e-4, 1e-4, len(times))
    for time in times.tolist():
        if pace.needs(time):
            pace.take(time)
            taken += 1
    assert taken / 20 == pytest.approx(min(rate, fps), rel=0.02)


def test_a_late_frame_does_not_bring_others_early() -> None:
    pace = Pace(10.0)
    pace.take(0.0)
    pace.take(1.04)
    assert not pace.needs(1.07)
    assert pace.needs(1.1)
