"""Frames to features: what a backbone checks, and what it returns."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewact import networks
from fewact.core.errors import OptionError, ShapeError
from fewact.networks import Backbone, Level, describe
from fewact.networks.backbone import make_card, normalised, prepared
from fewact.networks.card import Resize
from fewact.networks.catalogue import DESCRIPTIONS
from fewact.networks.weights import Weights
from fewact.video.resizing import Interpolation

Make = Callable[..., Backbone]

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("efficientnet-lite0", {}),
    ("efficientnet-lite0-lite1", {}),
    ("mobilenet-v2", {}),
    ("mobilenet-v2", {"style": "tensorflow"}),
]


@pytest.mark.parametrize("size", [0, 160])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_levels_have_the_shapes_of_the_card(
    name: str,
    options: dict[str, Any],
    size: int,
    images: NDArray[Any],
    random_backbone: Make,
) -> None:
    backbone = random_backbone(name, size=size, **options)
    frames = backbone.prepare(images[0])
    levels = backbone.features(frames, ("pixels", *backbone.card.network_levels))
    np.testing.assert_array_equal(levels["pixels"], frames)
    for level in backbone.card.network_levels:
        assert levels[level].shape == (2, *backbone.card.shape_of(level))
        assert levels[level].dtype == np.float32
        assert levels[level].flags.c_contiguous
        assert levels[level].std() > 1e-3, f"{level} is constant"
    mean = levels["maps"].astype(np.float64).mean((2, 3))
    np.testing.assert_allclose(levels["vectors"], mean, rtol=1e-5, atol=1e-6)


def test_padding_is_part_of_the_digest(random_backbone: Make) -> None:
    """The header may state one normalisation for either."""
    cards = [
        random_backbone("mobilenet-v2", style=one).card for one in ("torchvision", "tensorflow")
    ]
    even, uneven = (replace(card, mean=(0, 0, 0), std=(1, 1, 1)) for card in cards)
    assert even.digest != uneven.digest


def test_two_levels_read_frames_of_other_sizes(random_backbone: Make) -> None:
    backbone = random_backbone()
    for height, width in ((96, 112), (64, 240)):
        frames = np.zeros((1, 3, height, width), np.uint8)
        found = backbone.features(frames, ("shallow", "middle"))
        assert found["shallow"].shape == (1, 40, height // 8, width // 8)
        assert found["middle"].shape == (1, 112, height // 16, width // 16)
        with pytest.raises(ShapeError):
            backbone.features(frames, ("shallow", "vectors"))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 224, 224), np.uint8),
        np.zeros((0, 3, 224, 224), np.uint8),
        np.zeros((1, 3, 112, 112), np.uint8),
        np.zeros((1, 3, 224, 224), np.float32),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_frames_that_were_not_prepared_are_refused(
    wrong: NDArray[Any], random_backbone: Make
) -> None:
    with pytest.raises(ShapeError) as raised:
        random_backbone().features(wrong, ("vectors",))
    assert raised.value.where == "frames"


@pytest.mark.parametrize("size", [(100, 112), (64, 113)])
def test_frames_that_engines_pad_differently_are_refused(
    size: tuple[int, int], random_backbone: Make
) -> None:
    with pytest.raises(ShapeError) as raised:
        random_backbone().features(np.zeros((1, 3, *size), np.uint8), ("shallow",))
    assert raised.value.expected == "multiples of 16"


def test_a_missing_level_is_refused(frames: NDArray[Any], random_backbone: Make) -> None:
    wrong: Any = ("vector",)
    with pytest.raises(OptionError) as raised:
        random_backbone().features(frames, wrong)
    assert raised.value.expected == "vectors, maps, middle, shallow, pixels"


def test_a_copy_of_a_backbone_has_its_engine_and_its_features(random_backbone: Make) -> None:
    backbone = random_backbone()
    few = backbone.prepare(np.full((2, 48, 64, 3), 7, np.uint8))
    expected = backbone.features(few, ["vectors"])["vectors"]
    for copied in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert (copied.card, copied.engine.name) == (backbone.card, "onnx")
        np.testing.assert_array_equal(copied.features(few, ["vectors"])["vectors"], expected)


class Clips:
    """Engine whose network reads 16 frames together, for 8 slots."""

    name = "torch"
    device = "cuda:3"
    frames_together = 16

    def run(self, frames: NDArray[Any], levels: Any) -> dict[Level, NDArray[Any]]:
        return {"vectors": np.zeros((len(frames) // 2, 1), np.float32)}


def test_frames_that_do_not_fill_a_clip_are_refused() -> None:
    engine: Any = Clips()
    backbone = Backbone(replace(describe("videomae"), engine="onnx"), engine)
    assert (backbone.card.engine, backbone.device) == ("torch", "cuda:3")
    assert not backbone.reads_single_frames
    frames = np.zeros((20, 3, 224, 224), np.uint8)
    with pytest.raises(ShapeError) as raised:
        backbone.features(frames, ("vectors",))
    assert (raised.value.got, raised.value.expected) == ("20", "multiples of 16")
    assert len(backbone.features(frames[:16], ("vectors",))["vectors"]) == 8
    assert len(backbone.features(frames, ("pixels",))["pixels"]) == 20


def test_a_network_without_texts_has_no_text_encoder(random_backbone: Make) -> None:
    with pytest.raises(OptionError):
        _ = random_backbone().text


def test_the_card_has_the_facts_of_the_header() -> None:
    header = {"licence": "MIT", "trained_on": "a, b", "mean": "0, 0, 0", "std": "1,2,3"}
    weights = Weights({}, "file", header | {"interpolation": "bicubic"})
    description = describe("mobilenet-v2")
    card = make_card(description, weights, {}, parameters=3, precision="float32", size=160)
    assert (card.licence, card.trained_on, card.mean) == ("MIT", ("a", "b"), (0.0, 0.0, 0.0))
    assert (card.std, card.interpolation, card.weights) == ((1, 2, 3), "bicubic", "file")
    assert (card.parameters, card.maps, card.size) == (3, (1280, 5, 5), 160)
    plain = make_card(description, Weights({}, "file"), {}, parameters=3, precision="float32")
    assert (plain.licence, plain.trained_on) == ("as the file states", ("ImageNet-1k",))
    drawn = make_card(description, Weights({}, "random"), {}, parameters=3, precision="float32")
    assert (drawn.licence, drawn.trained_on, drawn.weights_sha256) == ("none", (), "")


def test_the_default_network_reads_smaller_frames_unless_a_size_is_chosen() -> None:
    sizes = {size: networks.create(size=size).card for size in (0, 224, 160)}
    found = {size: card.input_size[0] for size, card in sizes.items()}
    assert found == {0: 192, 224: 224, 160: 160}
    assert sizes[0].reading == {"size": 192}
    assert sizes[224].digest == networks.create("efficientnet-lite0").card.digest


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
