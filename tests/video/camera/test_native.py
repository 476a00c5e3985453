"""The compiled registration and warp: equal to torch's up to rounding, with the same decisions."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.lab.synthetic.simulated_cameras import CAMERAS, record, seed_of
from fewact.video.camera import _native, registration
from fewact.video.camera.motion import CameraMotion, estimate_camera_motion, without_motion
from fewact.video.camera.registration import (
    Similarity,
    all_pixels,
    detect_keypoints,
    register,
    residuals,
)
from tests.video.camera.scenery import frames_of, random_motion

compiled = pytest.mark.skipif(_native.library() is None, reason="fewact_camera is not built")


def in_torch(work: Callable[[], object]) -> object:
    """Return the result of work without the compiled library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "library", lambda: None)
        return work()


def images(t: int, size: tuple[int, int], seed: int) -> torch.Tensor:
    motion = random_motion(t, seed, shift=0.05 * size[0], zoom=0.05, roll=0.05)
    grey = frames_of(motion, size, seed=seed).float().mean(1)
    return (grey - grey.mean((1, 2), keepdim=True)) / grey.std((1, 2), keepdim=True)


def assert_same(one: Similarity, other: Similarity, height: int, tolerance: float) -> None:
    assert (one.linear - other.linear).abs().max() * height / 2 < tolerance
    assert (one.shift - other.shift).abs().max() < tolerance


@compiled
@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(8, 60), st.integers(8, 60)),
    st.sampled_from([0.7, 1.0, 1.5]),
    st.integers(0, 1000),
    st.sampled_from([detect_keypoints, all_pixels]),
)
def test_registration_and_residuals_equal_those_of_torch(size, pixel, seed, points) -> None:
    given = images(3, size, seed)
    reference = points(given[[1]], pixel).of(torch.zeros(3, dtype=torch.int64))
    start = Similarity.identity(3)

    def first_step() -> Similarity:
        return register(reference, given, start, pixel, 1)

    one, other = first_step(), in_torch(first_step)
    assert_same(one, other, size[0], 2e-3)
    off, expected = (
        work(lambda: residuals(reference, given, other, pixel))
        for work in (lambda f: f(), in_torch)
    )
    assert torch.equal(off.isnan(), expected.isnan())
    # The robust scale of few keypoints may change by one of them.
    close = (off - expected).abs().nan_to_num(0) < 1e-3 * (1 + expected.abs().nan_to_num(0))
    assert close.float().mean() > 0.99


@compiled
@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from([0.7, 1.0, 1.5]),
    st.integers(0, 1000),
)
def test_keypoints_are_those_of_torch(size, pixel, seed) -> None:
    draw = np.random.default_rng(seed)
    grey = torch.from_numpy(draw.integers(0, 9, (2, *size)).astype(np.float32))  # with ties
    one = detect_keypoints(grey, pixel)
    other = in_torch(lambda: detect_keypoints(grey, pixel))
    for name in ("at", "value", "gradient", "valid"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(one.jacobian, other.jacobian, rtol=1e-5, atol=1e-5)


@compiled
def test_one_reference_for_all_images_is_as_many_equal_ones() -> None:
    given = images(4, (40, 40), 2)
    one = detect_keypoints(given[[1]], 1.0)
    shared, copied = one.repeated(4), one.of(torch.zeros(4, dtype=torch.int64))
    found = [register(each, given, Similarity.identity(4), 1.0, 4) for each in (shared, copied)]
    assert torch.equal(found[0].linear, found[1].linear)
    off = [residuals(each, given, found[0], 1.0) for each in (shared, copied)]
    assert torch.equal(off[0].nan_to_num(-1), off[1].nan_to_num(-1))


@compiled
def test_known_motion_is_found_as_in_torch() -> None:
    given = images(9, (112, 112), 3)
    reference = detect_keypoints(given[[4]], 1.0).of(torch.zeros(9, dtype=torch.int64))
    start = Similarity.identity(9)

    def found() -> Similarity:
        return register(reference, given, start, 1.0, 6)

    expected = in_torch(found)
    assert (expected.shift.abs() > 1).any()
    assert_same(found(), expected, 112, 1e-3)
    assert torch.equal(start.linear, torch.ones_like(start.linear)), "the start is not overwritten"


@compiled
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "aspect"), [((40, 60), None), ((64, 64), 16 / 9)])
def test_warped_frames_equal_those_of_torch(size, aspect, layout) -> None:
    motion = random_motion(7, 1, shift=0.1 * size[0], zoom=0.1, roll=0.1)
    frames = frames_of(motion, size).contiguous(memory_format=layout)
    known = Similarity(motion.linear.to(torch.complex64), motion.shift.to(torch.complex64))
    still = torch.arange(7) == 3
    known = Similarity.identity(7).where(still, known)

    def warped() -> torch.Tensor:
        return without_motion(frames, known, aspect)

    one, other = warped(), in_torch(warped)
    assert torch.equal(one[3], frames[3])
    assert (one.int() - other.int()).abs().max() <= 1
    assert (one != other).float().mean() < 1e-3
    assert (one != frames).float().mean() > 0.5


@compiled
def test_images_that_cannot_be_registered_do_no_harm() -> None:
    flat = torch.zeros(4, 30, 30)
    for points in (detect_keypoints, all_pixels):
        reference = points(flat[[0]], 1.0).of(torch.zeros(4, dtype=torch.int64))
        found = register(reference, flat, Similarity.identity(4), 1.0, 6)
        assert found.is_identity.all()
    given = images(4, (30, 30), 0)
    reference = detect_keypoints(given[[0]], 1.0).of(torch.zeros(4, dtype=torch.int64))
    far = Similarity(torch.full((4,), 1e30 + 0j), torch.full((4,), torch.nan + 0j))
    assert residuals(reference, given, far, 1.0).isnan().all()
    found = register(reference, given.fill_(torch.inf), Similarity.identity(4), 1.0, 6)
    assert found.linear.isfinite().all()


def decisions(motion: CameraMotion) -> tuple[object, ...]:
    """What is decided of a clip: whether the camera moved, and in which frames."""
    return motion.moved, motion.motion.is_identity.tolist()


@compiled
@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("name", ["utd27_depth", "utd5_rgb", "ucf7"])
def test_no_decision_on_real_clips_differs_from_torch(assets: Path, name: str) -> None:
    from benchmarks.datasets import read_index
    from fewact.video import Segments

    videos = read_index(assets)[name].videos
    times = (np.arange(16) + 0.5) / 16
    for video in videos[:: len(videos) // 12]:
        frames = video.source.read([Segments(16)]).frames[0]
        for camera in ("fixed", "hand"):
            recorded = record(frames, times, CAMERAS[camera], seed_of(0, video.id))
            clip = torch.from_numpy(recorded).permute(0, 3, 1, 2)
            clip = torch.nn.functional.interpolate(
                clip, [224, 224], mode="bilinear", antialias=True
            )
            aspect = recorded.shape[2] / recorded.shape[1]

            def found(clip=clip, aspect=aspect) -> tuple[tuple[object, ...], float]:
                motion = estimate_camera_motion(clip, aspect=aspect)
                return decisions(motion), motion.log_odds

            (one, log_odds), (other, of_torch) = found(), in_torch(found)
            assert one == other, (video.id, camera)
            assert log_odds == pytest.approx(of_torch, abs=0.02)


def test_without_the_library_torch_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "library", lambda: None)
    monkeypatch.setattr(_native, "register", None)
    given = images(2, (20, 20), 0)
    reference = detect_keypoints(given[[0]], 1.0).of(torch.zeros(2, dtype=torch.int64))
    assert register(reference, given, Similarity.identity(2), 1.0, 2).linear.isfinite().all()


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
    monkeypatch.setattr(_native, "VERSION", 0)
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
