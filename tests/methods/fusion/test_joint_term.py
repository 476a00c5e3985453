"""Joints beside the picture: where they count, and where the picture is left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.bodies import LAYOUT as LANDMARKS
from benchmarks.bodies import part_of
from benchmarks.pairs import encode_videos, episode_accuracies, scorer_of
from fewact import networks
from fewact.core.errors import DataError
from fewact.features.request import JointRequest, Request, View
from fewact.methods.base import Nodes, rows
from fewact.methods.fusion import Fusion, FusionState
from fewact.methods.fusion.joint_term import SURENESS
from fewact.methods.fusion.terms import UNDECIDED
from fewact.methods.protocols import bank_scorer
from tests.methods.fusion.made_up import create, features
from tests.methods.made_up import assert_close, normal
from tests.refused import refused

LAYOUT, FRAMES, WIDTH = "5(1-2,3-4):xyc", 32, 15
JOINTS = JointRequest(View(FRAMES), LAYOUT)
LABELS = np.array([[0, 0, 1, 1, 2, 2]])


def bodies(number: int, seed: int = 0) -> NDArray[Any]:
    """Return joints (1 v t d), all of them confident."""
    places = 0.3 * normal(1, number, FRAMES, 5, 2, seed=seed).cumsum(2)
    joints = np.concatenate([places, np.ones((*places.shape[:-1], 1))], -1)
    return joints.reshape(1, number, FRAMES, WIDTH)


def with_joints(number: int, seed: int = 0) -> dict[Request, NDArray[Any]]:
    return {**features(1, number, seed=seed), JOINTS: bodies(number, seed)}


def encoded(given: dict[Request, NDArray[Any]], *, joints: bool = True) -> tuple[Fusion, Nodes]:
    method = create(joints=LAYOUT) if joints else create()
    kept = {request: value for request, value in given.items() if joints or request != JOINTS}
    return method, method.encode(kept)


def logits(given: dict[Request, NDArray[Any]], asked: Any, *, joints: bool = True) -> NDArray[Any]:
    method, nodes = encoded(given, joints=joints)
    _, queries = encoded(asked, joints=joints)
    return method.score(method.support(nodes, LABELS, 3), queries)[0]


def centred(scores: NDArray[Any]) -> NDArray[Any]:
    return scores - scores.mean(-1, keepdims=True)


def test_joints_are_requested_where_the_layout_is_set() -> None:
    assert JOINTS in create(joints=LAYOUT).terms.requests
    assert not any(isinstance(x, JointRequest) for x in create().terms.requests)
    with refused(DataError):
        create(joints="pose34:xyzc")


def test_clips_without_joints_are_scored_as_by_the_picture() -> None:
    support, queries = with_joints(6), with_joints(4, seed=1)
    alone = logits(support, queries, joints=False)
    for given in (support, queries):
        missing = {**given, JOINTS: np.zeros_like(given[JOINTS])}
        pair = (missing, queries) if given is support else (support, missing)
        found = logits(*pair)
        if given is support:
            assert_close(found, alone)
    assert not np.allclose(logits(support, queries), alone)


def test_a_query_without_joints_is_ranked_by_the_picture_but_for_the_classes() -> None:
    """Only the intra-class similarities of the support, the same for all queries, have joints."""
    support, queries = with_joints(6), with_joints(4, seed=1)
    missing = {**queries, JOINTS: np.zeros_like(queries[JOINTS])}
    method, nodes = encoded(support)
    _, asked = encoded(missing)
    state = method.support(nodes, LABELS, 3)
    part = method.pair_parts(state, asked)["joints"]
    assert_close(part, np.broadcast_to(part[..., :1], part.shape))


def test_a_training_clip_without_joints_is_as_similar_as_the_others_on_average() -> None:
    support, queries = with_joints(6), with_joints(4, seed=1)
    joints = support[JOINTS].copy()
    joints[:, 2] = 0
    method, nodes = encoded({**support, JOINTS: joints})
    _, asked = encoded(queries)
    part = method.pair_parts(method.support(nodes, LABELS, 3), asked)["joints"][0]
    assert_close(part[:, 2], np.delete(part, 2, 1).mean(1))


def test_similarity_is_symmetric_and_greatest_for_the_same_clip() -> None:
    method, nodes = encoded(with_joints(6))
    state = method.support(nodes, LABELS, 3)
    pairs = method.similarity(nodes, nodes, state.decision)[0]
    assert_close(pairs, pairs.T, atol=1e-6)
    assert pairs.argmax(1).tolist() == list(range(6))


def test_joints_decide_where_the_picture_is_the_same() -> None:
    one = {request: value[:, :1] for request, value in features(1, 1).items()}
    same = {request: np.repeat(value, 6, 1) for request, value in one.items()}
    support = {**same, JOINTS: bodies(6)}
    assert logits(support, support).argmax(1).tolist() == LABELS[0].tolist()


def test_half_of_the_frames_count_less() -> None:
    support, queries = with_joints(6), with_joints(4, seed=1)
    half = queries[JOINTS].copy()
    half[:, :, FRAMES // 2 :] = 0
    method, nodes = encoded(support)
    state = method.support(nodes, LABELS, 3)
    spreads = [
        np.ptp(method.pair_parts(state, encoded({**queries, JOINTS: x})[1])["joints"], axis=-1)
        for x in (queries[JOINTS], half)
    ]
    assert (spreads[1] < spreads[0]).all()
    assert encoded({**queries, JOINTS: half})[1][SURENESS].max() == pytest.approx(0.5)


def test_parts_and_summary_have_the_joints() -> None:
    method, nodes = encoded(with_joints(6))
    _, asked = encoded(with_joints(4, seed=1))
    state = method.support(nodes, LABELS, 3)
    score, pairs = method.score_and_pairs(state, asked)
    assert_close(sum(method.pair_parts(state, asked).values()), pairs)
    assert_close(sum(method.score_parts(state, asked).values()), score)
    restored = method.restored_support(nodes, LABELS, 3, method.summary(state))
    assert isinstance(restored, FusionState)
    assert_close(method.score(restored, asked), score)
    query, shown = ({name: x[0, 0] for name, x in y.items()} for y in (asked, nodes))
    match = method.match_frames(query, shown)
    assert match is not None
    assert sum(map(sum, match.plan)) == pytest.approx(1)


def test_tables_of_the_picture_score_as_the_method_does() -> None:
    method, nodes = encoded(with_joints(9))
    bank = {name: value[0] for name, value in nodes.items()}
    score = bank_scorer(method, bank, bank, 10**6)
    assert score is not None
    shown, queries = np.array([[0, 1, 2, 3, 4, 5]]), np.array([[6, 7, 8]])
    state = method.support(rows(bank, shown), LABELS, 3)
    assert_close(score(shown, LABELS, 3, queries), method.score(state, rows(bank, queries)))


def test_without_a_support_joints_do_not_count() -> None:
    method, nodes = encoded(with_joints(3))
    alone, same = encoded(with_joints(3), joints=False)
    assert_close(
        method.similarity(nodes, nodes, UNDECIDED), alone.similarity(same, same, UNDECIDED)
    )


@pytest.mark.assets
@pytest.mark.slow
def test_joints_recognise_exercises_of_other_people(assets: Path) -> None:
    """More than 15 points above the picture alone at one shot; on 100 episodes ± 4."""
    part = part_of("workout7", assets)
    methods = [create(), create(joints=LANDMARKS)]
    encoded_by = encode_videos(methods, networks.create(), part.videos)
    (episodes,) = part.drawn(100)
    picture, both = (
        episode_accuracies(scorer_of(*pair), episodes).mean()
        for pair in zip(methods, encoded_by, strict=True)
    )
    assert both > picture + 15
