"""The training-free default as a whole."""

import gc
import weakref
from typing import Any

import pytest
import torch

from fewact import methods
from fewact.core.errors import OptionError, ShapeError
from fewact.evaluation.identity import encoding_facts
from fewact.features.request import (
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Request,
    SmallFrameRequest,
    View,
)
from fewact.methods.base import Nodes, TrainingBatch
from fewact.methods.fusion import Fusion, FusionOptions, TermWeights
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import Decision
from tests.methods.fusion.made_up import (
    CAMERA,
    DIFFERENCES,
    IMAGES,
    MIDDLE,
    MOVING,
    PERMISSIVE_DIFFERENCES,
    PERMISSIVE_IMAGES,
    PERMISSIVE_SMALL,
    SMALL,
    VECTORS,
    changed,
    create,
    features,
    of_one_view,
)
from tests.methods.made_up import make_card

ONE_ESTIMATE = {"stabilise": "on"}
"""Options without a permissive view."""

LEARNED = ("learned_motion", "permissive_learned_motion")
MOTION_NODES = (
    "motion",
    "permissive_motion",
    "static_motion",
    "full_frame_motion",
    "static_full_frame_motion",
)
OTHERS = ("full_frame_motion", "moments", "differences", "learned_motion")
"""Terms besides appearance and motion."""


def test_there_are_at_most_eight_options() -> None:
    assert len(FusionOptions.__dataclass_fields__) <= 8


def test_weights_are_given_by_name() -> None:
    for given in ({"weights": {"moments": 0}}, {"weights.moments": 0}):
        assert create(**given).options.weights == TermWeights(moments=0)
    with pytest.raises(OptionError, match=r"weights\.moments"):
        create(weights=[1, 2, 3, 4])
    with pytest.raises(OptionError, match="weights"):
        methods.create("fusion", weights={"motion": -1})
    with pytest.raises(OptionError, match="weights"):
        methods.create("fusion", weights={"velocity": 1})


def test_similarity_is_symmetric_and_greatest_for_the_same_clip() -> None:
    method = create()
    nodes = method.encode(features(1, 6))
    for name in LEARNED:
        nodes[name][..., -1] = 0.7  # how sure the network is
    for quick in (False, True):
        pairs = method.map_terms.similarity(nodes, nodes, quick=quick)[0]
        torch.testing.assert_close(pairs, pairs.T)
        assert pairs.argmax(1).tolist() == list(range(6))


@pytest.mark.parametrize(
    ("probability", "share", "figure"), [(0.0, 0.5, 1.0), (0.3, 0.2, 0.4), (1.0, 0.0, 0.0)]
)
def test_similarity_is_the_weighted_sum_of_the_terms(
    probability: float, share: float, figure: float
) -> None:
    weights = TermWeights(
        appearance=0.9,
        motion=1.7,
        full_frame_motion=0.4,
        moments=0.6,
        differences=1.2,
        learned_motion=0.7,
    )
    method = create(weights=weights)
    first, second = (method.encode(features(2, count, seed=count)) for count in (3, 4))
    parts = {
        one.name: one.term.similarity(first[one.name], second[one.name])
        for one in method.map_terms.terms
    }
    moving, static = 1 - probability, probability

    def both(name: str, sure: Nodes | None = None) -> torch.Tensor:
        one, other = name, f"permissive_{name}"
        if sure is not None:
            of_one, of_other = (sure[x][:, :, 0, -1:] for x in (one, other))  # (b q 1)
            return (1 - share) * of_one * parts[one] + share * of_other * parts[other]
        return (1 - share) * parts[one] + share * parts[other]

    others = (
        0.9 * parts["appearance"]
        + 0.6 * parts["moments"]
        + moving * 1.7 * both("motion")
        + static * 1.7 * parts["static_motion"]
        + moving * 0.4 * parts["full_frame_motion"]
        + static * 0.4 * parts["static_full_frame_motion"]
        + 1.2 * both("differences")
    )
    expected = (1 - figure / 2) * others + 0.7 * figure * both("learned_motion", first)
    for all_or_each in (float, lambda p: torch.full((2,), p, dtype=torch.float64)):
        decision = Decision(*map(all_or_each, (probability, share, figure)))
        torch.testing.assert_close(method.similarity(first, second, decision), expected)


def test_learned_motion_alone_is_zero_where_its_network_is_not_sure() -> None:
    others = {name: 0 for name in TermWeights.model_fields if name != "learned_motion"}
    method = create(weights=others)
    nodes = method.encode(features(1, 3))
    unsure = {**nodes, **{name: nodes[name].clone() for name in LEARNED}}
    for name in LEARNED:
        unsure[name][..., -1] = 0
    state = method.support(unsure, torch.arange(3)[None], 3)
    assert torch.equal(method.score(state, unsure), torch.zeros(1, 3, 3).double())


def test_equal_views_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum has the same bits, whatever else is compared in the same call."""
    method, compared = create(), []
    aligned = Motion.similarity

    def similarity(self: Motion, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        compared.append(self)
        return aligned(self, first, second)

    monkeypatch.setattr(Motion, "similarity", similarity)
    same, other = (
        {name: value.float() for name, value in method.encode(one).items()}
        for one in (of_one_view(features(1, 4)), features(1, 2, seed=1))
    )
    labels = torch.arange(4)[None]
    state, moved = (method.support(one, labels, 4) for one in (same, {**other, **same}))
    assert state.decision.one_view
    query = {name: value[:, :2] for name, value in same.items()}
    compared.clear()
    once = method.score_and_pairs(state, query)[1]
    number = len(compared)
    both = {name: torch.cat([query[name], other[name]], 1) for name in query}
    compared.clear()
    assert torch.equal(method.score_and_pairs(moved, both)[1][:, :2], once)
    assert number < len(compared)


@pytest.mark.parametrize("both_views", [True, False])
def test_a_support_is_restored_from_its_summary(
    monkeypatch: pytest.MonkeyPatch, both_views: bool
) -> None:
    method, found = create(), features(2, 4)
    found = found if both_views else of_one_view(found)
    nodes, query = method.encode(found), method.encode(features(2, 3, seed=1))
    labels = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    state = method.support(nodes, labels, 2)
    assert state.decision.one_view != both_views
    expected = method.score(state, query)
    summary = {name: value.clone() for name, value in method.summary(state).items()}
    with monkeypatch.context() as unused:
        unused.setattr(Motion, "similarity", None)
        unused.setattr(Motion, "quick_similarity", None)
        restored = method.restored_support(nodes, labels, 2, summary)
    assert torch.equal(method.score(restored, query), expected)


def test_a_method_that_is_not_used_any_more_is_freed() -> None:
    method = create()
    nodes = method.encode(of_one_view(features(1, 2)))
    state = method.support(nodes, torch.arange(2)[None], 2)
    assert state.decision.one_view
    method.score(state, nodes)
    kept = weakref.ref(method.map_terms.terms[1].term.reduction)
    del method
    gc.collect()
    assert kept() is None


def test_one_shot_ranks_as_the_similarity_does() -> None:
    method = create()
    support, query = method.encode(features(1, 5)), method.encode(features(1, 7, seed=1))
    state = method.support(support, torch.arange(5)[None], 5)
    logits = method.score(state, query)
    pairs = method.similarity(query, state.nodes, state.decision)
    torch.testing.assert_close(logits, pairs)
    assert torch.equal(logits.argsort(), pairs.argsort())


def test_even_shots_rank_by_the_distance_to_the_class_mean() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 5, seed=1))
    state = method.support(support, torch.tensor([[0, 1, 1, 0]]), 2)
    logits = method.score(state, query)[0]
    across, inside = (
        method.similarity(x, state.nodes, state.decision)[0] for x in (query, support)
    )
    inside.fill_diagonal_(2)
    expected = torch.stack(
        [across[:, own].mean(1) - 0.5 * inside[own][:, own].mean() for own in ([0, 3], [1, 2])], 1
    )
    torch.testing.assert_close(logits[:, 0] - logits[:, 1], expected[:, 0] - expected[:, 1])


def test_uneven_shots_favour_neither_many_nor_few() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 2, seed=1))
    state = method.support(support, torch.tensor([[0, 1, 0, 0]]), 2)
    logits = method.score(state, query)[0]
    across, inside = (
        method.similarity(x, state.nodes, state.decision)[0] for x in (query, support)
    )
    pairs = (inside[0, 2] + inside[0, 3] + inside[2, 3]) / 3
    torch.testing.assert_close(logits[:, 0], across[:, [0, 2, 3]].mean(1) - 0.5 * pairs)
    torch.testing.assert_close(logits[:, 1], across[:, 1] - 0.5 * pairs)


def test_intra_class_similarity_uses_the_static_probability_of_its_episode() -> None:
    method, found = create(), features(2, 4)
    found[CAMERA][0, ..., 0], found[CAMERA][1, ..., 0] = -9.0, 9.0
    labels = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    nodes = method.encode(found)
    state = method.support(nodes, labels, 2)
    assert state.decision.alternative[0] > state.decision.alternative[1] + 0.1
    for episode in range(2):
        alone = {name: value[episode : episode + 1] for name, value in nodes.items()}
        expected = method.support(alone, labels[episode : episode + 1], 2)
        torch.testing.assert_close(
            state.intra_class_similarity[episode], expected.intra_class_similarity[0]
        )


def test_a_static_video_has_no_motion_and_stays_finite() -> None:
    method = create()
    found = features(1, 3)
    static = {request: values[:, :, :1].expand_as(values) for request, values in found.items()}
    static |= {one: torch.zeros_like(found[one]) for one in (IMAGES, PERMISSIVE_IMAGES)}
    nodes = method.encode(static)
    assert all((nodes[name] == 0).all() for name in (*MOTION_NODES, *LEARNED, "moments"))
    moving = method.encode(found)
    assert method.similarity(nodes, moving).isfinite().all()
    logits = method.score(method.support(nodes, torch.arange(3)[None], 3), nodes)
    assert logits.isfinite().all()
    assert logits[0].argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("crop", [True, False])
def test_a_static_video_has_no_motion_in_float32_despite_rounding(crop: bool) -> None:
    found = {request: values.float() + 1000 for request, values in features(1, 2).items()}
    static = {request: values[:, :, :1].expand_as(values) for request, values in found.items()}
    method = create().float()
    if not crop:
        changed(method, crop=False)
    nodes = method.encode(static)
    assert all((nodes[name] == 0).all() for name in (*MOTION_NODES, "moments"))


def test_a_copy_of_a_support_clip_does_not_change_a_clear_decision() -> None:
    method = create()
    found = features(1, 2)
    support = method.encode(found)
    query = method.encode({request: values + 0.01 for request, values in found.items()})
    alone = method.score(method.support(support, torch.tensor([[0, 1]]), 2), query)
    twice = {name: value[:, [0, 0, 1]] for name, value in support.items()}
    copied = method.score(method.support(twice, torch.tensor([[0, 0, 1]]), 2), query)
    assert alone.argmax(-1).tolist() == copied.argmax(-1).tolist() == [[0, 1]]


@pytest.mark.parametrize("axis", [2, -1])
def test_time_and_position_matter(axis: int) -> None:
    method = create()
    x, y = features(1, 1), features(1, 1, seed=1)
    flipped = {request: v.flip(axis) if v.ndim > 4 or axis == 2 else v for request, v in y.items()}
    plain = method.similarity(method.encode(x), method.encode(y))
    other = method.similarity(method.encode(x), method.encode(flipped))
    assert (plain - other).abs().item() > 1e-4


def test_frames_of_motion_are_stabilised_and_those_of_appearance_and_moments_are_not() -> None:
    card = make_card()

    def requests(**options: Any) -> set[Request]:
        return set(create(**options).requests(card))

    def of(view: View) -> set[Request]:
        types = SmallFrameRequest, DifferenceRequest, DifferenceImageRequest
        return {VECTORS, MIDDLE, *(request(view) for request in types)}

    auto = of(View(32, "auto")) | of(View(32, "permissive"))
    assert requests() == {*auto, CAMERA}
    assert requests(**MOVING) == auto
    assert requests(**MOVING, **ONE_ESTIMATE) == of(View(32, "on"))
    assert requests(**ONE_ESTIMATE) == {*of(View(32, "on")), CAMERA}
    assert requests(cameras="static") == requests(stabilise="off", **MOVING) == of(View(32))


def test_conservative_and_permissive_view_have_half_of_the_weight_each() -> None:
    x, y = features(1, 2), features(1, 3, seed=1)
    method = create(**MOVING)

    def permissive_only(found: dict[Request, torch.Tensor]) -> dict[Request, torch.Tensor]:
        views = {SMALL: PERMISSIVE_SMALL, DIFFERENCES: PERMISSIVE_DIFFERENCES}
        return of_one_view({**found, **{one: found[other] for one, other in views.items()}})

    def pairs(first: dict[Request, torch.Tensor], second: dict[Request, torch.Tensor]) -> Any:
        return method.similarity(method.encode(first), method.encode(second))

    conservative = pairs(*(of_one_view(found) for found in (x, y)))
    permissive = pairs(*(permissive_only(found) for found in (x, y)))
    torch.testing.assert_close(pairs(x, y), (conservative + permissive) / 2)
    assert not torch.allclose(conservative, permissive)
    nodes = method.encode(of_one_view(x))
    for name in ("motion", "differences", "learned_motion"):
        assert nodes[f"permissive_{name}"] is nodes[name]


def test_clips_of_the_same_camera_decide_the_share_of_the_permissive_view() -> None:
    method, labels = create(), torch.tensor([[0, 0, 1, 1]])
    found = features(1, 4)
    alike = {one: values[:, [0, 0, 2, 2]] for one, values in found.items()}
    mixed = {one: values[:, [0, 1, 1, 0]] for one, values in found.items()}

    def share(conservative: Any, permissive: Any) -> float:
        nodes, others = method.encode(conservative), method.encode(permissive)
        both = {f"permissive_{one}": others[one] for one in nodes if f"permissive_{one}" in nodes}
        return float(method.support({**nodes, **both}, labels, 2).decision.permissive)

    assert share(alike, mixed) < 0.1  # Clips of a class are alike in the conservative view alone.
    assert share(mixed, alike) == share(alike, alike) == 0.5
    one_shot = {name: value[:, :2] for name, value in method.encode(found).items()}
    assert float(method.support(one_shot, torch.tensor([[0, 1]]), 2).decision.permissive) == 0.5


@pytest.mark.parametrize("mode", ["on", "permissive"])
def test_refuses_to_stabilise_static_cameras(mode: str) -> None:
    message = r'option "stabilise": has no effect with cameras=static.*got ' + mode
    with pytest.raises(OptionError, match=message):
        create(cameras="static", stabilise=mode)
    for usable in ("off", "auto"):  # What static cameras are, and the default.
        requests = create(cameras="static", stabilise=usable).requests(make_card())
        assert {one.view.stabilise for one in requests} == {"off"}


def test_a_linear_trend_changes_the_moments_of_static_cameras_alone() -> None:
    found = features(1, 2)
    for cameras in ("support", "moving", "static"):
        off = dict.fromkeys(("motion", "differences", "learned_motion"), 0)
        method = create(cameras=cameras, weights=off)
        slope = (
            torch.rand(1, 2, 1, 6, 8, 8, dtype=torch.float64)
            * torch.linspace(-1, 1, 8)[:, None, None, None].double()
        )
        tilted = {**found, MIDDLE: found[MIDDLE] + slope}
        first, second = method.encode(found)["moments"], method.encode(tilted)["moments"]
        assert torch.allclose(first, second) == (cameras != "static")


def test_full_frame_motion_is_of_frames_that_are_neither_stabilised_nor_cropped() -> None:
    x, y = features(1, 2), features(1, 3, seed=1)

    def pairs(weight: float) -> torch.Tensor:
        method = create(weights={"full_frame_motion": weight}, **MOVING)
        return method.similarity(method.encode(x), method.encode(y))

    term = Motion(MIDDLE, "linear", crop=False, grid=4)
    full = term.similarity(*(term.encode({MIDDLE: found[MIDDLE]}) for found in (x, y)))
    torch.testing.assert_close(pairs(0.7) - pairs(0), 0.7 * full)


def test_a_person_at_another_position_is_recognised() -> None:
    found = features(1, 6)
    maps = torch.zeros_like(found[SMALL])
    maps[..., 2:6, 2:6] = found[SMALL][..., 2:6, 2:6]
    here, there = (
        of_one_view({**found, SMALL: maps.roll(by, (-2, -1))}) for by in ((-1, 1), (1, 0))
    )
    weights = {"motion": 2, **dict.fromkeys(OTHERS, 0)}
    method = create(weights=weights)
    pairs = method.similarity(method.encode(here), method.encode(there))[0]
    assert pairs.argmax(1).tolist() == list(range(6))
    torch.testing.assert_close(pairs.diagonal(), pairs.max().expand(6), atol=0.02, rtol=0)
    whole = changed(create(weights=weights), crop=False)
    apart = whole.similarity(whole.encode(here), whole.encode(there))[0].diagonal()
    assert (apart < pairs.diagonal() - 0.5).all()


def test_a_horizontal_flip_is_the_same_with_the_option() -> None:
    found = features(1, 4)
    turned = {request: v.flip(-1) if v.ndim >= 5 else v for request, v in found.items()}
    method, plain = create(horizontal_flip=True), create()
    clips, images = method.encode(found), method.encode(turned)
    both = method.similarity(clips, images)
    torch.testing.assert_close(both, method.similarity(clips, clips))
    torch.testing.assert_close(both, method.similarity(images, clips))
    unflipped, flipped = (plain.similarity(clips, nodes) for nodes in (clips, images))
    torch.testing.assert_close(both, unflipped.maximum(flipped))
    assert (flipped.diagonal(dim1=1, dim2=2) < both.diagonal(dim1=1, dim2=2) - 0.1).all()
    torch.testing.assert_close(both, both.mT)


def test_vectors_cannot_be_flipped() -> None:
    with pytest.raises(OptionError, match="maps"):
        create(horizontal_flip=True).requests(make_card(maps=False))


def mixing(**options: Any) -> Fusion:
    return create(channel_mixing=6, **options)


def test_channel_mixing_starts_as_the_identity_and_reaches_all_terms_of_the_middle_maps() -> None:
    found, method = features(1, 2), mixing()
    plain, nodes = create().encode(found), method.encode(found)
    torch.testing.assert_close(nodes, plain)
    assert method.mixing is not None
    with torch.no_grad():
        method.mixing.matrix[0, 1] = 2.0
    mixed = method.encode(found)
    differ = {name for name in plain if not torch.allclose(mixed[name], plain[name])}
    full_frame = {"full_frame_motion", "static_full_frame_motion"}
    assert differ == full_frame | {"moments"}


def test_channel_mixing_is_trained_at_the_temperature_of_the_probabilities() -> None:
    found, method = features(2, 6), mixing()
    classes = torch.tensor([[0, 1, 2]] * 2)
    batch = TrainingBatch(
        support={request: values[:, :3] for request, values in found.items()},
        support_labels=classes,
        query={request: values[:, 3:] for request, values in found.items()},
        query_labels=classes,
        n=3,
    )
    loss = method.losses(batch)["cross_entropy"]
    nodes = method.encode(found)
    state = method.support({name: value[:, :3] for name, value in nodes.items()}, classes, 3)
    query = {name: value[:, 3:] for name, value in nodes.items()}
    scores = method.similarity(query, state.nodes, state.decision)
    likelihood = (scores / method.temperature).log_softmax(-1).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(loss, -likelihood.mean())
    loss.backward()
    assert method.mixing is not None
    gradient = method.mixing.matrix.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_training_in_fewer_bits_does_not_round_the_differences_of_frames() -> None:
    method = create(channel_mixing=6).float()
    inputs = {request: values.float() for request, values in features(1, 2).items()}
    with torch.autocast("cpu", torch.bfloat16):
        found = method.encode(inputs)
    torch.testing.assert_close(found, method.encode(inputs))


def test_channel_mixing_of_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"channel_mixing.*6 channels.*expected: 7"):
        create(channel_mixing=7).encode(features(1, 1))


def test_of_a_backbone_without_maps_the_vectors_are_kept_as_they_are() -> None:
    method = create()
    assert method.requests(make_card(maps=False)) == (VECTORS,)
    found = features(1, 2, maps=False)
    assert method.encode(found) == {"vectors": found[VECTORS]}


def test_cells_of_appearance_add_up_to_its_part_of_the_similarity() -> None:
    method = create(weights={"appearance": 3})
    (maps,) = method.explaining_requests(make_card())
    assert maps == FeatureRequest("maps", View(8))
    found = features(1, 2)
    own = torch.rand(8, 12, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    found[VECTORS][0, 0] = own.mean((-2, -1))
    nodes = method.encode(found)
    query, support = ({name: value[0, i] for name, value in nodes.items()} for i in range(2))
    first, second = ({name: value[:, i : i + 1] for name, value in nodes.items()} for i in range(2))
    state = method.support(second, torch.zeros(1, 1, dtype=torch.int64), 1)
    cells = method.match_cells(query, support, {maps: own}, state)
    assert {name: value.shape for name, value in cells.items()} == {
        "appearance": (8, 3, 3),
        "motion": (8, 4, 4),
    }
    part = method.pair_parts(state, first)["appearance"]
    torch.testing.assert_close(cells["appearance"].sum(), part.squeeze())


def test_vectors_that_are_not_the_means_of_maps_have_no_cells_of_appearance() -> None:
    method, found = create(), features(1, 1)
    (maps,) = method.explaining_requests(make_card())
    one = torch.zeros(1, 1, dtype=torch.int64)

    def cells(encoded: Nodes, maps: dict[Request, torch.Tensor]) -> set[str]:
        nodes = {name: value[0, 0] for name, value in encoded.items()}
        return set(method.match_cells(nodes, nodes, maps, method.support(encoded, one, 1)))

    other = torch.rand(8, 12, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    assert cells(method.encode(found), {maps: other}) == {"motion"}
    assert cells(method.encode(found), {maps: other[:, :10]}) == {"motion"}
    assert create().explaining_requests(make_card(maps=False)) == ()
    assert cells(method.encode(features(1, 1, maps=False)), {}) == set()


def test_differences_are_requested_and_count_only_with_a_weight() -> None:
    card, images = make_card(), {DIFFERENCES, PERMISSIVE_DIFFERENCES}
    plain, other = create(weights={"differences": 0}), create()
    assert not images & set(plain.requests(card))
    assert set(other.requests(card)) == {*plain.requests(card), *images}
    inputs = of_one_view(features(1, 4))
    nodes = other.encode(inputs)
    pairs = other.similarity(nodes, nodes)
    term = next(one.term for one in other.map_terms.terms if one.name == "differences")
    own = 1.5 * term.similarity(nodes["differences"], nodes["differences"])
    torch.testing.assert_close(pairs, pairs.mT)
    torch.testing.assert_close(pairs, plain.similarity(nodes, nodes) + own)
    zeros = torch.zeros_like(inputs[DIFFERENCES])
    without = other.encode({**inputs, **dict.fromkeys(images, zeros)})
    assert not without["differences"].any()
    assert not without["permissive_differences"].any()
    assert other.similarity(without, without).isfinite().all()


def test_small_frames_are_requested_and_count_only_with_a_weight() -> None:
    card, found = make_card(), of_one_view(features(1, 4))
    plain, other = create(weights={"motion": 0}), create()
    assert set(other.requests(card)) == {*plain.requests(card), SMALL, PERMISSIVE_SMALL}
    nodes = other.encode(found)
    term = next(one.term for one in other.map_terms.terms if one.name == "motion")
    assert nodes["motion"].shape == (1, 4, 32, 2 * 5 * 36)
    own = term.similarity(nodes["motion"], nodes["motion"])
    pairs = plain.similarity(nodes, nodes) + TermWeights().motion * own
    torch.testing.assert_close(other.similarity(nodes, nodes), pairs)


def test_a_term_of_weight_zero_is_neither_requested_nor_encoded() -> None:
    method = create(weights={"motion": 0, "moments": 0})
    images = {DIFFERENCES, PERMISSIVE_DIFFERENCES, IMAGES, PERMISSIVE_IMAGES}
    assert set(method.requests(make_card())) == {VECTORS, MIDDLE, CAMERA, *images}
    nodes = method.encode(of_one_view(features(1, 3)))
    assert not {"motion", "static_motion", "moments"} & nodes.keys()
    default = create()
    assert encoding_facts(method) != encoding_facts(default)  # Its nodes serve no other weights.
    pairs = method.similarity(nodes, nodes)[0]
    assert pairs.argmax(1).tolist() == [0, 1, 2]
