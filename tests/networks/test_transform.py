"""Frames as a network reads them."""

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewact.core.errors import ShapeError
from fewact.networks import describe
from fewact.networks.card import Resize
from fewact.networks.catalogue import DESCRIPTIONS
from fewact.networks.transform import normalised, prepared
from fewact.video.resizing import Interpolation

CARD = describe("efficientnet-lite0")
CROP = replace(CARD, resize="centre-crop")


@pytest.mark.parametrize("resize", get_args(Resize))
def test_a_frame_is_prepared_independently_of_others(resize: Resize, images: NDArray[Any]) -> None:
    card = replace(CARD, resize=resize)
    together = prepared(images, card)
    assert together.shape == (2, 2, 3, 224, 224)
    for i in range(2):
        for j in range(2):
            np.testing.assert_array_equal(prepared(images[i, j], card), together[i, j])


@pytest.mark.parametrize("kernel", get_args(Interpolation))
def test_frames_are_those_of_torch(kernel: Interpolation, images: NDArray[Any]) -> None:
    """Of every rule, to the last level."""
    frames = torch.from_numpy(images[0]).permute(0, 3, 1, 2)
    resized = partial(torch.nn.functional.interpolate, frames, mode=kernel, antialias=True)
    expected = {
        "squash": resized((224, 224)),
        "centre-crop": resized((256, 343))[..., 16:240, 59:283],
        "squash-crop": resized((256, 256))[..., 16:240, 16:240],
    }
    for resize in get_args(Resize):
        card = replace(CARD, resize=resize, interpolation=kernel)
        np.testing.assert_array_equal(prepared(images[0], card), expected[resize])


def test_a_centre_crop_keeps_the_aspect_ratio() -> None:
    y, x = np.mgrid[:128, :256]
    left = np.stack([x - 64, y, 255 * (x < 64)], -1).clip(0, 255).astype(np.uint8)  # (128 256 3)
    got = prepared(left, CROP).astype(np.float64)
    assert got.shape == (3, 224, 224)
    # 128 × 256 becomes 256 × 512, and the middle of it shows rows 8 to 120, columns 72 to 184.
    place = (np.arange(224) + 0.5) / 2 - 0.5
    assert np.abs(got[0] - (place + 8)).max() <= 1
    assert np.abs(got[1] - (place[:, None] + 8)).max() <= 1
    assert (got[2] == 0).all()
    assert CROP.prepared_aspect(2.0) == 1.0
    assert CARD.prepared_aspect(2.0) == 2.0


def test_a_squash_crop_cuts_the_middle_out_of_the_full_frame() -> None:
    card = replace(CARD, resize="squash-crop")
    y, x = np.mgrid[:128, :256]
    ramps = np.stack([x, y, y], -1).astype(np.uint8)  # (128 256 3)
    got = prepared(ramps, card).astype(np.float64)
    assert got.shape == (3, 224, 224)
    # 128 × 256 becomes 256 × 256, and the middle of it shows rows 8 to 120, columns 16 to 240.
    place = np.arange(224) + 16.0
    assert np.abs(got[0] - place).max() <= 1
    assert np.abs(got[1] - ((place[:, None] + 0.5) / 2 - 0.5)).max() <= 1
    assert card.prepared_aspect(2.0) == 2.0


def test_frames_of_the_input_size_are_unchanged(frames: NDArray[Any]) -> None:
    np.testing.assert_array_equal(prepared(np.moveaxis(frames[0], 0, -1), CARD), frames[0])


def test_turned_and_read_only_frames_are_prepared(images: NDArray[Any]) -> None:
    turned = np.rot90(images[0, 0])
    locked = images[0, 0].copy()
    locked.setflags(write=False)
    np.testing.assert_array_equal(prepared(turned, CARD), prepared(turned.copy(), CARD))
    np.testing.assert_array_equal(prepared(locked, CARD), prepared(images[0, 0], CARD))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((0, 30, 3), np.uint8),
        np.zeros((20, 30, 3), np.float32),
        torch.zeros(20, 30, 3, dtype=torch.uint8),
    ],
    ids=lambda array: f"{array.dtype} {tuple(array.shape)}",
)
def test_other_arrays_than_frames_are_refused(wrong: Any) -> None:
    with pytest.raises(ShapeError) as raised:
        prepared(wrong, CARD)
    assert raised.value.where == "frames"


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_normalisation_follows_the_card(name: str, frames: NDArray[Any]) -> None:
    card = describe(name)
    levels = np.moveaxis(frames.astype(np.float64), 1, -1)
    expected = (levels / 255 - np.array(card.mean)) / np.array(card.std)
    got = normalised(frames, card)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), expected, atol=1e-5)
