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


def test_windows_have_the_features_of_a_clip_and_each_frame_passes_once(
    tiny: Backbone, runs: list[tuple[int, int]]
) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (16, 32, 48, 3), np.uint8)
    clip[:] = clip[:1]  # nothing moves, so that all views are alike
    clip[8:, 20:30, 20:30] = 255
    requests = [FeatureRequest("middle", View(16)), FeatureRequest("vectors", View(8))]
    ring = FeatureRing(tiny, requests)

    def passed() -> int:
        for number, frame in enumerate(clip):
            ring.add(number + 0.5, frame)
        found = ring.features(0, 16), ring.features(0, 16)
        count = sum(frames for frames, _ in runs)
        expected = tiny.features(tiny.prepare(clip), ["middle"])["middle"]
        for features in found:
            np.testing.assert_allclose(features[requests[0]], expected, rtol=1e-4, atol=1e-3)
        return count

    assert passed() == 16
    ring.forget(8.0)
    assert len(ring) == 8
    ring.clear()
    assert len(ring) == 0
    runs.clear()
    assert passed() == 16


def test_frames_run_as_deep_as_they_are_requested(tiny: Backbone) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (24, 32, 48, 3), np.uint8)
    clip[:] = clip[:1]  # the camera is static
    requests = [
        FeatureRequest("shallow", View(24)),
        FeatureRequest("middle", View(8)),
        FeatureRequest("vectors", View(8)),
    ]
    ring = FeatureRing(tiny, requests)
    for number, frame in enumerate(clip):
        ring.add(number + 0.5, frame)

    def deep() -> list[int]:
        return [i for i, one in enumerate(ring._samples) if one.features.keys() > {"shallow"}]

    found = ring.features(0, 24)
    first = deep()
    assert first == list(range(1, 24, 3))
    assert all("shallow" in one.features for one in ring._samples)
    ring.features(1, 25)  # other frames are among the eight
    assert set(deep()) > set(first)
    expected = tiny.features(tiny.prepare(clip), ["shallow", "middle"])
    np.testing.assert_allclose(found[requests[0]], expected["shallow"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found[requests[1]], expected["middle"][1::3], rtol=1e-4, atol=1e-3)
