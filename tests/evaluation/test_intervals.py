"""Intervals: known answers, a slow bootstrap, coverage."""

import itertools
import math
import random

import numpy as np
import pytest

from fewact.evaluation.intervals import class_intervals, half_width


def class_interval(accuracies, classes, number):
    found = class_intervals(accuracies[None], classes, number)
    return None if found is None else found[0]


def test_rows_share_the_resamples() -> None:
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


@pytest.mark.slow
def test_equals_a_slow_bootstrap() -> None:
    rng = random.Random(0)
    effect = [rng.uniform(0, 100) for _ in range(10)]
    accuracies, classes = all_episodes(10, 3, effect)
    means = []
    while len(means) < 2000:
        drawn = [rng.randrange(10) for _ in range(10)]
        total = weight = 0.0
        for accuracy, episode in zip(accuracies, classes, strict=True):
            times = math.prod(drawn.count(label) for label in episode)
            total += times * accuracy
            weight += times
        if weight:
            means.append(total / weight)
    expected = np.percentile(means, (2.5, 97.5))
    assert class_interval(accuracies, classes, 10) == pytest.approx(tuple(expected), abs=2.5)


@pytest.mark.slow
def test_covers_the_mean_over_other_classes() -> None:
    """Over many draws of 24 classes, the interval over episodes hardly ever covers the mean."""
    rng = np.random.default_rng(1)
    by_classes = by_episodes = 0
    for _ in range(30):
        effect = rng.uniform(30, 90, size=24)
        classes = np.array([rng.choice(24, 5, replace=False) for _ in range(1000)])
        accuracies = effect[classes].mean(1)
        low, high = class_interval(accuracies, classes, 24) or (0, 0)
        by_classes += low <= 60 <= high
        by_episodes += abs(accuracies.mean() - 60) <= half_width(accuracies)
    assert by_classes >= 25
    assert by_episodes <= 15


def test_no_interval_if_every_episode_has_all_classes() -> None:
    accuracies = np.array([20.0, 80.0])
    assert class_interval(accuracies, np.array([[0, 1, 2], [2, 1, 0]]), 3) is None
    assert class_interval(accuracies, np.array([[0, 1, 2], [2, 1, 0]]), 4) is not None


def test_is_deterministic() -> None:
    accuracies, classes = all_episodes(8, 2, list(range(8)))
    assert class_interval(accuracies, classes, 8) == class_interval(accuracies, classes, 8)
