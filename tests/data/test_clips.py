import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import DataError, OptionError
from fewact.data import Clip, FeatureClip, is_background, is_none, limit_per_class
from tests.refused import refused

CLIPS = [Clip(Path(f"{label}/{i}.mp4"), label) for label in "abc" for i in range(7)]


@given(st.integers(1, 10), st.integers(0, 5))
def test_limit_keeps_k_of_each_class_in_order(k: int, seed: int) -> None:
    kept = limit_per_class(CLIPS, k, seed)
    assert Counter(clip.label for clip in kept) == {label: min(k, 7) for label in "abc"}
    assert kept == [clip for clip in CLIPS if clip in kept]


def test_limit_depends_on_the_seed_but_not_on_order_or_folder() -> None:
    shuffled = random.Random(1).sample(CLIPS, len(CLIPS))
    moved = [Clip(Path("/elsewhere") / clip.path, clip.label) for clip in CLIPS]
    kept = limit_per_class(CLIPS, 3)
    assert set(limit_per_class(shuffled, 3)) == set(kept)
    assert [c.path.name for c in limit_per_class(moved, 3)] == [c.path.name for c in kept]
    assert len({tuple(limit_per_class(CLIPS, 3, seed)) for seed in range(8)}) > 1


def test_limit_of_features_does_not_depend_on_the_order() -> None:
    clips = [FeatureClip(f"{i}", np.ones((2, 3)), "ab"[i % 2]) for i in range(10)]
    kept = {clip.name for clip in limit_per_class(clips, 2)}
    assert len(kept) == 4
    assert {clip.name for clip in limit_per_class(clips[::-1], 2)} == kept


def test_an_added_clip_displaces_at_most_one() -> None:
    kept = set(limit_per_class(CLIPS, 3))
    for i in range(20):
        more = set(limit_per_class([*CLIPS, Clip(Path(f"a/new{i}.mp4"), "a")], 3))
        assert len(kept - more) <= 1


def test_a_limit_of_zero_is_refused() -> None:
    with refused(OptionError, where="limit"):
        limit_per_class(CLIPS, 0)


@pytest.mark.parametrize("path", [None, 3, [Path("a.mp4")]])
def test_a_clip_of_no_path_is_refused(path: Any) -> None:
    with pytest.raises(DataError, match=r"^not a path \(got .*VideoBytes"):
        Clip(path)
    assert Clip("a.mp4") == Clip(Path("a.mp4"))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^not a path \(got bytes\).*VideoBytes"):
        Clip(b"a.mp4")  # type: ignore[arg-type]


def test_the_background_label_may_have_any_case() -> None:
    assert all(map(is_background, ("none", "None", " NONE ")))
    assert not any(map(is_background, ("nothing", "no", "", "(none)")))
    assert all(map(is_none, ("None", "(none)", " (NONE) ")))
    assert not any(map(is_none, ("(none", "((none))", "()", "no")))
