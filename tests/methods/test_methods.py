"""Names of methods, what a backbone decides, and how methods are made."""

from typing import Any

import pytest

from fewact import methods
from fewact.core.errors import OptionError, UnknownNameError
from fewact.methods.cards import CARDS, card_of
from fewact.networks.card import Card

CHOSEN = list(zip(CARDS, ("fusion", "fusion_vectors", "fusion_joints"), strict=True))


@pytest.mark.parametrize("name", ["auto", "fusion"])
@pytest.mark.parametrize(("card", "chosen"), CHOSEN)
def test_a_backbone_decides_what_the_default_method_is(name: str, card: Card, chosen: str) -> None:
    assert methods.resolve(name, card) == chosen
    assert methods.resolve("otam", card) == "otam"
    method = methods.create(name, card, frames=5)
    assert methods.name_of(method) == chosen
    assert method.options.frames == 5
    assert methods.registered(method)[0] == chosen
    for request in method.requests(card):
        assert request.shape(card)


def test_the_option_of_joints_names_them_where_the_features_do_not() -> None:
    method = methods.create("fusion", CARDS[1], joints="4(0-1,2-3):xyc")
    assert methods.name_of(method) == "fusion_joints"
    assert methods.name_of(methods.create("auto", joints="kinect20:xyz")) == "fusion_joints"


def test_without_a_backbone_the_default_method_is_for_maps() -> None:
    assert methods.resolve("auto") == "fusion"
    assert methods.name_of(methods.create()) == "fusion"


@pytest.mark.parametrize(("card", "chosen"), CHOSEN[1:])
def test_options_that_mean_nothing_to_vectors_are_refused(card: Card, chosen: str) -> None:
    for options in ({"horizontal_flip": True}, {"weights.moments": 0}, {"motion_frames": 16}):
        with pytest.raises(OptionError):
            methods.create("fusion", card, **options)


def test_options_that_are_set_win_over_those_of_the_backbone() -> None:
    fitting = methods.fitting("auto", CARDS[2], frames=7)
    assert fitting == {"frames": 7, "joints": CARDS[2].joints}
    other: dict[str, Any] = {"joints": "3:xyzc"}
    assert methods.create("auto", CARDS[2], **other).options.joints == "3:xyzc"


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        methods.create("fusion_vector")
    with pytest.raises(OptionError):
        methods.create("otam", lambda_=1)


def test_cards_say_what_methods_need() -> None:
    assert card_of("fusion").needs == "maps, middle, shallow, camera motion, or vectors"
    assert card_of("fusion_joints").needs == card_of("otam").needs == "vectors"
    assert card_of("molo").training_needs == "pixels"
