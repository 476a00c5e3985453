"""Tables of pairs score as the method itself does, with and without its steps."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.handheld import COLUMNS
from benchmarks.pairs import encode_videos
from fewact import networks
from fewact.methods.base import rows
from fewact.methods.protocols import MOST_PAIRS, bank_scorer
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
    numbers = np.arange(len(kept)).reshape(1, WAYS, SHOTS + 1)
    support, query = (part.reshape(1, -1) for part in np.split(numbers, [SHOTS], -1))
    truth = np.arange(WAYS).repeat(SHOTS)[None]
    expected = method.score(method.support(rows(nodes, support), truth, WAYS), rows(nodes, query))
    within = bank_scorer(method, nodes, nodes, MOST_PAIRS)
    across = bank_scorer(method, rows(nodes, support[0]), rows(nodes, query[0]), MOST_PAIRS)
    assert within is not None
    assert across is not None
    found = [
        within(support, truth, WAYS, query),
        across(np.arange(WAYS * SHOTS)[None], truth, WAYS, np.arange(WAYS)[None]),
    ]
    assert expected.std() > 0
    for logits in found:
        np.testing.assert_allclose(logits, expected, atol=2e-6, rtol=0)
