"""The grid of moments and alignments that is trained."""

import pytest

from benchmarks.training.ablation import ALIGNMENTS, CLAIMS, CLIP_MEAN, MOMENTS, PLAIN, options_of
from fewact import methods
from fewact.lab.training import read


@pytest.mark.parametrize("clip_mean", CLIP_MEAN)
def test_all_moments_treat_the_clip_mean_alike_and_alignments_change_scoring_only(
    clip_mean: str,
) -> None:
    scoring = methods.REGISTRY.get("a2m2").scoring
    for moments in MOMENTS:
        options = read("a2m2-motions-lite0", options_of(moments, clip_mean)).method.options
        assert isinstance(options["moments"], dict)
        assert options["moments"]["subtract_clip_mean"] is CLIP_MEAN[clip_mean]
        for changes in ALIGNMENTS.values():
            assert set(changes) | set(PLAIN) <= scoring
            assert methods.create(
                "a2m2", **{**options, **PLAIN, **changes, "moments.in_channels": 112}
            )


def test_claims_compare_two_measured_pairs() -> None:
    for better, worse in CLAIMS.values():
        assert better != worse
        assert all(moments in MOMENTS and how in ALIGNMENTS for moments, how in (better, worse))
