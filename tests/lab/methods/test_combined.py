"""Combined methods: the kernel by hand, its weights, and the promises of every method."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.lab import methods
from fewact.lab.methods.base import Nodes, TorchMethod
from fewact.lab.methods.combined import (
    STEPS,
    TEMPERATURES,
    Combined,
    CombinedOptions,
    combined_nodes,
    mean_squared_distance,
    scaled,
    weights_of_support,
)
from fewact.lab.methods.promises import PROMISES, Subject
from fewact.methods.cards import made_up_card
from fewact.methods.common.kernel import LIKELIHOOD_WEIGHT
from tests.refused import refused

PARTS = (("otam", {}), ("a2m2", {"moments.level": "vectors"}), ("fusion_vectors", {}))


def parts(*names: str) -> list[TorchMethod]:
    options: Mapping[str, Mapping[str, object]] = dict(PARTS)
    return [methods.create(name, **options[name]).eval() for name in names]


def episode(*noises: float, b: int = 3, shots: int = 3, seed: int = 0) -> tuple[Nodes, Nodes]:
    """Return nodes (b v …) of `otam` in one modality for each noise: support, query."""
    g = torch.Generator().manual_seed(seed)
    sides: tuple[list[Nodes], list[Nodes]] = ([], [])
    for noise in noises:
        centres = torch.randn(b, 4, 8, 12, generator=g)
        for side, each in zip(sides, (shots, 5), strict=True):
            videos = centres.repeat(1, each, 1, 1)
            side.append({"frames": videos + noise * torch.randn(videos.shape, generator=g)})
    return combined_nodes(sides[0]), combined_nodes(sides[1])


def labels(b: int = 3, shots: int = 3) -> Tensor:
    return torch.arange(4).repeat(shots).expand(b, -1)


def accuracy(method: TorchMethod, support: Nodes, query: Nodes, b: int, shots: int) -> float:
    logits = method.score(method.support(support, labels(b, shots), 4), query)
    return float((logits.argmax(-1) == labels(b, 5)).float().mean())


OF_OPTIONS = ("options_documented", "scoring_options")
"""Promises on methods that are made from options alone."""


@pytest.mark.parametrize("names", [("otam", "otam"), ("fusion_vectors", "a2m2")])
@pytest.mark.parametrize("promise", [name for name in PROMISES if name not in OF_OPTIONS])
def test_every_promise(promise: str, names: tuple[str, ...]) -> None:
    made = Subject(lambda: Combined(parts(*names)).eval(), made_up_card(maps=False))
    PROMISES[promise].check(made)


def test_the_kernel_is_the_weighted_sum_by_hand() -> None:
    support, query = episode(0.5, 1.5)
    method = Combined(parts("otam", "otam"))
    state = method.support(support, labels(), 4)
    logits = method.score(state, query)
    one = methods.create("otam")
    by_hand = []
    for i in range(2):
        own, theirs = ({"frames": side[f"{i}.frames"]} for side in (support, query))
        inside = one.support(own, labels(), 4)
        pairs = one.score_and_pairs(inside, own)[1]
        s = pairs.shape[-1]
        apart = [
            (pairs[:, j, j] + pairs[:, k, k]) / 2 - pairs[:, j, k]
            for j in range(s)
            for k in range(s)
            if j != k
        ]
        scale = torch.stack(apart).mean(0)
        torch.testing.assert_close(state.scales[:, i], scale)
        by_hand.append(one.score(inside, theirs) / scale[:, None, None])
    weights = state.weights[:, :, None, None]
    torch.testing.assert_close(logits, weights[:, 0] * by_hand[0] + weights[:, 1] * by_hand[1])
    torch.testing.assert_close(state.weights.sum(-1), torch.ones(3))


def test_weights_by_hand() -> None:
    g = torch.Generator().manual_seed(0)
    values = torch.randn(2, 2, 6, 5, generator=g)
    kernels = values @ values.mT  # (b m s s)
    own = torch.tensor([0, 1, 2, 0, 1, 2])
    expected = []
    for one in kernels:
        total, mean = 0.0, torch.zeros(2)
        for step in range(STEPS + 1):
            weights = torch.tensor([step, STEPS - step]) / STEPS
            kernel = weights[0] * one[0] + weights[1] * one[1]
            best = -float("inf")
            for temperature in TEMPERATURES:
                likelihood = 0.0
                for i in range(6):
                    others = [j for j in range(6) if j != i]
                    logits = torch.stack(
                        [
                            kernel[i, [j for j in others if own[j] == c]].mean() / temperature
                            for c in range(3)
                        ]
                    )
                    likelihood += float(logits.log_softmax(0)[own[i]])
                best = max(best, likelihood)
            factor = float(torch.tensor(LIKELIHOOD_WEIGHT * best).exp())
            total, mean = total + factor, mean + factor * weights
        expected.append(mean / total)
    found = weights_of_support(kernels, own.expand(2, -1), 3)
    torch.testing.assert_close(found, torch.stack(expected))


def test_the_support_leaves_out_noise() -> None:
    """A modality of noise alone costs less than with equal weights; two good ones help."""
    b, shots = 60, 4
    support, query = episode(2.0, 500.0, b=b, shots=shots)
    both = Combined(parts("otam", "otam"))
    equal = Combined(parts("otam", "otam"), CombinedOptions(weights="equal"))
    weights = both.support(support, labels(b, shots), 4).weights.mean(0)
    assert weights[0] > 0.7
    assert accuracy(both, support, query, b, shots) > accuracy(equal, support, query, b, shots)
    support, query = episode(4.0, 4.0, b=b, shots=shots)
    alone = methods.create("otam")
    first = ({"frames": side["0.frames"]} for side in (support, query))
    single = accuracy(alone, *first, b, shots)
    assert accuracy(both, support, query, b, shots) > single + 0.05


def test_one_shot_has_equal_weights() -> None:
    support, _ = episode(0.5, 3.0, shots=1)
    state = Combined(parts("otam", "otam")).support(support, labels(shots=1), 4)
    torch.testing.assert_close(state.weights, torch.full((3, 2), 0.5))


def test_a_constant_modality_is_left_out() -> None:
    support, query = episode(0.5, 0.5)
    constant = [
        {**nodes, "1.frames": torch.ones_like(nodes["1.frames"])} for nodes in (support, query)
    ]
    method = Combined(parts("otam", "otam"))
    state = method.support(constant[0], labels(), 4)
    found = method.score(state, constant[1])
    assert found.isfinite().all()
    alone = methods.create("otam")
    single = alone.score(
        alone.support({"frames": support["0.frames"]}, labels(), 4), {"frames": query["0.frames"]}
    )
    assert (found.argmax(-1) == single.argmax(-1)).all()


def test_scales() -> None:
    kernel = torch.tensor([[[2.0, 1.0], [1.0, 4.0]], [[3.0, 3.0], [3.0, 3.0]]])
    scales = mean_squared_distance(kernel)
    assert scales.tolist() == [2, 0]
    assert scaled(torch.ones(2), scales).tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("names", "got"),
    [
        (["otam"], "1"),
        (["otam", "ridge"], "averages no similarities"),
        (["otam", "zero_shot"], "uses class names"),
    ],
)
def test_methods_that_cannot_be_combined(names: list[str], got: str) -> None:
    with refused(OptionError, got=got):
        Combined([methods.create(name) for name in names])


def test_options_without_pair_similarities() -> None:
    both = [methods.create("otam", shot_aggregation="prototype") for _ in range(2)]
    with refused(OptionError, where="OTAM", hint="shot_aggregation=mean"):
        Combined(both)
