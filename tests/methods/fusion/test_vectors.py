"""Vectors alone: what is removed over time, and whether order and the channels' units matter."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewact import methods
from fewact.methods.base import Nodes
from fewact.methods.fusion.decided import DecidedState
from fewact.methods.fusion.terms import AppearanceTerm, MeanAppearanceTerm, MotionTerm, unit_frames
from fewact.methods.fusion.vectors import CHANNELS, UNORDERED, FusionVectors
from tests.methods.fusion.made_up import VECTORS
from tests.methods.made_up import assert_close, normal, uniform

CLASSES, SHOTS, QUERIES = 5, 5, 5


def create(**options: Any) -> FusionVectors:
    method = methods.create("fusion_vectors", **options)
    assert isinstance(method, FusionVectors)
    return method


def videos(*, ordered: bool, seed: int = 0) -> NDArray[Any]:
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
    return (each[:, None] + (0.7 if ordered else 3.0) * noise).flatten(0, 1)[None].numpy()


def single_normal(*shape: int, seed: int) -> NDArray[np.float64]:
    """Random numbers that are drawn in single precision."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double().numpy()


def split(nodes: Nodes, shots: int = SHOTS) -> tuple[Nodes, Nodes, NDArray[Any], NDArray[Any]]:
    """Return support and queries of ``videos``, and the classes of both."""
    labels = np.arange(CLASSES).repeat(SHOTS + QUERIES)
    place = np.arange(len(labels)) % (SHOTS + QUERIES)
    support, query = place < shots, place >= SHOTS
    first, second = ({k: v[:, some] for k, v in nodes.items()} for some in (support, query))
    return first, second, labels[support][None], labels[query]


def fitted(values: NDArray[Any], shots: int = SHOTS) -> tuple[DecidedState, NDArray[Any]]:
    """Return the state of fusion, and which queries it predicts correctly."""
    method = create()
    support, query, labels, truth = split(method.encode({VECTORS: values}), shots)
    state = method.support(support, labels, CLASSES)
    return state, method.score(state, query).argmax(-1)[0] == truth


def accuracy(values: NDArray[Any], shots: int = SHOTS) -> float:
    return fitted(values, shots)[1].mean().item()


def of_mean(values: NDArray[Any]) -> float:
    """Return the accuracy by the mean of the frames."""
    method = methods.create("protonet")
    support, query, labels, truth = split(method.encode({VECTORS: values}))
    state = method.support(support, labels, CLASSES)
    return (method.score(state, query).argmax(-1)[0] == truth).mean().item()


def test_without_order_fusion_predicts_like_the_mean_of_the_frames() -> None:
    values = videos(ordered=False)
    state, right = fitted(values)
    assert right.mean() >= of_mean(values) > 0.9
    assert state.decision.weights[0, :, 1].sum() > 0.5


def test_where_order_alone_differs_the_mean_hardly_counts() -> None:
    values = videos(ordered=True)
    state, right = fitted(values)
    assert right.mean() > 0.9 > 0.5 > of_mean(values)
    assert state.decision.weights[0, :, 1].sum() < 0.05


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("shots", [1, SHOTS])
def test_channels_in_other_units_cost_little(shots: int, ordered: bool) -> None:
    values = videos(ordered=ordered)
    noise = single_normal(*values.shape, seed=1)
    mixed = np.concatenate([values, 1e3 * noise[..., :4]], -1)
    as_they_are = create()
    as_they_are.terms = replace(as_they_are.terms, channels=CHANNELS[:1])
    support, query, labels, truth = split({"vectors": mixed}, shots)
    logits = as_they_are.score(as_they_are.support(support, labels, CLASSES), query)
    before = (logits.argmax(-1)[0] == truth).mean().item()
    after = accuracy(mixed, shots)
    assert after > before
    if shots > 1:
        assert after > max(before + 0.15, accuracy(values, shots) - 0.1)


def test_the_support_decides_by_what_it_is_classified_best() -> None:
    values = videos(ordered=False)
    weights = fitted(values)[0].decision.weights[0].sum(-1)
    assert weights.sum() == pytest.approx(1)
    state, _ = fitted(values + 100 * single_normal(16, seed=3))
    assert state.decision.weights[0].sum(-1)[2] > 0.9 > weights[2]


def test_with_one_clip_of_each_class_the_priors_hold() -> None:
    state, _ = fitted(videos(ordered=True), shots=1)
    expected = [
        [one.probability * (1 - UNORDERED), one.probability * UNORDERED] for one in CHANNELS
    ]
    assert_close(state.decision.weights[0], np.array(expected))


def test_similarity_is_the_weighted_sum_of_the_terms() -> None:
    """Against the equation of docs/methods/fusion.md, written down for one pair."""
    method = create(weights={"appearance": 1.5, "motion": 0.5})
    values = uniform(1, 7, 8, 12)
    state = method.support({"vectors": values[:, :4]}, np.array([[0, 0, 1, 1]]), 2)
    frames = values[0, :4].reshape(-1, values.shape[-1])
    mean, deviation = frames.mean(0), frames.std(0)
    total = 0.0
    changes = (lambda x: x, lambda x: x / deviation, lambda x: (x - mean) / deviation)
    for change, (ordered, unordered) in zip(changes, state.decision.weights[0], strict=True):

        def similarity(
            term: AppearanceTerm | MotionTerm | MeanAppearanceTerm, change=change
        ) -> NDArray[Any]:
            both = (unit_frames(change(values[:, i : i + 1])) for i in (5, 2))
            one, other = map(term.of_frames, both)
            return term.similarity(one, other)[0, 0, 0]

        appearance, motion = AppearanceTerm(VECTORS), MotionTerm(VECTORS, "constant")
        total += ordered * (1.5 * similarity(appearance) + 0.5 * similarity(motion))
        total += unordered * 2.0 * similarity(MeanAppearanceTerm())
    _, pairs = method.score_and_pairs(state, {"vectors": values[:, 4:]})
    assert_close(pairs[0, 1, 2], total)


def test_parts_add_up_to_pairs_and_scores() -> None:
    method = create()
    support, query, labels, _ = split({"vectors": videos(ordered=True)})
    state = method.support(support, labels, CLASSES)
    logits, pairs = method.score_and_pairs(state, query)
    assert_close(sum(method.pair_parts(state, query).values()), pairs)
    assert_close(sum(method.score_parts(state, query).values()), logits)
    assert list(method.pair_parts(state, query)) == ["appearance", "motion"]


def test_the_posterior_compares_likelihoods_at_their_likeliest_temperatures() -> None:
    method = create()
    support, _, labels, _ = split({"vectors": videos(ordered=True)})
    doubled = method.support(
        {"vectors": support["vectors"].repeat(2, 0)}, labels.repeat(2, 0), CLASSES
    )
    one = method.support(support, labels, CLASSES)
    assert_close(doubled.decision.weights, one.decision.weights.repeat(2, 0))
    # Without what speaks for an order, its log-odds are the prior's.
    same = np.zeros((1, 4, 8, 3))
    state = method.support({"vectors": same}, np.array([[0, 0, 1, 1]]), 2)
    assert state.decision.weights[0, :, 1].sum() == pytest.approx(UNORDERED)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e3, 1e12])
def test_constant_channels_count_for_nothing(value: float) -> None:
    values = videos(ordered=True)
    added = np.concatenate([values, np.full((*values.shape[:-1], 3), value)], -1)
    method = create()
    terms = replace(method.terms, channels=CHANNELS[1:])
    method.terms = terms
    found = []
    for one in (values, added):
        support, query, labels, _ = split({"vectors": one})
        found.append(method.score(method.support(support, labels, CLASSES), query))
    assert_close(found[0], found[1])


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_few_frames_and_classes_are_finite(frames: int, n: int) -> None:
    method = create(frames=frames)
    values = normal(1, n, frames, 4)
    for vectors in (values, np.zeros_like(values), np.ones_like(values)):
        state = method.support({"vectors": vectors}, np.arange(n)[None], n)
        assert np.isfinite(method.score(state, {"vectors": vectors})).all()


def test_teaching_says_what_distinguishes_the_classes() -> None:
    method = create()
    labels = np.arange(CLASSES).repeat(SHOTS + QUERIES)[None]
    state = method.support(method.encode({VECTORS: videos(ordered=False)}), labels, CLASSES)
    sentence, channels = method.findings(state)
    assert sentence.startswith(
        f"Of {CLASSES * (SHOTS + QUERIES)} training clips, the others predict"
    )
    assert re.search("the mean of the frames (4[5-9]|50);", sentence)
    shares = [int(one) for one in re.findall(r"(\d+) %", channels)]
    assert sum(shares) == pytest.approx(100, abs=1)
    alone = method.encode({VECTORS: videos(ordered=False)[:, :: SHOTS + QUERIES]})
    assert method.findings(method.support(alone, np.arange(CLASSES)[None], CLASSES)) == ()
