"""Scores of videos in a bank against scores of copied nodes: the same decisions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact import align, methods
from fewact.data import FeatureDataset
from fewact.encoding import encode_list
from fewact.episodes import Protocol, draw
from fewact.evaluation import ArrayFeatures, evaluate_method
from fewact.evaluation.scoring import Scorer, bank_scorer, plan
from fewact.methods.base import Method

VECTORS = {
    "moments.level": "vectors",
    "moments.reduction": "orthogonal",
    "moments.width": 16,
    "moments.subtract_clip_mean": False,
}


def create(**options: Any) -> Method:
    return methods.create("a2m2", **VECTORS, **options).eval()


ALIGNERS = [
    pytest.param(name, shots, marks=() if name in ("emd", "otam") else pytest.mark.slow)
    for name in align.names()
    for shots in (1, 5)
]


@pytest.mark.assets
@pytest.mark.parametrize(("name", "shots"), ALIGNERS)
def test_no_decision_differs_on_real_features(assets: Path, name: str, shots: int) -> None:
    data = FeatureDataset(
        assets / "features" / "mobilenet_v2_t8.npz", groups="none", dataset="ucf7"
    )
    method = create(**{"alignment.name": name})
    bank = encode_list(method, ArrayFeatures(data.features), data.videos)
    episodes = draw(data.videos, Protocol(5, shots, 3, 30, 0, "none"))
    scorer = bank_scorer(method, bank, bank)
    assert scorer is not None
    copied, read = plan(episodes, bank), plan(episodes, bank, copies=False)
    by_copies = Scorer(method, episodes, bank, bank, copied)
    by_rows = Scorer(method, episodes, bank, bank, read, bank=scorer)
    hits = [
        np.concatenate([score(batch) for batch in range(len(batches))])
        for score, batches in ((by_copies, copied), (by_rows, read))
    ]
    assert 0.3 < hits[0].mean() < 1
    assert (hits[0] == hits[1]).all()


@pytest.mark.parametrize("weights", ["cross", "uniform"])
def test_logits(weights: str) -> None:
    method = create(**{"alignment.weights": weights})
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.rand(v, 14, 136, generator=generator) for v in (20, 12))
    labels = torch.tensor([[0, 0, 1, 1, 2], [2, 1, 1, 0, 0]])  # uneven shots
    rows = torch.stack([torch.randperm(20, generator=generator)[:5] for _ in range(2)])
    queries = torch.randint(12, (2, 4), generator=generator)
    score = bank_scorer_of(method, support, query)
    with torch.inference_mode():
        state = method.support({"nodes": support[rows]}, labels, 3)
        expected = method.score(state, {"nodes": query[queries]})
        got = score(rows, labels, 3, queries)
    assert got.shape == (2, 4, 3)
    assert expected.std() > 0.01
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-5)


def bank_scorer_of(method: Method, support: torch.Tensor, query: torch.Tensor) -> Any:
    found = method.bank_scorer({"nodes": support}, {"nodes": query})  # type: ignore[operator]
    assert found is not None
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"shot_aggregation": "prototype", "intra_class_weight": 0.0},
        {"shot_aggregation": "union", "intra_class_weight": 0.0},
        {"moments.normalise": "support_mean"},
        {"alignment.weights": "self"},
        {"alignment.name": "cosine", "alignment.time_weight": 0.0},
    ],
    ids=str,
)
def test_options_that_need_the_nodes_themselves(options: dict[str, Any]) -> None:
    method = create(**options)
    nodes = {"nodes": torch.rand(4, 14, 136)}
    assert method.bank_scorer(nodes, nodes) is None  # type: ignore[operator]


@pytest.mark.assets
def test_queries_of_another_bank(assets: Path) -> None:
    data = FeatureDataset(
        assets / "features" / "mobilenet_v2_t8.npz", groups="none", dataset="ucf7"
    )
    episodes = draw(data.videos, Protocol(5, 1, 1, 60, 0, "none"))
    source = ArrayFeatures(data.features)
    other = ArrayFeatures(data.features[:, ::-1].copy())
    backwards = evaluate_method(create(), source, data.videos, episodes, query_source=other)
    forwards = evaluate_method(create(), source, data.videos, episodes)
    assert backwards.per_episode != forwards.per_episode
