"""Accuracy as a function of the number of episodes."""

import numpy as np
import pytest

from fewact.evaluation import evaluate_method, stability
from tests.evaluation.made_up import Nearest, problem


@pytest.mark.parametrize(
    ("count", "expected"),
    [(4, [4]), (10, [10]), (60, [10, 20, 50, 60]), (130, [10, 20, 50, 100, 130])],
)
def test_points_are_means_of_the_first_episodes(count: int, expected: list[int]) -> None:
    result = evaluate_method(Nearest(), *problem(count=count))
    points = stability(result)
    assert [point.episodes for point in points] == expected
    for point in points:
        first = np.array(result.per_episode[: point.episodes])
        assert point.accuracy == pytest.approx(first.mean())
        assert point.ci95 == pytest.approx(1.96 * first.std(ddof=1) / len(first) ** 0.5)
    assert (points[-1].accuracy, points[-1].ci95) == (result.accuracy, result.ci95)


def test_the_first_episodes_equal_a_shorter_draw() -> None:
    many, few = (evaluate_method(Nearest(), *problem(count=count)) for count in (60, 20))
    assert stability(many)[1].accuracy == few.accuracy
