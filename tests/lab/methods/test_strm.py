"""STRM against vectors, and against what its note promises."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch

from fewact.core.errors import ShapeError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import Nodes, TrainingBatch
from fewact.lab.methods.common import shots, tuples
from fewact.lab.methods.strm import STRM
from tests.lab.methods.test_trx import attention
from tests.lab.methods.weights import load, tensors, under
from tests.methods.made_up import drawn
from tests.refused import refused

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
T, C = 4, 6
SMALL = {"frames": T, "map_channels": C, "key_width": 5}
REQUEST = FeatureRequest("maps", View(T))
PATCH = {"Wq": "queries.weight", "bq": "queries.bias", "Wk": "keys.weight", "bk": "keys.bias"} | {
    **{"Wv": "values.weight", "bv": "values.bias", "gamma": "gate"},
    **{"m1": "layers.0.weight", "c1": "layers.0.bias", "m2": "layers.2.weight"},
    **{"c2": "layers.2.bias", "m3": "layers.4.weight", "c3": "layers.4.bias"},
}
FRAME = {"t1": "time.0.weight", "e1": "time.0.bias", "t2": "time.2.weight", "e2": "time.2.bias"} | {
    **{"n1": "channels.0.weight", "f1": "channels.0.bias"},
    **{"n2": "channels.2.weight", "f2": "channels.2.bias"},
}


def create(**options: Any) -> STRM:
    method = methods.create("strm", **{**SMALL, **options})
    assert isinstance(method, STRM)
    return method.eval().double()


def renamed(names: dict[str, str], values: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {names[name]: value for name, value in tensors(values).items()}


@pytest.mark.vectors("strm.json")
@DTYPES
def test_strm_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    support, query = (
        torch.tensor(case["inputs"][name], dtype=dtype)[None]
        for name in ("support_patches", "query_patches")
    )
    labels = torch.tensor(case["inputs"]["labels"])[None]
    given, params = case["weights"], case["params"]
    method = create(
        frames=support.shape[2],
        map_channels=support.shape[-1],
        cardinality=params["cardinality"],
        key_width=len(given["trx"]["bk"]),
        query_class_weight=params["lambda_query_class"],
    )
    qc = tensors(given["qc"])
    load(
        method,
        under("patch", renamed(PATCH, given["patch"]))
        | under("frame", renamed(FRAME, given["frame"]))
        | under("attention", attention(given["trx"]))
        | {"query_class.weight": qc["Wc"], "query_class.bias": qc["bc"]},
    )
    method = method.to(dtype)
    nodes, asked = method.encode_patches(support), method.encode_patches(query)
    state = method.support(nodes, labels, int(labels.max()) + 1)
    patch_s, patch_q = method.patch(support)[0], method.patch(query)[0]
    got = {
        "patch_s": patch_s,
        "patch_q": patch_q,
        "frame_s": method.frame(patch_s),
        "frame_q": method.frame(patch_q),
        "logits_query_class": method.similarity(state, asked)[0],
        "logits_trx": tuples.tuple_scores(asked["keys"], asked["values"], state[0])[0],
        "logits": method.score(state, asked)[0],
    }
    compare(case, got, float32=dtype == torch.float32)


def encoded(method: STRM, *shape: int, seed: int = 0) -> Nodes:
    return method.encode({REQUEST: drawn(*shape, T, C, 7, 7, seed=seed)})


LABELS = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0]])  # three shots, and one


@pytest.mark.parametrize("limit", [1, 2**22])
def test_the_similarity_is_the_distance_to_the_nearest_tuple(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shots, "MAX_ELEMENTS", limit)
    method = create()
    nodes, asked = encoded(method, 2, 4), encoded(method, 2, 3, seed=1)
    got = method.similarity(method.support(nodes, LABELS, 2), asked)
    assert nodes["embedded"].shape[2] == len(list(combinations(range(T), 2)))
    for b in range(2):
        for q in range(3):
            for c in range(2):
                own, found = asked["embedded"][b, q], nodes["embedded"][b][LABELS[b] == c]
                distances = (own[:, None] - found.flatten(0, 1)).square().sum(-1).sqrt()
                expected = -distances.min(1).values.mean()
                torch.testing.assert_close(got[b, q, c], expected)
    assert (got <= 0).all()


def test_the_nearest_tuple_is_found_far_from_the_origin() -> None:
    support = (100 + 0.01 * drawn(1, 3, 28, 64)).float()
    query = (support[:, :1] + 1e-4 * drawn(1, 1, 28, 64, seed=1)).float()
    labels = torch.tensor([[0, 1, 0]])  # class 1 is padded

    def found(dtype: torch.dtype) -> torch.Tensor:
        own = tuples.class_tuples(support.to(dtype), None, labels, 2)
        return tuples.nearest_tuple_scores(query.to(dtype), own)

    torch.testing.assert_close(found(torch.float32).double(), found(torch.float64))


def test_maps_are_max_pooled_to_patches_row_by_row() -> None:
    method = create(grid=2)
    maps = drawn(1, 1, T, C, 4, 6)
    quarters = [maps[..., y : y + 2, x : x + 3].amax((-2, -1)) for y in (0, 2) for x in (0, 3)]
    expected = method.encode_patches(torch.stack(quarters, -2))
    got = method.encode({REQUEST: maps})
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value)


def test_without_its_gate_attention_is_irrelevant() -> None:
    method, patches = create(), drawn(2, T, 9, C)
    before = method.patch(patches)
    torch.nn.init.normal_(method.patch.queries.weight, std=5.0)
    assert torch.equal(method.patch(patches), before)
    method.patch.gate.data.fill_(0.5)
    assert not torch.allclose(method.patch(patches), before)


def test_repeated_shots_change_neither_score() -> None:
    method = create()
    nodes, asked = encoded(method, 2, 4), encoded(method, 2, 3, seed=1)
    twice = {name: torch.cat([value, value], 1) for name, value in nodes.items()}
    once, again = (
        method.support(x, y, 2) for x, y in ((nodes, LABELS), (twice, LABELS.repeat(1, 2)))
    )
    torch.testing.assert_close(method.score(again, asked), method.score(once, asked))
    torch.testing.assert_close(method.similarity(again, asked), method.similarity(once, asked))


def test_without_the_similarity_it_is_trx_on_enriched_frames() -> None:
    method = create(query_class_weight=0.0)
    trx = methods.create("trx", frames=T, vector_width=C, key_width=5, cardinalities=(2,))
    trx.double().eval().load_state_dict(
        {f"attention.2.{name}": value for name, value in method.attention.state_dict().items()}
    )
    patches, others = drawn(1, 4, T, 9, C), drawn(1, 3, T, 9, C, seed=1)
    request = FeatureRequest("vectors", View(T))
    frames, queries = (
        trx.encode({request: method.frame(method.patch(x))}) for x in (patches, others)
    )
    expected = trx.score(trx.support(frames, LABELS[:1], 2), queries)
    state = method.support(method.encode_patches(patches), LABELS[:1], 2)
    torch.testing.assert_close(method.score(state, method.encode_patches(others)), expected)


def test_both_classifiers_are_trained() -> None:
    labels = torch.tensor([[0, 1, 0, 1]])
    batch = TrainingBatch(
        {REQUEST: drawn(1, 4, T, C, 7, 7)}, labels, {REQUEST: drawn(1, 4, T, C, 7, 7)}, labels, 2
    )
    for mode, learns in (("trained", True), ("frozen", False)):
        method = create(query_class=mode)
        losses = method.losses(batch)
        assert set(losses) == {"cross_entropy", "query_class"}
        nodes, asked = method.encode(batch.support), method.encode(batch.query)
        similarity = method.similarity(method.support(nodes, labels, 2), asked)
        expected = 0.1 * torch.nn.functional.cross_entropy(similarity[0], labels[0])
        torch.testing.assert_close(losses["query_class"], expected)
        sum(losses.values()).backward()
        assert (method.query_class.weight.grad is not None) == learns
        assert method.patch.layers[0].weight.grad.abs().sum() > 0


def test_the_query_class_module_is_a_part_and_quiet_in_evaluation() -> None:
    method, again = create(seed=1), create(seed=2)
    assert {"query_class.weight", "query_class.bias"} <= set(method.state_dict())
    again.load_state_dict(method.state_dict())
    maps = drawn(2, T, C, 7, 7)
    first, second = (one.encode({REQUEST: maps})["embedded"] for one in (method, again))
    assert torch.equal(first, second)
    method.train()
    assert not torch.equal(method.encode({REQUEST: maps})["embedded"], first)


def test_maps_of_another_backbone_are_refused() -> None:
    with refused(ShapeError, where="maps", hint="map_channels=7"):
        create().encode({REQUEST: drawn(1, T, 7, 3, 3)})
