"""Requests as texts and as keys of stored features."""

import pytest

from fewact.errors import OptionError
from fewact.features.request import (
    CameraMotionRequest,
    FeatureRequest,
    View,
    parse_request,
    request_facts,
    request_from_facts,
)
from tests.methods.made_up import make_card

REQUESTS = {
    "middle:8": FeatureRequest("middle", View(8)),
    "middle:16:auto": FeatureRequest("middle", View(16, "auto")),
    "middle:8:auto:24": FeatureRequest("middle", View(8, "auto", of=24)),
    "shallow:1:on:5": FeatureRequest("shallow", View(1, "on", of=5)),
    "camera:8:auto:24": CameraMotionRequest(View(8, "auto", of=24)),
}


@pytest.mark.parametrize(("text", "request_"), REQUESTS.items())
def test_texts_and_facts_are_read_back(text, request_):
    assert str(request_) == text
    assert parse_request(text, make_card()) == request_
    assert request_from_facts(request_facts(request_)) == request_


def test_the_key_has_all_fields_and_the_versions_of_what_computes_the_features():
    assert request_facts(FeatureRequest("middle", View(16, "auto"))) == {
        "request": "FeatureRequest",
        "level": "middle",
        "view": {"frames": 16, "stabilise": "auto", "of": 0},
        "pipeline": [1, 6],
    }
    assert request_facts(FeatureRequest("maps"))["pipeline"] == 1


@pytest.mark.parametrize(
    "text", ["middle:8:auto:16", "middle:8:auto:25", "middle:8:off:24", "middle:8:auto:9999999"]
)
def test_frames_must_be_evenly_spaced_among_stabilised_ones(text):
    with pytest.raises(OptionError, match="invalid number of frames"):
        parse_request(text, make_card())


@pytest.mark.parametrize(
    "text", ["middle:8:auto:24:1", "middle:8::24", "middle:0", "middle:x", "middle:8:auto:x"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(OptionError, match=r"invalid feature request.*LEVEL:FRAMES:STABILISE:OF"):
        parse_request(text, make_card())
