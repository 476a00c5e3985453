"""Similarities as complex numbers, and images warped by them."""

import numpy as np
import pytest

from fewact.video.camera.registration import Similarity, pixel_positions, sample, warp
from tests.video.camera.scenery import random_motion


def matrices(motion: Similarity) -> np.ndarray:
    """Return similarities as real 3 × 3 matrices: (t 3 3)."""
    turn, shift = motion
    zero, one = np.zeros(len(turn)), np.ones(len(turn))
    rows = [
        [turn.real, -turn.imag, shift.real],
        [turn.imag, turn.real, shift.imag],
        [zero, zero, one],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def test_composition_and_inverse_agree_with_matrices() -> None:
    first, second = (random_motion(5, seed, shift=7, zoom=0.2, roll=0.4) for seed in (0, 1))
    expected = matrices(second) @ matrices(first)
    np.testing.assert_allclose(matrices(second.after(first)), expected, atol=1e-12)
    expected = np.linalg.inv(matrices(first))
    np.testing.assert_allclose(matrices(first.inverse()), expected, atol=1e-12)


def test_scaled_similarities_apply_to_resized_images() -> None:
    motion = random_motion(3, 0, shift=7, zoom=0.2, roll=0.4)
    at = pixel_positions(5, 6, 1.5, np.float64)
    np.testing.assert_allclose(motion.scaled(2)(2 * at), 2 * motion(at), atol=1e-12)


def sample_slowly(image: np.ndarray, at: complex, pixel: float) -> float:
    """Return one value by bilinear interpolation."""
    height, width = image.shape
    x, y = at.real / pixel + (width - 1) / 2, at.imag + (height - 1) / 2
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    dx, dy = x - left, y - top
    upper = image[top, left] * (1 - dx) + image[top, left + 1] * dx
    lower = image[top + 1, left] * (1 - dx) + image[top + 1, left + 1] * dx
    return upper * (1 - dy) + lower * dy


@pytest.mark.parametrize("pixel", [1.0, 4 / 3])
def test_sampling_is_bilinear_and_reports_positions_outside(pixel: float) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((6, 9))
    x, y = rng.uniform(-4, 4, 20) * pixel, rng.uniform(-2.5, 2.5, 20)
    at = x + 1j * y
    every = np.append(at, [4.2 * pixel, 2.7j, -9 * pixel])[None, None]  # (1 1 23)
    values, inside = sample(image[None, None], every, pixel)
    assert inside[0, 0].tolist() == [True] * 20 + [False] * 3
    expected = [sample_slowly(image, one, pixel) for one in at.tolist()]
    np.testing.assert_allclose(values[0, 0, 0, :20], expected)
    edge = values[0, 0, 0, 22].item()  # far left of the middle: the nearest pixels' value
    assert edge == pytest.approx((image[2, 0] + image[3, 0]) / 2)


def test_the_identity_changes_nothing() -> None:
    images = np.random.default_rng(0).random((2, 3, 17, 12), np.float32)
    same, inside = warp(images, Similarity.identity(2), (17, 12), pixel=0.7)
    np.testing.assert_allclose(same, images, atol=1e-5, rtol=0)
    assert inside.all()


def test_parallax_displaces_the_bottom_more_and_the_top_less() -> None:
    column = np.tile(
        np.arange(40, dtype=np.float32), (1, 1, 40, 1)
    )  # the value is the column number
    shift = Similarity(np.ones(1, np.complex64), np.full(1, 4, np.complex64))
    flat, _ = warp(column, shift, (20, 20))
    deep, _ = warp(column, shift, (20, 20), parallax=0.5)
    more = (deep - flat)[0, 0]
    np.testing.assert_allclose(more[[0, -1], 5], [-1.9, 1.9], atol=1e-4, rtol=0)
