"""Comparison: the exact test against enumeration, Holm's correction, stability, bad input."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import ResultError
from fewact.core.intervals import class_intervals
from fewact.lab import methods
from fewact.lab.evaluation import compare, evaluate_method, stability
from fewact.lab.evaluation.comparison import SMALLEST_P, holm, sign_flip_p
from tests.lab.evaluation.made_up import Constant, Nearest, problem
from tests.refused import refused


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9))
def test_sign_flip_by_enumeration(values: list[int]) -> None:
    d = np.array(values)
    sums = [abs(int((np.array(s) * d).sum())) for s in itertools.product((-1, 1), repeat=len(d))]
    expected = np.mean([one >= abs(int(d.sum())) for one in sums])
    assert sign_flip_p(d) == pytest.approx(expected)
    assert sign_flip_p(-d) == pytest.approx(expected)


def test_sign_flip_of_many_differences_approaches_the_normal_distribution() -> None:
    d = np.concatenate([np.full(700, 1), np.full(620, -1), np.full(300, 3), np.full(310, -3)])
    z = abs(d.sum() - 1) / np.sqrt((d**2).sum())  # corrected by half a step of 2
    from math import erfc, sqrt

    assert sign_flip_p(d) == pytest.approx(erfc(z / sqrt(2)), rel=0.02)


def test_sign_flip_extremes() -> None:
    assert sign_flip_p(np.zeros(10, dtype=int)) == 1
    assert sign_flip_p(np.full(10_000, 25)) == SMALLEST_P
    assert sign_flip_p(np.array([1] * 20)) == pytest.approx(2 / 2**20)


def test_false_positive_rate_matches_the_level() -> None:
    rng = np.random.default_rng(0)
    p = [sign_flip_p(rng.binomial(25, 0.6, 200) - rng.binomial(25, 0.6, 200)) for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.085


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p: list[float]) -> None:
    corrected = holm(p)
    assert all(one <= after <= 1 for one, after in zip(p, corrected, strict=True))
    assert max(corrected) <= min(1.0, len(p) * max(p)) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
    assert corrected[order[0]] == min(1.0, len(p) * p[order[0]])


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_results_on_the_same_episodes() -> None:
    given_ = problem(noise=0.5)
    good = evaluate_method(Nearest(), *given_)
    bad = evaluate_method(Constant(), *given_)
    middle = evaluate_method(methods.create("protonet", frames=2), *given_)
    found = compare([good, bad, middle])
    assert [(one.first, one.second) for one in found] == [(0, 1), (0, 2), (1, 2)]
    first = found[0]
    each = np.array(good.per_episode) - np.array(bad.per_episode)
    assert first.difference == pytest.approx(good.accuracy - bad.accuracy)
    assert first.ci95 == pytest.approx(1.96 * each.std(ddof=1) / len(each) ** 0.5)
    assert (first.wins, first.losses) == ((each > 0).sum(), (each < 0).sum())
    assert first.p <= first.p_holm <= 3 * first.p
    assert first.p < 1e-6
    same = compare([good, good])[0]
    assert (same.difference, same.ci95, same.p, same.wins) == (0, 0, 1, 0)
    assert same.class_interval == (0, 0)


def test_class_interval_is_that_of_the_differences() -> None:
    source, videos, episodes = problem(noise=0.5)
    good, middle = (
        evaluate_method(method, source, videos, episodes)
        for method in (Nearest(), methods.create("protonet", frames=2))
    )
    each = np.array(good.per_episode) - np.array(middle.per_episode)
    place = {label: i for i, label in enumerate(videos.classes)}
    first = episodes.support[:, :: episodes.protocol.shots]
    classes = np.array([[place[videos.videos[i].label] for i in row] for row in first])
    assert good.episode_classes == tuple(map(tuple, classes.tolist()))
    expected = class_intervals(each[None], classes, len(videos.classes))
    assert [compare([good, middle])[0].class_interval] == expected
    source, videos, episodes = problem(ways=8)
    all_classes = [evaluate_method(Nearest(), source, videos, episodes)] * 2
    assert compare(all_classes)[0].class_interval is None


@pytest.mark.parametrize("other", [{"seed": 1}, {"shots": 1}, {"count": 59}])
def test_other_episodes_are_refused(other: dict[str, int], tmp_path: Path) -> None:
    first, second = (evaluate_method(Nearest(), *problem(**sizes)) for sizes in ({}, other))
    message = (
        r"b\.json: the episodes differ from the episodes of a\.json \(got made up, \(ways=4, shots="
        r"\d, .*\); expected: made up, \(ways=4, shots=2, queries=3, count=60, seed=0, groups="
    )
    with pytest.raises(ResultError, match=message):
        compare([first, second], ["a.json", "b.json"])


def test_a_comparison_needs_two_results() -> None:
    with refused(ResultError, got="1"):
        compare([evaluate_method(Nearest(), *problem())])


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
