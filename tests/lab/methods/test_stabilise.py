"""Methods on stabilised frames and detrended features."""

import pytest

from fewact.features.request import SmallFrameRequest, View
from fewact.lab import methods
from fewact.lab.methods.promises.subject import made_up_features
from fewact.methods.cards import made_up_card


@pytest.mark.parametrize("name", ["fusion", "a2m2", "otam", "protonet", "pixels"])
@pytest.mark.parametrize("mode", ["off", "auto", "on"])
def test_methods_request_stabilised_frames_by_their_option(name: str, mode: str) -> None:
    card = made_up_card()
    method = methods.create(name, stabilise=mode)
    requests = set(method.requests(card))
    if name == "fusion":  # It requests other frames that are never stabilised, too.
        requests &= {SmallFrameRequest(View(32, one)) for one in ("off", "auto", "on")}
    assert {request.view.stabilise for request in requests} == {mode}
    nodes = method.encode(made_up_features(method, card, 2))
    assert all(value.shape[0] == 2 for value in nodes.values())
