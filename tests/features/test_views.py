"""Views of a clip: stabilised where requested, computed once, equal frames shared."""

import sys
from dataclasses import replace

import pytest
import torch

from fewact.camera.motion import LEAST_ASPECT, Estimates, estimate_camera_motion
from fewact.camera.similarity import Similarity
from fewact.camera.stabilise import stabilise
from fewact.data.clips import Clip
from fewact.features.request import (
    CameraRequest,
    DifferenceRequest,
    FeatureRequest,
    SmallFrameRequest,
    View,
)
from fewact.features.small import difference_images, small_frames
from fewact.features.views import Views
from fewact.video import EveryNth, FrameSets, Segments
from tests.camera.scenery import frames_of

ASPECT = 1.5


@pytest.fixture(scope="module")
def pan() -> torch.Tensor:
    shift = torch.linspace(-8, 8, 8).to(torch.complex128)
    return frames_of(Similarity(torch.ones_like(shift), shift), (64, 96))  # (8 3 64 96)


@pytest.fixture(scope="module")
def static() -> torch.Tensor:
    return frames_of(Similarity.identity(8, torch.complex128), (64, 96))


@pytest.mark.parametrize("mode", ["off", "auto", "on", "permissive"])
def test_views_equal_stabilised_frames(pan, static, mode):
    for frames in (pan, static):
        found = Views({8: frames}, ASPECT).frames(View(8, mode))
        assert torch.equal(found, stabilise(frames, mode, aspect=ASPECT))


def test_equal_frames_share_a_tensor(pan, static):
    moving, still = Views({8: pan}, ASPECT), Views({8: static}, ASPECT)
    assert moving.frames(View(8, "auto")) is moving.frames(View(8, "on"))
    assert moving.frames(View(8, "auto")) is not moving.frames(View(8))
    assert still.frames(View(8, "auto")) is still.frames(View(8)) is static


def test_the_motion_of_a_static_camera_is_not_estimated_further(pan, static):
    def fails() -> None:
        raise AssertionError("estimated")

    for frames, static_camera in ((static, True), (pan, False)):
        views = Views({8: frames}, ASPECT)
        found = replace(estimate_camera_motion(frames, aspect=ASPECT), estimate=fails)
        views._motion[8] = found
        requests = (
            FeatureRequest("middle", View(8, "auto")),
            DifferenceRequest(View(8, "permissive")),
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
    for frames in (pan, static):  # The background is textured: both estimates are equal.
        views = Views({8: frames}, ASPECT)
        auto, permissive = (of(View(8, mode)).prepare(views) for mode in ("auto", "permissive"))
        assert permissive is auto
        assert torch.equal(auto, made(views.frames(View(8, "auto"))))


def test_where_the_estimates_differ_so_do_the_frames_and_the_images(pan, monkeypatch):
    found = estimate_camera_motion(pan, aspect=ASPECT)
    none = Similarity.identity(8, found.conservative.linear.dtype)
    differing = replace(found, estimate=lambda: Estimates(none, found.permissive))
    monkeypatch.setattr(
        sys.modules["fewact.features.views"], "estimate_camera_motion", lambda *_, **__: differing
    )
    views = Views({8: pan}, ASPECT)
    assert torch.equal(views.frames(View(8, "auto")), pan)
    assert torch.equal(views.frames(View(8, "permissive")), stabilise(pan, "on", aspect=ASPECT))
    auto, permissive = (views.difference_images(View(8, m)) for m in ("auto", "permissive"))
    assert permissive.float().mean() < auto.float().mean() / 2  # The camera's motion is gone.


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
        assert isinstance(sets, FrameSets)
        assert [frames.shape[1:] for frames in sets] == [(1, 1, 3)] * 2
        assert (sets.size, sets.aspect) == ((48, 64), 64 / 48)


def test_the_motion_of_a_narrow_strip_is_that_of_the_narrowest(pan):
    strip, narrowest = Views({8: pan}, 0.001), Views({8: pan}, LEAST_ASPECT)
    view = View(8, "on")
    assert torch.equal(strip.frames(view), narrowest.frames(view))
    assert torch.equal(strip.camera_log_odds(view), narrowest.camera_log_odds(view))


def test_what_repeats_moves_evenly_in_small_frames_alone(pan: torch.Tensor) -> None:
    repeated = pan[[0, 0, 2, 2, 4, 4, 6, 6]]
    views, view = Views({8: repeated}, ASPECT), View(8)
    moving = repeated.clone().float()
    moving[[1, 3, 5]] = (moving[[0, 2, 4]] + moving[[2, 4, 6]]) / 2
    expected = moving.round().byte()
    torch.testing.assert_close(views.small_frames(view), small_frames(expected), atol=1, rtol=0)
    images = views.difference_images(view)
    torch.testing.assert_close(images, difference_images(expected), atol=3, rtol=0)
    assert images[1:7].flatten(2).float().mean(2)[:, 1].min() > 1  # none stands still
    assert views.frames(view) is repeated
    assert views.difference_images(view) is images
    stabilised = Views({8: repeated}, ASPECT).difference_images(View(8, "on"))
    assert not torch.equal(stabilised, images)
