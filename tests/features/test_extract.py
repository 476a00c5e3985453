"""Extraction: in order, each clip decoded once, each set of frames run once."""

import dataclasses
import gc
import sys
import threading
import warnings

import numpy as np
import pytest
from av import VideoFrame

from fewact import networks
from fewact.core import workers
from fewact.core.errors import OptionError, VideoError
from fewact.data.clips import Clip
from fewact.features import views
from fewact.features.extract import ClipDecoder, Timing, extract
from fewact.features.request import CameraRequest, FeatureRequest, View
from fewact.video import BlockCentres, Segments, VideoWarning, read_frames, write_video
from fewact.video.resizing import channels_last
from tests.refused import refused

FUSION = (
    FeatureRequest("vectors", View(8)),
    FeatureRequest("middle", View(8)),
    FeatureRequest("middle", View(16)),
)


def slow_features(clip, backbone, request, sampler=Segments):
    """Return features of one level: decode, resize, run."""
    frames = read_frames(clip.path, sampler(request.frames), start=clip.start, end=clip.end)
    return backbone.features(backbone.prepare(frames), (request.level,))[request.level]


@pytest.mark.parametrize(("prefetch", "at_once"), [(1, 1), (2, 3), (9, 1)])
def test_features_are_those_of_each_clip_alone_in_order(clips, tiny, prefetch, at_once):
    requests = (*FUSION, FeatureRequest("maps", View(3)), FeatureRequest("pixels", View(8)))
    found = list(extract(clips, tiny, requests, prefetch=prefetch, at_once=at_once))
    assert [one.clip for one in found] == clips
    for one in found:
        assert one.error is None
        assert tuple(one.features) == requests
        for request in requests:
            np.testing.assert_allclose(
                one.features[request], slow_features(one.clip, tiny, request), rtol=1e-6, atol=1e-6
            )
    assert len({one.features[FeatureRequest("vectors")].sum().item() for one in found}) == len(
        clips
    )


def test_frames_run_once_and_no_deeper_than_they_must(clips, tiny):
    timing = Timing()
    list(extract(clips[:2], tiny, FUSION, timing=timing))
    every = 12 + 13  # All frames of the clips are among the 16.
    assert tiny.engine.counts == {"early": every, "late": 2 * 8}
    assert timing.seconds["decode"] > 0 < timing.seconds["backbone"]
    assert timing.seconds["moments"] == timing.seconds["alignment"] == 0


def test_pixels_need_no_network(clips, tiny):
    (one,) = extract(clips[:1], tiny, [FeatureRequest("pixels", View(8))])
    assert tiny.engine.counts == {"early": 0, "late": 0}
    assert one.features[FeatureRequest("pixels", View(8))].dtype == np.uint8
    assert one.features[FeatureRequest("pixels", View(8))].shape == (8, 3, 32, 48)


def test_a_clip_is_decoded_once_and_only_small_frames_are_held(clips, tiny, monkeypatch):
    calls = []

    def read(clip, samplers, **options):
        sets = real(clip, samplers, **options)
        calls.append((clip, len(samplers), {frames.shape[1:] for frames in sets}))
        return sets

    real = Clip.read
    monkeypatch.setattr(Clip, "read", read)
    list(extract(clips, tiny, FUSION))
    assert calls == [(clip, 2, {(32, 48, 3)}) for clip in clips]


@pytest.mark.slow
def test_no_decoded_frame_outlives_its_clip(clips, tiny):
    gc.collect()
    gc.disable()  # Frames in a cycle would wait for it, and those of large videos fill the memory.
    try:
        list(extract(clips, tiny, FUSION))
        left = [one for one in gc.get_objects() if type(one) is VideoFrame]
    finally:
        gc.enable()
    assert not left


def test_a_segment_is_cut_out_and_the_sampler_can_be_chosen(clips, tiny):
    segment = dataclasses.replace(clips[0], start=0.25, end=0.75)
    request = FeatureRequest("pixels", View(4))
    (cut,) = extract([segment], tiny, [request], sampler=BlockCentres)
    (whole,) = extract(clips[:1], tiny, [request], sampler=BlockCentres)
    assert np.array_equal(
        cut.features[request], slow_features(segment, tiny, request, BlockCentres)
    )
    assert not np.array_equal(cut.features[request], whole.features[request])


def test_a_slot_takes_as_many_frames_as_the_card_says(clips, tiny):
    tiny.card = dataclasses.replace(tiny.card, frames_per_slot=2)
    chosen = []

    def sampler(count):
        chosen.append(count)
        return Segments(count)

    list(extract(clips[:1], tiny, [FeatureRequest("pixels", View(8))], sampler=sampler))
    assert chosen == [16]


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_clip_that_cannot_be_read_loses_no_other(clips, tiny, broken, at_once):
    missing = Clip(broken.path.with_name("missing.mp4"))
    found = list(extract([clips[0], broken, missing, clips[1]], tiny, FUSION, at_once=at_once))
    assert [one.features is None for one in found] == [False, True, True, False]
    assert isinstance(found[1].error, VideoError)
    assert "broken.mp4" in str(found[1].error)
    assert "missing.mp4" in str(found[2].error)
    again = list(extract(clips[:2], tiny, FUSION))
    for one, other in ((found[0], again[0]), (found[3], again[1])):
        for request in FUSION:
            assert np.array_equal(one.features[request], other.features[request])


class Wrong(Exception):
    pass


def test_other_errors_are_raised(clips, tiny):
    def sampler(count):
        def fails(timeline):
            raise Wrong

        return fails

    with pytest.raises(Wrong):
        list(extract(clips, tiny, FUSION, sampler=sampler))
    assert not decoding()


def decoding():
    return [t for t in threading.enumerate() if t.name.startswith("fewact-decode")]


def test_clips_are_prepared_in_other_threads_than_the_network(clips, tiny, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    preparing, running = set(), set()
    prepare, features = tiny.prepare, tiny.features

    def seen(found, work):
        return lambda *call: found.add(threading.current_thread().name) or work(*call)

    monkeypatch.setattr(tiny, "prepare", seen(preparing, prepare))
    monkeypatch.setattr(tiny, "features", seen(running, features))
    list(extract(clips, tiny, FUSION, at_once=2, prefetch=3))
    assert all(name.startswith("fewact-decode") for name in preparing)
    assert all(name.startswith("fewact-network") for name in running)
    assert 1 <= len(preparing) <= 3
    assert 1 <= len(running) <= 2


def test_features_do_not_depend_on_the_number_of_threads(clips, tiny, monkeypatch):
    requests = (*FUSION, FeatureRequest("middle", View(8, "on")), CameraRequest(View(8)))
    found = []
    for threads, prefetch, at_once in ((1, 1, 1), (4, 3, 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        found.append(list(extract(clips, tiny, requests, prefetch=prefetch, at_once=at_once)))
    for one, other in zip(*found, strict=True):
        assert one.clip == other.clip
        for request in requests:
            assert np.array_equal(one.features[request], other.features[request])


class Slow:
    """A sampler that lets clips through one by one, and counts them."""

    def __init__(self):
        self.permits = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.count = 0

    def __call__(self, count):
        def wait(timeline):
            self.count += 1
            self.begun.release()
            assert self.permits.acquire(timeout=60)
            return Segments(count)(timeline)

        return wait


def test_the_next_clip_is_decoded_while_this_one_is_used(clips, tiny):
    slow = Slow()
    found = extract(
        clips, tiny, [FeatureRequest("vectors", View(8))], sampler=slow, prefetch=1, at_once=1
    )
    slow.permits.release()
    assert next(found).clip == clips[0]
    assert slow.begun.acquire(timeout=60)
    assert slow.begun.acquire(timeout=60), "the second clip is begun before it is requested"
    assert slow.count == 2, "and the third is not"
    slow.permits.release(9)
    assert [one.clip for one in found] == clips[1:]
    assert not decoding()


@pytest.mark.parametrize("prefetch", [1, 3])
def test_no_more_clips_are_ahead_than_agreed(clips, tiny, monkeypatch, prefetch):
    submitted = []
    pool = workers._OneCoreThreads
    submit = pool.submit
    monkeypatch.setattr(
        pool, "submit", lambda pool, *call: submitted.append(call[0]) or submit(pool, *call)
    )
    for done, _ in enumerate(
        extract(clips, tiny, [FeatureRequest("pixels", View(8))], prefetch=prefetch, at_once=1),
        start=1,
    ):
        reads = [work for work in submitted if getattr(work, "__func__", None) is ClipDecoder.read]
        assert len(reads) == min(done + prefetch, len(clips))


def test_a_consumer_that_stops_ends_the_decoding(clips, tiny, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    slow, shrunk = Slow(), []
    found = extract(
        clips, tiny, [FeatureRequest("pixels", View(8))], sampler=slow, prefetch=3, at_once=1
    )
    slow.permits.release()
    next(found)
    assert slow.begun.acquire(timeout=60)
    assert slow.begun.acquire(timeout=60)
    real, stop, stopped = tiny.prepare, ClipDecoder.stop, threading.Event()
    monkeypatch.setattr(tiny, "prepare", lambda image: shrunk.append(image) or real(image))
    monkeypatch.setattr(ClipDecoder, "stop", lambda reader: (stop(reader), stopped.set()))
    stopping = threading.Thread(target=found.close)
    stopping.start()
    assert stopped.wait(timeout=60)
    slow.permits.release(9)
    stopping.join()
    assert not shrunk, "the clip at hand is given up at its next frame"
    assert slow.count == 2, "the next is not begun"
    assert not decoding()


def test_nothing_is_decoded_before_it_is_requested(clips, tiny):
    slow = Slow()
    found = extract(clips, tiny, [FeatureRequest("vectors", View(8))], sampler=slow)
    assert slow.count == 0
    found.close()
    assert slow.count == 0


def test_frames_that_are_not_stabilised_do_not_wait_for_the_camera(clips, tiny, monkeypatch):
    moving = View(16, "auto")
    requests = [*FUSION[:2], FeatureRequest("middle", moving), CameraRequest(moving)]
    in_network, in_time = threading.Event(), []
    features, estimate = tiny.features, views.estimate_camera_motion

    def estimate_later(frames, **options):
        in_time.append(in_network.wait(timeout=60))
        return estimate(frames, **options)

    def run(frames, levels):
        in_network.set()
        return features(frames, levels)

    expected = next(extract(clips[:1], tiny, requests)).features
    monkeypatch.setattr(views, "estimate_camera_motion", estimate_later)
    monkeypatch.setattr(tiny, "features", run)
    found = next(extract(clips[:1], tiny, requests)).features
    assert in_time == [True]
    assert list(found) == requests
    assert all(np.array_equal(found[request], expected[request]) for request in requests)


@pytest.fixture
def cut(clips, tmp_path):
    """A clip that lost its end."""
    frames = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    write_video(tmp_path / "whole.avi", frames, 10)
    content = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: int(0.6 * len(content))])
    return Clip(tmp_path / "cut.avi")


def test_warnings_come_with_their_clip_in_the_calling_thread(clips, tiny, cut):
    found = extract([clips[0], cut, clips[1]], tiny, [FeatureRequest("vectors", View(8))])
    with warnings.catch_warnings(record=True) as none:
        warnings.simplefilter("always")
        next(found).warn()
        second = next(found)
    assert none == []
    assert second.features is not None
    with pytest.warns(VideoWarning, match=r"cut\.avi") as caught:
        second.warn()
    assert caught[0].filename == __file__
    next(found).warn()


@pytest.mark.parametrize(
    ("requests", "prefetch", "message"),
    [
        ((), 2, "no features are requested"),
        (FUSION, 0, "prefetch"),
        ((FeatureRequest("text", View(8)),), 2, "no such level"),
    ],
    ids=["no request", "prefetch", "unknown level"],
)
def test_bad_input_is_refused_at_once(clips, tiny, requests, prefetch, message):
    with pytest.raises(OptionError, match=message):
        extract(clips, tiny, requests, prefetch=prefetch)


def test_a_level_that_is_missing_on_the_card_is_refused_at_once(clips, tiny):
    tiny.card = dataclasses.replace(tiny.card, middle=None, shallow=None)
    with refused(OptionError, expected="vectors, maps, pixels"):
        extract(clips, tiny, FUSION)


@pytest.mark.slow
@pytest.mark.assets
def test_real_clips_through_the_default_backbone(assets):
    paths = sorted((assets / "clips" / "utd5_rgb").glob("*/*.mp4"))[::80]
    backbone = networks.create(device="cpu", precision="float32")
    for one in extract([Clip(path) for path in paths], backbone, FUSION):
        assert [tuple(value.shape) for value in one.features.values()] == [
            (8, 1280),
            (8, 112, 12, 12),
            (16, 112, 12, 12),
        ]
        for request, value in one.features.items():
            expected = slow_features(one.clip, backbone, request)
            assert np.linalg.norm(value - expected) <= 1e-5 * np.linalg.norm(expected)


def test_frames_are_stabilised_for_requests_with_stabilisation(tmp_path, tiny):
    from fewact.video.camera.motion import stabilise
    from fewact.video.camera.registration import Similarity
    from tests.video.camera.scenery import frames_of

    shift = np.linspace(-8, 8, 12).astype(np.complex128)
    frames = frames_of(Similarity(np.ones_like(shift), shift), (64, 96))
    write_video(tmp_path / "pan.mp4", channels_last(frames), 12)
    plain, stabilised = FeatureRequest("pixels", View(6)), FeatureRequest("pixels", View(6, "auto"))
    timing = Timing()
    (one,) = extract([Clip(tmp_path / "pan.mp4")], tiny, [plain, stabilised], timing=timing)
    expected = stabilise(one.features[plain], "auto", aspect=96 / 64)
    assert not np.array_equal(one.features[plain], one.features[stabilised])
    # Ties are rounded to eight bits as the layout in memory and the processor have it.
    off = np.abs(one.features[stabilised].astype(int) - expected)
    assert off.max() <= 1
    assert off.mean() < 1e-3
    assert timing.seconds["stabilise"] > 0


def test_frames_that_stabilisation_does_not_change_run_once(clips, tiny):
    requests = [FeatureRequest("vectors", View(4)), FeatureRequest("middle", View(4, "on"))]
    still = [dataclasses.replace(clips[0], end=0.01)]
    (one,) = extract(still, tiny, requests)
    assert tuple(one.features) == tuple(requests)
    assert tiny.engine.counts == {"early": 1, "late": 1}  # One frame, four times.


@pytest.fixture
def pan_and_still(tmp_path):
    """A clip whose camera moves, and one of the same place whose camera does not."""
    from fewact.video.camera.registration import Similarity
    from tests.video.camera.scenery import frames_of

    shift = np.linspace(-8, 8, 12).astype(np.complex128)
    both = {"pan": frames_of(Similarity(np.ones_like(shift), shift), (64, 96))}
    both["still"] = frames_of(Similarity.identity(12, np.complex128), (64, 96))
    both["still"][3:7, :, 20:40, 30:50] = 255 - both["still"][3:7, :, 20:40, 30:50]
    for name, frames in both.items():
        write_video(tmp_path / f"{name}.mp4", channels_last(frames), 12)
    return [Clip(tmp_path / f"{name}.mp4") for name in both]


def test_camera_log_odds_need_no_network(pan_and_still, tiny, monkeypatch):
    from fewact.video.camera import motion

    camera, pixels = CameraRequest(View(6, "auto")), FeatureRequest("pixels", View(6))
    calls = []

    def counted(frames, **given):
        calls.append(frames)
        return estimate_camera_motion(frames, **given)

    estimate_camera_motion = motion.estimate_camera_motion
    monkeypatch.setattr(sys.modules["fewact.features.views"], "estimate_camera_motion", counted)
    monkeypatch.setattr(motion, "estimate_camera_motion", counted)
    clips = pan_and_still
    chosen = [camera, pixels, FeatureRequest("pixels", View(6, "auto"))]
    pan, still = (one.features for one in extract(clips, tiny, chosen))
    assert len(calls) == len(clips)
    assert tiny.engine.counts == {"early": 0, "late": 0}
    for found in (pan, still):
        expected = estimate_camera_motion(found[pixels], aspect=96 / 64).log_odds
        np.testing.assert_allclose(found[camera], [expected], rtol=1e-6)
    assert pan[camera] > 0 > still[camera]
    (alone,) = extract(clips[:1], tiny, [camera])
    assert np.array_equal(alone.features[camera], pan[camera])
