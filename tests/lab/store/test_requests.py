"""Requests as texts and as keys of stored features."""

import pytest

from fewact.core.errors import OptionError
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    JointRequest,
    MovingRequest,
    SmallFrameRequest,
    View,
)
from fewact.lab.store.requests import parse_request, request_facts, request_from_facts
from fewact.methods.cards import made_up_card

REQUESTS = {
    "middle:8": FeatureRequest("middle", View(8)),
    "middle:16:auto": FeatureRequest("middle", View(16, "auto")),
    "shallow:1:on": FeatureRequest("shallow", View(1, "on")),
    "moving:8": MovingRequest(view=View(8)),
    "camera:8:auto": CameraRequest(View(8, "auto")),
    "small-frames:24:auto": SmallFrameRequest(View(24, "auto")),
    "differences:24:auto": DifferenceRequest(View(24, "auto")),
    "joints:32:kinect20:xyz+hand21:xyz": JointRequest(View(32), "kinect20:xyz+hand21:xyz"),
    "difference-images:5:on": DifferenceImageRequest(View(5, "on")),
}


@pytest.mark.parametrize(("text", "request_"), REQUESTS.items())
def test_texts_and_facts_are_read_back(text, request_):
    assert str(request_) == text
    assert parse_request(text, made_up_card()) == request_
    assert request_from_facts(request_facts(request_)) == request_


def test_the_key_has_all_fields_and_the_versions_of_what_computes_the_features():
    assert request_facts(FeatureRequest("middle", View(16, "auto"))) == {
        "request": "FeatureRequest",
        "level": "middle",
        "view": {"frames": 16, "stabilise": "auto"},
        "pipeline": [2, 7],
    }
    assert request_facts(FeatureRequest("maps"))["pipeline"] == 2


@pytest.mark.parametrize("text", ["middle:8:auto:24", "middle:8::24", "middle:0", "middle:x"])
def test_other_texts_are_refused(text):
    with pytest.raises(OptionError) as caught:
        parse_request(text, made_up_card())
    assert caught.value.got == repr(text)


def test_numbers_of_frames_have_a_limit():
    with pytest.raises(OptionError) as caught:
        parse_request("middle:9999999", made_up_card())
    assert caught.value.where == "frames"


def test_a_level_that_the_backbone_does_not_have_is_refused():
    with pytest.raises(OptionError) as caught:
        parse_request("differences:6", made_up_card(maps=False))
    assert caught.value.got == "'shallow'"
