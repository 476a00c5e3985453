"""The training-free default: what its note says must be tested."""

from typing import Any

import pytest
import torch

from fewact import methods
from fewact.errors import OptionError, ShapeError
from fewact.features.request import CameraMotionRequest, FeatureRequest, Request, View
from fewact.methods.base import TrainingBatch
from fewact.methods.fusion import Fusion
from fewact.methods.steady import seen_through
from fewact.moments import multi_scale_moments
from tests.methods.made_up import make_card, make_features

VECTORS, FAST = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(16, "auto"))
CAMERA = CameraMotionRequest(View(16, "auto"))
SAME = torch.eye(2, 3, dtype=torch.float64).flatten()
MOVING = {"cameras": "moving"}
PLAIN = {"trend": "mean", "centre": False, "whole_weight": 0, "twice": False, **MOVING}


def create(**options: Any) -> Fusion:
    method = methods.create("fusion", **options)
    assert isinstance(method, Fusion)
    return method.double().eval()


def features(*leading: int, seed: int = 0, maps: bool = True) -> dict[Request, torch.Tensor]:
    found = make_features(create(), make_card(maps=maps), *leading, seed=seed)
    return {request: values.double() for request, values in found.items()}


@pytest.mark.parametrize("maps", [True, False])
def test_kernel_is_symmetric_and_greatest_for_the_same_clip(maps: bool) -> None:
    method = create()
    nodes = method.encode(features(1, 6, maps=maps))
    kernel = method.similarity(nodes, nodes)[0]
    torch.testing.assert_close(kernel, kernel.T)
    assert kernel.argmax(1).tolist() == list(range(6))


def test_kernel_is_the_sum_of_its_three_terms() -> None:
    x, y = features(1, 1), features(1, 1, seed=1)

    def frames(found: dict[Request, torch.Tensor]) -> torch.Tensor:
        rooted = found[VECTORS][0, 0].sqrt()
        return rooted / rooted.norm(dim=1, keepdim=True)

    appearance = torch.cosine_similarity(frames(x).flatten(), frames(y).flatten(), dim=0)
    first, second = (
        multi_scale_moments(found[FAST][0, 0] - found[FAST][0, 0].mean(0), lengths=(2, 4, 8))
        for found in (x, y)
    )
    moments = torch.cosine_similarity(first, second, dim=-1).mean()
    still = create(motion_weight=0, moment_weight=0.7, **PLAIN)
    without_motion = still.similarity(still.encode(x), still.encode(y)).squeeze()
    torch.testing.assert_close(without_motion, appearance + 0.7 * moments)

    def moving(found: dict[Request, torch.Tensor]) -> torch.Tensor:
        places = found[FAST][0, 0].unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5))
        places = places.flatten(1) / places.flatten(1).norm(dim=1, keepdim=True)
        return places - places.mean(0)

    cost = 1 - torch.cosine_similarity(moving(x)[:, None], moving(y)[None], dim=-1)
    hard = -(hard_free_ends(cost) + hard_free_ends(cost.T)) / 32
    method = create(velocity=0, motion_weight=1, moment_weight=0.7, **PLAIN)
    motion = method.similarity(method.encode(x), method.encode(y)).squeeze() - without_motion
    # The soft minimum lies below the hard one by at most λ·ln(number of paths).
    assert 0 <= motion.item() - hard <= 2 * 0.01 * 20 / 32


def hard_free_ends(cost: torch.Tensor) -> float:
    """OTAM's recurrence with a hard minimum, entry by entry."""
    t, u = cost.shape
    padded = torch.cat([torch.zeros(t, 1), cost, torch.zeros(t, 1)], 1).tolist()
    table = [[0.0] * (u + 2) for _ in range(t)]
    for i in range(t):
        for j in range(1, u + 2):
            if i == 0:
                table[i][j] = table[i][j - 1] + padded[i][j]
                continue
            steps = [table[i - 1][j - 1], table[i][j - 1]]
            if j in (1, u + 1):
                steps.append(table[i - 1][j])
            table[i][j] = padded[i][j] + min(steps)
    return table[-1][-1]


def test_velocity_stands_beside_the_place() -> None:
    found = features(1, 1)
    place = create(velocity=0, **PLAIN).encode(found)["motion"][0, 0]
    both = create(velocity=2, **PLAIN).encode(found)["motion"][0, 0]
    torch.testing.assert_close(both.norm(dim=1), torch.ones(16, dtype=torch.float64))
    torch.testing.assert_close(both[:, :96], place / 5**0.5)
    pooled = found[FAST][0, 0].unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5)).flatten(1)
    unit = pooled / pooled.norm(dim=1, keepdim=True)
    change = unit[[1, 5, 15]] - unit[[0, 3, 14]]  # of the first frame, the fifth and the last
    change = 2 * change / change.norm(dim=1, keepdim=True) / 5**0.5
    torch.testing.assert_close(both[[0, 4, 15], 96:], change)


def test_one_shot_ranks_as_the_kernel_does() -> None:
    method = create()
    support, query = method.encode(features(1, 5)), method.encode(features(1, 7, seed=1))
    state = method.support(support, torch.arange(5)[None], 5)
    logits = method.score(state, query)
    kernel = method.similarity(query, state.nodes)
    torch.testing.assert_close(logits, kernel)
    assert torch.equal(logits.argsort(), kernel.argsort())


def test_even_shots_rank_by_the_distance_to_the_classes_mean() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 5, seed=1))
    state = method.support(support, torch.tensor([[0, 1, 1, 0]]), 2)
    logits = method.score(state, query)[0]
    across = method.similarity(query, state.nodes)[0]
    inside = method.similarity(state.nodes, state.nodes)[0].fill_diagonal_(2)
    expected = torch.stack(
        [across[:, own].mean(1) - 0.5 * inside[own][:, own].mean() for own in ([0, 3], [1, 2])], 1
    )
    torch.testing.assert_close(logits[:, 0] - logits[:, 1], expected[:, 0] - expected[:, 1])


def test_uneven_shots_favour_neither_the_many_nor_the_few() -> None:
    method = create()
    support, query = method.encode(features(1, 4)), method.encode(features(1, 2, seed=1))
    state = method.support(support, torch.tensor([[0, 1, 0, 0]]), 2)
    logits = method.score(state, query)[0]
    across = method.similarity(query, state.nodes)[0]
    kernel = method.similarity(state.nodes, state.nodes)[0]
    pairs = (kernel[0, 2] + kernel[0, 3] + kernel[2, 3]) / 3
    torch.testing.assert_close(logits[:, 0], across[:, [0, 2, 3]].mean(1) - 0.5 * pairs)
    torch.testing.assert_close(logits[:, 1], across[:, 1] - 0.5 * pairs)


def test_a_static_clip_has_no_motion_and_stays_finite() -> None:
    method = create()
    found = features(1, 3)
    still = {request: values[:, :, :1].expand_as(values) for request, values in found.items()}
    nodes = method.encode(still)
    assert all((nodes[name] == 0).all() for name in ("motion", "whole", "moments"))
    moving = method.encode(found)
    assert method.similarity(nodes, moving).isfinite().all()
    logits = method.score(method.support(nodes, torch.arange(3)[None], 3), nodes)
    assert logits.isfinite().all()
    assert logits[0].argmax(1).tolist() == [0, 1, 2]


def test_static_in_float32_despite_rounding() -> None:
    found = {request: values.float() + 1000 for request, values in features(1, 2).items()}
    still = {request: values[:, :, :1].expand_as(values) for request, values in found.items()}
    for options in ({}, {"shift_search": 2}):
        nodes = create(**options).float().encode(still)
        assert all((nodes[name] == 0).all() for name in ("motion", "whole", "moments"))


def test_a_copy_of_a_support_clip_does_not_change_who_wins_far_from_a_tie() -> None:
    method = create()
    found = features(1, 2)
    support = method.encode(found)
    query = method.encode({request: values + 0.01 for request, values in found.items()})
    alone = method.score(method.support(support, torch.tensor([[0, 1]]), 2), query)
    twice = {name: value[:, [0, 0, 1]] for name, value in support.items()}
    copied = method.score(method.support(twice, torch.tensor([[0, 0, 1]]), 2), query)
    assert alone.argmax(-1).tolist() == copied.argmax(-1).tolist() == [[0, 1]]


@pytest.mark.parametrize("axis", [2, -1])
def test_time_and_places_matter(axis: int) -> None:
    method = create()
    x, y = features(1, 1), features(1, 1, seed=1)
    flipped = {request: v.flip(axis) if v.ndim > 4 or axis == 2 else v for request, v in y.items()}
    plain = method.similarity(method.encode(x), method.encode(y))
    other = method.similarity(method.encode(x), method.encode(flipped))
    assert (plain - other).abs().item() > 1e-4


def test_frames_of_motion_and_moments_are_stabilised_and_those_of_appearance_are_not() -> None:
    seen = (VECTORS, FeatureRequest("middle", View(8)), FAST)
    assert create().requests(make_card()) == (*seen, CAMERA)
    assert create(twice=False).requests(make_card()) == (*seen, CAMERA)
    assert create(twice=False, **MOVING).requests(make_card()) == seen
    standing = create(cameras="still").requests(make_card())
    assert standing == (
        VECTORS,
        FeatureRequest("middle", View(8)),
        FeatureRequest("middle", View(16)),
    )
    assert create(stabilise="off", whole_weight=0, **MOVING).requests(make_card()) == (
        VECTORS,
        FeatureRequest("middle", View(16)),
    )


def test_seen_twice_the_kernel_is_the_mean_of_both() -> None:
    x, y = features(1, 2), features(1, 3, seed=1)

    def kernel(bolder: bool) -> torch.Tensor:
        method = create(twice=False)
        first, second = (
            method.encode(
                {
                    **found,
                    FAST: seen_through(found[FAST], found[CAMERA][..., 1:].unflatten(-1, (2, 3))),
                }
            )
            if bolder
            else method.encode(found)
            for found in (x, y)
        )
        return method.similarity(first, second)

    method = create(cameras="moving")
    both = method.similarity(method.encode(x), method.encode(y))
    torch.testing.assert_close(both, (kernel(False) + kernel(True)) / 2)
    assert not torch.allclose(kernel(False), kernel(True))
    same = {**x, CAMERA: torch.cat([x[CAMERA][..., :1], SAME.expand_as(x[CAMERA][..., 1:])], -1)}
    nodes = method.encode(same)
    assert nodes["motion2"] is nodes["motion"]
    assert nodes["moments2"] is nodes["moments"]


def test_a_line_through_time_changes_neither_motion_nor_moments() -> None:
    method = create()
    found = features(1, 2)
    slope = (
        torch.rand(1, 2, 1, 6, 8, 8, dtype=torch.float64)
        * torch.linspace(-1, 1, 16)[:, None, None, None].double()
    )
    tilted = {**found, FAST: found[FAST] + slope}
    first, second = method.encode(found)["moments"], method.encode(tilted)["moments"]
    torch.testing.assert_close(first, second)
    plain = create(trend="mean")
    assert not torch.allclose(plain.encode(found)["moments"], plain.encode(tilted)["moments"])


def test_the_whole_is_seen_as_it_is_and_weighs_what_it_is_told_to() -> None:
    x, y = features(1, 2), features(1, 3, seed=1)

    def kernel(weight: float) -> torch.Tensor:
        method = create(whole_weight=weight)
        return method.similarity(method.encode(x), method.encode(y))

    options = {"centre": False, "whole_weight": 0, "motion_weight": 1, "moment_weight": 0, **MOVING}
    alone = create(motion_frames=8, twice=False, **options)
    swapped = [
        {**v, FeatureRequest("middle", View(8, "auto")): v[FeatureRequest("middle", View(8))]}
        for v in (x, y)
    ]
    first, second = (alone.encode(v) for v in swapped)
    appearance = first["appearance"] @ second["appearance"].mT
    whole = alone.similarity(first, second) - appearance
    torch.testing.assert_close(kernel(0.7) - kernel(0), 0.7 * whole)
    assert "whole" not in create(whole_weight=0, **MOVING).encode(x)


@pytest.mark.parametrize("options", [{}, {"centre": False, "shift_search": 2}])
def test_someone_who_stands_elsewhere_is_found(options: dict[str, Any]) -> None:
    found = features(1, 6)
    maps = torch.zeros(1, 6, 16, 6, 8, 8, dtype=torch.float64)
    maps[..., 2:6, 2:6] = found[FAST][..., 2:6, 2:6]
    here, there = (
        {
            **found,
            FAST: maps.roll(by, (-2, -1)),
            CAMERA: torch.cat([found[CAMERA][..., :1], SAME.expand(1, 6, 16, 6)], -1),
        }
        for by in ((-1, 1), (1, 0))
    )
    method = create(moment_weight=0, whole_weight=0, **options)
    kernel = method.similarity(method.encode(here), method.encode(there))[0]
    assert kernel.argmax(1).tolist() == list(range(6))
    torch.testing.assert_close(kernel.diagonal(), kernel.max().expand(6), atol=0.02, rtol=0)
    lost = create(moment_weight=0, whole_weight=0, centre=False)
    apart = lost.similarity(lost.encode(here), lost.encode(there))[0].diagonal()
    assert (apart < kernel.diagonal() - 0.5).all()


def with_images(found: dict[Request, torch.Tensor]) -> dict[Request, torch.Tensor]:
    other_side = torch.tensor([1, 1, -1, -1, -1, 1, 1])  # of affine maps
    turned = {
        request: v.flip(-1) if getattr(request, "level", "") == "middle" else v
        for request, v in found.items()
    }
    return {**turned, CAMERA: found[CAMERA] * other_side}


def test_a_mirrored_clip_is_the_same_where_that_is_wanted() -> None:
    found = features(1, 4)
    turned = with_images(found)
    method, plain = create(mirrored=True), create()
    clips, images = method.encode(found), method.encode(turned)
    both = method.similarity(clips, images)
    torch.testing.assert_close(both, method.similarity(clips, clips))
    torch.testing.assert_close(both, method.similarity(images, clips))
    as_it_is, other = (plain.similarity(clips, nodes) for nodes in (clips, images))
    torch.testing.assert_close(both, as_it_is.maximum(other))
    assert (other.diagonal(dim1=1, dim2=2) < both.diagonal(dim1=1, dim2=2) - 0.1).all()
    torch.testing.assert_close(both, both.mT)


def test_windows_of_a_search_are_mirrored_with_their_places() -> None:
    found = features(1, 4)
    searching = {"shift_search": 2, "centre": False}
    method, plain = create(mirrored=True, **searching), create(**searching)
    clips, images = (method.encode(some) for some in (found, with_images(found)))
    # Odd shifts are split unevenly over both videos, so the search itself has a left and a right.
    agree = method.similarity(clips, images) - method.similarity(clips, clips)
    assert agree.abs().max() < 0.02
    lost = plain.similarity(clips, images) - plain.similarity(clips, clips)
    assert lost.diagonal(dim1=1, dim2=2).max() < -0.1


def test_vectors_have_no_mirror_image() -> None:
    with pytest.raises(OptionError, match="maps"):
        create(mirrored=True).requests(make_card(maps=False))


def mixed(**options: Any) -> Fusion:
    return create(mixing="linear", in_channels=6, **options)


def test_a_mixing_begins_as_none_and_reaches_all_terms_of_the_maps() -> None:
    found, method = features(1, 2), mixed()
    plain, nodes = create().encode(found), method.encode(found)
    torch.testing.assert_close(nodes, plain)
    with torch.no_grad():
        method.mixing.matrix[0, 1] = 2.0
    changed = method.encode(found)
    assert {name for name in plain if not torch.allclose(changed[name], plain[name])} == {
        "motion",
        "motion2",
        "whole",
        "moments",
        "moments2",
        "motion_still",
        "whole_still",
    }


def test_a_mixing_learns_from_episodes_at_the_temperature_of_the_probabilities() -> None:
    found, method = features(2, 6), mixed()
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
    examples = method.support({name: value[:, :3] for name, value in nodes.items()}, classes, 3)
    scores = method.similarity(
        {name: value[:, 3:] for name, value in nodes.items()}, examples.nodes
    )
    sure = (scores / method.temperature).log_softmax(-1).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(loss, -sure.mean())
    loss.backward()
    gradient = method.mixing.matrix.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_a_mixing_of_other_channels_is_refused() -> None:
    with pytest.raises(ShapeError, match="in_channels"):
        create(mixing="linear", in_channels=7).encode(features(1, 1))
    with pytest.raises(OptionError, match="in_channels"):
        create(mixing="linear")


def test_vectors_only_adds_appearance_and_motion_of_the_vectors() -> None:
    method = create()
    assert method.requests(make_card(maps=False)) == (VECTORS,)
    nodes = method.encode(features(1, 2, maps=False))
    assert set(nodes) == {"appearance", "motion"}
    assert nodes["motion"].shape == (1, 2, 8, 24)


def shares(method: Fusion, found: dict[Request, torch.Tensor], labels: torch.Tensor) -> list[float]:
    """How far the cameras of each support count as still."""
    state = method.support(method.encode(found), labels, int(labels.max()) + 1)
    each: list[float] = state.nodes["still"][:, 0, 0].tolist()
    return each


@pytest.mark.parametrize(("evidence", "share"), [(-3, 0.4), (-0.25, 0.198), (3, 0)])
def test_with_one_clip_of_each_class_their_cameras_say_whether_they_stood_still(
    evidence: float, share: float
) -> None:
    method, found = create(), features(1, 3)
    found[CAMERA] = (
        evidence + torch.tensor([-1.0, 0.5, 0.5]).double()[:, None, None] + 0 * (found[CAMERA])
    )
    assert shares(method, found, torch.arange(3)[None]) == pytest.approx([share], abs=1e-3)
    nodes = method.encode(found)
    state = method.support(nodes, torch.arange(3)[None], 3)
    moving = create(**MOVING)
    one_way = moving.similarity(moving.encode(found), moving.encode(found))
    other = create(trend="mean", twice=False, moment_weight=0, **MOVING)
    other_way = other.similarity(other.encode(found), other.encode(found))
    moments = one_way - create(moment_weight=0, **MOVING).similarity(
        moving.encode(found), moving.encode(found)
    )
    given = state.nodes["still"][0, 0, 0]
    torch.testing.assert_close(
        method.score(state, nodes), (1 - given) * one_way + given * (other_way + moments)
    )


SHOTS = 3


def with_simulated_camera(*, by_hand: bool) -> dict[Request, torch.Tensor]:
    """Two classes: by hand they differ in a wave, else in a line alone."""
    found = features(1, 2 * SHOTS, seed=3)
    time = torch.linspace(-1, 1, 16, dtype=torch.float64)
    places = torch.rand(1, 1, 1, 6, 8, 8, generator=torch.Generator().manual_seed(5)).double()
    label = torch.tensor([0.0] * SHOTS + [1] * SHOTS, dtype=torch.float64)
    own = torch.rand(len(label), generator=torch.Generator().manual_seed(6)).double() - 0.5
    slope, wave = (3 * own, 0.4 * (label - 0.5)) if by_hand else (label - 0.5, 0 * label)

    def moving(still: torch.Tensor) -> torch.Tensor:
        at = time[:: 16 // still.shape[2]]
        path = slope[:, None] * at + wave[:, None] * (torch.pi * at).cos()  # (v t)
        return 0.1 * still + 4 + places * path[None, :, :, None, None, None]

    seen = {
        request: moving(v) if getattr(request, "level", "") == "middle" else v
        for request, v in found.items()
    }
    unmoved = torch.cat([torch.full((1,), -1.0, dtype=torch.float64), SAME])
    return {**seen, CAMERA: unmoved.expand_as(seen[CAMERA])}


def test_the_clips_say_more_than_their_cameras_by_how_they_tell_each_other() -> None:
    both = [with_simulated_camera(by_hand=True), with_simulated_camera(by_hand=False)]
    found = {request: torch.cat([one[request] for one in both]) for request in both[0]}
    by_hand, still = shares(create(), found, torch.tensor([[0] * SHOTS + [1] * SHOTS] * 2))
    assert by_hand < 0.2
    assert still > 0.7


def test_nodes_without_evidence_of_their_cameras_are_compared_as_of_moving_ones() -> None:
    # A model that was taught before cameras were asked.
    method = create()
    nodes = {n: v for n, v in method.encode(features(1, 3)).items() if n != "moved"}
    state = method.support(nodes, torch.arange(3)[None], 3)
    torch.testing.assert_close(
        method.score(state, nodes), create(**MOVING).similarity(nodes, nodes)
    )
