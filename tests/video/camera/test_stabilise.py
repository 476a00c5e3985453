"""Stabilisation: accurate for known motion, harmless without motion."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.core.errors import OptionError, ShapeError
from fewact.video import Segments, read_frames
from fewact.video.camera import motion as motion_module
from fewact.video.camera.motion import LEAST_LOG_ODDS, estimate_camera_motion, stabilise
from fewact.video.camera.registration import Similarity
from tests.video.camera.scenery import (
    frames_of,
    from_middle,
    mean_distance,
    random_motion,
    render,
    scene,
)

SIZE = (160, 160)


def moving_camera(
    t: int = 16, seed: int = 0, shift: float = 16.0, zoom: float = 0.1, roll: float = 0.05
):
    """Return frames of a scene, and the true similarities from the middle frame to each."""
    motion = random_motion(t, seed, shift=shift, zoom=zoom, roll=roll)
    return frames_of(motion, SIZE, seed=seed), from_middle(motion)


@pytest.mark.parametrize("seed", range(4))
def test_known_motion_is_estimated_to_a_tenth_of_a_pixel(seed: int) -> None:
    frames, truth = moving_camera(seed=seed)
    found = estimate_camera_motion(frames)
    error = mean_distance(found.motion, truth, SIZE)
    assert error.max() < 0.1
    assert found.moved


@pytest.mark.parametrize("t", [2, 3, 5])
def test_few_frames_are_enough(t: int) -> None:
    frames, truth = moving_camera(t, shift=8)
    assert mean_distance(estimate_camera_motion(frames).motion, truth, SIZE).max() < 0.1


def test_frames_with_another_aspect_ratio_are_registered() -> None:
    motion = random_motion(9, 3, shift=10, zoom=0.05, roll=0.1)
    frames, truth = frames_of(motion, SIZE, pixel=16 / 9, seed=3), from_middle(motion)
    found = estimate_camera_motion(frames, aspect=16 / 9).motion
    assert mean_distance(found, truth, SIZE, 16 / 9).max() < 0.15
    assert mean_distance(estimate_camera_motion(frames).motion, truth, SIZE, 16 / 9).max() > 1


@pytest.mark.parametrize("size", [(48, 64), (90, 40), (300, 200)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    motion = random_motion(5, 1, shift=0.05 * min(size), zoom=0.05, roll=0.03)
    found = estimate_camera_motion(frames_of(motion, size)).motion
    assert mean_distance(found, from_middle(motion), size).max() < 0.25


def test_a_moving_object_does_not_disturb_the_estimate() -> None:
    frames, truth = moving_camera(shift=8, seed=2)
    other = frames_of(Similarity.identity(1, np.complex128), SIZE, seed=9)[0]
    for i, frame in enumerate(frames):
        at = 10 + 6 * i
        frame[:, at : at + 50, 60:100] = other[:, at : at + 50, 60:100]
    assert mean_distance(estimate_camera_motion(frames).motion, truth, SIZE).max() < 0.25


def test_changes_of_brightness_and_contrast_do_not_matter() -> None:
    frames, truth = moving_camera(9, shift=8)
    bright = np.array([1.0, 0.6, 1.3, 0.8, 1.0, 0.5, 1.0, 0.7, 0.9])[:, None, None, None]
    dimmed = (frames * 0.6 * bright + 20).round().astype(np.uint8)
    assert mean_distance(estimate_camera_motion(dimmed).motion, truth, SIZE).max() < 0.15


def test_stabilised_frames_of_a_static_scene_equal_the_middle_one() -> None:
    frames, _ = moving_camera()
    stabilised = stabilise(frames)
    inner = (..., slice(30, -30), slice(30, -30))
    before, after = (
        np.abs(f[inner].astype(float) - f[8][inner]).mean() for f in (frames, stabilised)
    )
    assert before > 20
    assert after < 1
    assert np.array_equal(stabilised[8], frames[8])


def test_pixels_outside_a_frame_get_the_mean_of_the_frames_that_cover_them() -> None:
    motion = Similarity(np.ones(3, np.complex128), np.array([0, 0, 20 + 0j]))
    frames = frames_of(motion, SIZE)
    frames[0] = (frames[0] * 0.9).round().astype(np.uint8)  # static too, and darker
    stabilised = stabilise(frames, "on").astype(float)
    # The last frame does not cover the left 20 columns; the first two do.
    expected = (frames[0] / 2 + frames[1] / 2)[..., :18]
    assert np.abs(stabilised[2][..., :18] - expected).max() < 1.5
    assert np.abs(stabilised[2][..., 22:] - frames[1][..., 22:]).mean() < 1


def static_camera(t: int = 16) -> NDArray[np.uint8]:
    return frames_of(Similarity.identity(1, np.complex128), SIZE).repeat(t, 0)


@pytest.mark.parametrize("mode", ["on", "auto", "off"])
def test_a_static_clip_is_unchanged(mode: str) -> None:
    frames = static_camera()
    assert np.array_equal(stabilise(frames, mode), frames)


@pytest.mark.parametrize("mode", ["on", "auto"])
def test_a_static_clip_with_noise_and_a_moving_object_is_unchanged(mode: str) -> None:
    rng = np.random.default_rng(0)
    frames = static_camera()
    frames = (frames + rng.normal(0, 3, frames.shape)).clip(0, 255).astype(np.uint8)
    for i, frame in enumerate(frames):
        frame[:, 20 + 5 * i : 60 + 5 * i, 50:80] = 240
    assert np.array_equal(stabilise(frames, mode), frames)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_clip_is_unchanged(level: int) -> None:
    frames = np.full((16, 3, *SIZE), level, np.uint8)
    assert np.array_equal(stabilise(frames, "on"), frames)


def test_a_flat_middle_frame_or_a_flash_changes_nothing() -> None:
    frames = static_camera()
    frames[8] = 255
    assert np.array_equal(stabilise(frames, "on"), frames)
    frames = static_camera()
    frames[3], frames[11] = 255, 0
    assert np.array_equal(stabilise(frames, "on"), frames)


def test_frames_after_a_cut_are_unchanged() -> None:
    frames, _ = moving_camera(seed=1)
    other = frames_of(random_motion(16, 5, shift=16, zoom=0.1, roll=0.05), SIZE, seed=7)
    frames[12:] = other[12:]
    stabilised = stabilise(frames)
    assert np.array_equal(stabilised[12:], frames[12:])
    inner = (..., slice(30, -30), slice(30, -30))
    assert np.abs(stabilised[:12][inner].astype(float) - frames[8][inner]).mean() < 1.5


def test_pure_noise_is_unchanged() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (8, 3, *SIZE), dtype=np.uint8)
    assert not estimate_camera_motion(frames).moved
    assert np.array_equal(stabilise(frames), frames)


def body(at: complex, arm: float) -> np.ndarray:
    """Return a patterned figure with static feet on a textureless background."""
    y, x = np.mgrid[:160, :160].astype(float)
    image = scene(x - 80 + 1j * (y - 80), seed=4)
    high, wide = at.imag, at.real
    torso = (abs(x - 80 - wide) < 22) & (abs(y - 75 - high) < 35)
    limb = (abs(x - 80 - wide - 35 * np.cos(arm)) < 14) & (abs(y - 60 - 35 * np.sin(arm)) < 12)
    feet = (abs(x - 80) < 30) & (abs(y - 128) < 14)
    shown = torso | limb | feet
    return (image * shown[..., None]).clip(0, 255).astype(np.uint8)


def test_a_moving_figure_on_a_textureless_background_is_not_camera_motion() -> None:
    images = [body(0 + 12j * np.sin(k / 3), arm=k / 4) for k in range(16)]
    frames = np.moveaxis(np.stack(images), -1, 1)
    assert not estimate_camera_motion(frames).moved
    assert np.array_equal(stabilise(frames, "auto"), frames)


def blobs(at: np.ndarray) -> np.ndarray:
    """Return six blurred spots on a grey background."""
    rng = np.random.default_rng(0)
    image = np.full(at.shape, 20.0)
    for _ in range(6):
        middle, wide = complex(*rng.uniform(-60, 60, 2)), rng.uniform(4, 12)
        image += rng.uniform(60, 200) * np.exp(-(np.abs(at - middle) ** 2) / (2 * wide**2))
    return np.repeat(image[..., None], 3, -1)


def squat(at: np.ndarray, low: float, arm: float) -> np.ndarray:
    """Return a patterned figure that squats and moves an arm, on a textureless background."""
    x, y = at.real, (at.imag - 55) / (1 - 0.3 * low) + 55
    torso = (abs(x) < 22) & (abs(y + 5) < 40)
    limb = (abs(x - 35 * np.cos(arm)) < 14) & (abs(y + 20 - 35 * np.sin(arm)) < 12)
    feet = (abs(x) < 30) & (abs(at.imag - 50) < 12)
    return scene(x + 1j * y, seed=4) * (torso | limb | feet)[..., None]


@pytest.mark.parametrize("seed", range(3))
def test_a_few_objects_on_a_flat_background_are_enough(seed: int) -> None:
    motion = random_motion(16, seed, shift=8, zoom=0.05, roll=0.03)
    found = estimate_camera_motion(render(motion, SIZE, lambda at, k: blobs(at)))
    assert mean_distance(found.motion, from_middle(motion), SIZE).max() < 0.3
    assert found.moved


@pytest.mark.parametrize("seed", range(4))
def test_full_body_motion_on_a_textureless_background_is_not_followed(seed: int) -> None:
    motion = random_motion(16, seed, shift=4, zoom=0.02, roll=0.01)
    frames = render(motion, SIZE, lambda at, k: squat(at, np.sin(np.pi * k / 15) ** 2, k / 4))
    truth = from_middle(motion)
    found, none = (
        mean_distance(one, truth, SIZE).mean()
        for one in (
            estimate_camera_motion(frames).motion,
            Similarity.identity(16, np.complex128),
        )
    )
    assert found < none + 0.6  # following the body would cost up to 8


def test_frames_that_stay_are_the_same_array() -> None:
    frames, _ = moving_camera()
    assert stabilise(frames, "off") is frames
    assert np.array_equal(stabilise(frames, "auto"), stabilise(frames, "on"))
    static = static_camera()
    assert all(stabilise(static, mode) is static for mode in ("auto", "on"))


def test_a_clip_with_static_frames_is_not_hand_held() -> None:
    frames, _ = moving_camera()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (5, 3, *SIZE))
    frames[:5] = (frames[:1] + noise).round().clip(0, 255)
    found = estimate_camera_motion(frames)
    assert found.static_fraction > 0.6
    assert not found.moved
    assert np.array_equal(stabilise(frames, "auto"), frames)
    assert not np.array_equal(stabilise(frames, "on"), frames)


def test_no_motion_of_a_plainly_static_camera_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a noisy scene is static, no motion could change the decision."""
    frames = static_camera()
    noise = np.random.default_rng(0).normal(0, 2, frames.shape)
    frames = (frames + noise).round().clip(0, 255).astype(np.uint8)
    frames[8:, :, 60:100, 20:70] = 255  # something moves
    number = count_calls(monkeypatch, "_register_keypoints")
    found = estimate_camera_motion(frames)
    assert (found.log_odds, found.moved, number()) == (LEAST_LOG_ODDS, False, 0)
    assert found.motion.is_identity.all()
    assert number() == 1
    estimate_camera_motion(moving_camera()[0])
    assert number() == 2


@pytest.mark.parametrize("seed", range(6))
def test_the_decision_is_that_of_an_estimated_motion(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound may only end the estimate where it would end in the same log-odds."""
    motion = random_motion(16, seed, shift=seed / 4, zoom=0.0, roll=0.0)
    frames = frames_of(motion, SIZE, seed=seed)
    found = estimate_camera_motion(frames)
    monkeypatch.setattr("fewact.video.camera.motion.LEAST_LOG_ODDS", -math.inf)
    number = count_calls(monkeypatch, "_register_keypoints")
    complete = estimate_camera_motion(frames)
    assert number() == 1
    assert found.log_odds == max(LEAST_LOG_ODDS, complete.log_odds)


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], int]:
    """Return a function that returns how often a function of the estimate was called."""
    calls: list[object] = []
    function = getattr(motion_module, name)

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(motion_module, name, counted)
    return lambda: len(calls)


def test_repeated_frames_do_not_count_as_static() -> None:
    frames, _ = moving_camera(8)
    assert estimate_camera_motion(frames.repeat(2, 0)).moved


@pytest.mark.parametrize("t", [1, 2])
def test_one_frame_or_two_equal_frames_are_unchanged(t: int) -> None:
    frames = static_camera(t)
    assert np.array_equal(stabilise(frames, "on"), frames)


@pytest.mark.parametrize(
    ("frames", "options", "error", "where"),
    [
        (np.zeros((2, 3, 8, 8)), {}, ShapeError, "frames"),
        (np.zeros((2, 1, 8, 8), np.uint8), {}, ShapeError, "frames"),
        (np.zeros((2, 3, 8, 8), np.uint8), {"mode": "maybe"}, OptionError, "stabilise"),
        (np.zeros((2, 3, 8, 8), np.uint8), {"aspect": 0.0}, OptionError, "aspect"),
    ],
)
def test_invalid_input_is_refused(frames, options, error, where) -> None:
    with pytest.raises(error) as refused:
        stabilise(frames, **options)
    assert refused.value.where == where


def test_a_real_clip_with_a_simulated_camera(assets) -> None:
    from fewact.lab.synthetic.simulated_cameras import CAMERAS, camera_path, crop_size, record

    clips = sorted((assets / "clips" / "utd5_rgb").glob("*/*.mp4"))[:1]
    frames = read_frames(clips[0], Segments(16))
    times = (np.arange(16) + 0.5) / 16
    height, width = frames.shape[1:3]
    path = camera_path(CAMERAS["hand"], 0, times, height, width)
    truth = from_middle(Similarity(*path))
    recorded = np.moveaxis(record(frames, times, CAMERAS["hand"], 0), -1, 1)
    found = estimate_camera_motion(recorded)
    size = crop_size(CAMERAS["hand"], height, width)
    moved = mean_distance(Similarity.identity(16, np.complex128), truth, size).mean()
    assert moved > 5
    assert mean_distance(found.motion, truth, size).mean() < 0.35
    assert found.moved


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [0.0, 6.0])
def test_whether_the_camera_moved_does_not_depend_on_the_number_of_frames(pixels):
    def estimated(frames):
        shift = np.linspace(-pixels / 2, pixels / 2, frames).astype(complex)
        motion = Similarity(np.ones_like(shift), shift)
        return estimate_camera_motion(frames_of(motion, (112, 112)))

    few = estimated(16)
    assert few.moved == (pixels > 0)
    for frames in (20, 24, 31, 32, 48):
        more = estimated(frames)
        assert more.moved == few.moved, frames
        assert abs(more.static_fraction - few.static_fraction) < 0.15, frames
