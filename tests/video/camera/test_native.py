"""The compiled functions on frames: equal to NumPy's up to rounding, with the same decisions."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fewact.lab.synthetic.simulated_cameras import CAMERAS, record, seed_of
from fewact.video.camera import _native, registration
from fewact.video.camera.motion import CameraMotion, estimate_camera_motion, without_motion
from fewact.video.camera.registration import (
    Similarity,
    all_pixels,
    detect_keypoints,
    register,
    residuals,
    sample,
)
from fewact.video.pooling import totals
from fewact.video.regions import labels
from fewact.video.resizing import resized
from tests.video.camera.scenery import frames_of, random_motion

compiled = pytest.mark.skipif(_native.library() is None, reason="fewact_camera is not built")


def in_numpy(work: Callable[[], object]) -> object:
    """Return the result of work without the compiled library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "library", lambda: None)
        return work()


def images(t: int, size: tuple[int, int], seed: int) -> NDArray[np.float32]:
    motion = random_motion(t, seed, shift=0.05 * size[0], zoom=0.05, roll=0.05)
    grey = frames_of(motion, size, seed=seed).mean(1, dtype=np.float32)
    return (grey - grey.mean((1, 2), keepdims=True)) / grey.std((1, 2), keepdims=True)


def assert_same(one: Similarity, other: Similarity, height: int, tolerance: float) -> None:
    assert np.abs(one.linear - other.linear).max() * height / 2 < tolerance
    assert np.abs(one.shift - other.shift).max() < tolerance


@compiled
@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(8, 60), st.integers(8, 60)),
    st.sampled_from([0.7, 1.0, 1.5]),
    st.integers(0, 1000),
    st.sampled_from([detect_keypoints, all_pixels]),
)
def test_registration_and_residuals_equal_those_of_numpy(size, pixel, seed, points) -> None:
    given = images(3, size, seed)
    reference = points(given[[1]], pixel).of(np.zeros(3, np.int64))
    start = Similarity.identity(3)

    def first_step() -> Similarity:
        return register(reference, given, start, pixel, 1)

    one, other = first_step(), in_numpy(first_step)
    assert_same(one, other, size[0], 2e-3)
    off, expected = (
        work(lambda: residuals(reference, given, other, pixel))
        for work in (lambda f: f(), in_numpy)
    )
    assert np.array_equal(np.isnan(off), np.isnan(expected))
    # The robust scale of few keypoints may change by one of them.
    close = np.isclose(off, expected, rtol=1e-3, atol=1e-3, equal_nan=True)
    assert close.mean() > 0.99


@compiled
@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from([0.7, 1.0, 1.5]),
    st.integers(0, 1000),
)
def test_keypoints_are_those_of_numpy(size, pixel, seed) -> None:
    draw = np.random.default_rng(seed)
    grey = draw.integers(0, 9, (2, *size)).astype(np.float32)  # with ties
    one = detect_keypoints(grey, pixel)
    other = in_numpy(lambda: detect_keypoints(grey, pixel))
    for name in ("at", "value", "gradient", "valid"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(one.jacobian, other.jacobian, rtol=1e-5, atol=1e-5)


@compiled
def test_one_reference_for_all_images_is_as_many_equal_ones() -> None:
    given = images(4, (40, 40), 2)
    one = detect_keypoints(given[[1]], 1.0)
    shared, copied = one.repeated(4), one.of(np.zeros(4, np.int64))
    found = [register(each, given, Similarity.identity(4), 1.0, 4) for each in (shared, copied)]
    assert np.array_equal(found[0].linear, found[1].linear)
    off = [residuals(each, given, found[0], 1.0) for each in (shared, copied)]
    assert np.array_equal(off[0], off[1], equal_nan=True)


@compiled
def test_known_motion_is_found_as_in_numpy() -> None:
    given = images(9, (112, 112), 3)
    reference = detect_keypoints(given[[4]], 1.0).of(np.zeros(9, np.int64))
    start = Similarity.identity(9)

    def found() -> Similarity:
        return register(reference, given, start, 1.0, 6)

    expected = in_numpy(found)
    assert (np.abs(expected.shift) > 1).any()
    assert_same(found(), expected, 112, 1e-3)
    assert start.is_identity.all(), "the start is not overwritten"


@compiled
@pytest.mark.parametrize("by_pixel", [False, True])
@pytest.mark.parametrize(("size", "aspect"), [((40, 60), None), ((64, 64), 16 / 9)])
def test_warped_frames_equal_those_of_numpy(size, aspect, by_pixel) -> None:
    motion = random_motion(7, 1, shift=0.1 * size[0], zoom=0.1, roll=0.1)
    frames = frames_of(motion, size)
    if by_pixel:
        frames = np.moveaxis(np.ascontiguousarray(np.moveaxis(frames, 1, -1)), -1, 1)
    known = Similarity(*(part.astype(np.complex64) for part in motion))
    still = np.arange(7) == 3
    known = Similarity.identity(7).where(still, known)

    def warped() -> NDArray[np.uint8]:
        return without_motion(frames, known, aspect)

    one, other = warped(), in_numpy(warped)
    assert np.array_equal(one[3], frames[3])
    assert np.abs(one.astype(int) - other).max() <= 1
    assert (one != other).mean() < 1e-3
    assert (one != frames).mean() > 0.5


@compiled
@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 2),
    st.sampled_from([("bilinear", True), ("bilinear", False), ("bicubic", True)]),
)
def test_resized_images_are_those_of_numpy(size, new, count, kernel) -> None:
    given = np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    interpolation, antialias = kernel

    def small() -> NDArray[np.uint8]:
        return resized(given, new, interpolation=interpolation, antialias=antialias)

    np.testing.assert_array_equal(small(), in_numpy(small))


@compiled
@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(1, 4), st.integers(0, 1000))
def test_sampled_values_are_those_of_numpy(size, channels, seed) -> None:
    draw = np.random.default_rng(seed)
    given = draw.random((2, channels, *size), np.float32)
    at = (draw.normal(0, 10, (2, 7, 5)) + 1j * draw.normal(0, 10, (2, 7, 5))).astype(np.complex64)
    at[0, 0, 0], at[1, 0, 0] = np.nan, np.inf

    def sampled() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return sample(given, at, 1.5)

    (values, inside), (expected, inside_of_numpy) = sampled(), in_numpy(sampled)
    assert values.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=1e-5)
    np.testing.assert_array_equal(inside, inside_of_numpy)


@compiled
@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(1, 30), st.integers(1, 30)), st.floats(0, 1), st.integers(0, 1000))
def test_components_are_those_of_numpy(size, density, seed) -> None:
    moving = np.random.default_rng(seed).random(size) < density
    np.testing.assert_array_equal(labels(moving), in_numpy(lambda: labels(moving)))


@compiled
@pytest.mark.parametrize("length", [*range(1, 70, 3), 511, 512, 513, 5000, 40_001])
def test_sums_are_those_of_numpy(length: int) -> None:
    values = np.random.default_rng(length).random((3, length), np.float32)
    np.testing.assert_array_equal(totals(values), in_numpy(lambda: totals(values)))


@compiled
def test_images_that_cannot_be_registered_do_no_harm() -> None:
    flat = np.zeros((4, 30, 30), np.float32)
    for points in (detect_keypoints, all_pixels):
        reference = points(flat[[0]], 1.0).of(np.zeros(4, np.int64))
        found = register(reference, flat, Similarity.identity(4), 1.0, 6)
        assert found.is_identity.all()
    given = images(4, (30, 30), 0)
    reference = detect_keypoints(given[[0]], 1.0).of(np.zeros(4, np.int64))
    far = Similarity(np.full(4, 1e30, np.complex64), np.full(4, np.nan, np.complex64))
    assert np.isnan(residuals(reference, given, far, 1.0)).all()
    found = register(reference, np.full_like(given, np.inf), Similarity.identity(4), 1.0, 6)
    assert np.isfinite(found.linear).all()


def decisions(motion: CameraMotion) -> tuple[object, ...]:
    """What is decided of a clip: whether the camera moved, and in which frames."""
    return motion.moved, motion.motion.is_identity.tolist()


@compiled
@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("name", ["utd27_depth", "utd5_rgb", "ucf7"])
def test_no_decision_on_real_clips_differs_from_numpy(assets: Path, name: str) -> None:
    from benchmarks.datasets import read_index
    from fewact.video import Segments

    videos = read_index(assets)[name].videos
    times = (np.arange(16) + 0.5) / 16
    for video in videos[:: len(videos) // 12]:
        frames = video.source.read([Segments(16)]).frames[0]
        for camera in ("fixed", "hand"):
            recorded = record(frames, times, CAMERAS[camera], seed_of(0, video.id))
            clip = np.moveaxis(resized(recorded, (224, 224)), -1, 1)
            aspect = recorded.shape[2] / recorded.shape[1]

            def found(clip=clip, aspect=aspect) -> tuple[tuple[object, ...], float]:
                motion = estimate_camera_motion(clip, aspect=aspect)
                return decisions(motion), motion.log_odds

            (one, log_odds), (other, of_numpy) = found(), in_numpy(found)
            assert one == other, (video.id, camera)
            assert log_odds == pytest.approx(of_numpy, abs=0.02)


def test_without_the_library_numpy_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "library", lambda: None)
    monkeypatch.setattr(_native, "register", None)
    given = images(2, (20, 20), 0)
    reference = detect_keypoints(given[[0]], 1.0).of(np.zeros(2, np.int64))
    found = register(reference, given, Similarity.identity(2), 1.0, 2)
    assert np.isfinite(found.linear).all()


@pytest.fixture
def forget() -> Iterator[None]:
    _native.library.cache_clear()
    yield
    _native.library.cache_clear()


@pytest.mark.usefixtures("forget")
def test_a_library_that_is_missing_or_outdated_is_not_used(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(_native, "__path__", [str(tmp_path)])
    assert _native.library() is None
    (tmp_path / "fewact_camera.so").write_bytes(b"not a library")
    _native.library.cache_clear()
    assert _native.library() is None
    monkeypatch.undo()
    monkeypatch.setattr(_native, "CAMERA_VERSION", 0)
    _native.library.cache_clear()
    assert _native.library() is None


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("c++"), reason="needs Linux and a compiler"
)
def test_the_sanitizers_find_nothing(tmp_path: Path) -> None:
    sources = Path(registration.__file__).parent / "_native/cpp"
    program = tmp_path / "camera"
    flags = ["-std=c++17", "-O1", "-g1", "-fno-sanitize-recover=all"]
    flags += ["-fsanitize=address,undefined", f"-I{sources}"]
    files = [Path(__file__).parent / "sanitized.cpp", *sorted(sources.glob("*.cpp"))]
    subprocess.run(["c++", *flags, *files, "-o", program], check=True)
    done = subprocess.run([program, "200"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
