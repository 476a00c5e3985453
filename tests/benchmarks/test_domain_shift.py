"""Shifts between domains: the statistics that they match, and whose clips decide them."""

import numpy as np
import pytest

from benchmarks.domain_shift import SHIFTS, Case, centred, correlated, shifted, standardised
from fewact.data import Video, VideoList


def vectors(count: int, scale: float, mean: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((4, 4))
    return (scale * rng.standard_normal((count, 4)) @ mix + mean).astype(np.float32)


def test_the_statistics_of_the_other_domain() -> None:
    own, other = vectors(4000, 1.0, 3.0, 0), vectors(4000, 2.0, -1.0, 1)
    for shift in (centred, standardised, correlated):
        np.testing.assert_allclose(shift(own, own, other).mean(0), other.mean(0), atol=1e-3)
    np.testing.assert_allclose(standardised(own, own, other).std(0), other.std(0), rtol=1e-3)
    found = np.cov(correlated(own, own, other).T)
    np.testing.assert_allclose(found, np.cov(other.T), rtol=0.02, atol=0.05 * np.cov(other.T).max())


@pytest.mark.parametrize("shift", SHIFTS)
def test_no_clip_of_the_own_person_decides(shift: str) -> None:
    """Other clips of a person, as queries of the same episode, change nothing of a query."""
    people = [f"s{i % 3}" for i in range(9)]
    videos = tuple(Video(str(i), "a", group=person) for i, person in enumerate(people))
    sides = [vectors(18, 1.0, m, seed).reshape(9, 2, 4) for seed, m in ((0, 0.0), (1, 2.0))]
    case = Case("depth → colour", VideoList("list", videos, "shared"), *sides)
    before = shifted(case, shift)
    changed = sides[1].copy()
    changed[3] += 5  # the same person as clip 0
    after = shifted(Case(case.title, case.videos, sides[0], changed), shift)
    np.testing.assert_array_equal(after[0], before[0])
    assert not np.allclose(after[1], before[1])  # another person
