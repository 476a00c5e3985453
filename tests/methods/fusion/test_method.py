"""The training-free default as a whole."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact import methods
from fewact.core.errors import OptionError
from fewact.core.options import option_names
from fewact.features.request import (
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Request,
    SmallFrameRequest,
    View,
    moving_vectors,
)
from fewact.lab.evaluation.identity import encoding_facts
from fewact.lab.methods.adapters import on_tensors
from fewact.methods.base import Nodes
from fewact.methods.cards import made_up_card
from fewact.methods.fusion import Fusion, FusionOptions, FusionState, TermWeights, redundancy
from fewact.methods.fusion.terms import MotionTerm, SupportDecision, appearance_factor
from tests.methods.fusion.made_up import (
    CAMERA,
    IMAGES,
    MIDDLE,
    MOVING,
    SMALL,
    changed,
    create,
    features,
    weighted,
)
from tests.methods.made_up import assert_close, uniform
from tests.refused import refused

MOTION_NODES = ("motion", "static_motion", "full_frame_motion", "static_full_frame_motion")
OTHERS = ("full_frame_motion", "moments", "differences", "learned_motion")
"""Terms besides appearance and motion."""


def test_there_are_at_most_nine_options() -> None:
    assert len(option_names(FusionOptions)) <= 9


def test_weights_are_given_by_name() -> None:
    for given in ({"weights": {"moments": 0}}, {"weights.moments": 0}):
        assert create(**given).options.weights == TermWeights(moments=0)
    with refused(OptionError, expected="weights.moments"):
        create(weights=[1, 2, 3, 4])
    with refused(OptionError, where="weights"):
        methods.create("fusion", weights={"motion": -1})
    with refused(OptionError, what="weights.velocity"):
        methods.create("fusion", weights={"velocity": 1})


def test_similarity_is_symmetric_and_greatest_for_the_same_clip() -> None:
    method = create()
    nodes = method.encode(features(1, 6))
    for quick in (False, True):
        pairs = method.terms.similarity(nodes, nodes, quick=quick)[0]
        assert_close(pairs, pairs.T)
        assert pairs.argmax(1).tolist() == list(range(6))


@pytest.mark.parametrize(("static", "factor"), [(0.0, 1.0), (0.3, 0.4), (1.0, 0.0)])
def test_similarity_is_the_weighted_sum_of_the_terms(static: float, factor: float) -> None:
    weights = TermWeights(appearance=0.9, motion=1.8, moments=0.6, learned_motion=0.7)
    method = create(weights=weights)
    first, second = (method.encode(features(2, count, seed=count)) for count in (3, 4))
    parts = {
        one.name: one.term.similarity(first[one.name], second[one.name])
        for one in method.terms.terms
    }
    expected = (
        factor * 0.9 * parts["appearance"]
        + 0.6 * parts["moments"]
        + (1 - static) * 1.8 * (parts["motion"] + parts["full_frame_motion"])
        + static * 1.8 * (parts["static_motion"] + parts["static_full_frame_motion"])
        + 2.7 * parts["differences"]
        + 0.7 * parts["learned_motion"]
    )
    for all_or_each in (float, lambda p: np.full(2, p)):
        decision = SupportDecision(*map(all_or_each, (static, factor)))
        assert_close(method.similarity(first, second, decision), expected)


def test_appearance_counts_less_where_figures_move_in_different_scenes() -> None:
    labels = np.array([[0, 0, 1, 1]])
    same = labels[:, :, None] == labels[:, None, :]

    def factor(between: float, figure: float) -> float:
        similarity = np.where(same, 0.95, between)
        return appearance_factor(similarity, np.array([figure]), labels).item()

    assert [factor(between, 0.9) for between in (0.8, 0.7)] == pytest.approx([1, 1])
    assert factor(0.65, 0.9) == pytest.approx(1 - 0.9 / 2)
    assert [factor(between, 0.9) for between in (0.6, 0.3)] == pytest.approx([0.1, 0.1])
    assert factor(0.3, 0.0) == 1
    alone = appearance_factor(np.full((1, 2, 2), 0.3), 1.0, np.zeros((1, 2)))
    assert alone.tolist() == [1]  # one class has nothing to differ from


def test_the_support_decides_the_factor_by_what_the_network_sees() -> None:
    method = create()
    nodes, labels = method.encode(features(1, 3)), np.arange(3)[None]
    nodes["appearance"] = np.eye(3, nodes["appearance"].shape[-1])[None]
    for sure in (0.0, 0.25, 1.0):
        nodes["learned_motion"][..., -1] = sure
        state = method.support(nodes, labels, 3)
        assert state.decision.appearance.tolist() == [1 - sure]


def test_a_support_is_restored_from_its_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    method, found = create(), features(2, 4)
    nodes, query = method.encode(found), method.encode(features(2, 3, seed=1))
    labels = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    state = method.support(nodes, labels, 2)
    expected = method.score(state, query)
    summary = {name: value.copy() for name, value in method.summary(state).items()}
    with monkeypatch.context() as unused:
        unused.setattr(MotionTerm, "similarity", None)
        unused.setattr(MotionTerm, "quick_similarity", None)
        restored = method.restored_support(nodes, labels, 2, summary)
    assert np.array_equal(method.score(restored, query), expected)


@pytest.mark.slow
def test_a_method_that_is_not_used_any_more_is_freed() -> None:
    method = create()
    nodes = method.encode(features(1, 2))
    state = method.support(nodes, np.arange(2)[None], 2)
    method.score(state, nodes)
    kept = weakref.ref(method.terms.terms[1].term)
    del method
    gc.collect()
    assert kept() is None


def test_one_shot_ranks_as_the_similarity_does() -> None:
    method = create()
    support, query = method.encode(features(1, 5)), method.encode(features(1, 7, seed=1))
    state = method.support(support, np.arange(5)[None], 5)
    logits = method.score(state, query)
    pairs = method.similarity(query, state.nodes, state.decision)
    assert_close(logits, pairs)
    assert np.array_equal(logits.argsort(), pairs.argsort())


def test_even_shots_rank_by_the_distance_to_the_class_mean() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 5, seed=1))
    state = method.support(support, np.array([[0, 0, 1, 1]]), 2)
    assert_of_other_recordings(method, state)
    logits = method.score(state, query)[0]
    across, inside = (
        method.similarity(x, state.nodes, state.decision)[0] for x in (query, support)
    )
    np.fill_diagonal(inside, 2)
    expected = np.stack(
        [across[:, own].mean(1) - 0.5 * inside[own][:, own].mean() for own in ([0, 1], [2, 3])], 1
    )
    assert_close(logits[:, 0] - logits[:, 1], expected[:, 0] - expected[:, 1])


def test_uneven_shots_favour_neither_many_nor_few() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 2, seed=1))
    state = method.support(support, np.array([[0, 0, 1, 0]]), 2)
    assert_of_other_recordings(method, state)
    logits = method.score(state, query)[0]
    across, inside = (
        method.similarity(x, state.nodes, state.decision)[0] for x in (query, support)
    )
    pairs = (inside[0, 1] + inside[0, 3] + inside[1, 3]) / 3
    assert_close(logits[:, 0], across[:, [0, 1, 3]].mean(1) - 0.5 * pairs)
    assert_close(logits[:, 1], across[:, 2] - 0.5 * pairs)


def assert_of_other_recordings(method: Fusion, state: FusionState) -> None:
    """Check that the videos of a class are not more alike than all videos of the support are."""
    alike = method.appearance(state.nodes, state.nodes)
    same = state.labels[:, :, None] == state.labels[:, None]
    expected = np.eye(alike.shape[-1])[None]
    assert_close(redundancy(alike, state.appearance) * same, expected)


def test_clips_that_look_alike_repeat_each_other() -> None:
    similarity = np.array([[[1.0, 0.9, 0.4], [0.9, 1.0, 0.6], [0.4, 0.6, 1.0]]])
    found = redundancy(similarity, np.array([0.6]))
    assert_close(found, np.array([[[1, 0.75, 0], [0.75, 1, 0], [0, 0, 1]]]))
    assert np.isfinite(redundancy(np.ones((1, 2, 2)), np.ones(1))).all()


def test_a_second_clip_of_a_recording_does_not_make_its_class_more_compact() -> None:
    method, found = create(), features(1, 6)
    again = {request: values.copy() for request, values in found.items()}
    for values in again.values():  # the second clip is almost a copy of the first one
        values[:, 1] = values[:, 0] + 1e-3 * (values[:, 1] - values[:, 0])
    labels = np.array([[0, 0, 0, 1, 1, 1]])
    before, after = (
        method.support(method.encode(x), labels, 2).intra_class_similarity[0]
        for x in (found, again)
    )
    pairs = method.similarity(*(method.encode(again),) * 2)[0]
    assert pairs[0, 1] > 1.3 * pairs[0, 2]
    assert abs(after[0] - before[0]) < 0.2 * (pairs[0, 1] - pairs[0, 2])


def test_intra_class_similarity_uses_the_static_probability_of_its_episode() -> None:
    method, found = create(), features(2, 4)
    found[CAMERA][0, ..., 0], found[CAMERA][1, ..., 0] = -9.0, 9.0
    labels = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    nodes = method.encode(found)
    state = method.support(nodes, labels, 2)
    assert state.decision.static[0] > state.decision.static[1] + 0.1
    for episode in range(2):
        alone = {name: value[episode : episode + 1] for name, value in nodes.items()}
        expected = method.support(alone, labels[episode : episode + 1], 2)
        assert_close(state.intra_class_similarity[episode], expected.intra_class_similarity[0])


def test_a_static_video_has_no_motion_and_stays_finite() -> None:
    method = create()
    found = features(1, 3)
    static = {
        request: np.broadcast_to(values[:, :, :1], values.shape)
        for request, values in found.items()
    }
    static[IMAGES] = np.zeros_like(found[IMAGES])
    nodes = method.encode(static)
    assert all((nodes[name] == 0).all() for name in (*MOTION_NODES, "learned_motion", "moments"))
    moving = method.encode(found)
    assert np.isfinite(method.similarity(nodes, moving)).all()
    logits = method.score(method.support(nodes, np.arange(3)[None], 3), nodes)
    assert np.isfinite(logits).all()
    assert logits[0].argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("crop", [True, False])
def test_a_static_video_has_no_motion_in_float32_despite_rounding(crop: bool) -> None:
    found = {
        request: values.astype(np.float32) + 1000 for request, values in features(1, 2).items()
    }
    static = {
        request: np.broadcast_to(values[:, :, :1], values.shape)
        for request, values in found.items()
    }
    method = create()
    if not crop:
        changed(method, crop=False)
    nodes = method.encode(static)
    assert all((nodes[name] == 0).all() for name in (*MOTION_NODES, "moments"))


def test_a_copy_of_a_support_clip_does_not_change_a_clear_decision() -> None:
    method = create()
    found = features(1, 2)
    support = method.encode(found)
    query = method.encode({request: values + 0.01 for request, values in found.items()})
    alone = method.score(method.support(support, np.array([[0, 1]]), 2), query)
    twice = {name: value[:, [0, 0, 1]] for name, value in support.items()}
    copied = method.score(method.support(twice, np.array([[0, 0, 1]]), 2), query)
    assert alone.argmax(-1).tolist() == copied.argmax(-1).tolist() == [[0, 1]]


@pytest.mark.parametrize("axis", [2, -1])
def test_time_and_position_matter(axis: int) -> None:
    method = create()
    x, y = features(1, 1), features(1, 1, seed=1)
    flipped = {
        request: np.flip(v, axis) if v.ndim > 4 or axis == 2 else v for request, v in y.items()
    }
    plain = method.similarity(method.encode(x), method.encode(y))
    other = method.similarity(method.encode(x), method.encode(flipped))
    assert abs((plain - other).item()) > 1e-4


def test_frames_of_motion_are_stabilised_and_those_of_appearance_and_moments_are_not() -> None:
    card = made_up_card()

    def requests(**options: Any) -> set[Request]:
        return set(create(**options).requests(card))

    def of(view: View) -> set[Request]:
        types = SmallFrameRequest, DifferenceRequest, DifferenceImageRequest
        return {MOVING, MIDDLE, *(request(view) for request in types)}

    assert requests() == {*of(View(32, "auto")), CAMERA}
    assert requests(stabilise="on") == {*of(View(32, "on")), CAMERA}
    assert requests(stabilise="off") == of(View(32))


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_a_linear_trend_does_not_change_the_moments(mode: str) -> None:
    found, method = features(1, 2, stabilise=mode), create(stabilise=mode)
    slope = uniform(1, 2, 1, 6, 8, 8)
    time = np.linspace(-1, 1, 8)[:, None, None, None]
    tilted = {**found, MIDDLE: found[MIDDLE] + slope * time}
    assert_close(method.encode(found)["moments"], method.encode(tilted)["moments"])


def test_full_frame_motion_is_of_frames_that_are_neither_stabilised_nor_cropped() -> None:
    x, y = features(1, 2), features(1, 3, seed=1)

    def pairs(weight: float) -> NDArray[Any]:
        method = weighted({"full_frame_motion": weight})
        return method.similarity(method.encode(x), method.encode(y))

    term = MotionTerm(MIDDLE, "linear", crop=False, grid=4)
    full = term.similarity(*(term.encode({MIDDLE: found[MIDDLE]}) for found in (x, y)))
    assert_close(pairs(0.7) - pairs(0), 0.7 * full)


def test_a_person_at_another_position_is_recognised() -> None:
    found = features(1, 6)
    maps = np.zeros_like(found[SMALL])
    maps[..., 2:6, 2:6] = found[SMALL][..., 2:6, 2:6]
    here, there = ({**found, SMALL: np.roll(maps, by, (-2, -1))} for by in ((-1, 1), (1, 0)))
    weights = {"motion": 2, **dict.fromkeys(OTHERS, 0.0)}
    method = weighted(weights)
    pairs = method.similarity(method.encode(here), method.encode(there))[0]
    assert pairs.argmax(1).tolist() == list(range(6))
    assert_close(pairs.diagonal(), np.full(6, pairs.max()), atol=0.02, rtol=0)
    whole = changed(weighted(weights), crop=False)
    apart = whole.similarity(whole.encode(here), whole.encode(there))[0].diagonal()
    assert (apart < pairs.diagonal() - 0.5).all()


def test_a_horizontal_flip_is_the_same_with_the_option() -> None:
    found = features(1, 4)
    turned = {request: np.flip(v, -1) if v.ndim >= 5 else v for request, v in found.items()}
    for weights in ({}, {"learned_motion": 0}):
        method = create(horizontal_flip=True, weights=weights)
        clips, images = method.encode(found), method.encode(turned)
        both = method.similarity(clips, images)
        assert_close(both, method.similarity(clips, clips))
        assert_close(both, method.similarity(images, clips))
    plain = create(weights={"learned_motion": 0})
    unflipped, flipped = (plain.similarity(clips, nodes) for nodes in (clips, images))
    assert_close(both, np.maximum(unflipped, flipped))
    assert (flipped.diagonal(axis1=1, axis2=2) < both.diagonal(axis1=1, axis2=2) - 0.1).all()
    assert_close(both, both.mT)


def test_cells_of_appearance_add_up_to_its_part_of_the_similarity() -> None:
    method = create(weights={"appearance": 3})
    (maps,) = method.explaining_requests(made_up_card())
    assert maps == FeatureRequest("maps", View(8))
    found = features(1, 2)
    own = uniform(8, 10, 3, 3, seed=2)
    found[MOVING][0, 0] = moving_vectors(own)
    nodes = method.encode(found)
    query, support = ({name: value[0, i] for name, value in nodes.items()} for i in range(2))
    first, second = ({name: value[:, i : i + 1] for name, value in nodes.items()} for i in range(2))
    state = method.support(second, np.zeros((1, 1), np.int64), 1)
    cells = method.match_cells(query, support, {maps: own}, state)
    assert {name: value.shape for name, value in cells.items()} == {
        "appearance": (8, 3, 3),
        "motion": (8, 4, 4),
    }
    part = method.pair_parts(state, first)["appearance"]
    assert_close(cells["appearance"].sum(), part.squeeze())


def test_vectors_that_are_not_the_means_of_maps_have_no_cells_of_appearance() -> None:
    method, found = create(), features(1, 1)
    (maps,) = method.explaining_requests(made_up_card())
    one = np.zeros((1, 1), np.int64)

    def cells(encoded: Nodes, maps: dict[Request, NDArray[Any]]) -> set[str]:
        nodes = {name: value[0, 0] for name, value in encoded.items()}
        return set(method.match_cells(nodes, nodes, maps, method.support(encoded, one, 1)))

    other = uniform(8, 12, 3, 3, seed=2)
    assert cells(method.encode(found), {maps: other}) == {"motion"}
    assert cells(method.encode(found), {maps: other[:, :10]}) == {"motion"}


def test_a_backbone_without_maps_is_refused() -> None:
    with pytest.raises(OptionError):
        create().requests(made_up_card(maps=False))


@pytest.mark.parametrize(("name", "times"), [("differences", 1.5), ("motion", 1)])
def test_a_term_counts_with_its_weight(name: str, times: float) -> None:
    method, without = create(), weighted({name: 0})
    nodes = method.encode(features(1, 4))
    (term,) = (one.term for one in method.terms.terms if one.name == name)
    assert nodes["motion"].shape == (1, 4, 32, 2 * 5 * 36)
    pairs = method.similarity(nodes, nodes)
    assert_close(pairs, pairs.mT)
    counted = times * TermWeights().motion * term.similarity(nodes[name], nodes[name])
    assert_close(pairs, without.similarity(nodes, nodes) + counted)


def test_a_term_of_weight_zero_is_neither_requested_nor_encoded() -> None:
    method = create(weights={"motion": 0, "moments": 0})
    assert set(method.requests(made_up_card())) == {MOVING, IMAGES, CAMERA}
    nodes = method.encode(features(1, 3))
    assert nodes.keys() == {"appearance", "learned_motion", "camera_log_odds"}
    own, other = (encoding_facts(on_tensors(x)) for x in (method, create()))
    assert own != other  # Its nodes serve no other weights.
    pairs = method.similarity(nodes, nodes)[0]
    assert pairs.argmax(1).tolist() == [0, 1, 2]
