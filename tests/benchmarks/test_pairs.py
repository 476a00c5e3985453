"""Similarities that are looked up score as the method itself does, with and without its steps."""

from dataclasses import replace

import pytest
import torch

from benchmarks.handheld import COLUMNS
from benchmarks.pairs import LookedUp, compare_within, encode_videos
from fewact import backbones
from fewact.synthetic import motions

WAYS, SHOTS = 2, 2


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS)
def test_looked_up_similarities_score_as_the_method_does(column: str) -> None:
    videos = motions("misaligned", videos=SHOTS + 1).videos.of("test")
    labels = sorted({video.label for video in videos.videos})[:WAYS]
    kept = [video for label in labels for video in videos.videos if video.label == label]
    method = COLUMNS[column].method()
    (nodes,) = encode_videos([method], backbones.create(), replace(videos, videos=tuple(kept)))
    numbers = torch.arange(len(kept)).view(WAYS, SHOTS + 1)
    support, query = numbers[:, :SHOTS].flatten(), numbers[:, SHOTS:].flatten()
    truth = torch.arange(WAYS).repeat_interleave(SHOTS)[None]
    with torch.inference_mode():
        state = method.support({k: v[:, support] for k, v in nodes.items()}, truth, WAYS)
        expected = method.score(state, {k: v[:, query] for k, v in nodes.items()})
        looked_up = LookedUp(method, compare_within(method, nodes))
        found = looked_up.score(
            looked_up.support({"number": support[None]}, truth, WAYS), {"number": query[None]}
        )
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
