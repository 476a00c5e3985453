"""Frames of another size than the network's own."""

import json

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.networks.card import Card
from fewact.networks.catalogue import DESCRIPTIONS

LEVELS = ("shallow", "middle", "maps", "vectors")
CONVOLUTIONAL = ("efficientnet-lite0", "efficientnet-lite0-lite1", "mobilenet-v2", "resnet50")


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 160, 160), generator=generator, dtype=torch.uint8)


def test_only_convolutional_networks_with_mean_pooling_read_other_sizes():
    assert {name for name, one in DESCRIPTIONS.items() if one.any_size} == set(CONVOLUTIONAL)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_shapes_are_those_of_the_card(random_backbone, frames, name):
    backbone = random_backbone(name, size=160)
    found = backbone.features(frames, LEVELS)
    for level in LEVELS:
        assert found[level].shape == (3, *backbone.card.shape_of(level)), level
    assert backbone.prepare(np.zeros((2, 120, 90, 3), np.uint8)).shape == (2, 3, 160, 160)
    torch.testing.assert_close(found["vectors"], found["maps"].mean((2, 3)))


@pytest.mark.parametrize("size", [96, 160, 256])
def test_the_packaged_graphs_read_every_size(frames, size):
    by_onnx, by_torch = (
        networks.create(device="cpu", precision="float32", engine=engine, size=size)
        for engine in ("onnx", "torch")
    )
    prepared = by_onnx.prepare(frames.permute(0, 2, 3, 1).numpy())
    found, expected = (one.features(prepared, LEVELS) for one in (by_onnx, by_torch))
    for level in LEVELS:
        assert found[level].shape == expected[level].shape == (3, *by_onnx.card.shape_of(level))
        scale = expected[level].abs().max()
        assert (found[level] - expected[level]).abs().max() <= 1e-4 * scale, level


def test_the_size_is_part_of_the_digest_and_of_the_reading():
    own, same, other = (
        networks.create(
            "mobilenet-v2", weights="random", engine="torch", precision="float32", size=size
        ).card
        for size in (0, 224, 160)
    )
    assert own.digest == same.digest != other.digest
    assert (own.reading, same.reading, other.reading) == ({}, {}, {"size": 160})
    for size, card in ((0, own), (224, own), (160, other)):
        assert card.is_read({"size": size})
    assert not own.is_read({"size": 160})
    assert not other.is_read({"size": 224})
    assert not other.is_read({"size": 160, "resize": "centre-crop"})
    assert own.summary == "mobilenet-v2, float32, torch"
    assert other.summary == "mobilenet-v2, float32, torch, 160 pixels"
    assert other.flags.endswith("--engine torch --size 160")
    assert "size" not in own.facts()  # Keys of features that were stored before stay the same.
    facts = json.loads(json.dumps(other.facts()))
    again = networks.create(
        "mobilenet-v2",
        weights="random",
        engine="torch",
        precision="float32",
        size=facts["size"],
    ).card
    assert again == other
    assert isinstance(again, Card)


def test_the_default_network_reads_smaller_frames_unless_a_size_is_chosen():
    sizes = {size: networks.create(size=size).card for size in (0, 224, 160)}
    assert {size: card.input_size[0] for size, card in sizes.items()} == {
        0: 192,
        224: 224,
        160: 160,
    }
    assert sizes[0].reading == {"size": 192}
    assert sizes[224].digest == networks.create("efficientnet-lite0").card.digest
