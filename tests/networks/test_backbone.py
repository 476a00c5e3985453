"""Properties of every backbone, over the whole registry, on random weights."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fewact import networks
from fewact.core.errors import OptionError, ShapeError
from fewact.networks import Backbone
from fewact.networks.backbone import header_of
from fewact.networks.catalogue import DESCRIPTIONS
from fewact.networks.weights import tensors_of

VARIANTS = [
    ("efficientnet-lite0", {}),
    ("efficientnet-lite0-lite1", {}),
    ("mobilenet-v2", {}),
    ("mobilenet-v2", {"style": "tensorflow"}),
    ("resnet50", {"last_stride": 2}),
    ("clip-rn50", {}),
    ("clip-vit", {}),
    ("siglip", {}),
    ("dinov2", {}),
    ("videomae", {}),
    ("vjepa2", {}),
]
# Of one size only, as large as published: test_clip.py has them.
FULL_SIZE = {"clip-vit-b32", "clip-vit-b16"}
MEAN_POOLED = ("efficientnet-lite0", "efficientnet-lite0-lite1", "mobilenet-v2", "resnet50")


def test_every_backbone_is_among_the_variants():
    assert {name for name, _ in VARIANTS} | FULL_SIZE == set(DESCRIPTIONS)


@pytest.fixture(params=VARIANTS, ids=str)
def backbone(request, random_backbone) -> Backbone:
    name, options = request.param
    return random_backbone(name, **options)


def far(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest distance of two vectors, relative to their length."""
    return float(((got - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def fitting(backbone: Backbone, frames: torch.Tensor, count: int = 2) -> torch.Tensor:
    """As many frames as the network sees together, this many times, of its size."""
    count *= backbone.network.frames_together
    frames = frames.repeat(-(-count // len(frames)), 1, 1, 1)[:count]
    if frames.shape[-2:] == backbone.card.input_size:
        return frames
    return torch.nn.functional.interpolate(frames, backbone.card.input_size, mode="bilinear")


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("mobilenet-v2", "tensorflow"),
        ("mobilenet-v2", "torchvision"),
        ("clip-vit", ""),
        ("siglip", ""),
        ("dinov2", ""),
        ("videomae", ""),
        ("vjepa2", ""),
    ],
)
def test_a_network_is_read_again_from_a_file_with_its_header(
    name, style, frames, random_backbone, tmp_path
):
    first = random_backbone(name, **({"style": style} if style else {}))
    other = "bilinear" if first.card.interpolation == "bicubic" else "bicubic"
    card = replace(first.card, interpolation=other)
    file = tmp_path / "weights.safetensors"
    save_file(tensors_of(first.network), file, header_of(first.network, card))
    again = networks.create(name, weights=file, precision="float32", engine="torch")
    facts = ("weights", "weights_sha256", "licence", "trained_on")
    assert again.card.facts(*facts) == card.facts(*facts)
    frames = fitting(first, frames)
    got, expected = (one.features(frames, ("vectors",))["vectors"] for one in (again, first))
    assert torch.equal(got, expected)


def test_padding_is_part_of_the_digest(random_backbone):
    """The header may state one normalisation for either."""
    cards = [
        random_backbone("mobilenet-v2", style=one).card for one in ("torchvision", "tensorflow")
    ]
    even, uneven = (replace(card, mean=(0, 0, 0), std=(1, 1, 1)) for card in cards)
    assert even.digest != uneven.digest


@pytest.mark.parametrize("size", [(100, 112), (64, 113)])
def test_frames_that_engines_pad_differently_are_refused(size, random_backbone):
    small = torch.zeros(1, 3, *size, dtype=torch.uint8)
    with pytest.raises(ShapeError, match="multiples of 16"):
        random_backbone("mobilenet-v2").features(small, ("shallow",))


def test_levels_have_the_shapes_of_the_card(backbone, frames):
    card = backbone.card
    frames = fitting(backbone, frames)
    slots = len(frames) // card.frames_per_slot
    deep = [name for name in ("middle", "maps", "vectors") if card.has(name)]
    levels = backbone.features(frames, ("pixels", *deep))
    assert levels["vectors"].shape == (slots, card.vectors)
    assert levels["maps"].shape == (slots, *card.maps)
    if card.middle is not None:
        assert levels["middle"].shape == (slots, *card.middle)
    assert torch.equal(levels["pixels"], frames)
    for name in deep:
        assert levels[name].dtype == torch.float32
        assert levels[name].is_contiguous()
        assert levels[name].std() > 1e-3, f"{name} is constant"


@pytest.mark.parametrize("name", MEAN_POOLED)
def test_vectors_are_the_mean_of_the_maps(name, frames, random_backbone):
    backbone = random_backbone(name)
    levels = backbone.features(frames[:1], ("maps", "vectors"))
    torch.testing.assert_close(levels["vectors"], levels["maps"].double().mean((2, 3)).float())


@pytest.mark.parametrize("name", [*MEAN_POOLED, "clip-rn50"])
def test_the_middle_alone_does_not_run_the_last_stage(name, frames, random_backbone):
    backbone = random_backbone(name)
    expected = backbone.features(frames[:1], ("middle", "maps"))["middle"]

    def refuse(middle):
        raise RuntimeError("the last stage ran")

    network = copy.deepcopy(backbone.network)
    network.to_maps = refuse
    backbone = Backbone(network, backbone.card)
    assert torch.equal(backbone.features(frames[:1], ("middle",))["middle"], expected)
    with pytest.raises(RuntimeError, match="last stage ran"):
        backbone.features(frames[:1], ("vectors",))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "name", [*MEAN_POOLED, "clip-vit", "siglip", "dinov2", "videomae", "vjepa2"]
)
def test_features_do_not_depend_on_other_frames(name, precision, frames, random_backbone):
    options = {"last_stride": 2} if name == "resnet50" else {}
    backbone = random_backbone(name, precision=precision, **options)
    levels = ("vectors", "maps" if backbone.card.middle is None else "middle")
    unit, slot = backbone.network.frames_together, backbone.card.frames_per_slot
    frames = fitting(backbone, frames.roll(1, 3).repeat(unit, 1, 1, 1), 5)
    together = backbone.features(frames, levels)
    # A product of matrices in bfloat16 is rounded as its size asks; convolutions' are not.
    rounding = 0.02 if precision == "bfloat16" and name not in MEAN_POOLED else 1e-5
    for first, last in ((0, unit), (3 * unit, 5 * unit)):
        alone = backbone.features(frames[first:last], levels)
        slots = slice(first // slot, last // slot)
        for level in levels:
            assert far(alone[level].flatten(1), together[level][slots].flatten(1)) <= rounding


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet50"])
def test_bfloat16_is_what_the_card_says_and_near_float32(name, frames, random_backbone):
    options = {"last_stride": 2} if name == "resnet50" else {}
    exact = random_backbone(name, **options)
    rough = random_backbone(name, precision="bfloat16", **options)
    assert (exact.card.precision, rough.card.precision) == ("float32", "bfloat16")
    assert exact.card.digest != rough.card.digest
    got, expected = (b.features(frames[:2], ("vectors",))["vectors"] for b in (rough, exact))
    assert 1e-4 < far(got, expected) < 0.2


def test_a_frame_is_prepared_independently_of_others(backbone, images):
    together = backbone.prepare(images)
    assert together.shape == (2, 2, 3, *backbone.card.input_size)
    for i in range(2):
        for j in range(2):
            assert torch.equal(backbone.prepare(images[i, j]), together[i, j])


def test_prepared_frames_are_within_a_level_of_exact_resizing(images, random_backbone):
    prepare = random_backbone("efficientnet-lite0").prepare
    for image in (images[0, 0], np.tile(images[0, 1], (3, 3, 1))):
        exact = torch.nn.functional.interpolate(
            torch.tensor(image).permute(2, 0, 1)[None].double(),
            (224, 224),
            mode="bilinear",
            antialias=True,
        )[0]
        assert (prepare(image).double() - exact).abs().max() <= 1.01


def test_a_centre_crop_keeps_the_aspect_ratio(random_backbone):
    backbone = random_backbone("efficientnet-lite0", resize="centre-crop")
    y, x = np.mgrid[:128, :256]
    left = np.stack([x - 64, y, 255 * (x < 64)], -1).clip(0, 255).astype(np.uint8)  # (128 256 3)
    got = backbone.prepare(left).double()
    assert got.shape == (3, 224, 224)
    # 128 × 256 becomes 256 × 512, and the middle of it shows rows 8 to 120, columns 72 to 184.
    place = (torch.arange(224) + 0.5) / 2 - 0.5
    assert (got[0] - (place + 8)).abs().max() <= 1
    assert (got[1] - (place[:, None] + 8)).abs().max() <= 1
    assert (got[2] == 0).all()
    assert backbone.card.prepared_aspect(2.0) == 1.0
    assert random_backbone("efficientnet-lite0").card.prepared_aspect(2.0) == 2.0


def test_a_squash_crop_cuts_the_middle_out_of_the_full_frame(random_backbone):
    backbone = random_backbone("efficientnet-lite0", resize="squash-crop")
    y, x = np.mgrid[:128, :256]
    ramps = np.stack([x, y, y], -1).astype(np.uint8)  # (128 256 3)
    got = backbone.prepare(ramps).double()
    assert got.shape == (3, 224, 224)
    # 128 × 256 becomes 256 × 256, and the middle of it shows rows 8 to 120, columns 16 to 240.
    place = torch.arange(224) + 16.0
    assert (got[0] - place).abs().max() <= 1
    assert (got[1] - ((place[:, None] + 0.5) / 2 - 0.5)).abs().max() <= 1
    assert backbone.card.prepared_aspect(2.0) == 2.0


def test_other_rules_of_resizing_are_refused(random_backbone):
    with pytest.raises(OptionError, match="no such resize"):
        random_backbone("efficientnet-lite0", resize="center-crop")
    with pytest.raises(OptionError, match="no such sampler"):
        random_backbone("efficientnet-lite0", sampler="middle")


def test_frames_of_the_input_size_are_unchanged(frames, random_backbone):
    image = frames[0].permute(1, 2, 0).numpy()
    assert torch.equal(random_backbone("efficientnet-lite0").prepare(image), frames[0])


def test_turned_and_read_only_frames_are_prepared(images, random_backbone):
    prepare = random_backbone("efficientnet-lite0").prepare
    turned = np.rot90(images[0, 0])
    locked = images[0, 0].copy()
    locked.setflags(write=False)
    assert torch.equal(prepare(turned), prepare(turned.copy()))
    assert torch.equal(prepare(locked), prepare(images[0, 0]))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((0, 30, 3), np.uint8),
        np.zeros((20, 30, 3), np.float32),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_other_arrays_than_frames_are_refused(wrong, random_backbone):
    with pytest.raises(ShapeError, match="frames"):
        random_backbone("efficientnet-lite0").prepare(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(3, 224, 224, dtype=torch.uint8),
        torch.zeros(0, 3, 224, 224, dtype=torch.uint8),
        torch.zeros(1, 3, 112, 112, dtype=torch.uint8),
        torch.zeros(1, 3, 224, 224),
    ],
    ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)}",
)
def test_frames_that_were_not_prepared_are_refused(wrong, random_backbone):
    with pytest.raises(ShapeError, match="frames"):
        random_backbone("efficientnet-lite0").features(wrong, ("vectors",))


def test_a_missing_level_is_refused(frames, random_backbone):
    with pytest.raises(OptionError, match="vectors, maps, middle, shallow, pixels"):
        random_backbone("efficientnet-lite0").features(frames, ("vector",))
    with pytest.raises(OptionError, match="expected: vectors, maps, pixels"):
        random_backbone("clip-vit").check_levels(("middle",))


def test_frames_that_do_not_fill_a_clip_are_refused(frames, random_backbone):
    backbone = random_backbone("videomae")
    with pytest.raises(ShapeError, match=r"16 frames together.*got 20.*a multiple of 8 slots"):
        backbone.features(fitting(backbone, frames)[:20], ("vectors",))
    assert len(backbone.features(fitting(backbone, frames)[:20], ("pixels",))["pixels"]) == 20


def test_normalisation_follows_the_card(backbone, frames):
    frames = fitting(backbone, frames)
    levels = frames[:1].permute(0, 2, 3, 1).numpy().astype(float)
    expected = (levels / 255 - np.array(backbone.card.mean)) / np.array(backbone.card.std)
    got = backbone.normalise(frames[:1]).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_methods_can_be_trained_on_features(frames, random_backbone):
    features = random_backbone("efficientnet-lite0").features(frames[:2], ("vectors",))
    layer = torch.nn.Linear(1280, 1)
    layer(features["vectors"]).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.slow
def test_the_network_itself_can_be_trained(backbone, frames):
    images = backbone.normalise(fitting(backbone, frames, 1))
    if backbone.card.name in MEAN_POOLED:
        images = images[:, :, :64, :64]  # These take any size.
    images.requires_grad_()
    levels = backbone.network(images)
    every = ("vectors", "maps", "middle", "shallow")
    assert set(levels) == {n for n in every if backbone.card.has(n)}
    sum(level.pow(2).sum() for level in levels.values()).backward()
    missing = [n for n, p in backbone.network.named_parameters() if p.grad is None]
    backbone.network.zero_grad(set_to_none=True)
    assert not missing
    assert images.grad.abs().sum() > 0


def test_a_copy_of_a_backbone_has_its_engine_and_its_features():
    backbone = networks.create(weights="random", device="cpu", precision="float32")
    for copied in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert (copied.card, copied.engine.name) == (backbone.card, "onnx")
        few = backbone.prepare(np.zeros((2, 48, 64, 3), np.uint8) + 7)
        expected = backbone.features(few, ["vectors"])["vectors"]
        assert torch.equal(copied.features(few, ["vectors"])["vectors"], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet-v2", "clip-rn50"])
def test_random_weights_are_the_same_each_time(name):
    made = []
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made.append(networks.create(name, weights="random", device="cpu"))
    for tensor, other in zip(*(one.network.state_dict().values() for one in made), strict=True):
        assert torch.equal(tensor, other)
