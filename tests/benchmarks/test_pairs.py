"""Tables of pairs score as the method itself does, with and without its steps."""

from dataclasses import replace

import pytest
import torch

from benchmarks.handheld import COLUMNS
from benchmarks.pairs import encode_videos
from fewact import networks
from fewact.methods.base import MOST_PAIRS, rows
from fewact.synthetic import motions

WAYS, SHOTS = 2, 2


@pytest.mark.slow
@pytest.mark.parametrize("column", [*COLUMNS][::4])
def test_looked_up_similarities_score_as_the_method_does(column: str) -> None:
    videos = motions("misaligned", videos=SHOTS + 1).videos.of("test")
    labels = sorted({video.label for video in videos.videos})[:WAYS]
    kept = [video for label in labels for video in videos.videos if video.label == label]
    method = COLUMNS[column].method()
    (nodes,) = encode_videos([method], networks.create(), replace(videos, videos=tuple(kept)))
    numbers = torch.arange(len(kept)).view(WAYS, SHOTS + 1)
    support, query = numbers[None, :, :SHOTS].flatten(1), numbers[None, :, SHOTS:].flatten(1)
    truth = torch.arange(WAYS).repeat_interleave(SHOTS)[None]
    with torch.inference_mode():
        expected = method.score(
            method.support(rows(nodes, support), truth, WAYS), rows(nodes, query)
        )
        within = method.bank_scorer(nodes, nodes, MOST_PAIRS)
        across = method.bank_scorer(rows(nodes, support[0]), rows(nodes, query[0]), MOST_PAIRS)
        assert within is not None
        assert across is not None
        found = [
            within(support, truth, WAYS, query),
            across(numbers.view(1, -1)[:, : len(truth[0])], truth, WAYS, torch.arange(WAYS)[None]),
        ]
    assert expected.std() > 0
    for logits in found:
        torch.testing.assert_close(logits, expected, atol=2e-6, rtol=0)
