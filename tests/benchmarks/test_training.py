"""What the benchmarks of training learn from and compare."""

from dataclasses import replace

import pytest

from benchmarks.training.ablation import ALIGNMENTS, CLAIMS, MOMENTS, PLAIN, options_of
from benchmarks.training.clips import SIZES, split_by_class
from fewact import methods
from fewact.training import TrainingData, read
from tests.episodes.made_up import videos_of


def test_splits_part_the_classes() -> None:
    videos = videos_of(classes=27, each=2)
    split = split_by_class(videos, 0)
    lists = (split.train, split.val, split.test)
    assert tuple(len(one.classes) for one in lists) == SIZES
    assert set().union(*(one.classes for one in lists)) == set(videos.classes)
    assert TrainingData(split.train, split.val)
    assert split_by_class(videos, 0) == split
    assert split_by_class(videos, 1).test.classes != split.test.classes
    unsplit = {replace(v, split=None) for one in lists for v in one.videos}
    assert unsplit == set(videos.videos)


@pytest.mark.parametrize("name", MOMENTS)
def test_each_kind_of_moments_is_a_recipe_whose_alignments_only_score(name: str) -> None:
    recipe = read("a2m2-motions-lite0", options_of(MOMENTS[name]))
    kind = methods.REGISTRY.get("a2m2")
    for how in ALIGNMENTS.values():
        assert set(how) | set(PLAIN) <= kind.scoring
        assert methods.create("a2m2", **{**recipe.method.options, **PLAIN, **how})


def test_claims_are_of_pairs_that_are_measured_and_no_pair_is_claimed_to_beat_itself() -> None:
    for better, worse in CLAIMS.values():
        assert better != worse
        assert all(name in MOMENTS and how in ALIGNMENTS for name, how in (better, worse))
