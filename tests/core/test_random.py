"""Random draws: the same for ever, uniform, without repetition."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fewact.core.random
from fewact.core.random import NamedDraws, RandomStream, permutations
from tests.lab.evaluation.episodes.made_up import below, shuffled, words


def test_known_answers() -> None:
    draws = RandomStream("episodes", 0, 0)
    assert [draws.below(2**64) for _ in range(5)] == [
        16513986003592879836,
        6046362979452735983,
        10710726447199797357,
        5722965147298188066,
        6373177933302226310,
    ]
    assert RandomStream("episodes", 7, 3).choose("abcdefghij", 10) == list("hbejdcagfi")


@given(st.integers(0, 2**63), st.lists(st.integers(1, 2**64), min_size=1, max_size=20))
def test_is_the_textbooks(seed: int, bounds: list[int]) -> None:
    draws, slow = RandomStream("k", seed), words(f"k {seed}")
    assert [draws.below(bound) for bound in bounds] == [below(slow, bound) for bound in bounds]


@given(st.integers(0, 99), st.integers(1, 60), st.data())
def test_chooses_like_a_shuffle_of_a_copy(seed: int, size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, size))
    chosen = RandomStream("k", seed).choose(range(size), count)
    assert chosen == shuffled(words(f"k {seed}"), list(range(size)), count)
    assert len(set(chosen)) == count


@given(st.integers(0, 99), st.lists(st.integers(0, 10**6), max_size=5), st.integers(0, 40))
def test_permutations_are_those_of_the_streams(seed: int, indices: list[int], count: int) -> None:
    each = [RandomStream("k", seed, i).choose(range(count), count) for i in indices]
    found = permutations(f"k {seed}", indices, count)
    assert found.shape == (len(indices), count)
    assert found.tolist() == each


def test_permutations_reject_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewact.core.random, "WORD", 2**63)  # every second word is now too large
    each = [RandomStream("k", i).choose(range(6), 6) for i in range(50)]
    assert permutations("k", range(50), 6).tolist() == each


def test_every_order_comes_equally_often() -> None:
    seen = Counter(tuple(RandomStream("orders", i).choose(range(3), 3)) for i in range(6000))
    assert set(seen) == set(itertools.permutations(range(3)))
    assert all(count == pytest.approx(1000, abs=150) for count in seen.values())


def test_draws_are_even_and_depend_on_their_name_and_key_alone() -> None:
    draws = NamedDraws("key", 1)
    found = np.array([draws.uniform(index) for index in range(4000)])
    assert ((found >= 0) & (found < 1)).all()
    assert np.abs(np.histogram(found, bins=10, range=(0, 1))[0] - 400).max() < 100
    assert draws.uniform(7) == NamedDraws("key", 1).uniform(7) != NamedDraws("key", 2).uniform(7)
    assert abs(draws.octets("noise", 40_000).astype(int).mean() - 127.5) < 2
    assert draws.octets("noise", 5).tolist() == draws.octets("noise", 9)[:5].tolist()
