"""CLIP-FSAR against vectors and against what its note promises."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import TrainingBatch
from fewact.lab.methods.clip_fsar import ClipFsar
from tests.lab.methods.text_episodes import REQUEST, D, T, score
from tests.lab.methods.weights import load, transformer, under
from tests.methods.made_up import drawn

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])


def create(**options: Any) -> ClipFsar:
    method = methods.create("clip_fsar", **options)
    assert isinstance(method, ClipFsar)
    return method.eval()


@pytest.mark.vectors("clip_fsar.json")
@DTYPES
def test_clip_fsar_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    inputs = {name: torch.tensor(value) for name, value in case["inputs"].items()}
    exact = {
        name: torch.tensor(case["inputs"][name], dtype=torch.float64).to(dtype)
        for name in ("support", "query", "text_all")
    }
    params = case["params"]
    t, d = exact["support"].shape[1:]
    request = FeatureRequest("vectors", View(t))

    def make(mode: str) -> ClipFsar:
        method = create(
            frames=t,
            vector_width=d,
            mode=mode,
            merge="before" if params["merge_before"] else "after",
            **({"text_weight": params["beta"]} if mode == "combined" else {}),
            text_temperature=0.01 if mode == "visual" else None,
            contrast_temperature=1 / params["scale"],
            smoothing=params["lambda"],
            eps=params["eps"],
            heads=params["heads"],
            hidden=len(case["weights"]["W1"]),
        )
        weights = under("transformer", transformer(case["weights"]))
        load(method, weights, but=("contrast_scale",))
        return method.to(dtype)

    labels, n = inputs["labels"][None], int(inputs["labels"].max()) + 1
    # Which training class each of the episode's is: that of any of its support videos.
    classes = torch.empty(n, dtype=torch.long).scatter_(
        0, inputs["labels"], inputs["support_class"]
    )
    text = exact["text_all"][classes][None]
    method = make("visual")
    nodes, asked = (
        {k: v[None] for k, v in method.encode({request: exact[name]}).items()}
        for name in ("support", "query")
    )
    state = method.support(nodes, labels, n, text=text)
    means = torch.cat([nodes["frames"], asked["frames"]], 1).mean(2)
    got = {
        "query_mod": asked["modulated"],
        "proto_mod": state.prototypes,
        "dist": method.distance(state, asked),
        "logits_visual": method.score(state, asked),
        "p_text": make("text").score(state, asked).exp(),
        "combined": make("combined").score(state, asked).exp(),
        "class_logits": method.class_logits(means, exact["text_all"][None]),
    }
    assert params["temperature"] == t
    got["p_visual"] = (got["logits_visual"] / t).softmax(-1)
    got = {name: value[0] for name, value in got.items()}
    batch = TrainingBatch(
        {request: exact["support"][None]},
        labels,
        {request: exact["query"][None]},
        inputs["query_labels"][None],
        n,
        text,
        base_text=exact["text_all"],
        base_classes=classes[None],
    )
    found = method.losses(batch)
    gamma = method.options.contrast_weight
    got["loss_fewshot_mean"] = found["cross_entropy"]
    got["loss_classes_mean"] = found["contrast"] / gamma
    got[f"loss_total_gamma_{gamma}"] = sum(found.values())
    compare(case, got, float32=dtype == torch.float32)


SMALL = {"vector_width": D, "heads": 2, "hidden": 12}


def test_merging_before_and_after_agree_at_one_shot_alone() -> None:
    support, query, text = drawn(1, 4, T, D), drawn(1, 3, T, D, seed=1), drawn(1, 4, D, seed=2)
    after, before = (create(merge=merge, **SMALL) for merge in ("after", "before"))
    for labels, same in ([0, 1, 2, 3], True), ([0, 1, 0, 1], False):
        texts = text[:, : max(labels) + 1]
        both = [score(method, support, query, labels, texts) for method in (after, before)]
        assert torch.allclose(*both) == same


def test_the_transformer_knows_no_position() -> None:
    method = create(**SMALL).double()
    frames, text = drawn(2, T, D), drawn(2, D, seed=1)
    order = torch.randperm(T, generator=torch.Generator().manual_seed(0))
    plain = method._modulated(frames, text)
    torch.testing.assert_close(method._modulated(frames[:, order], text), plain[:, order])
    torch.testing.assert_close(
        method.transformer(torch.cat([frames, text[:, None]], 1))[:, :T], plain
    )


def test_an_idle_transformer_leaves_otam_on_the_frames() -> None:
    support, query, text = drawn(1, 3, T, D), drawn(1, 2, T, D, seed=1), drawn(1, 3, D, seed=2)
    method = create(**SMALL).double()
    for layer in (method.transformer.out, method.transformer.narrow):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    cost = align.pairwise_cosine_cost(query, support)
    torch.testing.assert_close(
        score(method, support, query, [0, 1, 2], text), -align.otam(cost).value
    )


def test_text_weight_goes_from_visual_to_text() -> None:
    support, query, text = drawn(1, 4, T, D), drawn(1, 6, T, D, seed=1), drawn(1, 4, D, seed=2)
    labels = [0, 1, 2, 3]

    def ranks(**options: Any) -> torch.Tensor:
        return score(create(**options, **SMALL), support, query, labels, text).argsort(-1)

    assert torch.equal(ranks(mode="combined", text_weight=0.0), ranks(mode="visual"))
    assert torch.equal(ranks(mode="combined", text_weight=1.0), ranks(mode="text"))
    assert not torch.equal(ranks(mode="visual"), ranks(mode="text"))
    combined = score(create(mode="combined", **SMALL), support, query, labels, text).exp()
    assert ((combined > 0) & (combined < 1)).all()


def test_text_mode_is_zero_shot() -> None:
    support, query, text = drawn(1, 4, T, D), drawn(1, 6, T, D, seed=1), drawn(1, 4, D, seed=2)
    zero = methods.create("zero_shot", vector_width=D)
    state = zero.support(zero.encode({REQUEST: support}), torch.arange(4)[None], 4, text=text)
    expected = zero.score(state, zero.encode({REQUEST: query}))
    slow = 100 * torch.stack([functional.cosine_similarity(x.mean(0), text[0]) for x in query[0]])
    torch.testing.assert_close(expected[0], slow)
    got = score(create(mode="text", **SMALL), support, query, [0, 1, 2, 3], text)
    torch.testing.assert_close(got, expected.log_softmax(-1))


def test_the_text_of_a_class_counts() -> None:
    support, query, text = drawn(1, 2, T, D), drawn(1, 3, T, D, seed=1), drawn(1, 2, D, seed=2)
    method = create(**SMALL)
    plain, swapped = (score(method, support, query, [0, 1], x) for x in (text, text.flip(1)))
    assert (plain - swapped).abs().max() > 1e-3


def test_without_base_texts_videos_are_told_apart_among_the_episodes_classes() -> None:
    method = create(**SMALL).double()
    support, query, text = drawn(2, 4, T, D), drawn(2, 3, T, D, seed=1), drawn(2, 2, D, seed=2)
    labels, asked = torch.tensor([[0, 1, 1, 0]] * 2), torch.tensor([[0, 1, 1]] * 2)
    batch = TrainingBatch({REQUEST: support}, labels, {REQUEST: query}, asked, 2, text)
    expected = []
    for b in range(2):
        for video, label in zip([*support[b], *query[b]], [*labels[b], *asked[b]], strict=True):
            mean = video.mean(0)
            lengths = mean.norm() * text[b].norm(dim=1) + 0.01
            expected.append(functional.cross_entropy(text[b] @ mean / lengths, label))
    got = method.losses(batch)["contrast"]
    torch.testing.assert_close(got, 1.5 * torch.stack(expected).mean())


def test_texts_of_another_length_are_projected() -> None:
    support, query, text = drawn(1, 2, T, D), drawn(1, 3, T, D, seed=1), drawn(1, 2, 5, seed=2)
    method = create(text_width=5, **SMALL).double()
    got = score(method, support, query, [0, 1], text)
    projected = method.text.projection(text)
    plain = create(**SMALL).double()
    plain.transformer.load_state_dict(method.transformer.state_dict())
    torch.testing.assert_close(got, score(plain, support, query, [0, 1], projected))
