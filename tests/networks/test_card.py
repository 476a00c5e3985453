"""Facts of a backbone."""

import dataclasses
import json

import pytest

from fewact.features.request import FeatureRequest, View
from fewact.networks import Card

CARD = Card(
    name="net",
    input_size=(224, 224),
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
    vectors=8,
    maps=(8, 7, 7),
    middle=(4, 14, 14),
    shallow=(2, 28, 28),
    parameters=100,
    licence="MIT",
    weights="a.safetensors",
    weights_sha256="00",
    trained_on=("ImageNet-1k",),
)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"input_size": (224, 160)},
        {"mean": (0.5, 0.5, 0.4)},
        {"std": (0.2, 0.2, 0.3)},
        {"maps": (8, 14, 14)},
        {"weights_sha256": "01"},
        {"precision": "bfloat16"},
        {"frames_per_slot": 2},
        {"interpolation": "bicubic"},
        {"resize": "centre-crop"},
        {"sampler": "perrett"},
        {"variant": "gelu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_changes_features_changes_the_digest(change):
    assert dataclasses.replace(CARD, **change).digest != CARD.digest


def test_a_moved_file_keeps_its_digest():
    moved = dataclasses.replace(CARD, weights="elsewhere.safetensors", licence="unknown")
    assert moved.digest == CARD.digest


def test_facts_that_came_later_change_no_digest_by_their_defaults():
    assert CARD.digest == "3d15454a405407e5041f829a7e544381f45545ae52a9b430b482eb2ba3ffdf68"
    assert CARD.reading == {}
    other = dataclasses.replace(CARD, resize="centre-crop", sampler="window:35")
    assert other.reading == {"resize": "centre-crop", "sampler": "window:35"}


def test_a_card_lists_the_levels():
    plain = dataclasses.replace(CARD, maps=None, middle=None)
    assert [CARD.has(name) for name in ("vectors", "maps", "middle", "pixels")] == [True] * 4
    assert [plain.has(name) for name in ("vectors", "maps", "middle", "pixels")] == [
        True,
        False,
        False,
        True,
    ]


def test_requests_are_equal_by_value_and_can_be_sorted():
    assert {
        FeatureRequest("middle", View(8)),
        FeatureRequest("middle"),
        FeatureRequest("middle", View(16)),
    } == {
        FeatureRequest("middle", View(16)),
        FeatureRequest("middle"),
    }
    assert sorted(
        [
            FeatureRequest("vectors", View(8)),
            FeatureRequest("maps", View(16)),
            FeatureRequest("maps", View(8)),
        ]
    )[0] == FeatureRequest("maps", View(8))


def test_the_size_is_part_of_the_digest_and_of_the_reading():
    own, other = CARD, CARD.of_size(160)
    assert own.digest != other.digest
    assert (own.reading, other.reading) == ({}, {"size": 160})
    assert (other.input_size, other.maps, other.middle) == ((160, 160), (8, 5, 5), (4, 10, 10))
    for size in (0, 224):
        assert own.is_read({"size": size})
    assert other.is_read({"size": 160})
    assert not own.is_read({"size": 160})
    assert not other.is_read({"size": 224})
    assert not other.is_read({"size": 160, "resize": "centre-crop"})
    assert own.summary == "net, float32, torch"
    assert other.summary == "net, float32, torch, 160 pixels"
    assert other.flags.endswith("--engine torch --size 160")
    assert "size" not in own.facts()  # Keys of features that were stored before stay the same.
    assert json.loads(json.dumps(other.facts()))["size"] == 160
