"""Rendered figures."""

import numpy as np

from benchmarks.training.figures import INDEX, FigureClass, Role, figure_class, perform, render


def moved(one: FigureClass, name: str) -> float:
    """Return by how many degrees a parameter of a class's first performance varies."""
    poses = perform(one, np.random.default_rng(0), 24)
    return float(np.ptp(poses[:, INDEX[name]]))


def test_a_performance_is_the_same_again_and_others_differ() -> None:
    one = figure_class(3)
    first, again, other = (render(one, seed, frames=3, size=32) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_parameters_of_a_class_move_far() -> None:
    for number in range(20):
        one = figure_class(number)
        names = {n for a in one.actions for keys in a.tracks for _, pose in keys for n in pose}
        for side in ("left", "right"):
            if f"{side} raise" not in names:
                assert moved(one, f"{side} raise") < 25


def test_turns_are_for_validation_alone() -> None:
    def turns(role: Role) -> int:
        found = (figure_class(i, role) for i in range(60))
        return sum(moved(one, "turn") > 60 for one in found)

    assert turns("train") == 0
    assert turns("val") > 5
