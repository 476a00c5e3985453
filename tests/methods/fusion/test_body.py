"""Similarity of bodies: what does not matter to it, and which directions count."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.request import FeatureRequest, View
from fewact.methods.fusion.body import (
    DEPTH,
    JOINTS,
    LEAST_SIDES,
    MOMENTS,
    OF_MOMENTS,
    SURE_CONFIDENCE,
    JointTerms,
)
from tests.methods.made_up import assert_close, normal

FRAMES, LAYOUT = 12, "5(1-2,3-4):xyc"
REQUEST = FeatureRequest("vectors", View(FRAMES))


def terms(layout: str = LAYOUT) -> JointTerms:
    return JointTerms(REQUEST, layout, (1.0, 1.0))


def walks(number: int, coordinates: int = 2, seed: int = 0) -> NDArray[np.float64]:
    """Return movements (v t 5 c) of five joints."""
    return 0.3 * normal(number, FRAMES, 5, coordinates, seed=seed).cumsum(1)


def sure(places: NDArray[np.float64], confidence: float = 1.0) -> NDArray[np.float64]:
    """Return places with confidences as videos of one episode (1 v t d)."""
    found = np.concatenate([places, np.full((*places.shape[:-1], 1), confidence)], -1)
    return found.reshape(1, *found.shape[:2], -1)


def compared(places: NDArray[np.float64], layout: str = LAYOUT) -> NDArray[np.float64]:
    """Return the similarities (v v) of videos with each other, decided by all of them."""
    similarity = terms(layout)
    nodes = similarity.encode({REQUEST: sure(places)})
    decision, shown = similarity.decide(nodes, np.zeros((1, len(places)), np.int64), 1)
    return similarity.similarity(shown, shown, decision)[0]


def test_similarity_is_symmetric_and_greatest_for_the_same_body() -> None:
    pairs = compared(walks(6))
    assert_close(pairs, pairs.T, atol=1e-6)
    assert pairs.argmax(1).tolist() == list(range(6))
    assert_close(pairs.diagonal(), np.zeros(6), atol=1e-6)


def test_moments_are_square_roots_of_covariances_of_length_one() -> None:
    similarity = terms()
    nodes = similarity.encode({REQUEST: sure(walks(3))})
    _, shown = similarity.decide(nodes, np.zeros((1, 3), np.int64), 1)
    places = shown["places"][0]
    deviation = places - places.mean(1, keepdims=True)
    for video, root in zip(deviation, shown[OF_MOMENTS[0]][0], strict=True):
        covariance = video.T @ video / np.square(video).sum()
        assert_close(root.T @ root @ (root.T @ root), covariance, atol=1e-4)


def test_moments_find_a_repeated_movement_that_begins_in_another_phase() -> None:
    """The moments of the places are the same; only the path differs."""
    time = 2 * np.pi * np.arange(FRAMES) / FRAMES
    still = np.tile(normal(5, 2), (FRAMES, 1, 1))
    arm = np.zeros((2, FRAMES, 5, 2))
    for video, phase in enumerate((0.0, np.pi)):
        arm[video, :, 3] = np.stack([np.cos(time + phase), np.sin(time + phase)], -1)
    similarity = terms()
    nodes = similarity.encode({REQUEST: sure(still + arm)})
    _, shown = similarity.decide(nodes, np.zeros((1, 2), np.int64), 1)
    first, second = shown[OF_MOMENTS[0]][0]
    assert np.square(first @ second.T).sum() > 0.95
    pairs = compared(still + arm)
    assert pairs[0, 1] < -2 * MOMENTS * 0.05


def test_a_body_without_movement_is_as_similar_as_its_places_are() -> None:
    places = np.tile(normal(3, 1, 5, 2), (1, FRAMES, 1, 1))
    pairs = compared(places)
    assert np.isfinite(pairs).all()
    assert pairs.argmax(1).tolist() == [0, 1, 2]


def test_guessed_depth_counts_less_than_measured_depth() -> None:
    picture, sensor = (
        terms(layout).encode({REQUEST: normal(1, 2, FRAMES, width)})[JOINTS]
        for layout, width in (("pose33:xyz", 99), ("33:xyz", 99))
    )
    (x, _, z), (across, _, depth) = (
        x.reshape(2, FRAMES, 34, 3).std((0, 1, 2)) for x in (picture, sensor)
    )
    assert z / x == pytest.approx(DEPTH, rel=0.1)
    assert depth / across == pytest.approx(1, rel=0.1)


def decided(places: NDArray[np.float64]) -> float:
    similarity = terms()
    decision = similarity.decision(similarity.encode({REQUEST: sure(places)}))
    return float(decision.horizontal[0])


def test_horizontal_directions_count_where_bodies_are_seen_from_one_side() -> None:
    body, noise = 3 * normal(1, 1, 5, 2, seed=4), 0.05 * walks(6)
    alike = body + noise
    assert decided(alike) > 0.95
    turned = alike.copy()
    turned[..., 0] *= np.array([1.0, -1.0, 0.4, -0.5, 0.8, -1.0])[:, None, None]
    assert decided(turned) == pytest.approx(LEAST_SIDES)
    from_above = normal(6, 1, 5, 2) + noise
    assert decided(from_above) > 0.5
    assert decided(alike[:1]) == 1


@pytest.mark.parametrize(
    ("shown", "confidence", "expected"),
    [
        (1.0, 1.0, 1.0),
        (1.0, SURE_CONFIDENCE, 1.0),
        (0.5, 1.0, 0.5),
        (1.0, SURE_CONFIDENCE / 2, 0.25),
        (0.0, 0.0, 0.0),
    ],
)
def test_sureness_is_what_is_shown_and_how_confidently(
    shown: float, confidence: float, expected: float
) -> None:
    values = sure(walks(1), confidence)
    values[:, :, round(shown * FRAMES) :] = 0
    found = terms().sureness({REQUEST: values})
    assert found.shape == (1, 1, 1)
    assert found.item() == pytest.approx(expected)


def test_joints_without_confidences_are_sure_where_they_are_there() -> None:
    values = walks(1).reshape(1, 1, FRAMES, -1)
    values[:, :, :3] = 0
    assert terms("5:xy").sureness({REQUEST: values}).item() == pytest.approx(0.75)
