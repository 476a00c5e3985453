"""Simulated cameras: the crop stays inside the frame, on one path; videos recorded with them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.core.errors import OptionError, ShapeError
from fewact.data import Clip, Video, VideoList
from fewact.lab.synthetic.simulated_cameras import (
    CAMERAS,
    Recorded,
    SimulatedCamera,
    camera_path,
    crop_size,
    record,
    seed_of,
    simulated_camera,
    with_simulated_camera,
)
from fewact.video import EveryNth, Segments, read_frames, write_video
from fewact.video.source import ProcessedVideo
from tests.refused import refused

TIMES = (np.arange(16) + 0.5) / 16


def corners(camera: SimulatedCamera, seed: int, height: int, width: int) -> np.ndarray:
    """Positions of the crop's corner pixels in the frame: (t 4) complex."""
    linear, shift = camera_path(camera, seed, np.linspace(0, 1, 50), height, width)
    high, wide = crop_size(camera, height, width)
    ends = np.array([x + 1j * y for x in (-1, 1) for y in (-1, 1)])
    corner = ends.real * (wide - 1) / 2 + 1j * ends.imag * (high - 1) / 2
    return linear[:, None] * corner + shift[:, None] * (1 + camera.parallax * ends.imag)


@given(
    st.sampled_from(sorted(CAMERAS)),
    st.integers(0, 1000),
    st.integers(20, 300),
    st.integers(20, 300),
)
@settings(deadline=None, max_examples=60)
def test_the_crop_never_leaves_the_frame(name: str, seed: int, height: int, width: int) -> None:
    at = corners(CAMERAS[name], seed, height, width)
    assert np.abs(at.real).max() <= (width - 1) / 2 + 1e-6
    assert np.abs(at.imag).max() <= (height - 1) / 2 + 1e-6


def test_the_crop_stays_inside_without_a_margin() -> None:
    at = corners(SimulatedCamera(crop=1.0, scale=0.9, roll=45, pan=10, parallax=0.9), 1, 40, 60)
    assert np.abs(at.real).max() <= 29.5 + 1e-6
    assert np.abs(at.imag).max() <= 19.5 + 1e-6


def test_the_fixed_camera_crops_the_middle() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 80, 3), dtype=np.uint8)
    recorded = record(frames, TIMES[:3], CAMERAS["fixed"], 5)
    assert np.array_equal(recorded, frames[:, 5:35, 10:70])


def test_a_frame_does_not_depend_on_the_other_requested_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (16, 40, 60, 3), dtype=np.uint8)
    for camera in CAMERAS.values():
        every = record(frames, TIMES, camera, 3)
        some = record(frames[[12, 4]], TIMES[[12, 4]], camera, 3)
        assert np.array_equal(some, every[[12, 4]])


def test_seeds_give_different_paths() -> None:
    first, second, again = (
        camera_path(CAMERAS["hand"], seed, TIMES, 100, 100)[1].real for seed in (0, 1, 0)
    )
    assert np.abs(first - second).max() > 1
    assert np.array_equal(first, again)
    assert len({seed_of(seed, name) for seed in (0, 1) for name in ("a", "b", "0 a")}) == 6


def many_paths(name: str, seeds: int = 60) -> list:
    return [
        camera_path(CAMERAS[name], seed, np.linspace(0, 1, 41), 400, 400) for seed in range(seeds)
    ]


def test_framing_is_constant_and_changes_position_and_size() -> None:
    paths = many_paths("framing")
    assert all(np.ptp(shift) == np.ptp(linear) == 0 for linear, shift in paths)
    reach = np.array([[shift[0].real, shift[0].imag] for _, shift in paths]) / 300
    assert 0.12 < np.abs(reach).max() <= 0.15
    sizes = [abs(linear[0]) for linear, _ in paths]
    assert 0.8 <= min(sizes) < 0.85
    assert 1.15 < max(sizes) <= 1.2


def test_shake_oscillates_around_the_frame_centre() -> None:
    paths = many_paths("shake")
    for linear, shift in paths:
        assert 0.02 * 300 < np.abs(shift.real).max() <= 0.031 * 300
        assert np.abs(np.angle(linear)).max() <= np.deg2rad(2.1)
    turns = [int((np.diff(np.sign(np.diff(shift.real))) != 0).sum()) for _, shift in paths]
    assert min(turns) >= 2


def test_pan_has_even_speed_and_zooms() -> None:
    paths = many_paths("pan")
    for linear, shift in paths:
        steps = np.diff(shift.real)
        np.testing.assert_allclose(steps, steps[0], atol=1e-9)
        assert linear[0] + linear[-1] == pytest.approx(2)
    travelled = [abs(shift[-1].real - shift[0].real) / 300 for _, shift in paths]
    grown = [abs(linear[-1] - linear[0]) for linear, _ in paths]
    assert 0.13 < max(travelled) <= 0.15
    assert 0.13 < max(grown) <= 0.15


def test_an_eased_pan_starts_and_stops_gently() -> None:
    eased = SimulatedCamera(pan=0.15, pan_speed="eased")
    _, shift = camera_path(eased, 0, np.linspace(0, 1, 41), 400, 400)
    steps = np.abs(np.diff(shift.real))
    assert steps[[0, -1]].max() < 0.1 * steps[20]


def test_the_image_moves_against_the_camera() -> None:
    bright = np.zeros((2, 60, 60, 3), np.uint8)
    bright[:, 28:32, 28:32] = 255
    camera, times = SimulatedCamera(pan=0.15), np.array([0.0, 1.0])
    _, shift = camera_path(camera, 0, times, 60, 60)
    recorded = record(bright, times, camera, 0)[..., 0].astype(float)  # (2 45 45)
    across = (recorded.sum(1) * np.arange(45)).sum(1) / recorded.sum((1, 2)) - 22
    np.testing.assert_allclose(across, -shift.real, atol=0.6)
    assert np.sign(across[0]) == -np.sign(across[1])


def test_a_shutter_blurs_moving_parts() -> None:
    stripes = np.zeros((1, 80, 80, 3), np.uint8)
    stripes[:, :, ::2] = 255
    sharp = SimulatedCamera(pan=0.3)
    blurred = dataclasses.replace(sharp, shutter=0.2)
    contrast = [record(stripes, TIMES[8:9], one, 0).std() for one in (sharp, blurred)]
    assert contrast[1] < 0.7 * contrast[0]


@pytest.mark.parametrize(
    "wrong",
    [{"crop": 0}, {"crop": 1.1}, {"pan": -1}, {"scale": 1}, {"pan_speed": "soft"}, {"roll": 90}],
)
def test_impossible_cameras_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        SimulatedCamera(**wrong)


def test_unknown_names_get_a_hint() -> None:
    with refused(OptionError, got="'shaky'", hint='Did you mean "shake"'):
        simulated_camera("shaky")


def test_invalid_frames_and_times_are_refused() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    with refused(ShapeError, where="frames", got="float32"):
        record(frames.astype(np.float32), TIMES[:2], SimulatedCamera(), 0)
    with refused(ShapeError, where="times", got="(16,)"):
        record(frames, TIMES, SimulatedCamera(), 0)
    with refused(OptionError, where="times"):
        record(frames, np.array([0.5, np.nan]), SimulatedCamera(), 0)


@pytest.fixture
def clip(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, 12)
    return Clip(tmp_path / "a.mp4")


def recorded(clip, camera, seed):
    return ProcessedVideo(clip).then(Recorded(camera, seed))


def test_frames_are_recorded_at_the_times_when_they_are_shown(clip):
    few, full = recorded(clip, CAMERAS["hand"], 3).read([Segments(4), EveryNth(1)])
    plain = read_frames(clip.path, EveryNth(1))
    expected = record(plain, np.arange(12) / 12, CAMERAS["hand"], 3)
    assert np.array_equal(full, expected)
    assert np.array_equal(few, expected[[1, 4, 7, 10]])


def test_the_transform_gets_recorded_frames(clip):
    source = recorded(clip, CAMERAS["pan"], 3)
    (full,), (small,) = (
        source.read([Segments(3)], transform=t) for t in (None, lambda frame: frame[:2, :1, 0])
    )
    assert small.shape == (3, 2, 1)
    assert np.array_equal(small, full[:, :2, :1, 0])


def test_the_fingerprint_depends_on_video_camera_and_seed(clip):
    fingerprints = {
        recorded(clip, CAMERAS[name], seed).fingerprint()
        for name in ("hand", "pan")
        for seed in (0, 1)
    }
    assert len(fingerprints | {clip.fingerprint()}) == 5
    assert recorded(clip, CAMERAS["pan"], 0).fingerprint() in fingerprints


def test_each_video_of_a_list_has_a_different_camera_path(clip):
    videos = VideoList(
        "few", (Video("a", "x", source=clip), Video("b", "y", source=clip), Video("c", "y"))
    )
    shaken = with_simulated_camera(videos, "hand", 1)
    assert shaken.digest == videos.digest
    assert shaken.flags == ("camera: hand",)
    first, second, missing = (video.source for video in shaken.videos)
    assert missing is None
    assert not np.array_equal(
        first.read([Segments(2)]).frames[0], second.read([Segments(2)]).frames[0]
    )
    assert first.steps != with_simulated_camera(videos, "hand", 2).videos[0].source.steps


def test_unknown_cameras_are_refused():
    with refused(OptionError, got="'drone'"):
        with_simulated_camera(VideoList("none", ()), "drone")
