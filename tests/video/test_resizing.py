"""Resized frames equal PyTorch's, whether compiled or not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.video.camera import _native
from fewact.video.resizing import channels_last, planes, resized, resized_planes

SIZES = [
    ((240, 320), (224, 224)),
    ((270, 480), (64, 112)),
    ((112, 112), (64, 64)),
    ((225, 227), (112, 113)),
    ((17, 3), (9, 31)),
    ((3, 2), (1, 1)),
    ((1, 1), (5, 5)),
    ((50, 60), (50, 20)),
    ((7, 90), (80, 90)),
]


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("interpolation", "antialias"), [("bilinear", True), ("bilinear", False), ("bicubic", True)]
)
@pytest.mark.parametrize(("size", "new"), SIZES)
def test_frames_equal_those_of_torch(
    size, new, interpolation, antialias, compiled, monkeypatch
) -> None:
    functional = pytest.importorskip("torch.nn.functional")
    import torch

    if not compiled:
        monkeypatch.setattr(_native, "library", lambda: None)
    frames = noise(2, *size, 3)
    expected = functional.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2), new, mode=interpolation, antialias=antialias
    )
    found = resized(frames, new, interpolation=interpolation, antialias=antialias)
    np.testing.assert_array_equal(planes(found), expected.numpy())
    assert found.flags.c_contiguous


@pytest.mark.parametrize(("size", "new"), SIZES)
def test_floats_equal_those_of_torch(size, new) -> None:
    functional = pytest.importorskip("torch.nn.functional")
    import torch

    images = noise(2, *size).astype(np.float32)
    expected = functional.interpolate(
        torch.from_numpy(images)[None], new, mode="bilinear", antialias=True
    )
    found = resized_planes(images, new)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_areas_of_one_level_keep_it(level: int) -> None:
    flat = np.full((31, 43, 3), level, np.uint8)
    assert (resized(flat, (17, 64)) == level).all()
    assert (resized(flat, (90, 20), interpolation="bicubic") == level).all()


def test_leading_axes_and_other_layouts_are_taken() -> None:
    frames = noise(2, 3, 20, 30, 3)
    expected = np.stack([[resized(frame, (8, 12)) for frame in clip] for clip in frames])
    np.testing.assert_array_equal(resized(frames, (8, 12)), expected)
    mirrored = resized(frames[:, :, ::-1], (8, 12))
    np.testing.assert_array_equal(mirrored, resized(frames[:, :, ::-1].copy(), (8, 12)))
    grey = resized(frames[..., :1], (8, 12))
    np.testing.assert_array_equal(grey, expected[..., :1])
    np.testing.assert_array_equal(channels_last(planes(frames)), frames)


def test_frames_of_the_size_stay() -> None:
    frames = noise(20, 30, 3)
    assert resized(frames, (20, 30)) is frames
