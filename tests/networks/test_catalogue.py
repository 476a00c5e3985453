"""Names and facts of networks."""

import pytest

from fewact import networks
from fewact.core.errors import UnknownNameError
from fewact.networks.catalogue import DESCRIPTIONS


def test_auto_is_the_default_with_its_weights():
    assert networks.describe() == networks.describe("efficientnet-lite0")
    assert networks.create().card.name == "efficientnet-lite0"


@pytest.mark.parametrize("ask", [networks.create, networks.describe])
def test_an_unknown_name_is_refused_with_a_suggestion(ask):
    with pytest.raises(UnknownNameError) as raised:
        ask("resnet-50")
    assert "resnet50" in raised.value.hint


def test_only_convolutional_networks_with_mean_pooling_read_other_sizes():
    assert {name for name, description in DESCRIPTIONS.items() if description.any_size} == {
        *("efficientnet-lite0", "efficientnet-lite0-lite1", "mobilenet-v2", "resnet50"),
    }


def test_networks_that_were_trained_with_texts_are_known_by_name():
    with_text = {name: networks.text_of(name) for name in networks.names()}
    assert {name for name, text in with_text.items() if text == "siglip"} == {"siglip"}
    assert {name for name, text in with_text.items() if text == "clip"} == {
        *("clip-rn50", "clip-vit-b32", "clip-vit-b16", "clip-vit"),
    }
    assert networks.text_of("features of mine") is None
