"""Luma is the same on every processor; flicker is found where the light changes, and removed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.video.cleaning.correction import FLICKERS, find_correction, find_faults
from fewact.video.cleaning.light import LEAST_FLICKER, find_light, grey_of, remove_flicker
from tests.video.camera.scenery import scene

GAINS = 1 + 0.25 * np.sin(np.arange(8) * 2.1)


def frames(block: int = 20) -> NDArray[np.uint8]:
    """Return a clip (8 96 96 3): a block moves before a textured background."""
    rows, columns = np.mgrid[:96, :96]
    made = np.repeat(60 + 0.4 * scene(columns + 1j * rows)[None], 8, 0)
    for t, frame in enumerate(made):
        frame[30 : 30 + block, 5 * t : 5 * t + block] = 170
    return made.round().clip(0, 255).astype(np.uint8)


def flickering(clean: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
    gains = 1 + strength * (GAINS - 1)
    return (clean * gains[:, None, None, None]).round().clip(0, 255).astype(np.uint8)


def test_light_that_changes_is_found_and_removed():
    clean = frames()
    dim = flickering(clean)
    light = find_light(dim)
    assert light is not None
    stabilised = remove_flicker(dim, light).astype(float)
    before = abs(dim.astype(float) - clean).mean()
    means = stabilised.mean((1, 2, 3))
    assert np.ptp(means) < 0.02 * means.mean()
    assert np.ptp(dim.mean((1, 2, 3))) > 0.3 * means.mean()
    assert abs(stabilised * (clean.mean() / stabilised.mean()) - clean).mean() < 0.1 * before


def test_what_is_cut_off_at_white_is_taken_from_the_other_frames():
    clean = frames()
    clean[:, 60:80] = 235  # a lamp; beyond white in every other frame
    bright = flickering(clean)
    light = find_light(bright)
    assert light is not None
    lamp = remove_flicker(bright, light)[:, 60:80]
    assert (bright[:, 60:80] == 255).all((1, 2, 3)).sum() >= 3
    assert np.ptp(lamp.mean((1, 2, 3))) < 2
    assert remove_flicker(bright[:1], light).shape == (1, 96, 96, 3)


@pytest.mark.parametrize("block", [20, 40, 60])
def test_a_stabilised_light_is_left_whatever_moves(block):
    assert find_light(frames(block)) is None
    assert not find_correction(frames(block))


def test_a_moving_camera_is_no_flicker_but_may_have_it():
    rows, columns = np.mgrid[:96, :96]
    grey = [60 + 0.4 * scene(columns + 9 * t + 1j * (rows + 5 * t)) for t in range(8)]
    clean = np.stack(grey).round().clip(0, 255).astype(np.uint8)
    assert find_light(clean) is None
    dim = flickering(clean)
    light = find_light(dim)
    assert light is not None
    means = remove_flicker(dim, light).mean((1, 2, 3))
    assert np.ptp(means) < 0.3 * np.ptp(dim.mean((1, 2, 3)))


def test_a_small_change_of_the_light_is_left():
    assert find_light(flickering(frames(), LEAST_FLICKER / 2)) is None


def test_a_person_before_a_black_background_may_change():
    clip = np.zeros((8, 96, 96, 3), np.uint8)
    clip[:, 20:60, 30:60] = (np.arange(8) * 20 + 60)[:, None, None, None]
    assert find_light(clip) is None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_clips_are_left(level):
    assert find_light(np.full((8, 48, 48, 3), level, np.uint8)) is None


def test_the_correction_removes_flicker_inside_the_bars_and_names_the_fault():
    dim = flickering(frames())
    barred = np.zeros((8, 128, 96, 3), np.uint8)
    barred[:, 16:112] = dim
    correction = find_correction(barred)
    assert find_faults(correction, (240, 320)) == (FLICKERS,)
    means = correction.frames(barred).mean((1, 2, 3))
    assert np.ptp(means) < 0.03 * means.mean()


def test_luma_is_the_nearest_float_of_an_integer_of_thousandths() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 3, 37, 53), dtype=np.uint8)
    thousandths = np.einsum("tchw,c->thw", frames.astype(np.int64), [299, 587, 114])
    expected = thousandths.astype(np.float32) / np.float32(1000)
    assert np.array_equal(grey_of(frames), expected)
