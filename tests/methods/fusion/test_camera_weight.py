"""How static the camera of a support is estimated to be."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.request import Request
from fewact.methods.common.kernel import log_softmax
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import MAX_BY_CAMERAS, SupportDecision, static_probability
from tests.methods.fusion.made_up import CAMERA, MIDDLE, SMALL, create, features
from tests.methods.made_up import assert_close, uniform


def decided(
    method: Fusion, found: dict[Request, NDArray[Any]], labels: NDArray[Any]
) -> list[float]:
    state = method.support(method.encode(found), labels, int(labels.max()) + 1)
    each: list[float] = state.decision.static.tolist()
    return each


def test_log_odds_and_likelihoods_add_up_in_the_logit() -> None:
    labels = np.array([[0, 0, 1, 1]])
    alike = np.array([[2.0, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 1], [0, 0, 1, 2]])[None]
    alone = np.zeros((1, 4, 4))
    log_odds = np.array([0.1, 0.2, -0.4, 0.5])[None, :, None]
    log2 = np.log(2)
    # With logits 1 and 0 over the temperature, each of four clips; or log ½ without distinction.
    likelihood = 4 * log_softmax(np.array([1.0, 0.0]) / 0.2)[0]
    for static, moving, sign in ((alike, alone, 1), (alone, alike, -1)):
        got = static_probability(log_odds, moving, static, labels, 2)
        expected = 1 / (1 + np.exp(4 * (0.1 + 0.6) - sign * (likelihood + 4 * log2)))
        assert_close(got, [expected])


def test_the_cameras_alone_reach_the_maximum() -> None:
    labels, nothing = np.arange(3)[None], np.zeros((1, 3, 3))
    got = static_probability(np.full((1, 3, 1), -9.0), nothing, nothing, labels, 3)
    assert_close(got, np.array([MAX_BY_CAMERAS]))


@pytest.mark.parametrize(("log_odds", "expected"), [(-3, 0.4), (-0.25, 0.198), (3, 0)])
def test_with_one_clip_of_each_class_the_cameras_decide(log_odds: float, expected: float) -> None:
    method, found = create(), features(1, 3)
    each = np.array([-1.0, 0.5, 0.5])[:, None]
    found[CAMERA] = log_odds + each + 0 * found[CAMERA]
    labels = np.arange(3)[None]
    assert decided(method, found, labels) == pytest.approx([expected], abs=1e-3)
    nodes = method.encode(found)
    state = method.support(nodes, labels, 3)
    factor, p = state.decision.appearance, state.decision.static[0]
    moving, static = (
        method.similarity(nodes, nodes, SupportDecision(at, factor)) for at in (0.0, 1.0)
    )
    assert_close(method.score(state, nodes), (1 - p) * moving + p * static)


SHOTS = 3


def simulated(*, camera_moves: bool) -> dict[Request, NDArray[Any]]:
    """Two classes under a moving camera differ in a wave, under a static one in a line."""
    found = features(1, 2 * SHOTS, seed=3)
    time = np.linspace(-1, 1, 32)
    label = np.array([0.0] * SHOTS + [1] * SHOTS)
    drawn = uniform(len(label), seed=6) - 0.5
    slope, wave = (3 * drawn, 0.4 * (label - 0.5)) if camera_moves else (label - 0.5, 0 * label)

    def moving(static: NDArray[Any]) -> NDArray[Any]:
        at = time[:: 32 // static.shape[2]]
        path = slope[:, None] * at + wave[:, None] * np.cos(np.pi * at)  # (v t)
        cells = uniform(*static.shape[-3:], seed=5)
        return 0.1 * static + 4 + cells * path[None, :, :, None, None, None]

    maps = {request: moving(found[request]) for request in (MIDDLE, SMALL)}
    return {**found, **maps, CAMERA: np.full_like(found[CAMERA], -1)}


def test_labels_that_the_clips_predict_outweigh_the_cameras() -> None:
    both = [simulated(camera_moves=True), simulated(camera_moves=False)]
    found = {request: np.concatenate([one[request] for one in both]) for request in both[0]}
    labels = np.array([[0] * SHOTS + [1] * SHOTS] * 2)
    moving, static = decided(create(), found, labels)
    assert moving < 0.2
    assert static > 0.7


def test_without_the_estimate_the_camera_counts_as_moving() -> None:
    labels = np.arange(3)[None]
    assert decided(create(stabilise="off"), features(1, 3, stabilise="off"), labels) == [0]
