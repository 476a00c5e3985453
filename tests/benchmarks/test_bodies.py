"""What a user would take instead of fewact for joints: the nearest clip by time warping."""

import numpy as np

from benchmarks.bodies import FRAMES, JOINTS, NearestByTimeWarping
from tests.methods.made_up import normal


def landmarks(number: int, seed: int = 0) -> np.ndarray:
    """Return landmarks (1 v t 132) of bodies that move slowly."""
    places = normal(1, number, FRAMES, 132, seed=seed)
    return 0.1 * places.cumsum(2) + places[:, :, :1]


def test_the_nearest_clip_is_found_wherever_a_body_is_and_however_large() -> None:
    method, support = NearestByTimeWarping(), landmarks(6)
    moved = support.reshape(1, 6, FRAMES, 33, 4) * 3 + np.array([5.0, -2.0, 1.0, 0.0])
    nodes, queries = (method.encode({JOINTS: x}) for x in (support, moved.reshape(support.shape)))
    labels = np.array([[0, 0, 1, 1, 2, 2]])
    scores = method.score(method.support(nodes, labels, 3), queries)
    assert scores.argmax(-1).tolist() == labels.tolist()
    np.testing.assert_allclose(scores.max(-1), 0, atol=1e-4)


def test_a_clip_without_a_body_has_numbers() -> None:
    method = NearestByTimeWarping()
    nodes = method.encode({JOINTS: np.zeros((1, 3, FRAMES, 132))})
    scores = method.score(method.support(nodes, np.array([[0, 1, 2]]), 3), nodes)
    assert np.isfinite(scores).all()
