"""Grain is found and removed; other frames are not changed, and what moves stays where it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.video.cleaning.details import LEAST_GRAIN_CHANGE, find_grain, remove_grain
from tests.video.camera.scenery import rms_difference, scene

SIZE = (120, 160)


def frames(speed: float = 0.0, texture: float = 1.0) -> NDArray[np.uint8]:
    """Frames (6 120 160 3) of a scene that moves, and a bright square that moves before it."""
    x, y = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    found = []
    for t in range(6):
        frame = 110 + texture * (scene(x + speed * t + 1j * y) - 110)
        frame[40:70, 20 * t : 20 * t + 30] = 200
        found.append(frame)
    return np.stack(found).clip(0, 255).astype(np.uint8)


def grainy(clean: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(5).normal(0, sigma, clean.shape)
    return (clean + noise).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [8.0, 16.0, 30.0])
@pytest.mark.parametrize("speed", [0.0, 3.0])
def test_grain_is_measured_and_removed(sigma: float, speed: float) -> None:
    clean = frames(speed)
    noisy = grainy(clean, sigma)
    found = find_grain(noisy)
    # Details that move seem to be grain, too.
    assert 0.75 * sigma < found < (1.25 if speed == 0 else 2) * sigma
    assert rms_difference(remove_grain(noisy, found), clean) < 0.75 * rms_difference(noisy, clean)


@pytest.mark.parametrize("speed", [0.0, 1.0, 8.0])
def test_frames_without_grain_have_none_however_they_move(speed: float) -> None:
    assert find_grain(frames(speed)) == 0
    assert find_grain(grainy(frames(speed), LEAST_GRAIN_CHANGE / 4)) == 0


def test_fine_details_that_stand_still_are_no_grain() -> None:
    still = np.repeat(grainy(frames(), 20.0)[:1], 6, 0)
    assert find_grain(still) == 0


def test_what_moves_is_not_mixed_with_what_it_hides() -> None:
    clean = frames(texture=0.2)
    found = remove_grain(grainy(clean, 16.0), 16.0).astype(float)
    for t in range(6):
        inside = found[t, 44:66, 20 * t + 4 : 20 * t + 26]
        assert inside.mean() == pytest.approx(200, abs=3)


def test_frames_too_few_or_too_small_to_be_measured_have_no_grain() -> None:
    noisy = grainy(frames(), 30.0)
    assert find_grain(noisy[:1]) == 0
    assert find_grain(noisy[:, :31]) == 0
