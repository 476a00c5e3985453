"""Vectors alone: what is removed over time, and whether order and the channels' units matter."""

import re
from dataclasses import replace

import pytest
import torch

from fewact import methods
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion, FusionState
from fewact.methods.fusion.terms import AppearanceTerm, MeanAppearanceTerm, MotionTerm, unit_frames
from fewact.methods.fusion.vectors import CHANNELS, UNORDERED
from tests.methods.fusion.made_up import VECTORS, create, features

CLASSES, SHOTS, QUERIES = 5, 5, 5


def videos(*, ordered: bool, seed: int = 0) -> torch.Tensor:
    """Vectors (1 n·k 8 16) whose classes differ in order alone, or in their mean alone."""
    generator = torch.Generator().manual_seed(seed)
    each = torch.randn(CLASSES, 8, 16, generator=generator).double()
    if ordered:  # the same frames in another order, so that the means are equal
        turn = [torch.randperm(8, generator=generator) for _ in range(CLASSES)]
        each = torch.stack([each[0, one] for one in turn])
    else:
        each = each.mean(1, keepdim=True).expand(each.shape) * 8**0.5
    number = SHOTS + QUERIES
    noise = torch.randn(CLASSES, number, 8, 16, generator=generator).double()
    return (each[:, None] + (0.7 if ordered else 3.0) * noise).flatten(0, 1)[None]


def split(nodes: Nodes, shots: int = SHOTS) -> tuple[Nodes, Nodes, torch.Tensor, torch.Tensor]:
    """Return support and queries of ``videos``, and the classes of both."""
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS + QUERIES)
    place = torch.arange(len(labels)) % (SHOTS + QUERIES)
    support, query = place < shots, place >= SHOTS
    first, second = ({k: v[:, some] for k, v in nodes.items()} for some in (support, query))
    return first, second, labels[support][None], labels[query]


def fitted(values: torch.Tensor, shots: int = SHOTS) -> tuple[FusionState, torch.Tensor]:
    """Return the state of fusion, and which queries it predicts correctly."""
    method = create()
    support, query, labels, truth = split(method.encode({VECTORS: values}), shots)
    state = method.support(support, labels, CLASSES)
    return state, method.score(state, query).argmax(-1)[0] == truth


def accuracy(values: torch.Tensor, shots: int = SHOTS) -> float:
    return fitted(values, shots)[1].double().mean().item()


def of_mean(values: torch.Tensor) -> float:
    """Return the accuracy by the mean of the frames."""
    method = methods.create("protonet").double().eval()
    support, query, labels, truth = split(method.encode({VECTORS: values}))
    state = method.support(support, labels, CLASSES)
    return (method.score(state, query).argmax(-1)[0] == truth).double().mean().item()


def test_without_order_fusion_predicts_like_the_mean_of_the_frames() -> None:
    values = videos(ordered=False)
    state, right = fitted(values)
    assert right.double().mean() >= of_mean(values) > 0.9
    assert state.decision.weights[0, :, 1].sum() > 0.5


def test_where_order_alone_differs_the_mean_hardly_counts() -> None:
    values = videos(ordered=True)
    state, right = fitted(values)
    assert right.double().mean() > 0.9 > 0.5 > of_mean(values)
    assert state.decision.weights[0, :, 1].sum() < 0.05


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("shots", [1, SHOTS])
def test_channels_in_other_units_cost_little(shots: int, ordered: bool) -> None:
    values = videos(ordered=ordered)
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(1)).double()
    mixed = torch.cat([values, 1e3 * noise[..., :4]], -1)
    as_they_are = create()
    as_they_are.vector_terms = replace(as_they_are.vector_terms, channels=CHANNELS[:1])
    support, query, labels, truth = split({"vectors": mixed}, shots)
    logits = as_they_are.score(as_they_are.support(support, labels, CLASSES), query)
    before = (logits.argmax(-1)[0] == truth).double().mean().item()
    after = accuracy(mixed, shots)
    assert after > before
    if shots > 1:
        assert after > max(before + 0.15, accuracy(values, shots) - 0.1)


def test_the_support_decides_by_what_it_is_classified_best() -> None:
    values = videos(ordered=False)
    weights = fitted(values)[0].decision.weights[0].sum(-1)
    assert weights.sum() == pytest.approx(1)
    state, _ = fitted(values + 100 * torch.randn(16, generator=torch.Generator().manual_seed(3)))
    assert state.decision.weights[0].sum(-1)[2] > 0.9 > weights[2]


def test_with_one_clip_of_each_class_the_priors_hold() -> None:
    state, _ = fitted(videos(ordered=True), shots=1)
    expected = [
        [one.probability * (1 - UNORDERED), one.probability * UNORDERED] for one in CHANNELS
    ]
    torch.testing.assert_close(state.decision.weights[0], torch.tensor(expected).double())


def test_similarity_is_the_weighted_sum_of_the_terms() -> None:
    """Against the equation of docs/methods/fusion.md, written down for one pair."""
    method = create(weights={"appearance": 2.25, "motion": 0.25})
    values = features(1, 7, maps=False)[VECTORS]
    state = method.support({"vectors": values[:, :4]}, torch.tensor([[0, 0, 1, 1]]), 2)
    frames = values[0, :4].flatten(0, 1)
    mean, deviation = frames.mean(0), frames.std(0, correction=0)
    total = torch.tensor(0.0).double()
    changes = (lambda x: x, lambda x: x / deviation, lambda x: (x - mean) / deviation)
    for change, (ordered, unordered) in zip(changes, state.decision.weights[0], strict=True):

        def similarity(
            term: AppearanceTerm | MotionTerm | MeanAppearanceTerm, change=change
        ) -> torch.Tensor:
            both = (unit_frames(change(values[:, i : i + 1])) for i in (5, 2))
            one, other = map(term.of_frames, both)
            return term.similarity(one, other)[0, 0, 0]

        appearance, motion = AppearanceTerm(VECTORS), MotionTerm(VECTORS, "constant")
        total += ordered * (1.5 * similarity(appearance) + 0.5 * similarity(motion))
        total += unordered * 2.0 * similarity(MeanAppearanceTerm())
    _, pairs = method.score_and_pairs(state, {"vectors": values[:, 4:]})
    torch.testing.assert_close(pairs[0, 1, 2], total)


def test_parts_add_up_to_pairs_and_scores() -> None:
    method = create()
    support, query, labels, _ = split({"vectors": videos(ordered=True)})
    state = method.support(support, labels, CLASSES)
    logits, pairs = method.score_and_pairs(state, query)
    torch.testing.assert_close(sum(method.pair_parts(state, query).values()), pairs)
    torch.testing.assert_close(sum(method.score_parts(state, query).values()), logits)
    assert list(method.pair_parts(state, query)) == ["appearance", "motion"]


def test_the_posterior_compares_likelihoods_at_their_likeliest_temperatures() -> None:
    method = create()
    support, _, labels, _ = split({"vectors": videos(ordered=True)})
    doubled = method.support(
        {"vectors": support["vectors"].repeat(2, 1, 1, 1)}, labels.repeat(2, 1), CLASSES
    )
    one = method.support(support, labels, CLASSES)
    torch.testing.assert_close(doubled.decision.weights, one.decision.weights.repeat(2, 1, 1))
    # Without what speaks for an order, its log-odds are the prior's.
    same = torch.zeros(1, 4, 8, 3).double()
    state = method.support({"vectors": same}, torch.tensor([[0, 0, 1, 1]]), 2)
    assert state.decision.weights[0, :, 1].sum() == pytest.approx(UNORDERED)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e3, 1e12])
def test_constant_channels_count_for_nothing(value: float) -> None:
    values = videos(ordered=True)
    added = torch.cat([values, torch.full((*values.shape[:-1], 3), value).double()], -1)
    method = create()
    terms = replace(method.vector_terms, channels=CHANNELS[1:])
    method.vector_terms = terms
    found = []
    for one in (values, added):
        support, query, labels, _ = split({"vectors": one})
        found.append(method.score(method.support(support, labels, CLASSES), query))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_few_frames_and_classes_are_finite(frames: int, n: int) -> None:
    method = create(frames=frames)
    values = torch.randn(1, n, frames, 4, generator=torch.Generator().manual_seed(0)).double()
    for vectors in (values, torch.zeros_like(values), torch.ones_like(values)):
        state = method.support({"vectors": vectors}, torch.arange(n)[None], n)
        assert method.score(state, {"vectors": vectors}).isfinite().all()


def test_gradients_are_finite_where_a_channel_is_constant() -> None:
    method = create()
    values = videos(ordered=True)
    values[..., 0] = 1.0
    values.requires_grad_()
    support, query, labels, _ = split({"vectors": values})
    method.score(method.support(support, labels, CLASSES), query).sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()


def test_teaching_says_what_distinguishes_the_classes() -> None:
    method: Fusion = create()
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS + QUERIES)[None]
    state = method.support(method.encode({VECTORS: videos(ordered=False)}), labels, CLASSES)
    sentence, channels = method.findings(state)
    assert sentence.startswith(
        f"Of {CLASSES * (SHOTS + QUERIES)} training clips, the others predict"
    )
    assert re.search("the mean of the frames (4[5-9]|50);", sentence)
    shares = [int(one) for one in re.findall(r"(\d+) %", channels)]
    assert sum(shares) == pytest.approx(100, abs=1)
    alone = method.encode({VECTORS: videos(ordered=False)[:, :: SHOTS + QUERIES]})
    assert method.findings(method.support(alone, torch.arange(CLASSES)[None], CLASSES)) == ()
