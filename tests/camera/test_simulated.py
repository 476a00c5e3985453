"""The simulated camera: inside the picture, on one way, and moving as it says."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.camera.simulated import CAMERAS, Camera, camera, film, path, seed_of, window_size
from fewact.errors import OptionError, ShapeError

MOMENTS = (np.arange(16) + 0.5) / 16


def corners(taken: Camera, seed: int, height: int, width: int) -> np.ndarray:
    """Where the outermost pixels of the window lie in the picture: (t 4) complex."""
    way = path(taken, seed, np.linspace(0, 1, 50), height, width)
    high, wide = window_size(taken, height, width)
    ends = np.array([x + 1j * y for x in (-1, 1) for y in (-1, 1)])
    own = ends.real * (wide - 1) / 2 + 1j * ends.imag * (high - 1) / 2
    shift = (way.x + 1j * way.y)[:, None] * (1 + taken.parallax * ends.imag)
    return (way.size * np.exp(1j * way.roll))[:, None] * own + shift


@given(
    st.sampled_from(sorted(CAMERAS)),
    st.integers(0, 1000),
    st.integers(20, 300),
    st.integers(20, 300),
)
@settings(deadline=None, max_examples=60)
def test_the_window_never_leaves_the_picture(name: str, seed: int, height: int, width: int) -> None:
    at = corners(CAMERAS[name], seed, height, width)
    assert np.abs(at.real).max() <= (width - 1) / 2 + 1e-6
    assert np.abs(at.imag).max() <= (height - 1) / 2 + 1e-6


def test_nor_does_that_of_a_camera_with_no_room() -> None:
    at = corners(Camera(window=1.0, scale=0.9, roll=45, pan=10, parallax=0.9), 1, 40, 60)
    assert np.abs(at.real).max() <= 29.5 + 1e-6
    assert np.abs(at.imag).max() <= 19.5 + 1e-6


def test_the_fixed_camera_crops_the_middle() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 80, 3), dtype=np.uint8)
    seen = film(frames, MOMENTS[:3], CAMERAS["fixed"], 5)
    assert np.array_equal(seen, frames[:, 5:35, 10:70])


def test_a_moment_is_filmed_alike_whatever_others_are_asked_for() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (16, 40, 60, 3), dtype=np.uint8)
    for taken in CAMERAS.values():
        every = film(frames, MOMENTS, taken, 3)
        some = film(frames[[12, 4]], MOMENTS[[12, 4]], taken, 3)
        assert np.array_equal(some, every[[12, 4]])


def test_seeds_draw_other_ways() -> None:
    first, second, again = (path(CAMERAS["hand"], seed, MOMENTS, 100, 100) for seed in (0, 1, 0))
    assert np.abs(first.x - second.x).max() > 1
    assert np.array_equal(first.x, again.x)
    assert len({seed_of(seed, name) for seed in (0, 1) for name in ("a", "b", "0 a")}) == 6


def many(name: str, seeds: int = 60) -> list:
    return [path(CAMERAS[name], seed, np.linspace(0, 1, 41), 400, 400) for seed in range(seeds)]


def test_framing_stands_still_elsewhere_and_larger_or_smaller() -> None:
    ways = many("framing")
    assert all(np.ptp(way.x) == np.ptp(way.size) == 0 for way in ways)
    reach = np.array([[way.x[0], way.y[0]] for way in ways]) / 300
    assert 0.12 < np.abs(reach).max() <= 0.15
    sizes = [way.size[0] for way in ways]
    assert 0.8 <= min(sizes) < 0.85
    assert 1.15 < max(sizes) <= 1.2


def test_shake_trembles_around_the_middle() -> None:
    ways = many("shake")
    for way in ways:
        assert 0.02 * 300 < np.abs(way.x).max() <= 0.031 * 300
        assert np.abs(way.roll).max() <= np.deg2rad(2.1)
    turns = [int((np.diff(np.sign(np.diff(way.x))) != 0).sum()) for way in ways]
    assert min(turns) >= 2


def test_pan_is_even_and_zooms_around_what_it_was() -> None:
    for way in many("pan"):
        steps = np.diff(way.x)
        np.testing.assert_allclose(steps, steps[0], atol=1e-9)
        assert way.size[0] + way.size[-1] == pytest.approx(2)
    travelled = [abs(way.x[-1] - way.x[0]) / 300 for way in many("pan")]
    grown = [abs(way.size[-1] - way.size[0]) for way in many("pan")]
    assert 0.13 < max(travelled) <= 0.15
    assert 0.13 < max(grown) <= 0.15


def test_an_eased_pan_starts_and_stops_gently() -> None:
    way = path(Camera(pan=0.15, eased="eased"), 0, np.linspace(0, 1, 41), 400, 400)
    steps = np.abs(np.diff(way.x))
    assert steps[[0, -1]].max() < 0.1 * steps[20]


def test_the_picture_moves_against_the_camera() -> None:
    bright = np.zeros((2, 60, 60, 3), np.uint8)
    bright[:, 28:32, 28:32] = 255
    taken, moments = Camera(pan=0.15), np.array([0.0, 1.0])
    way = path(taken, 0, moments, 60, 60)
    seen = film(bright, moments, taken, 0)[..., 0].astype(float)  # (2 45 45)
    across = (seen.sum(1) * np.arange(45)).sum(1) / seen.sum((1, 2)) - 22
    np.testing.assert_allclose(across, -way.x, atol=0.6)
    assert np.sign(across[0]) == -np.sign(across[1])


def test_a_shutter_blurs_what_moves() -> None:
    stripes = np.zeros((1, 80, 80, 3), np.uint8)
    stripes[:, :, ::2] = 255
    sharp = Camera(pan=0.3)
    blurred = dataclasses.replace(sharp, shutter=0.2)
    contrast = [film(stripes, MOMENTS[8:9], one, 0).std() for one in (sharp, blurred)]
    assert contrast[1] < 0.7 * contrast[0]


@pytest.mark.parametrize(
    "wrong",
    [{"window": 0}, {"window": 1.1}, {"pan": -1}, {"scale": 1}, {"eased": "soft"}, {"roll": 90}],
)
def test_impossible_cameras_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Camera(**wrong)


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(OptionError, match='Did you mean "shake"'):
        camera("shaky")


def test_bad_frames_and_moments() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ShapeError, match="uint8"):
        film(frames.astype(np.float32), MOMENTS[:2], Camera(), 0)
    with pytest.raises(ShapeError, match="moments"):
        film(frames, MOMENTS, Camera(), 0)
    with pytest.raises(OptionError, match="within"):
        film(frames, np.array([0.5, np.nan]), Camera(), 0)
