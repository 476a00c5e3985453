"""Views of a clip: stabilised where requested, computed once, equal frames shared."""

import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.data import Frames
from fewact.data.clips import Clip
from fewact.features.extract import ClipDecoder, Timing
from fewact.features.request import (
    CameraRequest,
    DifferenceRequest,
    FeatureRequest,
    SmallFrameRequest,
    View,
)
from fewact.features.ring import FeatureRing
from fewact.features.views import FrameBatch, Views, difference_images, small_frames, stacked
from fewact.networks import Backbone
from fewact.video import EveryNth, Reading, Sampler, Segments, Timeline
from fewact.video.camera.motion import LEAST_ASPECT, estimate_camera_motion, stabilise
from fewact.video.camera.registration import Similarity
from fewact.video.resizing import channels_last
from fewact.video.source import ProcessedVideo, Transform, VideoSource
from tests.video.camera.scenery import frames_of

ASPECT = 1.5

Pixels = NDArray[np.uint8]


def difference(first: Pixels, second: Pixels) -> int:
    """Return the largest difference of two images."""
    return int(np.abs(first.astype(int) - second).max())


@pytest.fixture(scope="module")
def pan() -> Pixels:
    shift = np.linspace(-8, 8, 8).astype(np.complex128)
    return frames_of(Similarity(np.ones_like(shift), shift), (64, 96))  # (8 3 64 96)


@pytest.fixture(scope="module")
def static() -> Pixels:
    return frames_of(Similarity.identity(8, np.complex128), (64, 96))


@pytest.mark.parametrize("mode", ["off", "auto", "on"])
def test_views_equal_stabilised_frames(pan, static, mode):
    for frames in (pan, static):
        found = Views({8: frames}, ASPECT).frames(View(8, mode))
        assert np.array_equal(found, stabilise(frames, mode, aspect=ASPECT))


@pytest.mark.parametrize("mode", ["off", "auto", "on"])
def test_frames_are_stabilised_by_the_motion_of_their_halves(mode):
    """By half as many rows it is found up to hundredths of a pixel: less than a level on average.

    By motion of half the size the frames would differ by 26 levels.
    """
    shift = np.linspace(-16, 16, 8).astype(np.complex128)
    frames = frames_of(Similarity(np.ones_like(shift), shift), (128, 192))
    found = Views({8: frames}, ASPECT).frames(View(8, mode))
    expected = stabilise(frames, mode, aspect=ASPECT)
    assert np.abs(found.astype(float) - expected).mean((1, 2, 3)).max() < 1


def test_requests_whose_views_show_the_same_share_frames(pan, static):
    moving, still = Views({8: pan}, ASPECT), Views({8: static}, ASPECT)
    auto, on, off = (FeatureRequest("maps", View(8, mode)) for mode in ("auto", "on", "off"))
    shared = [batch.requests for batch in moving.inputs((auto, on, off))]
    assert shared == [(auto, on), (off,)]
    assert moving.shown(auto.view) == moving.shown(on.view) != moving.shown(off.view)
    (batch,) = still.inputs((auto, on, off))
    assert batch.requests == (auto, on, off)
    assert batch.frames is static


def test_the_motion_of_a_static_camera_is_not_estimated_further(pan, static):
    def fails() -> None:
        raise AssertionError("estimated")

    for frames, static_camera in ((static, True), (pan, False)):
        views = Views({8: frames}, ASPECT)
        found = replace(estimate_camera_motion(frames, aspect=ASPECT), estimate=fails)
        views._motion[8] = found
        requests = (
            FeatureRequest("middle", View(8, "auto")),
            DifferenceRequest(View(8, "auto")),
            SmallFrameRequest(View(8, "auto")),
        )
        for request in requests:
            if static_camera:
                request.prepare(views)
            else:
                with pytest.raises(AssertionError, match="estimated"):
                    request.prepare(views)


@pytest.mark.parametrize(
    ("of", "made"),
    [(DifferenceRequest, difference_images), (SmallFrameRequest, small_frames)],
)
def test_small_images_of_equal_frames_share_a_tensor(pan, static, of, made):
    for frames, modes in ((pan, ("auto", "on")), (static, ("auto", "off"))):
        views = Views({8: frames}, ASPECT)
        requests = tuple(of(View(8, mode)) for mode in modes)
        (batch,) = views.inputs(requests)
        assert batch.requests == requests
        assert np.array_equal(batch.frames, made(views.frames(View(8, "auto"))))


def test_camera_motion_is_estimated_once_and_only_if_needed(pan, monkeypatch):
    calls = []

    def counted(frames, **options):
        calls.append(len(frames))
        return estimate_camera_motion(frames, **options)

    monkeypatch.setattr(sys.modules["fewact.features.views"], "estimate_camera_motion", counted)
    views = Views({8: pan, 4: pan[::2]}, ASPECT)
    FeatureRequest("maps", View(8)).prepare(views)
    assert calls == []
    FeatureRequest("maps", View(8, "auto")).prepare(views)
    CameraRequest(View(8, "auto")).prepare(views)
    assert calls == [8]
    CameraRequest(View(4, "auto")).prepare(views)
    assert calls == [8, 4]


def test_reading_reports_the_size_before_frames_are_transformed(clips):
    for clip in (clips[0], Clip(clips[0].path, start=0.25)):
        sets = clip.read([Segments(2), EveryNth(3)], transform=lambda frame: frame[:1, :1])
        assert [frames.shape[1:] for frames in sets] == [(1, 1, 3)] * 2
        assert (sets.size, sets.aspect) == ((48, 64), 64 / 48)
        positions = [Segments(2)(sets.timeline), EveryNth(3)(sets.timeline)]
        assert all(map(np.array_equal, sets.chosen, positions))


def test_the_motion_of_a_narrow_strip_is_that_of_the_narrowest(pan):
    strip, narrowest = Views({8: pan}, 0.001), Views({8: pan}, LEAST_ASPECT)
    view = View(8, "on")
    assert np.array_equal(strip.frames(view), narrowest.frames(view))
    assert np.array_equal(strip.camera_log_odds(view), narrowest.camera_log_odds(view))


def test_what_repeats_moves_evenly_in_small_frames_alone(pan: Pixels) -> None:
    repeated = pan[[0, 0, 2, 2, 4, 4, 6, 6]]
    views, view = Views({8: repeated}, ASPECT), View(8)
    moving = repeated.astype(float)
    moving[[1, 3, 5]] = (moving[[0, 2, 4]] + moving[[2, 4, 6]]) / 2
    expected = moving.round().astype(np.uint8)
    assert difference(views.small_frames(view), small_frames(expected)) <= 1
    images = views.difference_images(view)
    assert difference(images, difference_images(expected)) <= 3
    assert images[1:7, 1].mean((1, 2)).min() > 1  # none stands still
    assert views.frames(view) is repeated
    assert views.difference_images(view) is images
    stabilised = Views({8: repeated}, ASPECT).difference_images(View(8, "on"))
    assert not np.array_equal(stabilised, images)


def test_what_is_chosen_again_moves_evenly_whatever_a_correction_makes_of_it(
    pan: Pixels,
) -> None:
    chosen = [0, 1, 2, 2, 3, 4, 5, 6]  # fewer than three in ten
    again = np.zeros(8, np.bool_)
    again[3] = True
    views, view = Views({8: pan[chosen]}, ASPECT, again={8: again}), View(8)
    between = ((pan[2].astype(float) + pan[3]) / 2).round().astype(np.uint8)
    expected = np.stack([*pan[:3], between, *pan[3:7]])
    assert difference(views.small_frames(view), small_frames(expected)) <= 1
    unequal = pan[chosen].copy()
    unequal[3] = 0
    again_changed = Views({8: unequal}, ASPECT, again={8: again})
    assert np.array_equal(again_changed.small_frames(view), views.small_frames(view))
    assert np.array_equal(views.frames(view), pan[chosen])


class Grain:
    """A step by which equal frames become unequal, as a correction by neighbours makes them."""

    change = "grainy"
    others = ()

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        reading = source.read(samplers, transform=transform)
        (frames,) = reading
        noise = np.random.default_rng(0).integers(0, 2, frames.shape, np.uint8)
        return replace(reading, frames=[frames // 2 * 2 + noise])


def prepared_images(reader: ClipDecoder, clip: VideoSource) -> Pixels:
    early: Future[list[FrameBatch]] = Future()
    reader.read(clip, clip, early)
    (batch,) = early.result()
    return batch.frames


def test_a_reader_and_a_window_know_what_they_choose_again(tiny: Backbone, pan: Pixels) -> None:
    request = SmallFrameRequest(View(10))
    array = np.ascontiguousarray(channels_last(pan))
    clip = Frames(array, fps=8)
    reader = ClipDecoder(tiny, [request], Segments, Timing())
    small = prepared_images(reader, clip)
    chosen = Segments(10)(Timeline(np.arange(8) / 8, 1.0))
    again = np.diff(chosen, prepend=-1) == 0
    assert 0 < again.sum() < 3
    prepared = stacked([tiny.prepare(frame) for frame in array])
    decoded, repeated = {10: prepared[chosen]}, {10: again}
    expected = Views(decoded, ASPECT, again=repeated).small_frames(request.view)
    assert np.array_equal(small, expected)
    assert not np.array_equal(small, Views(decoded, ASPECT).small_frames(request.view))
    grainy = prepared_images(reader, ProcessedVideo(clip, (Grain(),)))
    assert difference(grainy, small) <= 2
    ring = FeatureRing(tiny, [request])
    for number, frame in enumerate(array):
        ring.add((number + 0.49) / 8, frame)  # the nearest frames are those of Segments
    own = tiny.features(expected, [request.level])[request.level]
    np.testing.assert_allclose(ring.features(0.0, 1.0)[request], own, rtol=1e-5, atol=1e-5)
