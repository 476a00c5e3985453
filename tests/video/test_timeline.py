from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewact.core.errors import OptionError
from fewact.video import Timeline
from fewact.video.index import FrameIndex, find_segment, undo_rounding


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=30), st.floats(0, 0.999))
def test_at_returns_the_frame_that_is_shown(steps: list[float], fraction: float) -> None:
    bounds = np.concatenate([[0.0], np.cumsum(steps)])
    timeline = Timeline(bounds[:-1], end=float(bounds[-1]))
    for k in range(timeline.n):
        # Away from the boundary by more than the slack.
        moment = bounds[k] + fraction * 0.99 * (bounds[k + 1] - bounds[k])
        assert timeline.at(moment) == k
    assert timeline.at([-1.0, bounds[-1] + 1]).tolist() == [0, timeline.n - 1]


def test_average_rate() -> None:
    assert Timeline(np.array([0.0, 1.0, 1.5]), end=2.0).fps == 1.5


@pytest.mark.parametrize(
    ("times", "end"),
    [([], 1.0), ([0.0, 1.0], 1.0), ([0.0, 0.0], 1.0), ([1.0, 0.0], 2.0), ([[0.0]], 1.0)],
)
def test_times_that_do_not_increase_are_refused(times: list[float], end: float) -> None:
    with pytest.raises(OptionError):
        Timeline(np.array(times), end)


@settings(deadline=None)
@given(
    st.sampled_from([24000 / 1001, 24, 25, 30000 / 1001, 30, 50, 60, 120]),
    st.integers(1, 2000),
    st.floats(0, 1e-3),
    st.booleans(),
)
def test_rounding_to_milliseconds_is_undone(
    fps: float, n: int, shift: float, claimed: bool
) -> None:
    ideal = np.arange(n + 1) / fps
    stored = np.round(ideal + shift, 3)
    stored[-1] = stored[-2] + np.floor(1000 / fps) / 1000  # a duration is rounded down
    even = undo_rounding(stored, 1e-3, fps if claimed else None)
    if n > 1 or claimed:
        steps = np.diff(even)
        np.testing.assert_allclose(steps, steps.mean(), rtol=1e-9)
    np.testing.assert_allclose(even - even[0], ideal, atol=2.5e-3)


def test_variable_rates_are_unchanged() -> None:
    variable = np.array([0.0, 0.033, 0.080, 0.120, 0.180])
    np.testing.assert_array_equal(undo_rounding(variable, 1e-3, 30.0), variable)
    # An image that is shown for a long time is not a constant rate up to rounding.
    slides = np.array([0.0, 1.0, 11.0])
    np.testing.assert_array_equal(undo_rounding(slides, 1e-3, None), slides)
    # One dropped frame if the times count frames.
    dropped = np.array([0, 1, 3, 4, 5]) / 25
    np.testing.assert_array_equal(undo_rounding(dropped, 1 / 25, 25.0), dropped)


@settings(deadline=None)
@given(
    st.sampled_from([24000 / 1001, 25, 30000 / 1001, 30, 60000 / 1001, 60, 90, 240]),
    st.sampled_from([600, 1000]),
    st.floats(0, 4.9),
    st.floats(0.002, 5),
)
@example(fps=240, ticks=1000, start=0.238, length=3.225)
@example(fps=60000 / 1001, ticks=600, start=2.673, length=13.143)
@example(fps=30000 / 1001, ticks=600, start=2.502, length=2.908)
def test_rounded_times_give_a_segment_between_any_two_times(
    fps: float, ticks: int, start: float, length: float
) -> None:
    pts = np.round(np.arange(round(5 * fps)) / fps * ticks).astype(np.int64)
    index = FrameIndex(
        pts=pts,
        keyframes=np.arange(len(pts)),
        time_base=Fraction(1, ticks),
        last_duration=int(ticks / fps),
        first_pts=0,
        rate=fps,
        size=(8, 8),
        codec="h264",
    )
    end = start + length
    segment = find_segment(index, start, end)
    assert segment is not None
    first, timeline = segment
    n = timeline.n
    # Half a step of rounding, and frames that are shown for less than that.
    slack = 1 / ticks
    assert first / fps <= start + slack < (first + 1) / fps + 2 * slack
    assert (first + n - 1) / fps <= end + slack
    assert timeline.end <= min(length, 5 - start) + 2 / fps + 2 * slack
