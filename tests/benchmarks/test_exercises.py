"""Rendered exercises."""

import numpy as np

from benchmarks.training.exercises import COLUMNS, exercise, exercises, performance


def test_a_performance_is_the_same_again_and_others_differ() -> None:
    first, again, other = (exercises(3, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_a_class_changes_moves_most_and_begins_at_another_phase_each_time() -> None:
    begins = []
    for number in range(20):
        one = exercise(number)
        poses = np.stack([performance(one, np.random.default_rng(i)) for i in range(8)])
        extent = np.ptp(poses, 1).mean(0)  # (p) over the frames of each performance
        changed = np.abs(one.changes)
        column = int(changed.argmax())
        if changed[column] > 40:
            name = COLUMNS[column].replace("left ", "").replace("right ", "")
            same = [i for i, other in enumerate(COLUMNS) if other.endswith(name)]
            assert extent[same].max() > 0.4 * changed[column]
            begins.append(float(np.ptp(poses[:, 0, column])) / changed[column])
    assert np.mean(begins) > 0.5
