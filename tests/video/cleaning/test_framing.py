"""What is shown small before a plain background is cut out, in one part for all frames."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.lab.synthetic.conditions import Condition, picture
from fewact.video.cleaning.correction import find_correction, find_faults
from fewact.video.cleaning.framing import (
    LARGE_PART,
    LEAST_PART_HEIGHT,
    PART_ASPECT,
    cut_out,
    find_part,
    resized,
)
from tests.video.camera.scenery import scene

TIMES = np.arange(8) / 8


def waving(height: float = 90, x: float = 80, background: int = 0) -> np.ndarray:
    """Frames (8 120 160 3) of a body of some height whose arm swings, above the lower edge."""
    columns, rows = np.meshgrid(np.arange(160) - x, np.arange(120) - 110 + height)
    columns, rows = columns / height, rows / height
    frames = np.full((8, 120, 160, 3), background, np.uint8)
    body = (abs(columns) < 0.12) & (rows > 0) & (rows < 1)
    for t, frame in enumerate(frames):
        angle = np.pi * t / 7
        across = columns * np.cos(angle) - (rows - 0.3) * np.sin(angle)
        along = columns * np.sin(angle) + (rows - 0.3) * np.cos(angle)
        arm = (abs(across) < 0.05) & (along > 0) & (along < 0.35)
        frame[body] = [100, 110, 120]
        frame[arm] = [140, 150, 130]
    return frames


def squashed(frames: np.ndarray) -> np.ndarray:
    """Return frames as a network reads them."""
    return resized(frames, (224, 224))


def corrected(frames: np.ndarray) -> np.ndarray:
    """Return frames as ``teach`` and ``predict`` read them."""
    prepared = squashed(frames)
    return find_correction(prepared, frames.shape[2] / frames.shape[1]).frames(prepared)


def body(frames: np.ndarray) -> tuple[float, float, float]:
    """Return the height, width and middle row of what is shown, as fractions of the frames."""
    shown = (frames != frames[0, 0, 0]).any((0, 3))
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    return np.ptp(rows) / 224, np.ptp(columns) / 224, rows.mean() / 224


@pytest.mark.parametrize("seed", range(4))
def test_bars_before_a_background_as_black_change_little(seed: int) -> None:
    frames = waving(82)
    boxed = picture(frames, TIMES, Condition("letterbox", 2), seed)
    (height, width, _), (high, wide, _) = body(squashed(frames)), body(squashed(boxed))
    assert min(high / height, wide / width) < 0.75
    assert np.array_equal(corrected(frames), squashed(frames))
    assert body(corrected(boxed))[:2] == pytest.approx((height, width), rel=0.12)


@pytest.mark.parametrize(("height", "x"), [(70, 50), (60, 80), (60, 120), (45, 40)])
@pytest.mark.parametrize("background", [0, 255])
def test_distance_and_place_of_a_body_change_little(
    height: float, x: float, background: int
) -> None:
    found = body(corrected(waving(height, x, background)))
    assert found == pytest.approx(body(corrected(waving(66, 80, background))), rel=0.12)
    assert 0.6 < found[0] < 0.9  # the part is 1.4 to 1.54 times as high; arms are lifted


@given(
    heights=st.lists(st.floats(20, 100), min_size=1, max_size=8),
    x=st.floats(0, 160),
    aspect=st.floats(0.5, 2),
)
def test_all_that_is_shown_stays(heights: list[float], x: float, aspect: float) -> None:
    frames = np.concatenate([waving(height, x)[i % 8][None] for i, height in enumerate(heights)])
    part = find_part(frames, aspect)
    if part is None:
        return
    assert part.height >= LEAST_PART_HEIGHT
    assert min(part.height, part.width) < LARGE_PART
    assert part.width * aspect == pytest.approx(PART_ASPECT * part.height)
    rows, columns = np.flatnonzero(frames.any((0, 2, 3))), np.flatnonzero(frames.any((0, 1, 3)))
    for found, start, length, of in (
        (rows, part.top, part.height, 120),
        (columns, part.left, part.width, 160),
    ):
        assert found[0] / of >= start - 8 / of
        assert found[-1] / of <= start + length + 8 / of


def test_a_body_that_walks_is_shown_walking() -> None:
    frames = np.concatenate([waving(60, 30 + 12 * t)[t][None] for t in range(8)])
    found = corrected(frames)
    middles = [np.flatnonzero(frame[150:].any((0, 2))).mean() for frame in found]
    assert all(18 < b - a < 35 for a, b in pairwise(middles))


def test_the_size_is_that_of_the_part() -> None:
    correction = find_correction(squashed(waving(50)), 160 / 120)
    assert correction.aspect == PART_ASPECT
    height, width = correction.size((120, 160))
    assert width / height == pytest.approx(PART_ASPECT, rel=0.02)
    assert 1.4 * 50 - 4 <= height <= 1.1 * (1.4 * 50 + 4)
    assert find_faults(correction, (240, 320)) == ()


def test_dark_and_grainy_bodies_are_cut_out_too() -> None:
    for name in ("dark", "grain"):
        bad = picture(waving(60), TIMES, Condition(name, 2), 0)
        prepared = squashed(bad)
        correction = find_correction(prepared, 160 / 120)
        assert correction.part is not None, name
        assert 1.4 * 0.5 - 0.05 <= correction.part.height <= 1.1 * (1.4 * 0.5 + 0.05)


def test_other_pictures_are_left() -> None:
    x, y = np.meshgrid(np.arange(160), np.arange(120))
    textured = np.repeat(scene(x + 1j * y)[None], 8, 0).clip(0, 255).astype(np.uint8)
    assert find_part(textured, 4 / 3) is None
    assert find_part(np.zeros_like(textured), 4 / 3) is None
    assert find_part(waving(90), 4 / 3) is None  # large enough
    assert find_part(waving(90), 16 / 9) is not None
    assert find_part(waving(60), 0.1) is None  # a strip
    specks = np.zeros_like(textured)
    specks[:, 8, 8] = 255
    assert find_part(specks, 4 / 3) is None


def test_pixels_beyond_the_picture_are_background() -> None:
    frames = waving(60, 10, background=40)
    part = find_part(frames, 160 / 120)
    assert part is not None
    assert part.left < 0
    assert part.left * 28 == pytest.approx(round(part.left * 28))
    assert part.background == (40, 40, 40)
    found = cut_out(frames, part)
    assert found.shape == frames.shape
    assert (found[:, :, :10] == 40).all()
