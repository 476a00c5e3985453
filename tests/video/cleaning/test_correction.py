"""Dark, flat and letterboxed frames are corrected; others are not changed."""

import numpy as np
import pytest

from fewact.core.errors import ShapeError
from fewact.lab.synthetic.conditions import Condition, picture
from fewact.video.cleaning.correction import (
    DARK,
    FLAT,
    GRAINY,
    SLOW,
    SMALL,
    STILL,
    WHITE_OUT,
    Correction,
    find_correction,
    find_faults,
)
from fewact.video.cleaning.framing import NO_BARS
from fewact.video.cleaning.light import MOST_GAIN, brightness
from tests.refused import refused
from tests.video.camera.scenery import textured_clip

TIMES = np.arange(8) / 8


def in_condition(name: str, severity: int) -> np.ndarray:
    return picture(textured_clip(), TIMES, Condition(name, severity), 3)


def error(found: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - textured_clip()).mean())


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_good_frames_are_not_changed(severity: int) -> None:
    assert not find_correction(textured_clip())
    for name in ("small", "cropped", "grey"):
        assert not find_correction(in_condition(name, severity)), name


@pytest.mark.parametrize(
    ("name", "severity", "fault"), [("dark", 2, DARK), ("dark", 3, DARK), ("low-contrast", 3, FLAT)]
)
def test_dark_and_flat_frames_come_nearer_to_good_ones(
    name: str, severity: int, fault: tuple[str, str]
) -> None:
    bad = in_condition(name, severity)
    correction = find_correction(bad)
    assert correction.levels is not None
    assert (np.diff(correction.levels.astype(int)) >= 0).all()
    assert error(correction.frames(bad)) < 0.7 * error(bad)
    assert find_faults(correction, (240, 320)) == (fault,)


def test_overexposed_frames_come_nearer_to_good_ones() -> None:
    bad = in_condition("bright", 2)
    correction = find_correction(bad)
    assert correction.before.bright
    assert correction.levels is not None
    assert correction.levels[round(correction.before.low)] == 0
    corrected = correction.frames(bad)
    assert error(corrected) < 0.7 * error(bad)  # what is white stays lost
    assert (corrected[bad == 255] == 180).all()  # and becomes grey
    assert find_faults(correction, (240, 320)) == (WHITE_OUT,)


def test_a_video_that_is_white_all_over_gets_one_level() -> None:
    white = np.full((4, 60, 60, 3), 255, np.uint8)
    correction = find_correction(white)
    assert correction.before.bright
    corrected = correction.frames(white)
    assert len(np.unique(corrected)) == 1


def test_a_white_wall_is_not_overexposed() -> None:
    white = textured_clip()
    white[:, :60] = 255
    white[:, 110:] = 15  # something is black
    assert not find_correction(white)


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_grain_is_removed(severity: int) -> None:
    bad = in_condition("grain", severity)
    correction = find_correction(bad)
    assert error(correction.frames(bad)) < 0.5 * error(bad)
    assert find_faults(correction, (240, 320)) == (GRAINY,)


def test_the_gain_is_limited_and_a_constant_video_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 4, (4, 60, 60, 3)).astype(np.uint8)
    levels = find_correction(noise).levels
    assert levels is not None
    assert levels[3] > 0
    assert np.diff(levels.astype(int)).max() == MOST_GAIN  # no gamma exceeds it
    grey = np.full((4, 60, 60, 3), 128, np.uint8)
    corrected = find_correction(grey).frames(grey)
    assert np.abs(corrected.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("severity", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_bars_are_cut_off(severity: int, seed: int) -> None:
    whole = textured_clip()
    boxed = picture(whole, TIMES, Condition("letterbox", severity), seed)
    correction = find_correction(boxed)
    height, width = correction.size(boxed.shape[1:3])
    assert abs(height - 120) <= 1
    assert abs(width - 160) <= 1
    corrected = correction.frames(boxed)
    assert corrected.shape == boxed.shape
    assert corrected.min((0, 2, 3)).max() > 0
    assert find_faults(correction, (240, 320)) == ()


def test_a_person_before_a_black_background_has_no_bars() -> None:
    for shape in ("disc", "limbs"):
        x, y = np.meshgrid(np.linspace(-2, 2, 160), np.linspace(-1.5, 1.5, 120))
        person = x**2 + y**2 < 1 if shape == "disc" else (abs(x) < 0.1) | (abs(x + y) < 0.1)
        person &= abs(y) < 1.2
        depth = np.broadcast_to(np.where(person, 100, 0)[None, ..., None], (8, 120, 160, 3))
        correction = find_correction(depth.astype(np.uint8))
        assert correction.bars == NO_BARS, shape


def test_a_deep_blue_is_not_dark() -> None:
    blue = np.zeros((8, 120, 160, 3), np.uint8)
    blue[..., 2] = np.linspace(20, 220, 160)
    assert brightness(blue).high < 30
    assert not brightness(blue).dark


def test_faults_name_what_to_do() -> None:
    assert find_faults(find_correction(textured_clip()), (40, 160)) == (SMALL,)
    for fps, slow in [(1.0, (SLOW,)), (2.9, (SLOW,)), (3.0, ()), (None, ())]:
        assert find_faults(find_correction(textured_clip()), (240, 320), fps=fps) == slow
    white = np.full((8, 120, 160, 3), 255, np.uint8)
    white[:, :40] = 0
    found = Correction(NO_BARS, None, 0.0, None, 0.0, brightness(white), 4 / 3)
    assert find_faults(found, (240, 320)) == (WHITE_OUT,)
    assert str(DARK) == "very dark; record with more light"


@pytest.mark.parametrize("pictures", [1, 2, 3])
def test_copies_of_one_or_two_pictures_show_no_movement(pictures: int) -> None:
    video = textured_clip()[np.arange(8) * pictures // 8]
    assert (STILL in find_faults(find_correction(video), (240, 320))) is (pictures < 3)


def test_other_frames_are_refused() -> None:
    with pytest.raises(ShapeError):
        find_correction(np.zeros((8, 20, 20), np.uint8))
    with refused(ShapeError, got="float64"):
        find_correction(np.zeros((8, 20, 20, 3)))  # type: ignore[arg-type]
