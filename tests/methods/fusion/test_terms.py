"""Terms of fusion against their equations."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.request import FeatureRequest, View, motion_weights, moving_vectors
from fewact.methods.fusion.terms import AppearanceTerm, MomentsTerm, MotionTerm
from fewact.moments import multi_scale_moments
from tests.methods.made_up import assert_close, uniform

VECTORS, MAPS = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(16))
TERMS = [
    AppearanceTerm(VECTORS),
    MotionTerm(MAPS),
    MotionTerm(MAPS, "constant", crop=True),
    MotionTerm(VECTORS),
    MomentsTerm(MAPS),
]


def features(count: int, seed: int = 0) -> dict[FeatureRequest, NDArray[Any]]:
    return {
        VECTORS: uniform(1, count, 8, 12, seed=seed),
        MAPS: uniform(1, count, 16, 6, 8, 8, seed=seed),
    }


def hard_free_ends(cost: NDArray[Any]) -> float:
    """OTAM's recurrence with a hard minimum, entry by entry."""
    t, u = cost.shape
    padded = np.concatenate([np.zeros((t, 1)), cost, np.zeros((t, 1))], 1).tolist()
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


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors (… d) of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def pooled(maps: NDArray[Any]) -> NDArray[Any]:
    """Unit vectors of 4×4 cells of maps (t c 8 8)."""
    cells = maps.reshape(*maps.shape[:2], 4, 2, 4, 2).mean((3, 5)).reshape(len(maps), -1)
    return unit(cells)


def test_appearance_is_the_cosine_of_joined_square_roots() -> None:
    term, (x, y) = AppearanceTerm(VECTORS), (features(1, seed) for seed in (0, 1))

    def joined(found: dict[FeatureRequest, NDArray[Any]]) -> NDArray[Any]:
        return unit(np.sqrt(found[VECTORS][0, 0])).ravel()

    got = term.similarity(term.encode(x), term.encode(y)).squeeze()
    assert_close(got, unit(joined(x)) @ unit(joined(y)))


def test_moments_are_the_mean_cosine_of_the_windows() -> None:
    term, (x, y) = MomentsTerm(MAPS, "constant"), (features(1, seed) for seed in (0, 1))
    first, second = (
        multi_scale_moments(found[MAPS][0, 0] - found[MAPS][0, 0].mean(0), lengths=(2, 4, 8))
        for found in (x, y)
    )
    expected = (unit(first) * unit(second)).sum(-1).mean()
    got = term.similarity(term.encode(x), term.encode(y)).squeeze()
    assert_close(got, expected)


def test_motion_is_the_ordered_alignment_of_deviations_from_the_mean() -> None:
    term = MotionTerm(MAPS, "constant", velocity=0)
    x, y = (features(1, seed) for seed in (0, 1))
    first, second = (pooled(found[MAPS][0, 0]) for found in (x, y))
    cost = 1 - unit(first - first.mean(0)) @ unit(second - second.mean(0)).T
    hard = -(hard_free_ends(cost) + hard_free_ends(cost.T)) / 32
    motion = term.similarity(term.encode(x), term.encode(y)).squeeze()
    # The soft minimum is below the hard one by at most λ·ln(number of paths).
    assert 0 <= motion.item() - hard <= 2 * 0.01 * 20 / 32


def test_velocity_is_joined_to_the_deviation() -> None:
    found = features(1)
    deviation, both = (
        MotionTerm(MAPS, "constant", velocity=velocity).encode(found)[0, 0] for velocity in (0, 2)
    )
    assert_close(np.linalg.norm(both, axis=1), np.ones(16))
    assert_close(both[:, :96], deviation / 5**0.5)
    cells = pooled(found[MAPS][0, 0])
    change = cells[[1, 5, 15]] - cells[[0, 3, 14]]  # of the first frame, the fifth and the last
    change = 2 * unit(change) / 5**0.5
    assert_close(both[[0, 4, 15], 96:], change)


def test_quick_similarity_of_motion_is_half_the_mean_cosine_at_the_same_time() -> None:
    term = MotionTerm(MAPS)
    first, second = (term.encode(features(2, seed)) for seed in (0, 1))
    expected = np.einsum("bqtd,bstd->bqs", first, second) / 32
    assert_close(term.quick_similarity(first, second), expected)


@pytest.mark.parametrize("term", TERMS)
def test_terms_are_symmetric_and_greatest_for_the_same_video(
    term: AppearanceTerm | MotionTerm | MomentsTerm,
) -> None:
    encoded = term.encode(features(5))
    for similarity in (term.similarity, term.quick_similarity):
        pairs = similarity(encoded, encoded)[0]
        assert_close(pairs, pairs.T)
        assert pairs.argmax(1).tolist() == list(range(5))


@pytest.mark.parametrize("term", TERMS)
def test_of_zeros_nothing_is_kept(term: AppearanceTerm | MotionTerm | MomentsTerm) -> None:
    zeros = np.zeros_like(features(2)[VECTORS if term.view == VECTORS else MAPS])
    assert not term.encode({term.view: zeros}).any()


@pytest.mark.parametrize("crop", [True, False])
def test_flipped_motion_is_the_motion_of_flipped_maps(crop: bool) -> None:
    term, found = MotionTerm(MAPS, crop=crop), features(2)
    expected = term.encode({MAPS: np.flip(found[MAPS], -1)})
    assert_close(term.horizontal_flip(term.encode(found)), expected)


@pytest.mark.parametrize("term", [MotionTerm(MAPS), MotionTerm(MAPS, crop=True), MomentsTerm(MAPS)])
def test_linear_detrending_ignores_a_linear_trend_of_the_maps(
    term: MotionTerm | MomentsTerm,
) -> None:
    found = features(2)
    trend = np.linspace(-1, 1, 16)[:, None, None, None]
    tilted = {MAPS: found[MAPS] + uniform(1, 2, 1, 6, 8, 8, seed=1) * trend}
    if isinstance(term, MomentsTerm):  # Motion normalises the cells of a frame first.
        assert_close(term.encode(found), term.encode(tilted))
    constant = type(term)(term.view, "constant")
    assert not np.allclose(constant.encode(found), constant.encode(tilted))


def test_cells_of_appearance_add_up_to_the_similarity() -> None:
    """The right half is of the channels of the other video, and all there is to the similarity."""
    term = AppearanceTerm(VECTORS)
    maps = np.zeros((8, 12, 3, 4))
    maps[:, :6, :, :2] = uniform(8, 6, 3, 2, seed=3)
    maps[:, 6:, :, 2:] = uniform(8, 6, 3, 2, seed=3)
    other = np.zeros((8, 12))
    other[:, 6:] = uniform(8, 6, seed=4)
    first, second = (term.encode({VECTORS: x}) for x in (moving_vectors(maps), other))
    cells = term.cells(maps, second)
    assert cells.shape == (8, 3, 4)
    assert_close(cells.sum(), first @ second)
    assert not cells[..., :2].any()
    assert ((cells[..., 2:] > 0) == (motion_weights(maps)[:, 2:] > 0)).all()


def test_cells_say_where_two_videos_move_alike() -> None:
    """Both change in the upper left cell alone, which adds all there is to the similarity."""
    term = MotionTerm(MAPS, "constant")
    still = np.broadcast_to(uniform(6, 8, 8), (16, 6, 8, 8))
    wave = np.sin(np.linspace(0, 9, 16))
    videos = []
    for speed in (1.0, 1.3):
        moving = still.copy()
        moving[:, 0, :2, :2] += np.cos(speed * wave)[:, None, None]
        videos.append(term.encode({MAPS: moving[None, None]})[0, 0])
    cells = term.cells(*videos)
    assert cells.shape == (16, 4, 4)
    assert cells.sum(0).argmax() == 0
    aligned = (videos[0] @ videos[1].T * term.plan(*videos)).sum()
    assert_close(cells.sum(), aligned)
