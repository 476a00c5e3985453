"""Queries that were recorded otherwise than the support."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.request import MovingRequest, Request
from fewact.methods.fusion import (
    ALIKE,
    INTRA_CLASS_WEIGHT,
    POWER,
    intra_class_factor,
    mean_appearance,
)
from tests.methods.fusion.made_up import create, features
from tests.methods.made_up import assert_close

LABELS = np.array([[0, 0, 1, 1]])


def test_the_mean_is_over_different_videos() -> None:
    similarity = np.array([[[1.0, 0.2, 0.4], [0.2, 1.0, 0.6], [0.4, 0.6, 1.0]]])
    assert mean_appearance(similarity).tolist() == pytest.approx([0.4])
    assert mean_appearance(np.ones((2, 1, 1))).tolist() == [0, 0]


def test_the_factor_is_a_power_of_the_ratio() -> None:
    queries = np.array([[[0.8, 0.8], [0.4, 0.8], [0.38, 0.38], [-0.1, 0.0]]])
    found = intra_class_factor(queries, np.array([0.8]))
    expected = [1, (0.6 / 0.8 / ALIKE) ** POWER, (0.38 / 0.8 / ALIKE) ** POWER, 0]
    assert_close(found, np.array([expected]))
    assert np.isfinite(intra_class_factor(queries, np.zeros(1))).all()


def faint(found: dict[Request, NDArray[Any]], kept: float) -> dict[Request, NDArray[Any]]:
    """Return features of which the vectors lose all but the first fraction of their channels."""
    changed = dict(found)
    for request, value in found.items():
        if isinstance(request, MovingRequest):
            channels = np.arange(value.shape[-1]) < kept * value.shape[-1]
            changed[request] = value * channels
    return changed


def test_only_queries_unlike_the_support_get_another_score() -> None:
    method, found = create(), features(1, 4)
    support = method.encode(found)
    state = method.support(support, LABELS, 2)
    assert state.appearance is not None
    alike, unlike = (method.encode(faint(found, kept)) for kept in (1.0, 0.3))
    for nodes, same in ((alike, True), (unlike, False)):
        pairs = method.similarity(nodes, state.nodes, state.decision)
        plain = state.logits(pairs, INTRA_CLASS_WEIGHT)
        assert np.array_equal(method.score(state, nodes), plain) is same
    appearance = method.appearance(unlike, state.nodes)
    assert appearance is not None
    weight = 0.5 * intra_class_factor(appearance, state.appearance)  # (1 4)
    pairs = method.similarity(unlike, state.nodes, state.decision)
    means = np.stack([pairs[..., :2].mean(-1), pairs[..., 2:].mean(-1)], -1)
    expected = means - weight[..., None] * state.intra_class_similarity[:, None]
    assert_close(method.score(state, unlike), expected)
    parts = method.score_parts(state, unlike)
    assert_close(sum(parts.values()), expected)


def test_the_appearance_ratio_makes_a_query_as_like_the_support_as_its_videos_are() -> None:
    method, found = create(), features(1, 4)
    state = method.support(method.encode(found), LABELS, 2)
    assert state.appearance is not None
    unlike = method.encode(faint(found, 0.3))
    ratio = method.appearance_ratio(state, unlike)
    assert ratio is not None
    scaled = method.appearance(unlike, state.nodes).mean(-1) * ratio
    assert_close(scaled, np.broadcast_to(state.appearance, (1, 4)))
    alike = method.appearance_ratio(state, method.encode(found))
    assert np.array_equal(alike, np.ones((1, 4)))  # each is itself a support video


def test_a_faint_query_is_not_drawn_to_the_looser_class() -> None:
    """A class whose videos differ has a small intra-class similarity: faint queries liked it."""
    method, found = create(), features(1, 4)
    tight = {request: value.copy() for request, value in found.items()}
    for request, value in tight.items():
        if not isinstance(request, MovingRequest):  # both videos of the first class move alike
            value[:, 1] = value[:, 0]
    state = method.support(method.encode(tight), LABELS, 2)
    query = method.encode(faint(tight, 0.3))
    pairs = method.similarity(query, state.nodes, state.decision)
    plain = state.logits(pairs, INTRA_CLASS_WEIGHT)
    gain = method.score(state, query) - plain
    assert (gain[0, :, 0] > gain[0, :, 1]).all()
