"""OTAM on frames' vectors."""

import pytest
import torch

from fewact import align
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.methods.cards import made_up_card


@pytest.mark.vectors("otam.json")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_episode_vector(case, compare, dtype):
    if "query" not in case["inputs"]:
        pytest.skip("an alignment alone, without an episode")
    query, support = (
        torch.tensor(case["inputs"][name], dtype=dtype)[None] for name in ("query", "support")
    )
    labels = torch.as_tensor(case["inputs"]["labels"])[None]
    params, frames = case["params"], query.shape[-2]

    def scored(**options):
        method = methods.create(
            "otam", frames=frames, smoothing=params["lambda"], eps=params["eps"], **options
        )
        query_nodes, support_nodes = (
            method.encode({FeatureRequest("vectors", View(frames)): videos})
            for videos in (query, support)
        )
        state = method.support(support_nodes, labels, len(labels.unique()))
        logits, pairs = method.score_and_pairs(state, query_nodes)
        return logits[0], None if pairs is None else -pairs[0]

    logits, both = scored()
    got = {
        "distance_both": both,
        "distance_one_way": scored(bidirectional=False)[1],
        "logits_average_over_shots": logits,
        "logits_to_class_mean_frames": scored(shot_aggregation="prototype")[0],
    }
    compare(case, got, float32=dtype == torch.float32)


def test_asks_for_one_vector_a_frame():
    assert methods.create("otam", frames=5).requests(made_up_card(maps=False)) == (
        FeatureRequest("vectors", View(5)),
    )


def test_order_matters_and_a_late_start_does_little():
    generator = torch.Generator().manual_seed(0)
    video = torch.randn(8, 32, generator=generator)
    other = torch.randn(8, 32, generator=generator)
    late = torch.cat([other[:2], video[:6]])
    method = methods.create("otam")
    support = {"frames": torch.stack([video, video.flip(0)])[None]}
    state = method.support(support, torch.tensor([[0, 1]]), 2)
    logits = method.score(state, {"frames": torch.stack([video, late])[None]})[0]
    assert (logits[:, 0] > logits[:, 1] + 1).all()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_matched_frames_are_the_gradient_of_the_score(monkeypatch, bidirectional):
    costs, cosine_cost = [], align.pairwise_cosine_cost

    def recorded(*args, **options):
        costs.append(cosine_cost(*args, **options).requires_grad_())
        return costs[-1]

    generator = torch.Generator().manual_seed(0)
    query, support = torch.randn(2, 8, 32, generator=generator, dtype=torch.float64)
    method = methods.create("otam", bidirectional=bidirectional)
    found = method.match_frames({"frames": query}, {"frames": support})
    monkeypatch.setattr(align, "pairwise_cosine_cost", recorded)
    state = method.support({"frames": support[None, None]}, torch.tensor([[0]]), 1)
    score = method.score(state, {"frames": query[None, None]})
    (gradient,) = torch.autograd.grad(-score.sum(), costs)
    expected = gradient[0, 0, 0] / gradient.sum()
    torch.testing.assert_close(torch.tensor(found.plan, dtype=torch.float64), expected)
