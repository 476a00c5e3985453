"""Overlapping windows of a recording: what they have in common passes the network once."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.request import DifferenceRequest, FeatureRequest, SmallFrameRequest, View
from fewact.features.ring import FeatureRing
from fewact.networks import Backbone
from fewact.video.camera.registration import Similarity
from fewact.video.cleaning import light
from fewact.video.resizing import channels_last
from tests.video.camera.scenery import frames_of


def test_small_images_that_windows_share_pass_the_network_once(
    tiny: Backbone, runs: list[tuple[int, int]]
) -> None:
    shift = np.linspace(-8, 8, 9).astype(np.complex128)
    pan = frames_of(Similarity(np.ones_like(shift), shift), (32, 48))  # (9 3 32 48)
    view = View(8)
    requests = [FeatureRequest("maps", view), SmallFrameRequest(view), DifferenceRequest(view)]
    ring = FeatureRing(tiny, requests)
    for number, frame in enumerate(channels_last(pan)):
        ring.add(number + 0.5, frame)
    ring.features(0, 8)
    assert runs == [(8, 1)] * 3
    runs.clear()
    ring.features(1, 9)
    # One frame is new; it changes the images of two, and the first two have no frames before.
    assert runs == [(1, 1), (1, 1), (4, 1)]


def test_windows_share_what_is_computed_of_a_frame(
    tiny: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = np.linspace(-8, 8, 9).astype(np.complex128)
    pan = frames_of(Similarity(np.ones_like(shift), shift), (32, 48))
    ring = FeatureRing(tiny, [DifferenceRequest(View(8))])
    for number, frame in enumerate(channels_last(pan)):
        ring.add(number + 0.5, frame)
    computed: list[int] = []
    grey_of = light.grey_of

    def counted(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        computed.append(len(frames))
        return grey_of(frames)

    monkeypatch.setattr(light, "grey_of", counted)
    ring.features(0, 8)
    ring.features(1, 9)
    assert sum(computed) == 9


def test_windows_share_corrected_frames_and_their_features(
    tiny: Backbone, runs: list[tuple[int, int]]
) -> None:
    frames = np.zeros((9, 120, 160, 3), np.uint8)
    for number, frame in enumerate(frames):  # a small figure before a plain background
        frame[50:80, 70 + number : 82 + number] = 90 + 10 * number
    requests = [FeatureRequest("maps", View(8)), DifferenceRequest(View(8))]

    def ring_of_all() -> FeatureRing:
        ring = FeatureRing(tiny, requests)
        for number, frame in enumerate(frames):
            ring.add(number + 0.5, frame)
        return ring

    ring = ring_of_all()
    ring.features(0, 8)
    runs.clear()
    shared = ring.features(1, 9)
    assert runs[0] == (1, 1)  # one frame is new
    assert [len(sample.corrected) for sample in ring._samples] == [1] * 9
    alone = ring_of_all().features(1, 9)
    for request in requests:
        np.testing.assert_allclose(shared[request], alone[request], rtol=1e-5, atol=1e-5)
