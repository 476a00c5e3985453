"""Blur is found and removed; sharp frames are not changed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.video.cleaning.correction import BLURRED, find_correction, find_faults
from fewact.video.cleaning.details import LEAST_BLUR, REFLECTED_MARGIN, find_blur, remove_blur
from tests.video.camera.scenery import rms_difference, textured_clip


def blurred(clean: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    reach = int(3 * sigma + 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    soft = clean.astype(float)
    for axis in (1, 2):
        margins = [(reach, reach) if i == axis else (0, 0) for i in range(4)]
        padded = np.pad(soft, margins, "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis)
        soft = windows @ (kernel / kernel.sum())
    return soft.round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [3.0, 4.0, 6.0])
def test_blur_is_measured_and_removed(sigma: float) -> None:
    clean = textured_clip()
    soft = blurred(clean, sigma)
    found = find_blur(soft)
    assert 0.7 * sigma < found < 1.2 * sigma
    assert rms_difference(remove_blur(soft, found), clean) < 0.8 * rms_difference(soft, clean)
    correction = find_correction(soft)
    assert find_faults(correction, (240, 320)) == (BLURRED,)
    assert rms_difference(correction.frames(soft), clean) < 0.8 * rms_difference(soft, clean)


def test_sharp_frames_are_left() -> None:
    assert find_blur(textured_clip()) == 0
    assert find_blur(blurred(textured_clip(), LEAST_BLUR / 3)) == 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_and_tiny_frames_are_left(level: int) -> None:
    assert find_blur(np.full((8, 48, 48, 3), level, np.uint8)) == 0
    assert find_blur(np.full((8, REFLECTED_MARGIN, REFLECTED_MARGIN, 3), level, np.uint8)) == 0


def test_areas_of_one_color_keep_it() -> None:
    flat = np.full((2, 48, 64, 3), (20, 128, 240), np.uint8)
    assert (remove_blur(flat, 3.0) == flat).all()


def test_grainy_frames_are_not_sharpened() -> None:
    soft = blurred(textured_clip(), 4.0)
    noise = np.random.default_rng(0).normal(0, 16, soft.shape)
    grainy = (soft + noise).clip(0, 255).astype(np.uint8)
    correction = find_correction(grainy)
    assert correction.grain > 0
    assert correction.blur == 0
