"""The benchmark of repetitions: when frames are shown, and what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.repetitions import CONDITIONS, Outcome, error, marks, warp_of


@pytest.mark.parametrize("condition", CONDITIONS)
def test_frames_stay_in_their_order(condition: str) -> None:
    warp = warp_of(condition, [float(i) for i in range(1, 20)])
    shown = np.array([warp(time) for time in np.arange(0, 60, 1 / 30)])
    assert (np.diff(shown) > 0).all()
    assert shown[-1] == pytest.approx(60 + (12 if condition == "pauses" else 0), abs=2)


def test_marks_are_the_frames_where_a_repetition_ends(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("frame,time,label\n0,0.0,0.0\n1,0.5,1.0\n2,1.0,0.0\n3,1.5,1.0\n")
    assert marks(path) == [0.5, 1.5]


def test_errors_of_one_recording_do_not_make_up_for_those_of_another() -> None:
    outcomes = [Outcome("a", "plain", 20, 10, 18, 18), Outcome("b", "plain", 2, 2, 4, 0)]
    assert error(outcomes, lambda one: one.counted) == "18 % (55 %)"
    assert error(outcomes, lambda one: one.windows) == "45 % (25 %)"
