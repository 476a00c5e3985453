"""Network features of a clip: equal frames run once, and nothing else changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.features.extract import NetworkFeatures
from fewact.features.request import CameraRequest, FeatureRequest, Request, View
from fewact.features.views import FrameBatch
from fewact.networks import Backbone
from fewact.video import Segments, Timeline
from fewact.video.resizing import planes

Pixels = NDArray[np.uint8]

VECTORS, MAPS = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(8))
MORE = FeatureRequest("middle", View(24))
CAMERA = CameraRequest(View(24))


@pytest.fixture
def frames(tiny: Backbone) -> Pixels:
    """Frames (24 3 H W) of a clip, all different."""
    size = (24, *tiny.card.input_size, 3)
    return planes(np.random.default_rng(0).integers(256, size=size, dtype=np.uint8))


def of(*batches: tuple[Pixels, *tuple[Request, ...]]) -> list[FrameBatch]:
    """Return inputs of frames, each with its requests."""
    return [FrameBatch(frames, tuple(requests)) for frames, *requests in batches]


def third(frames: Pixels) -> Pixels:
    """Return the frames that a sampler of eight chooses among those of one of 24."""
    return frames[1::3].copy()


@pytest.mark.parametrize("rate", [25, 30, 30000 / 1001])
@pytest.mark.parametrize("length", [8, 16, 24, 25, 31, 48, 100, 3001])
def test_eight_frames_are_among_24(length, rate):
    timeline = Timeline(np.arange(length) / rate, end=length / rate)
    assert np.array_equal(Segments(24)(timeline)[1::3], Segments(8)(timeline))


def test_equal_frames_run_once(tiny, frames, runs):
    inputs = [
        *of((frames, MORE), (third(frames), VECTORS)),
        FrameBatch(np.zeros(1), (CAMERA,)),
    ]
    found = NetworkFeatures(tiny).of(inputs)
    assert runs == [(8, 1), (24, 1)]  # vectors alone are no middle maps
    runs.clear()
    few = third(frames)
    shared = NetworkFeatures(tiny).of(of((frames, MORE), (few, VECTORS, MAPS)))
    assert runs == [(8, 2), (16, 1)]
    expected = tiny.features(frames, ("middle",))["middle"]
    assert np.array_equal(shared[MORE], expected)
    assert np.array_equal(shared[MAPS], expected[1::3])
    assert np.array_equal(shared[VECTORS], found[VECTORS])
    assert np.array_equal(found[CAMERA], np.zeros(1))


def test_later_frames_find_those_of_before(tiny, frames, runs):
    few, network = third(frames), NetworkFeatures(tiny)
    network.of(of((few, VECTORS, MAPS)))
    network.of(of((frames, MORE)))
    assert runs == [(8, 2), (16, 1)]


def test_levels_that_later_requests_need_are_computed_on_the_way(tiny, frames, runs):
    few, outlines = third(frames), FeatureRequest("shallow", View(24))
    network = NetworkFeatures(tiny, [VECTORS, MAPS, MORE, outlines])
    network.of(of((few, VECTORS, MAPS)))
    found = network.of(of((frames, MORE, outlines)))
    assert runs == [(8, 3), (16, 2)]
    assert np.array_equal(found[outlines], tiny.features(frames, ("shallow",))["shallow"])


def test_a_still_picture_runs_once(tiny, frames, runs):
    still = np.broadcast_to(frames[:1], frames.shape)
    found = NetworkFeatures(tiny).of(of((still, MORE)))
    assert runs == [(1, 1)]
    (middle,) = tiny.features(frames[:1], ("middle",))["middle"]
    assert all(np.array_equal(each, middle) for each in found[MORE])


def test_one_changed_pixel_is_another_frame(tiny, frames, runs):
    few = third(frames)
    few[0, 0, 0, 0] += 1
    NetworkFeatures(tiny).of(of((frames, MORE), (few, VECTORS, MAPS)))
    assert runs == [(8, 2), (17, 1)]


def test_what_was_needed_last_is_kept(tiny, frames, runs):
    first, second = of((frames[:8], MAPS)), of((frames[8:16], MAPS))
    network = NetworkFeatures(tiny)
    for each in (first, second, first):
        network.of(each)
    network.forget(8)
    runs.clear()
    network.of(first)
    assert runs == []
    network.of(second)
    assert runs == [(8, 1)]
