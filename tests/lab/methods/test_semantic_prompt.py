"""The semantic prompt against vectors and against what its note promises."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.semantic_prompt import SemanticPrompt
from tests.lab.methods.text_episodes import REQUEST, D, T, score
from tests.lab.methods.weights import load, tensors, transformer, under
from tests.methods.made_up import drawn

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
SMALL = {"vector_width": D, "text_width": 5, "heads": 2, "hidden": 12}


def create(**options: Any) -> SemanticPrompt:
    method = methods.create("semantic_prompt", **options)
    assert isinstance(method, SemanticPrompt)
    return method.eval()


@pytest.mark.vectors("semantic_prompt.json")
@DTYPES
def test_semantic_prompt_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    support, query, text = (
        torch.tensor(case["inputs"][name], dtype=torch.float64).to(dtype)
        for name in ("support", "query", "text_of_class")
    )
    labels = torch.tensor(case["inputs"]["labels"])[None]
    t, d = support.shape[1:]
    given = tensors(case["weights"])
    method = create(
        frames=t,
        vector_width=d,
        text_width=text.shape[1],
        temperature=case["params"]["temperature"],
        heads=case["params"]["heads"],
        hidden=len(case["weights"]["Tr"]["W1"]),
        text_norm="unscaled",
    )
    state = {
        "channel.project.weight": given["Wc"],
        "token.weight": given["Ws"],
        "channel.first.weight": given["w1"],
        "channel.first.bias": given["b1"],
        "channel.second.weight": given["w2"],
        "channel.second.bias": given["b2"],
    }
    load(method, state | under("transformer", transformer(case["weights"]["Tr"])))
    method = method.to(dtype)
    request, own = FeatureRequest("vectors", View(t)), text[labels[0]]
    nodes, asked = (
        {k: v[None] for k, v in method.encode({request: x}).items()} for x in (support, query)
    )
    logits = method.score(method.support(nodes, labels, len(text), text=text[None]), asked)[0]
    got = {
        "beta": method.channel(support, own),
        "support_tokens": method.prompted(support, own),
        "query_tokens": method.transformer(query),
        "logits": logits,
        "similarity": logits * case["params"]["temperature"],
    }
    compare(case, got, float32=dtype == torch.float32)


def test_the_shift_sums_to_nothing_and_vanishes_without_its_last_layer() -> None:
    channel = create(**SMALL).double().channel
    frames, text = drawn(3, T, D), drawn(3, 5, seed=1)
    shift = channel(frames, text)
    assert shift.abs().max() > 1e-3
    torch.testing.assert_close(shift.sum(-1), torch.zeros(3, dtype=torch.float64))
    torch.nn.init.zeros_(channel.second.weight)
    torch.nn.init.zeros_(channel.second.bias)
    assert (channel(frames, text) == 0).all()


def test_without_attention_the_token_tells_the_frames_nothing() -> None:
    method = create(**SMALL).double()
    frames, text = drawn(3, T, D), drawn(3, 5, seed=1)
    for layer in (method.transformer.out, method.channel.second):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    torch.testing.assert_close(method.prompted(frames, text)[:, :T], method.transformer(frames))


def test_other_classes_prompts_do_not_touch_a_prototype() -> None:
    support, text = drawn(1, 4, T, D), drawn(1, 2, 5, seed=1)
    method = create(**SMALL).double()
    nodes, labels = method.encode({REQUEST: support}), torch.tensor([[0, 1, 1, 0]])
    plain = method.support(nodes, labels, 2, text=text)
    text[:, 1] += 1
    other = method.support(nodes, labels, 2, text=text)
    assert torch.equal(plain[:, 0], other[:, 0])
    assert (plain[:, 1] - other[:, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("pool", ["with_prompt", "frames"])
def test_prototypes_are_means_over_the_shots_of_pooled_tokens(pool: str) -> None:
    support, query, text = drawn(1, 3, T, D), drawn(1, 2, T, D, seed=1), drawn(1, 2, 5, seed=2)
    method = create(pool=pool, **SMALL).double()
    kept = T + (pool == "with_prompt")
    pooled = [
        method.prompted(video, text[0, label])[:kept].mean(0)
        for video, label in zip(support[0], (0, 0, 1), strict=True)
    ]
    prototypes = torch.stack([(pooled[0] + pooled[1]) / 2, pooled[2]])
    plain = torch.stack([method.transformer(video).mean(0) for video in query[0]])
    expected = functional.cosine_similarity(plain[:, None], prototypes[None], dim=-1) / 0.2
    torch.testing.assert_close(score(method, support, query, [0, 0, 1], text)[0], expected)


@pytest.mark.parametrize("alignment", ["otam", "bi_mhm"])
def test_aligned_frames_leave_the_prompt_out(alignment: str) -> None:
    support, query, text = drawn(1, 2, T, D), drawn(1, 3, T, D, seed=1), drawn(1, 2, 5, seed=2)
    method = create(alignment=alignment, **SMALL).double()
    prompted = method.prompted(support, text)[..., :T, :]
    cost = align.pairwise_cosine_cost(method.transformer(query), prompted, eps=0)
    expected = -align.create(alignment)(cost).value
    torch.testing.assert_close(score(method, support, query, [0, 1], text), expected)


def test_a_text_is_scaled_to_the_frames() -> None:
    support, query, text = drawn(1, 2, T, D), drawn(1, 3, T, D, seed=1), drawn(1, 2, 5, seed=2)
    scaled, given = create(**SMALL), create(text_norm="unscaled", **SMALL)
    plain = score(scaled, support, query, [0, 1], text)
    torch.testing.assert_close(score(scaled, support, query, [0, 1], 7 * text), plain)
    length = support.norm(dim=-1).mean(-1, keepdim=True)
    unit = functional.normalize(text, dim=-1)
    torch.testing.assert_close(score(given, support, query, [0, 1], unit * length), plain)
    assert not torch.allclose(score(given, support, query, [0, 1], 7 * text), plain)
