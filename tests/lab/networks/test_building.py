"""Properties of every backbone, over the whole registry, on random weights."""

import copy
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fewact import networks
from fewact.core.errors import OptionError, ShapeError, UnknownNameError
from fewact.core.registry import Registry
from fewact.lab import networks as lab
from fewact.lab.networks import StagedNetwork, TorchBackbone
from fewact.lab.networks.building import header_of, make_card
from fewact.lab.networks.torch_weights import tensors_of
from fewact.networks import Description, catalogue
from fewact.networks.catalogue import DESCRIPTIONS
from fewact.networks.weights import Weights
from tests.refused import refused

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
def backbone(request, random_backbone) -> TorchBackbone:
    name, options = request.param
    return random_backbone(name, **options)


def far(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest distance of two vectors, relative to their length."""
    return float(((got - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def fitting(backbone: TorchBackbone, frames: torch.Tensor, count: int = 2) -> torch.Tensor:
    """As many frames as the network sees together, this many times, of its size."""
    count *= backbone.frames_together
    frames = frames.repeat(-(-count // len(frames)), 1, 1, 1)[:count]
    if frames.shape[-2:] == backbone.card.input_size:
        return frames
    return torch.nn.functional.interpolate(frames, backbone.card.input_size, mode="bilinear")


@pytest.mark.slow
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
    again = lab.create(name, weights=file, precision="float32")
    facts = ("weights", "weights_sha256", "licence", "trained_on")
    assert again.card.facts(*facts) == card.facts(*facts)
    frames = fitting(first, frames)
    got, expected = (one.tensors(frames, ("vectors",))["vectors"] for one in (again, first))
    assert torch.equal(got, expected)


@pytest.mark.slow
def test_levels_have_the_shapes_of_the_card(backbone, frames):
    card = backbone.card
    frames = fitting(backbone, frames)
    slots = len(frames) // card.frames_per_slot
    deep = card.network_levels
    levels = backbone.features(frames.numpy(), ("pixels", *deep))
    assert levels["vectors"].shape == (slots, card.vectors)
    assert levels["maps"].shape == (slots, *card.maps)
    if card.middle is not None:
        assert levels["middle"].shape == (slots, *card.middle)
    np.testing.assert_array_equal(levels["pixels"], frames)
    on_device = backbone.tensors(frames, deep)
    for name in deep:
        assert levels[name].dtype == np.float32
        assert levels[name].flags.c_contiguous
        assert levels[name].std() > 1e-3, f"{name} is constant"
        np.testing.assert_array_equal(on_device[name], levels[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MEAN_POOLED)
def test_vectors_are_the_mean_of_the_maps(name, frames, random_backbone):
    backbone = random_backbone(name)
    levels = backbone.tensors(frames[:1], ("maps", "vectors"))
    torch.testing.assert_close(levels["vectors"], levels["maps"].double().mean((2, 3)).float())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MEAN_POOLED, "clip-rn50"])
def test_the_middle_alone_does_not_run_the_last_stage(name, frames, random_backbone):
    backbone = random_backbone(name)
    expected = backbone.tensors(frames[:1], ("middle", "maps"))["middle"]

    def refuse(middle):
        raise RuntimeError("the last stage ran")

    network = copy.deepcopy(backbone.network)
    network.to_maps = refuse
    backbone = TorchBackbone(network, backbone.card)
    assert torch.equal(backbone.tensors(frames[:1], ("middle",))["middle"], expected)
    with pytest.raises(RuntimeError, match="last stage ran"):
        backbone.tensors(frames[:1], ("vectors",))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "name", [*MEAN_POOLED, "clip-vit", "siglip", "dinov2", "videomae", "vjepa2"]
)
def test_features_do_not_depend_on_other_frames(name, precision, frames, random_backbone):
    options = {"last_stride": 2} if name == "resnet50" else {}
    backbone = random_backbone(name, precision=precision, **options)
    levels = ("vectors", "maps" if backbone.card.middle is None else "middle")
    unit, slot = backbone.frames_together, backbone.card.frames_per_slot
    frames = fitting(backbone, frames.roll(1, 3).repeat(unit, 1, 1, 1), 5)
    together = backbone.tensors(frames, levels)
    # A product of matrices in bfloat16 is rounded as its size asks; convolutions' are not.
    rounding = 0.02 if precision == "bfloat16" and name not in MEAN_POOLED else 1e-5
    for first, last in ((0, unit), (3 * unit, 5 * unit)):
        alone = backbone.tensors(frames[first:last], levels)
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
    got, expected = (b.tensors(frames[:2], ("vectors",))["vectors"] for b in (rough, exact))
    assert 1e-4 < far(got, expected) < 0.2


def test_frames_that_do_not_fill_a_clip_are_refused(frames, random_backbone):
    backbone = random_backbone("videomae")
    with refused(ShapeError, where="frames", got="20", expected="multiples of 16"):
        backbone.features(fitting(backbone, frames)[:20].numpy(), ("vectors",))
    few = fitting(backbone, frames)[:20].numpy()
    assert len(backbone.features(few, ("pixels",))["pixels"]) == 20


def test_normalisation_follows_the_card(backbone, frames):
    frames = fitting(backbone, frames)
    levels = frames[:1].permute(0, 2, 3, 1).numpy().astype(float)
    expected = (levels / 255 - np.array(backbone.card.mean)) / np.array(backbone.card.std)
    got = backbone.normalise(frames[:1]).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_methods_can_be_trained_on_features(frames, random_backbone):
    features = random_backbone("efficientnet-lite0").tensors(frames[:2], ("vectors",))
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


def test_a_copy_of_a_backbone_has_its_engine_and_its_features(frames, random_backbone):
    backbone = random_backbone("mobilenet-v2")
    expected = backbone.tensors(frames[:1], ["vectors"])["vectors"]
    for copied in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert copied.card == backbone.card
        assert torch.equal(copied.tensors(frames[:1], ["vectors"])["vectors"], expected)


@pytest.mark.parametrize("name", MEAN_POOLED[:3])
def test_weights_of_packaged_networks_are_those_of_the_engine_onnx(name, frames, random_backbone):
    by_torch = random_backbone(name)
    by_onnx = networks.create(name, weights="random", device="cpu")
    assert by_onnx.card.network_digest == by_torch.card.network_digest
    found, expected = (x.features(frames[:2].numpy(), ["vectors"]) for x in (by_onnx, by_torch))
    np.testing.assert_allclose(found["vectors"], expected["vectors"], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet-v2", "clip-rn50"])
def test_random_weights_are_the_same_each_time(name):
    made = []
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made.append(lab.create(name, weights="random", device="cpu"))
    for tensor, other in zip(*(one.network.state_dict().values() for one in made), strict=True):
        assert torch.equal(tensor, other)


def test_a_custom_network_is_a_backbone(monkeypatch):
    monkeypatch.setattr(catalogue, "NETWORKS", Registry("backbone", {}))

    @networks.register("tiny")
    class Tiny(StagedNetwork):
        defaults = Description(
            name="tiny",
            summary="for this test",
            needs="nothing",
            input_size=(32, 48),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            vectors=6,
            maps=(6, 1, 2),
            middle=(4, 2, 3),
            shallow=(4, 4, 6),
            parameters=4 * 3 + 6 * 4,
            licence="none",
            trained_on=(),
        )

        def __init__(self, options):
            super().__init__(options)
            self.first = nn.Conv2d(3, 4, 1, stride=8, bias=False)
            self.second = nn.Conv2d(4, 6, 1, stride=2, bias=False)

        def to_shallow(self, images):
            return self.first(images)

        def to_middle(self, shallow):
            return shallow[..., ::2, ::2]

        def to_maps(self, middle):
            return self.second(middle)

    made = networks.create("tiny", weights="random", device="cpu")
    assert (made.card.engine, made.card.name) == ("torch", "tiny")
    levels = made.features(np.zeros((2, 3, 32, 48), np.uint8), ("maps", "middle"))
    assert levels["maps"].shape == (2, *made.card.maps)
    assert levels["middle"].shape == (2, *made.card.middle)
    assert networks.describe("tiny") is Tiny.defaults
    with pytest.raises(UnknownNameError):
        networks.register("tiny")
    with pytest.raises(OptionError):
        networks.create("tiny", weights="random", depth=3)


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ({"device": 3}, {"where": "device", "got": "'3'"}),
        ({"device": "cuda:99"}, {"where": "device", "got": "cuda:99"}),
        ({"last_stride": 3}, {"where": "last_stride", "expected": "1 or 2"}),
        ({"laststride": 1}, {"hint": '"last_stride"'}),
    ],
    ids=str,
)
def test_invalid_options_are_named(option, fields):
    with refused(OptionError, **fields):
        networks.create("resnet50", weights="random", **option)


def test_a_device_may_be_torchs_own():
    found = lab.create(weights="random", device=torch.device("cpu"))
    assert found.torch_device == torch.device("cpu")


def test_creation_draws_nothing_from_the_global_generators(monkeypatch):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("GPUs are seeded"))
    lab.create("mobilenet-v2", weights="random", device="cpu")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", networks.names())
def test_a_description_agrees_with_the_built_network(name):
    pytest.importorskip("transformers", reason="the lab is not installed")
    kind, no_weights = catalogue.NETWORKS.get(name), Weights({}, "random")
    with torch.device("meta"):  # Shapes without weights.
        network = kind(kind.resolve(kind.Options(), no_weights))
    card, described = make_card(network, no_weights, precision="float32"), networks.describe(name)
    facts = {field.name for field in fields(card)}
    for fact in facts - {"licence", "trained_on", "weights"}:
        assert getattr(card, fact) == getattr(described, fact), fact
    assert (card.weights, card.weights_sha256, card.trained_on) == ("random", "", ())
