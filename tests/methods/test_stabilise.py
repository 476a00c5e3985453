"""Methods on stabilised frames and detrended features."""

import pytest
import torch

from fewact import methods
from fewact.features.request import FeatureRequest, SmallFrameRequest, View
from fewact.methods.promises.subject import made_up_card, made_up_features


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


@pytest.mark.parametrize("detrend", [True, False])
def test_a2m2_can_remove_a_linear_trend(detrend: bool) -> None:
    found = {FeatureRequest("middle", View(8)): torch.rand(2, 8, 6, 4, 4, dtype=torch.float64)}
    slope = torch.rand(2, 1, 6, 4, 4, dtype=torch.float64)
    tilted = {
        request: maps + slope * torch.linspace(-1, 1, 8)[:, None, None, None]
        for request, maps in found.items()
    }
    method = methods.create("a2m2", moments={"linear_detrend": detrend}).double()
    same = torch.allclose(method.encode(found)["nodes"], method.encode(tilted)["nodes"])
    assert same == detrend
