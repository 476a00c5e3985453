"""Prototype baselines against vectors and against what they promise."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fewact.core.errors import ShapeError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods

RULES = {
    "cos_to_prototype": {},
    "cos_to_prototype_noeps": {"eps": 0.0},
    "mean_of_cos_over_shots": {"shot_aggregation": "mean"},
    "neg_sq_euclid": {"distance": "squared_euclidean"},
    "neg_euclid": {"distance": "euclidean"},
    "logits_mean_average_over_shots": {"frame_matching": "diagonal", "shot_aggregation": "mean"},
    "logits_mean_to_class_mean_frames": {"frame_matching": "diagonal"},
}


def logits(case: dict[str, Any], dtype: torch.dtype, **options: Any) -> torch.Tensor:
    support, query = (
        torch.tensor(case["inputs"][name], dtype=dtype) for name in ("support", "query")
    )
    labels = torch.tensor(case["inputs"]["labels"])
    method = methods.create("protonet", frames=support.shape[1], **options)
    request = FeatureRequest("vectors", View(support.shape[1]))
    nodes = [{k: v[None] for k, v in method.encode({request: x}).items()} for x in (support, query)]
    state = method.support(nodes[0], labels[None], int(labels.max()) + 1)
    return method.score(state, nodes[1])[0]


@pytest.mark.vectors("protonet.json")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_protonet_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    eps = {"eps": case["params"]["eps"]}
    got: dict[str, Any] = {
        name: logits(case, dtype, **{**eps, **rule}) for name, rule in RULES.items()
    }
    # Distances of single videos are minus the logits where each support is a class of its own.
    each = {**case, "inputs": {**case["inputs"]}}
    each["inputs"]["labels"] = list(range(len(case["inputs"]["labels"])))
    got["distance_mean"] = -logits(each, dtype, frame_matching="diagonal", **eps)
    got["distance_sum"] = got["distance_mean"] * len(case["inputs"]["support"][0])
    compare(case, got, float32=dtype == torch.float32)


def frames(b: int = 1, s: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(b, s, 8, 6, generator=torch.Generator().manual_seed(seed))


def score(support: torch.Tensor, query: torch.Tensor, labels: list[int], **options: Any):
    method = methods.create("protonet", **options)
    nodes = [method.encode({FeatureRequest("vectors", View(8)): x}) for x in (support, query)]
    state = method.support(nodes[0], torch.tensor([labels]), max(labels) + 1)
    return method.score(state, nodes[1])


@pytest.mark.parametrize("order", ["pooled", "concatenated", "diagonal", "all_pairs"])
def test_only_orders_that_look_at_time_change_with_time(order: str) -> None:
    support, query = frames(seed=0), frames(seed=1)
    forward = score(support, query, [0, 1, 2, 3], frame_matching=order)
    backward = score(support, query.flip(2), [0, 1, 2, 3], frame_matching=order)
    assert torch.allclose(forward, backward, atol=1e-6) == (order in ("pooled", "all_pairs"))


def test_joined_frames_of_length_one_average_the_frames_cosines() -> None:
    support, query = frames(seed=0), frames(seed=1)
    joined = score(
        support, query, [0, 1, 2, 3], frame_matching="concatenated", unit_frames=True, eps=0
    )
    diagonal = score(support, query, [0, 1, 2, 3], frame_matching="diagonal", eps=0)
    torch.testing.assert_close(joined - 1, diagonal)


def test_all_pairs_sums_over_the_support_and_averages_over_the_query() -> None:
    support, query = frames(s=1, seed=0), frames(s=1, seed=1)
    cosine = torch.nn.functional.cosine_similarity(
        query[0, 0][:, None], support[0, 0][None], dim=-1
    )
    got = score(torch.cat([support, support], 1), query, [0, 1], frame_matching="all_pairs", eps=0)
    torch.testing.assert_close(got[0, 0, 0], cosine.sum(1).mean(0))


def test_one_shot_prototype_is_the_shot() -> None:
    support, query = frames(seed=0), frames(seed=1)
    torch.testing.assert_close(
        score(support, query, [0, 1, 2, 3]),
        score(support, query, [0, 1, 2, 3], shot_aggregation="mean"),
    )


@pytest.mark.parametrize("order", ["pooled", "concatenated", "diagonal", "all_pairs"])
@pytest.mark.parametrize("scales", [(100, 0.01), (1e-8, 1e-8)])
def test_scale_of_features_leaves_cosines_without_eps(
    order: str, scales: tuple[float, float]
) -> None:
    support, query = frames(seed=0), frames(seed=1)
    options = {"frame_matching": order, "eps": 0}
    torch.testing.assert_close(
        score(scales[0] * support, scales[1] * query, [0, 1, 0, 1], **options),
        score(support, query, [0, 1, 0, 1], **options),
    )


def test_frames_of_other_numbers_have_no_diagonal() -> None:
    with pytest.raises(ShapeError):
        score(frames(), frames(seed=1)[:, :, :5], [0, 1, 2, 3], frame_matching="diagonal")


@pytest.mark.parametrize("order", ["concatenated", "diagonal", "all_pairs"])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_probabilities_of_static_videos_do_not_depend_on_the_matching(
    order: str, count: int
) -> None:
    def probabilities(**options: Any) -> torch.Tensor:
        method = methods.create("protonet", frames=count, eps=0, **options)
        support, query = (
            method.encode({FeatureRequest("vectors", View(count)): x.expand(-1, -1, count, -1)})
            for x in (frames(seed=0)[:, :, :1], frames(seed=1)[:, :, :1])
        )
        logits = method.score(method.support(support, torch.arange(4)[None], 4), query)
        return (logits / method.temperature).softmax(-1)

    torch.testing.assert_close(probabilities(frame_matching=order), probabilities())
