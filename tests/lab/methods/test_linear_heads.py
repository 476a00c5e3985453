"""SimpleShot, ridge and LDA: against slow versions in numpy, and by what they promise."""

from typing import Any

import numpy as np
import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.evaluation import ArrayFeatures
from fewact.lab.training.optimising import StepStatistics

LABELS = [2, 0, 0, 1, 2, 0]
"""Uneven shots: three of class 0, one of class 1, two of class 2."""


def videos(*leading: int, seed: int = 0, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*leading, 4, width, generator=generator, dtype=torch.float64)


def logits(name: str, support: torch.Tensor, query: torch.Tensor, **options: Any) -> np.ndarray:
    method = methods.create(name, frames=4, **options).double().eval()
    request = FeatureRequest("vectors", View(4))
    nodes = [method.encode({request: x[None]}) for x in (support, query)]
    with torch.no_grad():
        state = method.support(nodes[0], torch.tensor([LABELS]), 3)
        return method.score(state, nodes[1])[0].numpy()


def prepared(
    support: torch.Tensor, query: torch.Tensor, options: dict[str, Any], *, centred: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of both, centred by the mean of the class means."""
    ordered, both = options["frame_order"] == "ordered", []
    for some in (support, query):
        both.append([v.numpy().ravel() if ordered else v.numpy().mean(0) for v in some])
    x, y = np.array(both[0]), np.array(both[1])
    means = [
        np.mean([v for v, own in zip(x, LABELS, strict=True) if own == c], 0) for c in range(3)
    ]
    centre = np.mean(means, 0) if centred else 0.0
    x, y = x - centre, y - centre
    if options.get("unit_length", True):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return x, y


def class_mean(x: np.ndarray, label: int) -> np.ndarray:
    return np.mean([v for v, own in zip(x, LABELS, strict=True) if own == label], 0)


OPTIONS = [
    {"frame_order": "pooled"},
    {"frame_order": "ordered"},
    {"frame_order": "pooled", "unit_length": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("centre", ["support", "none"])
def test_simpleshot_is_the_nearest_class_mean(options: dict[str, Any], centre: str) -> None:
    support, query = videos(6), videos(5, seed=1)
    got = logits("simpleshot", support, query, centre=centre, temperature=0.5, **options)
    x, y = prepared(support, query, options, centred=centre == "support")
    for i, one in enumerate(y):
        distances = np.array([((one - class_mean(x, c)) ** 2).sum() for c in range(3)])
        expected = ((one**2).sum() - distances) / 0.5
        np.testing.assert_allclose(got[i], expected, atol=1e-9)


def test_simpleshot_accumulates_the_mean_of_the_training_videos() -> None:
    method = methods.create("simpleshot", frames=4, centre="training", vector_width=6)
    assert not method.trained
    request = FeatureRequest("vectors", View(4))
    training = 5 + videos(20, 8, seed=3).float()
    method.train()
    for batch in (*training,) * 30:
        method.encode({request: batch[None]})
    method.eval()
    learned = method.mean.running_mean.clone()
    torch.testing.assert_close(learned, training.mean((0, 1, 2)), atol=0.05, rtol=0)
    # In evaluation nothing changes it, and it is what is subtracted.
    nodes = method.encode({request: videos(1, 6).float()})
    state = method.support(nodes, torch.tensor([LABELS]), 3)
    torch.testing.assert_close(state.offset[0, 0], method.mean.running_mean)
    assert torch.equal(method.mean.running_mean, learned)
    # The training loop treats it as a norm's statistics, so that a step may be split.
    assert len(StepStatistics(method.train(), fabric=None)._kept) == 2


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_ridge_minimises_the_weighted_squared_error(options: dict[str, Any]) -> None:
    support, query = videos(6), videos(5, seed=1)
    got = logits("ridge", support, query, regularisation=0.3, temperature=0.5, **options)
    x, y = prepared(support, query, options)
    shots = np.array([LABELS.count(c) for c in LABELS])
    root = np.sqrt(len(LABELS) / 3 / shots)[:, None]
    targets = np.eye(3)[LABELS] - 1 / 3
    # The normal equations in the space of the vectors, as least squares of augmented rows.
    rows = np.vstack([root * x, np.sqrt(0.3) * np.eye(x.shape[1])])
    wanted = np.vstack([root * targets, np.zeros((x.shape[1], 3))])
    weights = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    np.testing.assert_allclose(got, (y @ weights + 1 / 3) / 0.5, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.2, 1.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_lda_inverts_the_shrunk_covariance(options: dict[str, Any], shrinkage: float) -> None:
    support, query = videos(6), videos(5, seed=1)
    got = logits("lda", support, query, shrinkage=shrinkage, temperature=0.5, **options)
    x, y = prepared(support, query, options)
    weights = np.array([1 / 3 / LABELS.count(c) for c in LABELS])
    means = np.array([class_mean(x, c) for c in range(3)])
    inside = sum(w * np.outer(v, v) for w, v in zip(weights, x - means[LABELS], strict=True))
    total = x - means.mean(0)
    variance = (weights[:, None] * total**2).sum() / (len(x) - 1)
    sigma = (1 - shrinkage) * inside + shrinkage * variance * np.eye(x.shape[1])
    for i, one in enumerate(y):
        each = [(one - m) @ np.linalg.solve(sigma, one - m) for m in means]
        expected = one @ np.linalg.solve(sigma, one) / 2 - np.array(each) / 2
        np.testing.assert_allclose(got[i], expected / 0.5, atol=1e-6)


@pytest.mark.parametrize("name", ["simpleshot", "ridge", "lda"])
def test_only_ordered_vectors_see_the_order_of_frames(name: str) -> None:
    support, query = videos(6), videos(5, seed=1)
    for order, same in (("pooled", True), ("ordered", False)):
        forward = logits(name, support, query, frame_order=order)
        back = logits(name, support, query.flip(1), frame_order=order)
        assert np.allclose(forward, back) == same


def test_lda_with_full_shrinkage_ranks_as_the_nearest_class_mean() -> None:
    support, query = videos(6), videos(40, seed=1)
    shrunk = logits("lda", support, query, shrinkage=1.0, frame_order="pooled")
    nearest = logits("simpleshot", support, query)
    assert (shrunk.argmax(1) == nearest.argmax(1)).all()
    full = logits("lda", support, query, shrinkage=0.05, frame_order="pooled")
    assert (full.argmax(1) != nearest.argmax(1)).any()


def test_the_solvers_are_trained_through() -> None:
    request = FeatureRequest("vectors", View(4))
    for name in ("ridge", "lda"):
        method = methods.create(name, frames=4).double()
        support = videos(1, 6).requires_grad_()

        def score(x: torch.Tensor, method: Any = method) -> torch.Tensor:
            state = method.support(method.encode({request: x}), torch.tensor([LABELS]), 3)
            return method.score(state, method.encode({request: videos(1, 2, seed=1)}))

        assert torch.autograd.gradcheck(score, support)
        gradients = torch.autograd.grad(score(support).sum(), list(method.parameters()))
        assert all(one.isfinite() for one in gradients)


def test_precomputed_features_of_any_width_are_accepted() -> None:
    card = ArrayFeatures(videos(3, width=7).numpy()).card
    assert methods.fitting("simpleshot", card, frames=4) == {"vector_width": 7, "frames": 4}
    assert methods.fitting("ridge", card, frames=4) == {"frames": 4}
