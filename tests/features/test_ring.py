"""Overlapping windows of a recording: what they have in common passes the network once."""

import torch

from fewact.backbones import Backbone
from fewact.features.request import DifferenceRequest, FeatureRequest, SmallFrameRequest, View
from fewact.features.ring import FeatureRing
from fewact.video.camera.registration import Similarity
from tests.video.camera.scenery import frames_of


def test_small_images_that_windows_share_pass_the_network_once(
    tiny: Backbone, runs: list[tuple[int, int]]
) -> None:
    shift = torch.linspace(-8, 8, 9).to(torch.complex128)
    pan = frames_of(Similarity(torch.ones_like(shift), shift), (32, 48))  # (9 3 32 48)
    view = View(8)
    requests = [FeatureRequest("maps", view), SmallFrameRequest(view), DifferenceRequest(view)]
    ring = FeatureRing(tiny, requests)
    for number, frame in enumerate(pan.permute(0, 2, 3, 1).contiguous().numpy()):
        ring.add(number + 0.5, frame)
    ring.features(0, 8)
    assert runs == [(8, 1)] * 3
    runs.clear()
    ring.features(1, 9)
    # One frame is new; it changes the images of two, and the first two have no frames before.
    assert runs == [(1, 1), (1, 1), (4, 1)]
