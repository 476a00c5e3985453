"""HyRSM and the set matching alone, against vectors and by what the paper says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import TorchMethod, TrainingBatch
from fewact.lab.methods.common.attention import position_table
from tests.lab.methods.weights import load, tensors, transformer, under

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def episode(case: dict[str, Any], method: TorchMethod, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """Nodes of support and queries, and the support's labels."""
    support, query = (
        torch.tensor(case["inputs"][name], dtype=dtype)[None] for name in ("support", "query")
    )
    request = FeatureRequest("vectors", View(support.shape[2]))
    labels = torch.tensor([case["inputs"]["labels"]])
    return method.encode({request: support}), method.encode({request: query}), labels


@pytest.mark.vectors("hyrsm.json")
@DTYPES
def test_hyrsm_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    params, weights, support = case["params"], case["weights"], case["inputs"]["support"]
    frames, width = len(support[0]), len(support[0][0])
    method = methods.create(
        "hyrsm",
        frames=frames,
        vector_width=width,
        heads=params["heads"],
        shot_aggregation="prototype" if params["merge"] else "mean",
        feature_divisor=params["A"],
        position_weight=params["B"],
    ).eval()
    relation = under("inter", transformer(weights["inter"])) | tensors(
        {"fuse.weight": weights["fuse_w"], "fuse.bias": weights["fuse_b"]}
    )
    load(method, under("intra", transformer(weights["intra"])) | under("relation", relation))
    method.to(dtype)
    with torch.no_grad():
        nodes, queries, labels = episode(case, method, dtype)
        found = method.support(nodes, labels, int(labels.max()) + 1)
        shifts = method.relation.shifts(found.items, queries)  # (1 q p+1 d)
        inside = [
            method.inside(torch.tensor(case["inputs"][name], dtype=dtype))
            for name in ("support", "query")
        ]
        got = {
            "intra_s": inside[0],
            "intra_q": inside[1],
            "task_s_for_query0": found.items["mapped"][0] + shifts[0, 0, :-1, None],
            "task_q_for_query0": queries["mapped"][0, 0] + shifts[0, 0, -1:],
            "logits": method.score(found, queries)[0],
            "positional_table": position_table(frames, width),
        }
    compare(case, got, float32=dtype == torch.float32)


@pytest.mark.vectors("bi_mhm.json")
@DTYPES
def test_set_matching_alone_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    if "query" not in case["inputs"]:
        pytest.skip("an alignment alone, without an episode")
    support = case["inputs"]["support"]

    def scored(**options: Any) -> torch.Tensor:
        method = methods.create(
            "hyrsm",
            frames=len(support[0]),
            vector_width=len(support[0][0]),
            relations="none",
            eps=case["params"]["eps"],
            **{name: value for name, value in options.items() if name != "each"},
        )
        nodes, queries, labels = episode(case, method, dtype)
        if options.get("each"):
            labels = torch.arange(len(support))[None]
        return method.score(method.support(nodes, labels, int(labels.max()) + 1), queries)[0]

    got = {
        "distance_sum": -scored(each=True),
        "distance_mean": -scored(each=True, reduction="mean"),
        "logits_sum_average_over_shots": scored(shot_aggregation="mean"),
        "logits_sum_to_class_mean_frames": scored(),
        "logits_mean_to_class_mean_frames": scored(reduction="mean"),
    }
    compare(case, got, float32=dtype == torch.float32)


REQUEST = FeatureRequest("vectors", View(5))


def videos(*leading: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*leading, 5, 16, generator=torch.Generator().manual_seed(seed)).double()


def small(**options: Any) -> TorchMethod:
    method = methods.create("hyrsm", frames=5, vector_width=16, heads=4, **options)
    return method.double().eval()


def logits(method: TorchMethod, support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    labels = torch.tensor([[0, 1, 2, 0, 1, 2][: support.shape[1]]])
    with torch.no_grad():
        state = method.support(method.encode({REQUEST: support}), labels, 3)
        return method.score(state, method.encode({REQUEST: query}))


def test_both_heads_agree_with_one_shot_and_differ_with_two() -> None:
    support, query = videos(1, 6), videos(1, 4, seed=1)
    merged, single = small(), small(shot_aggregation="mean")
    one = support[:, :3]
    torch.testing.assert_close(logits(merged, one, query), logits(single, one, query))
    assert not torch.allclose(logits(merged, support, query), logits(single, support, query))
    assert (logits(merged, support, query) <= 0).all()


@pytest.mark.parametrize("options", [{"position_weight": 0.0}, {"relations": "none"}], ids=str)
def test_without_positions_the_order_of_frames_is_irrelevant(options: dict[str, Any]) -> None:
    support, query = videos(1, 3), videos(1, 4, seed=1)
    method = (
        small(**options)
        if "relations" not in options
        else methods.create("hyrsm", frames=5, vector_width=16, **options)
    )
    expected = logits(method, support, query)
    torch.testing.assert_close(logits(method, support.flip(2), query), expected)
    if "relations" not in options:
        ordered = small()
        assert not torch.allclose(
            logits(ordered, support.flip(2), query), logits(ordered, support, query)
        )


def test_supports_depend_on_the_query_of_their_task() -> None:
    method = small()
    support, query = videos(1, 3), videos(1, 2, seed=1)
    items, asked = (method.encode({REQUEST: x}) for x in (support, query))
    shifts = method.relation.shifts(items, asked)
    assert shifts.shape == (1, 2, 4, 16)
    assert not torch.allclose(shifts[:, 0], shifts[:, 1])
    alone = method.relation.shifts(items, {name: value[:, 1:] for name, value in asked.items()})
    torch.testing.assert_close(alone[:, 0], shifts[:, 1])


def test_each_frame_is_classified_in_training() -> None:
    method, heads = small(), []

    def classify(nodes: Any) -> torch.Tensor:
        heads.append(method.class_vectors(nodes))
        return heads[-1][..., :4]

    labels = torch.tensor([[0, 1, 2]])
    batch = TrainingBatch(
        {REQUEST: videos(1, 3)},
        labels,
        {REQUEST: videos(1, 3, seed=1)},
        labels,
        3,
        base_classes=torch.tensor([[3, 0, 2]]),
        classify=classify,
    )
    losses = method.losses(batch)
    assert losses.keys() == {"cross_entropy", "base_class"}
    (vectors,) = heads
    assert vectors.shape == (1, 6, 5, 16)
    each = vectors[..., :4].log_softmax(-1)
    expected = [each[0, v, :, (3, 0, 2)[v % 3]].mean() for v in range(6)]
    torch.testing.assert_close(losses["base_class"], -torch.stack(expected).mean())
