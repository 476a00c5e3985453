"""Compound prototype matching against vectors, and against what its note promises."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import Nodes, TrainingBatch
from fewact.lab.methods.cpm import CPM, CPMState, similarities
from tests.methods.made_up import drawn

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
T, D, M = 5, 8, 4
SMALL = {"frames": T, "vector_width": D, "heads": 2, "hidden": 12} | {
    "global_prototypes": 3,
    "focused_prototypes": M,
}
REQUEST = FeatureRequest("vectors", View(T))


def create(**options: Any) -> CPM:
    method = methods.create("cpm", **{**SMALL, **options})
    assert isinstance(method, CPM)
    return method.eval().double()


def prototypes(videos: int, seed: int = 0) -> Nodes:
    return {"global": drawn(1, videos, 3, D, seed=seed)} | {
        "focused": drawn(1, videos, M, D, seed=seed + 100)
    }


@pytest.mark.vectors("cpm.json")
@DTYPES
def test_cpm_vector(case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]) -> None:
    query, support = (
        {
            group: torch.tensor(case["inputs"][f"{group}_{side}"], dtype=dtype)[None]
            for group in ("global", "focused")
        }
        for side in ("query", "support")
    )
    by_index, assigned = similarities(query, support)
    s = support["global"].shape[1]
    method = create(temperature=1.0).to(dtype)
    total = method.score(CPMState(support, torch.arange(s)[None], s), query)
    got = {"global": by_index[0], "focused": assigned[0], "total": total[0]}
    compare(case, got, float32=dtype == torch.float32)


def test_the_assignment_is_the_best_of_all() -> None:
    query, support = prototypes(3), prototypes(2, seed=1)
    got = similarities(query, support)[1][0]
    for q in range(3):
        for s in range(2):
            cosines = torch.nn.functional.cosine_similarity(
                query["focused"][0, q, :, None], support["focused"][0, s, None], dim=-1
            )
            each = [sum(cosines[i, p[i]] for i in range(M)) / M for p in permutations(range(M))]
            torch.testing.assert_close(got[q, s], torch.stack(each).max())
            assert got[q, s] >= cosines.diagonal().mean()


def test_order_matters_among_global_prototypes_only() -> None:
    query, support = prototypes(3), prototypes(2, seed=1)
    by_index, assigned = similarities(query, support)
    turned = {name: value.roll(1, 2) for name, value in query.items()}
    other_index, other_assigned = similarities(turned, support)
    torch.testing.assert_close(other_assigned, assigned)
    assert (other_index - by_index).abs().min() > 1e-3


def test_a_video_is_as_similar_to_itself_as_can_be() -> None:
    videos, weight = prototypes(3), 0.3
    method = create(temperature=1.0, focused_weight=weight)
    state = CPMState(videos, torch.arange(3)[None], 3)
    own = method.score(state, videos)[0].diagonal()
    torch.testing.assert_close(own, torch.full((3,), 1 + weight, dtype=torch.float64))


def test_one_focused_prototype_is_a_cosine() -> None:
    query, support = ({"global": drawn(1, 3, 2, D), "focused": drawn(1, 3, 1, D)} for _ in "ab")
    expected = torch.nn.functional.cosine_similarity(
        query["focused"], support["focused"].mT.movedim(-1, 1), dim=-1
    )
    torch.testing.assert_close(similarities(query, support)[1], expected)


def test_gradients_flow_through_the_chosen_cosines() -> None:
    support, query = prototypes(2), prototypes(2, seed=1)

    def scored(focused: torch.Tensor) -> torch.Tensor:
        return similarities(query, support | {"focused": focused})[1]

    assert torch.autograd.gradcheck(scored, support["focused"].requires_grad_())


def reference(method: CPM, video: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Prototypes (m d) and attention (m t) of one video (t d), one head at a time."""
    tokens = video + method.positions.table(video)
    for layer in method.encoder:
        tokens = layer(tokens[None])[0]
    queries = method.queries
    for layer, cross in zip(method.decoder, method.attention, strict=True):
        queries, memory = layer(queries[None])[0], cross.token_norm(tokens)
        own, e = cross.norm(queries), D // cross.heads
        maps, heads = [], []
        for h in range(cross.heads):
            rows = slice(h * e, (h + 1) * e)
            q, k, v = (
                x @ part.weight[rows].T
                for x, part in ((own, cross.queries), (memory, cross.keys), (memory, cross.values))
            )
            maps.append((q @ k.T / e**0.5).softmax(-1))
            heads.append(maps[-1] @ v)
        queries = queries + torch.cat(heads, -1) @ cross.out.weight.T + cross.out.bias
        attention = torch.stack(maps).mean(0)
    return queries, attention


@pytest.mark.parametrize("layers", [1, 2])
def test_prototypes_are_decoded_from_the_frames_of_one_video(layers: int) -> None:
    method, videos = create(layers=layers), drawn(2, T, D)
    nodes = method.encode({REQUEST: videos})
    for i, video in enumerate(videos):
        queries, attention = reference(method, video)
        torch.testing.assert_close(nodes["global"][i], queries[:3])
        torch.testing.assert_close(nodes["focused"][i], queries[3:])
        torch.testing.assert_close(nodes["global_attention"][i], attention[:3])
        torch.testing.assert_close(nodes["focused_attention"][i], attention[3:])


def test_losses_separate_global_and_concentrate_focused_attention() -> None:
    method = create(diversity_weight=0.7, focus_weight=0.3)
    labels = torch.tensor([[0, 1]])
    batch = TrainingBatch(
        {REQUEST: drawn(1, 2, T, D)}, labels, {REQUEST: drawn(1, 2, T, D)}, labels, 2
    )
    losses = method.losses(batch)
    nodes = method.encode({REQUEST: drawn(1, 2, T, D)})
    a = nodes["global_attention"][0]
    cosine = torch.nn.functional.cosine_similarity
    pairs = [
        cosine(v[i], v[j], dim=0) ** 2 for v in a for i in range(3) for j in range(3) if i != j
    ]
    torch.testing.assert_close(losses["diversity"], 0.7 * torch.stack(pairs).mean())
    f = nodes["focused_attention"]
    torch.testing.assert_close(losses["focus"], 0.3 * -(f * f.log()).sum(-1).mean())
    sum(losses.values()).backward()
    assert method.queries.grad is not None
    assert method.queries.grad.abs().sum() > 0
