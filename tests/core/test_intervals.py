"""Intervals: known answers, coverage."""

import itertools
import math

import numpy as np
import pytest

from fewact.core.intervals import (
    class_intervals,
    half_width,
    half_width_of_ratio,
    student_t,
)


def class_interval(accuracies, classes, number):
    found = class_intervals(accuracies[None], classes, number)
    return None if found is None else found[0]


def test_rows_do_not_depend_on_each_other() -> None:
    rng = np.random.default_rng(3)
    rows = rng.random((3, 50))
    classes = np.array([rng.choice(9, 4, replace=False) for _ in range(50)])
    together = class_intervals(rows, classes, 9)
    assert together == [class_interval(row, classes, 9) for row in rows]
    low, high = class_interval(rows[0] + 1, classes, 9)
    assert (low - 1, high - 1) == pytest.approx(together[0])


def test_half_width_by_hand() -> None:
    values = np.array([20.0, 40.0, 40.0, 80.0])
    deviation = math.sqrt(sum((v - 45) ** 2 for v in values) / 3)
    assert half_width(values) == pytest.approx(1.96 * deviation / 2)
    assert half_width(np.array([60.0])) is None
    assert half_width(np.full(9, 60.0)) == 0


def test_half_width_covers_the_mean_in_95_per_cent_of_draws() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        sample = 20.0 * rng.binomial(5, 0.7, size=200)
        inside += abs(sample.mean() - 70) <= half_width(sample)
    assert 930 <= inside <= 970


def test_half_width_of_a_ratio() -> None:
    parts, wholes = np.array([1, 4, 3, 0, 2]), np.array([4, 4, 4, 4, 4])
    assert half_width_of_ratio(parts, wholes) == pytest.approx(half_width(100 * parts / 4))
    assert half_width_of_ratio(parts[:1], wholes[:1]) is None
    rest = [k - 10 / 22 * m for k, m in zip((1, 4, 5), (4, 8, 10), strict=True)]
    expected = 196 * math.sqrt(3 / 2 * sum(r * r for r in rest)) / 22
    found = half_width_of_ratio(np.array([1, 4, 5]), np.array([4, 8, 10]))
    assert found == pytest.approx(expected)


def test_half_width_of_a_ratio_covers_it_in_95_per_cent_of_draws() -> None:
    """Where the queries of an episode are right together."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        wholes = 5 * rng.integers(1, 3, 200)
        parts = rng.binomial(wholes, rng.beta(1.4, 0.6, 200))
        found = 100 * parts.sum() / wholes.sum()
        inside += abs(found - 70) <= half_width_of_ratio(parts, wholes)
    assert 930 <= inside <= 970


def all_episodes(number: int, ways: int, effect: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return an episode for each set of classes, with the mean of their effects as accuracy."""
    classes = np.array(list(itertools.combinations(range(number), ways)))
    return np.array(effect)[classes].mean(1), classes


def test_classes_that_differ_widen_the_interval() -> None:
    even, classes = all_episodes(12, 3, [50.0] * 12)
    assert class_interval(even, classes, 12) == (50.0, 50.0)
    effect = [0.0, 100.0] * 6
    uneven, classes = all_episodes(12, 3, effect)
    low, high = class_interval(uneven, classes, 12) or (0, 0)
    assert low < 35
    assert high > 65


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062047), (2, 4.3026527), (4, 2.7764451), (23, 2.0686576), (1000, 1.9623391)],
)
def test_quantile_of_a_published_table(freedom: int, expected: float) -> None:
    assert student_t(freedom) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("number", "ways"), [(5, 2), (9, 4), (9, 8)])
def test_interval_of_all_episodes_is_that_of_the_mean_of_their_classes(
    number: int, ways: int
) -> None:
    effect = np.random.default_rng(5).uniform(0, 100, number)
    accuracies, classes = all_episodes(number, ways, effect.tolist())
    half = student_t(number - 1) * effect.std(ddof=1) / math.sqrt(number)
    expected = (effect.mean() - half, effect.mean() + half)
    assert class_interval(accuracies, classes, number) == pytest.approx(expected)


@pytest.mark.parametrize(("number", "ways"), [(24, 5), (10, 8), (6, 5)])
def test_covers_the_mean_over_other_classes(number: int, ways: int) -> None:
    """In 95 % of draws of classes. The interval over episodes hardly ever does."""
    rng = np.random.default_rng(1)
    draws, by_classes, by_episodes = 400, 0, 0
    for _ in range(draws):
        effect = rng.normal(60, 10, number)
        classes = rng.permuted(np.tile(np.arange(number), (1000, 1)), axis=1)[:, :ways]
        accuracies = effect[classes].mean(1)
        low, high = class_interval(accuracies, classes, number)
        by_classes += low <= 60 <= high
        by_episodes += abs(accuracies.mean() - 60) <= half_width(accuracies)
    assert 0.92 <= by_classes / draws <= 0.98
    assert by_episodes / draws <= 0.3


def test_no_interval_if_a_class_is_in_every_episode() -> None:
    accuracies = np.array([20.0, 80.0])
    assert class_interval(accuracies, np.array([[0, 1, 2], [2, 1, 0]]), 3) is None
    assert class_interval(accuracies, np.array([[0, 1], [2, 0]]), 3) is None
    assert class_interval(accuracies, np.array([[0, 1], [2, 3]]), 4) is not None
    assert class_interval(accuracies[:1], np.array([[0, 1]]), 4) is None
