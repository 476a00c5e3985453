"""Stabilising: exact where the truth is known, and harmless where there is nothing to find."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fewact.camera.motion import estimate_camera_motion
from fewact.camera.registration import (
    all_pixels,
    detect_keypoints,
    mean_difference,
    register,
    residuals,
)
from fewact.camera.similarity import Similarity
from fewact.camera.stabilise import stabilise, stabilise_modes
from fewact.errors import OptionError, ShapeError
from fewact.video import Segments, read_frames
from tests.camera.scenery import apart, between, frames_of, scene, seen_by, wander

SIZE = (160, 160)


def filmed(t: int = 16, seed: int = 0, shift: float = 16.0, zoom: float = 0.1, roll: float = 0.05):
    """Frames of a scene, and the true motion from the middle frame to each."""
    ways = wander(t, seed, shift=shift, zoom=zoom, roll=roll)
    return frames_of(ways, SIZE, seed=seed), between(ways)


@pytest.mark.parametrize("seed", range(4))
def test_known_motion_is_found_to_a_tenth_of_a_pixel(seed: int) -> None:
    frames, truth = filmed(seed=seed)
    found = estimate_camera_motion(frames)
    error = apart(found.conservative, truth, SIZE)
    assert error.max() < 0.1
    assert found.moved


@pytest.mark.parametrize("t", [2, 3, 5])
def test_few_frames_are_enough(t: int) -> None:
    frames, truth = filmed(t, shift=8)
    assert apart(estimate_camera_motion(frames).conservative, truth, SIZE).max() < 0.1


def test_squashed_frames_are_registered_in_the_shape_that_they_had() -> None:
    ways = wander(9, 3, shift=10, zoom=0.05, roll=0.1)
    frames, truth = frames_of(ways, SIZE, pixel=16 / 9, seed=3), between(ways)
    found = estimate_camera_motion(frames, aspect=16 / 9).conservative
    assert apart(found, truth, SIZE, 16 / 9).max() < 0.15
    assert apart(estimate_camera_motion(frames).conservative, truth, SIZE, 16 / 9).max() > 1


@pytest.mark.parametrize("size", [(48, 64), (90, 40), (300, 200)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    ways = wander(5, 1, shift=0.05 * min(size), zoom=0.05, roll=0.03)
    found = estimate_camera_motion(frames_of(ways, size)).conservative
    assert apart(found, between(ways), size).max() < 0.25


def test_someone_who_moves_does_not_pull() -> None:
    frames, truth = filmed(shift=8, seed=2)
    other = frames_of(Similarity.identity(1, torch.complex128), SIZE, seed=9)[0]
    for i, frame in enumerate(frames):
        at = 10 + 6 * i
        frame[:, at : at + 50, 60:100] = other[:, at : at + 50, 60:100]
    assert apart(estimate_camera_motion(frames).conservative, truth, SIZE).max() < 0.25


def test_flashes_and_contrast_do_not_matter() -> None:
    frames, truth = filmed(9, shift=8)
    bright = torch.tensor([1.0, 0.6, 1.3, 0.8, 1.0, 0.5, 1.0, 0.7, 0.9])[:, None, None, None]
    dimmed = (frames * 0.6 * bright + 20).round().to(torch.uint8)
    assert apart(estimate_camera_motion(dimmed).conservative, truth, SIZE).max() < 0.15


def test_stabilised_frames_are_the_middle_one_where_nothing_else_moves() -> None:
    frames, _ = filmed()
    steady = stabilise(frames)
    inner = (..., slice(30, -30), slice(30, -30))
    before, after = (
        (f[inner].float() - f[8][inner].float()).abs().mean() for f in (frames, steady)
    )
    assert before > 20
    assert after < 1
    assert torch.equal(steady[8], frames[8])


def test_places_that_a_frame_does_not_show_get_the_mean_of_those_that_do() -> None:
    ways = Similarity(torch.ones(3, dtype=torch.complex128), torch.tensor([0, 0, 20 + 0j]))
    frames = frames_of(ways, SIZE)
    frames[0] = (frames[0].float() * 0.9).round().to(torch.uint8)  # as steady, and darker
    steady = stabilise(frames, "on").float()
    # The last frame sees nothing of the left 20 columns, the first two do.
    expected = (frames[0] / 2 + frames[1] / 2)[..., :18]
    assert (steady[2][..., :18] - expected).abs().max() < 1.5
    assert (steady[2][..., 22:] - frames[1][..., 22:]).abs().mean() < 1


def still(t: int = 16) -> torch.Tensor:
    return frames_of(Similarity.identity(1, torch.complex128), SIZE).expand(t, -1, -1, -1).clone()


@pytest.mark.parametrize("mode", ["on", "auto", "off"])
def test_a_static_clip_comes_back_as_it_is(mode: str) -> None:
    frames = still()
    assert torch.equal(stabilise(frames, mode), frames)


@pytest.mark.parametrize("mode", ["on", "auto"])
def test_so_does_a_static_clip_with_noise_and_someone_moving(mode: str) -> None:
    rng = np.random.default_rng(0)
    frames = still()
    frames = (frames + torch.from_numpy(rng.normal(0, 3, frames.shape))).clamp(0, 255).byte()
    for i, frame in enumerate(frames):
        frame[:, 20 + 5 * i : 60 + 5 * i, 50:80] = 240
    assert torch.equal(stabilise(frames, mode), frames)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_clip_comes_back_as_it_is(level: int) -> None:
    frames = torch.full((16, 3, *SIZE), level, dtype=torch.uint8)
    assert torch.equal(stabilise(frames, "on"), frames)


def test_a_flat_middle_frame_or_single_flash_harms_nothing() -> None:
    frames = still()
    frames[8] = 255
    assert torch.equal(stabilise(frames, "on"), frames)
    frames = still()
    frames[3], frames[11] = 255, 0
    assert torch.equal(stabilise(frames, "on"), frames)


def test_frames_after_a_cut_stay_as_they_are() -> None:
    frames, _ = filmed(seed=1)
    other = frames_of(wander(16, 5, shift=16, zoom=0.1, roll=0.05), SIZE, seed=7)
    frames[12:] = other[12:]
    steady = stabilise(frames)
    assert torch.equal(steady[12:], frames[12:])
    inner = (..., slice(30, -30), slice(30, -30))
    assert (steady[:12][inner].float() - frames[8][inner].float()).abs().mean() < 1.5


def test_noise_without_any_picture_stays_finite_and_nearly_as_it_is() -> None:
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (8, 3, *SIZE), dtype=np.uint8))
    assert not estimate_camera_motion(frames).moved
    assert torch.equal(stabilise(frames), frames)


def body(at: complex, arm: float) -> np.ndarray:
    """A patterned figure on black whose feet stay where they are."""
    y, x = np.mgrid[:160, :160].astype(float)
    picture = scene(x - 80 + 1j * (y - 80), seed=4)
    high, wide = at.imag, at.real
    torso = (abs(x - 80 - wide) < 22) & (abs(y - 75 - high) < 35)
    limb = (abs(x - 80 - wide - 35 * np.cos(arm)) < 14) & (abs(y - 60 - 35 * np.sin(arm)) < 12)
    feet = (abs(x - 80) < 30) & (abs(y - 128) < 14)
    shown = torso | limb | feet
    return (picture * shown[..., None]).clip(0, 255).astype(np.uint8)


def test_a_figure_on_black_is_not_taken_for_a_camera() -> None:
    pictures = [body(0 + 12j * np.sin(k / 3), arm=k / 4) for k in range(16)]
    frames = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    assert not estimate_camera_motion(frames).moved
    assert torch.equal(stabilise(frames, "auto"), frames)


def blobs(at: np.ndarray) -> np.ndarray:
    """Six spots on grey."""
    rng = np.random.default_rng(0)
    picture = np.full(at.shape, 20.0)
    for _ in range(6):
        middle, wide = complex(*rng.uniform(-60, 60, 2)), rng.uniform(4, 12)
        picture += rng.uniform(60, 200) * np.exp(-(np.abs(at - middle) ** 2) / (2 * wide**2))
    return np.repeat(picture[..., None], 3, -1)


def squat(at: np.ndarray, low: float, arm: float) -> np.ndarray:
    """A patterned figure on black that goes down to its feet, and moves an arm."""
    x, y = at.real, (at.imag - 55) / (1 - 0.3 * low) + 55
    torso = (abs(x) < 22) & (abs(y + 5) < 40)
    limb = (abs(x - 35 * np.cos(arm)) < 14) & (abs(y + 20 - 35 * np.sin(arm)) < 12)
    feet = (abs(x) < 30) & (abs(at.imag - 50) < 12)
    return scene(x + 1j * y, seed=4) * (torso | limb | feet)[..., None]


@pytest.mark.parametrize("seed", range(3))
def test_a_few_things_without_a_background_are_enough(seed: int) -> None:
    ways = wander(16, seed, shift=8, zoom=0.05, roll=0.03)
    found = estimate_camera_motion(seen_by(ways, SIZE, lambda at, k: blobs(at)))
    assert apart(found.conservative, between(ways), SIZE).max() < 0.3
    assert found.moved


@pytest.mark.parametrize("seed", range(4))
def test_without_a_background_a_body_that_squats_is_not_followed(seed: int) -> None:
    ways = wander(16, seed, shift=4, zoom=0.02, roll=0.01)
    frames = seen_by(ways, SIZE, lambda at, k: squat(at, np.sin(np.pi * k / 15) ** 2, k / 4))
    truth = between(ways)
    found, none = (
        apart(one, truth, SIZE).mean()
        for one in (
            estimate_camera_motion(frames).conservative,
            Similarity.identity(16, torch.complex128),
        )
    )
    assert found < none + 0.6  # following it costs up to 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_boldly_the_camera_is_found_behind_an_arm_and_no_body_that_squats_followed(
    seed: int,
) -> None:
    ways = wander(16, seed, shift=5, zoom=0.02, roll=0.02)
    found = estimate_camera_motion(seen_by(ways, SIZE, lambda at, k: squat(at, 0, k / 4)))
    assert apart(found.permissive, between(ways), SIZE).mean() < 0.6
    expected = found.permissive if found.moved else found.conservative
    assert (
        apart(found.conservative.after(found.permissive_to_stabilised), expected, SIZE).max() < 1e-3
    )
    found = estimate_camera_motion(
        seen_by(ways, SIZE, lambda at, k: squat(at, np.sin(np.pi * k / 15) ** 2, k / 4))
    )
    assert found.permissive is found.conservative
    assert found.permissive_to_stabilised.is_identity.all()


def test_modes_that_come_to_the_same_give_the_same_tensor() -> None:
    frames, _ = filmed()
    found = stabilise_modes(frames, ("auto", "on", "off"))
    assert found["auto"] is found["on"]
    assert found["off"] is frames
    assert torch.equal(found["auto"], stabilise(frames, "auto"))
    calm = still()
    assert all(one is calm for one in stabilise_modes(calm, ("auto", "on")).values())


def test_pixels_are_nowhere_apart_from_themselves_nor_seen_outside() -> None:
    pictures = functional.avg_pool2d(filmed(2)[0].float().mean(1, keepdim=True), 4)[:, 0] / 50
    known = all_pixels(pictures, 1.0)
    assert known.at.shape == (2, 40 * 40)
    assert known.valid.all()
    beside = Similarity(torch.ones(2, dtype=torch.complex64), torch.tensor([0.0, 80 + 0j]))
    off = mean_difference(known, pictures, beside, 1.0)
    assert off[0] < 1e-4
    assert off[1] == torch.inf


def test_a_clip_that_holds_still_for_a_fifth_of_it_was_not_filmed_by_a_hand() -> None:
    frames, _ = filmed()
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(0, 1, (5, 3, *SIZE)))
    frames[:5] = (frames[:1] + noise).round().clamp(0, 255).byte()
    found = estimate_camera_motion(frames)
    assert found.static_fraction > 0.6
    assert not found.moved
    assert torch.equal(stabilise(frames, "auto"), frames)
    assert not torch.equal(stabilise(frames, "on"), frames)


def test_frames_that_are_shown_twice_do_not_count_as_still() -> None:
    frames, _ = filmed(8)
    assert estimate_camera_motion(frames.repeat_interleave(2, 0)).moved


@pytest.mark.parametrize("t", [1, 2])
def test_one_frame_or_two_that_are_the_same(t: int) -> None:
    frames = still(t)
    assert torch.equal(stabilise(frames, "on"), frames)


def test_marks_are_on_slopes_and_explained_where_they_are() -> None:
    pictures = functional.avg_pool2d(filmed(2)[0].float().mean(1, keepdim=True), 4)[:, 0] / 50
    known = detect_keypoints(pictures, 1.0)
    assert known.at.shape == (2, 20 * 20)
    off = residuals(known, pictures, Similarity.identity(2), 1.0)
    assert off[known.valid].abs().max() < 1e-4
    moved = residuals(known, pictures.roll(1, -1), Similarity.identity(2), 1.0)
    assert moved.nanmedian() > 0.2


def test_a_start_that_leads_nowhere_is_returned() -> None:
    pictures = torch.zeros(1, 20, 20)
    start = Similarity(torch.tensor([1 + 0.1j]), torch.tensor([2 + 1j]))
    found = register(detect_keypoints(pictures, 1.0), pictures, start, 1.0, 5)
    torch.testing.assert_close(found.linear, start.linear)
    torch.testing.assert_close(found.shift, start.shift)


@pytest.mark.parametrize(
    ("frames", "options", "error", "where"),
    [
        (torch.zeros(2, 3, 8, 8), {}, ShapeError, "uint8"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), {}, ShapeError, "t 3 h w"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), {"mode": "maybe"}, OptionError, "mode"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), {"aspect": 0.0}, OptionError, "aspect"),
    ],
)
def test_bad_input(frames, options, error, where) -> None:
    with pytest.raises(error, match=where):
        stabilise(frames, **options)


def test_a_real_clip_under_a_known_camera(assets) -> None:
    from fewact.camera.simulated import CAMERAS, crop_size, path, record

    clips = sorted((assets / "clips" / "utd5_rgb").glob("*/*.mp4"))[:1]
    frames = read_frames(clips[0], Segments(16))
    times = (np.arange(16) + 0.5) / 16
    height, width = frames.shape[1:3]
    way = path(CAMERAS["hand"], 0, times, height, width)
    turn = torch.from_numpy(way.size * np.exp(1j * way.roll))
    truth = between(Similarity(turn, torch.from_numpy(way.x + 1j * way.y)))
    seen = torch.from_numpy(record(frames, times, CAMERAS["hand"], 0)).permute(0, 3, 1, 2)
    found = estimate_camera_motion(seen)
    size = crop_size(CAMERAS["hand"], height, width)
    moved = apart(Similarity.identity(16, torch.complex128), truth, size).mean()
    assert moved > 5
    assert apart(found.conservative, truth, size).mean() < 0.35
    assert found.moved
