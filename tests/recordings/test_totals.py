"""Totals by prediction-powered inference."""

import numpy as np
import pytest

from fewact.recordings.formats import Event
from fewact.recordings.totals import measure, total

SCORED = np.array([0, 1, 0, 2, 1, 0, 0, 3, 1, 0, 1, 2], float)
FOUND = np.array([0, 1, 1, 2, 0, 0, 0, 2, 1, 0, 2, 2], float)
OTHERS = np.array([i * 7 % 4 for i in range(48)], float)


def test_the_estimate_is_that_of_the_reference() -> None:
    """``ppi_mean_pointestimate(SCORED, FOUND, OTHERS)`` of ppi-python 0.2.3, for 12 windows."""
    reference = 1.16830858  # mean over all windows
    estimate = total(SCORED, np.concatenate([FOUND, OTHERS]), range(12))
    assert estimate.value / 60 == pytest.approx(reference, abs=1e-8)
    assert estimate.found == FOUND.sum() + OTHERS.sum()


def test_the_interval_is_that_of_the_reference_less_the_variance_of_the_population() -> None:
    """PPI++ is for a population: its squared standard error has var(y) / N more than ours."""
    rng = np.random.default_rng(0)
    truth = rng.poisson(1.0, 20_000).astype(float)
    found = np.maximum(truth + rng.integers(-1, 2, 20_000), 0)
    checked = range(2000)
    estimate = total(truth[:2000], found, checked)
    y, f, rest = truth[:2000], found[:2000], found[2000:]
    # Equations of PPI++ (Angelopoulos, Duchi and Zrnic 2023), section 6, with their λ.
    weight = np.cov(y, f)[0, 1] / (1 + len(y) / len(rest)) / found.var()
    squared = (y - weight * f).var() / len(y) + weight**2 * rest.var() / len(rest)
    half = 20_000 * 1.96 * np.sqrt(squared - y.var() / len(found))
    assert estimate.interval is not None
    assert estimate.alone is not None
    low, high = estimate.interval
    assert (high - low) / 2 == pytest.approx(half, rel=0.01)
    assert low < truth.sum() < high
    alone = 20_000 * 1.96 * y.std(ddof=1) * np.sqrt(0.9 / 2000)
    assert (estimate.alone[1] - estimate.alone[0]) / 2 == pytest.approx(alone, rel=0.01)


def test_what_the_model_finds_at_random_has_hardly_any_weight() -> None:
    rng = np.random.default_rng(1)
    scored, found = rng.poisson(1.0, 300).astype(float), rng.poisson(3.0, 3000).astype(float)
    estimate = total(scored, found, range(300))
    assert estimate.weight < 0.1
    assert estimate.value == pytest.approx(3000 * scored.mean(), rel=0.05)


def test_all_windows_checked_is_the_truth_and_a_rare_class_has_no_interval() -> None:
    exact = total(SCORED, FOUND, range(12))
    assert (exact.value, exact.interval) == (11.0, (11.0, 11.0))
    rare = total(np.eye(12)[0], np.zeros(100), range(12))
    assert (rare.interval, rare.alone) == (None, None)
    assert rare.value == pytest.approx(100 / 12)


@pytest.mark.slow
def test_intervals_cover_the_truth_in_95_of_100_studies() -> None:
    rng, covered, widths = np.random.default_rng(0), [], []
    for _ in range(1000):
        truth = rng.poisson(0.4, 1800)
        found = rng.binomial(truth, 0.9) + rng.poisson(0.06, 1800)
        checked = rng.choice(1800, 60, replace=False).tolist()
        one = total(truth[checked].astype(float), found.astype(float), checked)
        if one.interval and one.alone:
            covered.append(one.interval[0] <= truth.sum() <= one.interval[1])
            widths.append((one.interval[1] - one.interval[0], one.alone[1] - one.alone[0]))
    assert len(covered) > 990
    assert 0.93 <= np.mean(covered) <= 0.97
    model, alone = np.mean(widths, axis=0)
    assert model < 0.7 * alone


def test_performances_count_where_they_begin_and_seconds_once() -> None:
    events = [
        Event("a", 0.0, 12.0, repetitions=3),  # begin at 0, 4 and 8
        Event("a", 11.0, 14.0),
        Event("b", 19.0, 40.0),
        Event("b", 10.0, 10.5),  # at the border of two windows: of the first one
    ]
    found = measure(events, 30.0, 3, ["a", "b"])
    assert found["count"].tolist() == [[3, 1], [1, 1], [0, 0]]
    assert found["seconds"].tolist() == [[10, 0], [4, 1.5], [0, 10]]
