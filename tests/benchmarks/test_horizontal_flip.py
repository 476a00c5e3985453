"""The columns of the table of horizontal flips."""

import torch

from benchmarks.fusion_variants import of_moving_cameras
from benchmarks.horizontal_flip import columns
from tests.methods.fusion.made_up import create, features


def test_with_the_option_flipped_queries_are_as_similar_as_original_ones() -> None:
    plain, option = (of_moving_cameras(create(horizontal_flip=flip)) for flip in (False, True))
    clips = features(1, 4)
    flipped = {one: value.flip(-1) if value.ndim > 4 else value for one, value in clips.items()}
    original, turned = ([one.encode(x) for one in (plain, option)] for x in (clips, flipped))
    methods, across, _ = zip(*columns((plain, option), original, turned), strict=True)
    assert methods == (plain, option, plain, option, plain)
    for number in (3, 4):  # The network of learned motion is not as sure of flipped queries.
        torch.testing.assert_close(across[number], across[1], atol=0.01, rtol=0)
    assert (across[2] - across[0]).abs().max() > 0.1
