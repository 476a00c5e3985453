"""What every backbone promises, over the whole registry, on random weights."""

import numpy as np
import pytest
import torch

from fewact import backbones
from fewact.backbones import Backbone
from fewact.errors import OptionError, ShapeError

VARIANTS = [
    ("efficientnet-lite0", {}),
    ("mobilenet-v2", {}),
    ("mobilenet-v2", {"style": "tensorflow"}),
    ("resnet50", {"last_stride": 2}),
]


def test_every_backbone_is_among_the_variants():
    assert {name for name, _ in VARIANTS} == set(backbones.names())


@pytest.fixture(params=VARIANTS, ids=str)
def backbone(request, random_backbone) -> Backbone:
    name, options = request.param
    return random_backbone(name, **options)


def far(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest distance of two vectors, relative to their length."""
    return float(((got - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def test_taps_have_the_shapes_of_the_card(backbone, frames):
    taps = backbone.features(frames[:2], ("pixels", "middle", "maps", "vectors"))
    card = backbone.card
    assert taps["vectors"].shape == (2, card.vectors)
    assert taps["maps"].shape == (2, *card.maps)
    assert taps["middle"].shape == (2, *card.middle)
    assert torch.equal(taps["pixels"], frames[:2])
    for name in ("vectors", "maps", "middle"):
        assert taps[name].dtype == torch.float32
        assert taps[name].is_contiguous()
        assert taps[name].std() > 1e-3, f"{name} tells nothing"


def test_vectors_are_the_mean_of_the_maps(backbone, frames):
    taps = backbone.features(frames[:1], ("maps", "vectors"))
    torch.testing.assert_close(taps["vectors"], taps["maps"].double().mean((2, 3)).float())


def test_the_middle_alone_does_not_run_the_last_stage(backbone, frames, monkeypatch):
    expected = backbone.features(frames[:1], ("middle", "maps"))["middle"]

    def refuse(middle):
        raise RuntimeError("the last stage ran")

    monkeypatch.setattr(backbone.network, "late", refuse)
    assert torch.equal(backbone.features(frames[:1], ("middle",))["middle"], expected)
    with pytest.raises(RuntimeError, match="last stage ran"):
        backbone.features(frames[:1], ("vectors",))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v2", "resnet50"])
def test_features_do_not_depend_on_company(name, precision, frames, random_backbone):
    options = {"last_stride": 2} if name == "resnet50" else {}
    backbone = random_backbone(name, precision=precision, **options)
    together = backbone.features(frames, ("vectors", "middle"))
    for first, last in ((0, 1), (3, 5)):
        alone = backbone.features(frames[first:last], ("vectors", "middle"))
        for tap in ("vectors", "middle"):
            assert far(alone[tap].flatten(1), together[tap][first:last].flatten(1)) <= 1e-5


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet50"])
def test_bfloat16_is_what_the_card_says_and_near_float32(name, frames, random_backbone):
    options = {"last_stride": 2} if name == "resnet50" else {}
    exact = random_backbone(name, **options)
    rough = random_backbone(name, precision="bfloat16", **options)
    assert (exact.card.precision, rough.card.precision) == ("float32", "bfloat16")
    assert exact.card.digest != rough.card.digest
    got, expected = (b.features(frames[:2], ("vectors",))["vectors"] for b in (rough, exact))
    assert 1e-4 < far(got, expected) < 0.2


def test_a_frame_is_prepared_alone_as_in_company(backbone, pictures):
    together = backbone.prepare(pictures)
    assert together.shape == (2, 2, 3, *backbone.card.input_size)
    for i in range(2):
        for j in range(2):
            assert torch.equal(backbone.prepare(pictures[i, j]), together[i, j])


def test_prepared_frames_are_within_a_level_of_exact_resizing(pictures, random_backbone):
    prepare = random_backbone("efficientnet-lite0").prepare
    for picture in (pictures[0, 0], np.tile(pictures[0, 1], (3, 3, 1))):
        exact = torch.nn.functional.interpolate(
            torch.tensor(picture).permute(2, 0, 1)[None].double(),
            (224, 224),
            mode="bilinear",
            antialias=True,
        )[0]
        assert (prepare(picture).double() - exact).abs().max() <= 1.01


def test_frames_of_the_right_size_stay_as_they_are(frames, random_backbone):
    picture = frames[0].permute(1, 2, 0).numpy()
    assert torch.equal(random_backbone("efficientnet-lite0").prepare(picture), frames[0])


def test_turned_and_read_only_frames_are_prepared(pictures, random_backbone):
    prepare = random_backbone("efficientnet-lite0").prepare
    turned = np.rot90(pictures[0, 0])
    locked = pictures[0, 0].copy()
    locked.setflags(write=False)
    assert torch.equal(prepare(turned), prepare(turned.copy()))
    assert torch.equal(prepare(locked), prepare(pictures[0, 0]))


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
def test_what_is_no_frame_is_refused(wrong, random_backbone):
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


def test_a_tap_that_is_not_there_is_refused(frames, random_backbone):
    with pytest.raises(OptionError, match="vectors, maps, middle, pixels"):
        random_backbone("efficientnet-lite0").features(frames, ("vector",))


def test_normalisation_is_that_of_the_card(backbone, frames):
    levels = frames[:1].permute(0, 2, 3, 1).numpy().astype(float)
    expected = (levels / 255 - np.array(backbone.card.mean)) / np.array(backbone.card.std)
    got = backbone.normalise(frames[:1]).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_methods_can_be_trained_on_features(frames, random_backbone):
    features = random_backbone("efficientnet-lite0").features(frames[:2], ("vectors",))
    layer = torch.nn.Linear(1280, 1)
    layer(features["vectors"]).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_the_network_itself_can_be_trained(backbone, frames):
    images = backbone.normalise(frames[:1])[:, :, :64, :64].requires_grad_()
    taps = backbone.network(images)
    assert set(taps) == {"vectors", "maps", "middle"}
    taps["vectors"].pow(2).sum().backward()
    missing = [n for n, p in backbone.network.named_parameters() if p.grad is None]
    backbone.network.zero_grad(set_to_none=True)
    assert not missing
    assert images.grad.abs().sum() > 0


def test_random_weights_are_the_same_each_time(frames):
    first, second = (
        backbones.create("mobilenet-v2", weights="random", device="cpu", precision="float32")
        for _ in range(2)
    )
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])
