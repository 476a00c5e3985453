"""Scores of videos in a bank against scores of copied nodes: the same decisions."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact import align
from fewact.data import Video, VideoList
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, evaluate_method
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.result import hits
from fewact.lab.evaluation.scoring import Scorer
from fewact.lab.methods.base import TorchMethod
from fewact.methods.common import kernel

evaluate_module = import_module("fewact.lab.evaluation.scoring")

VECTORS = {
    "moments.level": "vectors",
    "moments.reduction": "orthogonal",
    "moments.width": 16,
    "moments.subtract_clip_mean": False,
}


def create(**options: Any) -> TorchMethod:
    return methods.create("a2m2", **VECTORS, **options)


@pytest.fixture(scope="module")
def data(assets: Path) -> FeatureDataset:
    file = assets / "features" / "mobilenet_v2_t8.npz"
    return FeatureDataset(file, groups="none", dataset="ucf7")


ALIGNERS = [
    pytest.param(name, shots, marks=() if name in ("emd", "otam") else pytest.mark.slow)
    for name in align.names()
    for shots in (1, 5)
]


@pytest.mark.assets
@pytest.mark.parametrize(("name", "shots"), ALIGNERS)
def test_no_decision_differs_on_real_features(data: FeatureDataset, name: str, shots: int) -> None:
    method = create(**{"alignment.name": name})
    bank = encode_list(method, ArrayFeatures(data.features), data.videos)
    count = (3 if shots == 1 else 1) if name == "sinkhorn" else 30  # which is slow
    episodes = draw(data.videos, Protocol(ways=5, shots=shots, queries=3, count=count))
    by_copies, by_rows = (
        Scorer(method, episodes, bank, bank, copies=copies) for copies in (True, False)
    )
    assert by_copies.bank is None
    assert by_rows.bank is not None
    found = [
        np.concatenate([score(batch).predictions for batch in range(len(score.batches))])
        for score in (by_copies, by_rows)
    ]
    assert 0.3 < hits(found[0], 5).mean() < 1
    assert (found[0] == found[1]).all()


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


def bank_scorer_of(
    method: TorchMethod, support: torch.Tensor, query: torch.Tensor, name: str = "nodes"
) -> Any:
    found = method.bank_scorer({name: support}, {name: query})
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
        {"distance": "euclidean"},
        {"frame_matching": "diagonal"},
    ],
    ids=str,
)
def test_options_that_need_the_nodes_themselves(options: dict[str, Any]) -> None:
    frames, nodes = {"frames": torch.rand(4, 1, 16)}, {"nodes": torch.rand(4, 14, 136)}
    if options.keys() & {"distance", "frame_matching"}:
        assert methods.create("protonet", **options).bank_scorer(frames, frames) is None
    else:
        assert create(**options).bank_scorer(nodes, nodes) is None


@pytest.mark.assets
def test_queries_of_another_bank(data: FeatureDataset) -> None:
    episodes = draw(data.videos, Protocol(ways=5, shots=1, queries=1, count=60))
    source = ArrayFeatures(data.features)
    other = ArrayFeatures(data.features[:, ::-1].copy())
    backwards = evaluate_method(create(), source, data.videos, episodes, query_source=other)
    forwards = evaluate_method(create(), source, data.videos, episodes)
    assert backwards.per_episode != forwards.per_episode


HEADS = [
    ("ridge", {}),
    ("lda", {}),
    ("lda", {"unit_length": False, "frame_order": "pooled"}),
    ("simpleshot", {}),
    ("simpleshot", {"centre": "none"}),
    ("protonet", {}),
    ("protonet", {"frame_matching": "concatenated"}),
    ("protonet", {"shot_aggregation": "mean", "temperature": 0.1}),
    ("protonet", {"eps": 0.0}),
]


@pytest.mark.assets
@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize(("name", "options"), HEADS, ids=str)
def test_logits_from_products_of_real_features(
    data: FeatureDataset, name: str, options: dict[str, Any], shots: int
) -> None:
    method = methods.create(name, **options)
    bank = encode_list(method, ArrayFeatures(data.features), data.videos)
    episodes = draw(data.videos, Protocol(ways=5, shots=shots, queries=3, count=20))
    rows, queries = (torch.from_numpy(bank.rows(x)) for x in (episodes.support, episodes.query))
    labels = torch.arange(5).repeat_interleave(shots).flip(0).expand(len(rows), -1)
    ((key, nodes),) = bank.tensors.items()
    with torch.inference_mode():
        state = method.support({key: nodes[rows]}, labels, 5)
        expected = method.score(state, {key: nodes[queries]})
        got = bank_scorer_of(method, nodes, nodes, key)(rows, labels, 5, queries)
    assert expected.std() > 0.05
    tolerance = 2e-6 if name == "protonet" else 2e-5
    scale = float(expected.abs().max())
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.assets
@pytest.mark.parametrize("comparisons", [0, 10**6])
@pytest.mark.parametrize("shots", [1, 2, 5])
def test_fusion_of_real_vectors(data: FeatureDataset, shots: int, comparisons: int) -> None:
    vectors = torch.from_numpy(data.features).float()[::3]
    vectors[::4] = vectors[::4, :1]  # static videos
    vectors[1] = 0
    vectors[2, 3] = 0
    vectors[:, :, 5] = 3
    _check_fusion(vectors, vectors, shots, comparisons)


@pytest.mark.parametrize("comparisons", [0, 10**6])
def test_fusion_of_signed_vectors_and_other_queries(comparisons: int) -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(v, 6, 40, generator=generator) for v in (30, 20))
    _check_fusion(support, query + 0.5, 3, comparisons)


def _check_fusion(support: torch.Tensor, query: torch.Tensor, shots: int, comparisons: int) -> None:
    """Compare the scores of rows with those of copies, both against float64."""
    generator = torch.Generator().manual_seed(1)
    rows, queries = (
        torch.stack([torch.randperm(len(x), generator=generator)[:count] for _ in range(4)])
        for x, count in ((support, 5 * shots), (query, 6))
    )
    rows[:, 0], queries[:, 0] = torch.arange(4), torch.arange(4)  # of the unusual videos
    labels = torch.arange(5).repeat_interleave(shots)
    labels[-1:] = 0 if shots > 1 else 4  # uneven shots
    labels = labels.expand(4, -1)
    method, exact = (methods.create("fusion_vectors", frames=support.shape[1]) for _ in range(2))
    with torch.inference_mode():
        state = exact.support({"vectors": support.double()[rows]}, labels, 5)
        expected = exact.score(state, {"vectors": query.double()[queries]})
        score = method.bank_scorer({"vectors": support}, {"vectors": query}, comparisons)
        assert score is not None
        got = score(rows, labels, 5, queries)
    assert expected.std() > 0.05
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("limit", [None, 10])
def test_pairs_in_a_table(limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if limit is not None:
        monkeypatch.setattr(kernel, "MOST_NUMBERS", limit)
    asked = []

    def compare(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        asked.append(first.shape[1] * second.shape[1])
        return torch.stack(
            [first[:, :, None] + second[:, None], first[:, :, None] * second[:, None]], -1
        )

    rows = torch.arange(100)
    table = kernel.PairTable(compare, rows, rows, symmetric=True, comparisons=5000)
    computed = sum(asked)
    first, second = torch.randint(100, (2, 3, 7))
    found = table(first, second)
    assert (
        found[1, 2, 3] == torch.stack([first[1, 2] + second[1, 3], first[1, 2] * second[1, 3]])
    ).all()
    assert found.shape == (3, 7, 7, 2)
    assert (sum(asked) == computed) == (limit is None)
    assert computed < 0.8 * 100**2
    asked.clear()
    kernel.PairTable(compare, rows, rows, symmetric=True, comparisons=4999)
    assert not asked


@pytest.mark.assets
def test_pairs_once_and_in_each_episode_have_the_same_logits(data: FeatureDataset) -> None:
    method = create()
    bank = encode_list(
        method, ArrayFeatures(data.features[:60]), VideoList("60", data.videos.videos[:60])
    )
    nodes = bank.tensors["nodes"]
    rows, queries = (torch.stack([torch.randperm(60)[:k] for _ in range(5)]) for k in (6, 4))
    labels = torch.tensor([0, 0, 1, 1, 2, 2]).expand(5, -1)
    with torch.inference_mode():
        each, once = (
            method.bank_scorer({"nodes": nodes}, {"nodes": nodes}, comparisons)
            for comparisons in (0, 10**6)
        )
        assert each is not None
        assert once is not None
        expected, got = (score(rows, labels, 3, queries) for score in (each, once))
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "lda", "simpleshot"])
def test_what_centring_removes_is_not_rounding(name: str) -> None:
    # One part in ten thousand differs between videos: products in float32 do not see it.
    vectors = 1e4 + torch.rand(12, 64, generator=torch.Generator().manual_seed(0))
    vectors[:3] = vectors[0]  # the same video three times
    method = methods.create(name)
    rows, labels = torch.tensor([[3, 4, 5, 6], [0, 1, 2, 7]]), torch.tensor([[0, 0, 1, 1]] * 2)
    queries = torch.tensor([[8, 9, 10], [0, 8, 11]])
    with torch.inference_mode():
        state = method.support({"vector": vectors[rows]}, labels, 2)
        expected = method.score(state, {"vector": vectors[queries]})
        score = method.bank_scorer({"vector": vectors}, {"vector": vectors})
        torch.testing.assert_close(score(rows, labels, 2, queries), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip_fsar", "semantic_prompt", "clip_spm", "zero_shot"])
@pytest.mark.parametrize("shots", [1, 2])
def test_a_text_meets_its_videos_once(
    name: str, shots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((40, 8, 16)).astype(np.float32)
    features += 0.3 * np.repeat(generator.standard_normal((8, 1, 16)), 5, 0).astype(np.float32)
    videos = VideoList("made up", tuple(Video(str(i), f"class {i // 5}") for i in range(40)))
    text = torch.from_numpy(generator.standard_normal((8, 16)).astype(np.float32))
    small = {"hidden": 32, "heads": 2} if name != "zero_shot" else {}
    method = methods.create(name, vector_width=16, **small)
    episodes = draw(videos, Protocol(ways=4, shots=shots, queries=2, count=20))
    named = evaluate_module._with_text
    banks = []

    def kept(*arguments: Any) -> Any:
        banks.append(named(*arguments))
        return banks[-1]

    monkeypatch.setattr(evaluate_module, "_with_text", kept)
    once = evaluate_method(method, ArrayFeatures(features), videos, episodes, text=text)
    monkeypatch.setattr(evaluate_module, "_with_text", lambda _, bank, *__: bank)
    each = evaluate_method(method, ArrayFeatures(features), videos, episodes, text=text)
    assert {len(x) for x in banks[0].tensors.values()} == {40}
    names = {"named", "tokens", "text", "own_text", "query", "key", "value"}
    assert banks[0].tensors.keys() <= names
    assert 10 < once.accuracy < 100
    assert once.per_episode == each.per_episode
