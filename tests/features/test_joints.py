"""Joints of clips at the times of their frames, read or estimated."""

import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.data.clips import Clip, Frames
from fewact.data.joints import JointTrack
from fewact.features.extract import Timing, extract
from fewact.features.request import CameraRequest, FeatureRequest, JointRequest, View
from fewact.features.ring import FeatureRing
from fewact.poses import create
from fewact.poses.reading import LONGEST_SIDE
from fewact.video.source import Part, ProcessedVideo, Span, Trim, as_predicted

LAYOUT = "2:xyc"
JOINTS = JointRequest(View(8), LAYOUT)
FPS = 10


def moving(count: int = 40, side: int = 64, height: int = 64) -> np.ndarray:
    """Return frames (t h w 3) of a bright square that moves to the right all the time."""
    frames = np.zeros((count, height, side, 3), np.uint8)
    for i, frame in enumerate(frames):
        x = 4 + i * (side - 16) // count
        frame[20:28, x : x + 8] = 250
    return frames


def track(count: int = 40, **options) -> JointTrack:
    """Return joints of which the first moves to the right with time."""
    values = np.ones((count, 6))
    values[:, 0] = np.arange(1, count + 1)
    return JointTrack(values, LAYOUT, **options)


def joints_of(source, tiny, **options):
    requests = (FeatureRequest("vectors", View(8)), CameraRequest(View(4)), JOINTS)
    (found,) = extract([source], tiny, requests, **options)
    if found.error is not None:
        raise found.error
    return found, found.features[JOINTS]


def test_joints_are_those_at_the_times_of_the_frames(tiny):
    clip = Frames(moving(), FPS, joints=track())
    found, joints = joints_of(clip, tiny)
    times = found.reading.timeline.times[found.reading.chosen[0]]
    np.testing.assert_allclose(joints, track().at(times, 4.0))
    assert joints.dtype == np.float32
    assert joints[:, 0] == pytest.approx(times * FPS + 0.5, abs=0.01)


@pytest.mark.parametrize(("count", "is_named"), [(40, False), (39, False), (37, True), (20, True)])
def test_joints_that_end_before_their_clip_are_named_once(tiny, count: int, is_named: bool):
    early = track(count, times=np.arange(count) / FPS)
    found, joints = joints_of(Frames(moving(), FPS, "squat", joints=early), tiny)
    assert [text.startswith("squat: ") for text in found.warnings] == [True] * is_named
    assert all(f"end at {count / FPS} s, the clip at 4.0 s" in text for text in found.warnings)
    assert joints[-1].any() == (not is_named)


def test_a_clip_without_joints_has_zeros(tiny):
    found, joints = joints_of(Frames(moving(), FPS), tiny)
    assert joints.shape == (8, 6)
    assert not joints.any()
    assert found.joints is None


def test_a_part_has_the_joints_of_its_times(tiny):
    clip = Frames(moving(), FPS, joints=track())
    _, joints = joints_of(ProcessedVideo(clip).then(Part(Span(1.0, 3.0))), tiny)
    assert joints[[0, -1], 0] == pytest.approx([11.5, 29.5], abs=1)


def test_still_ends_are_left_out_of_the_joints_too(tiny):
    frames = moving()
    still = np.concatenate([frames[:1].repeat(30, 0), frames, frames[-1:].repeat(30, 0)])
    clip = Frames(still, FPS, joints=track(100))
    found, joints = joints_of(as_predicted(clip), tiny)
    assert found.reading.active is not None
    times = found.reading.clip_times(0)
    assert 2 < times[0] < 4
    np.testing.assert_allclose(joints, track(100).at(times, 10.0))
    assert found.reading.clip_duration == 10.0


def test_fractions_of_the_picture_are_read_in_its_heights(tiny):
    clip = Frames(moving(side=128), FPS, joints=track(of_picture=True))
    _, joints = joints_of(clip, tiny)
    assert joints[:, 3:5].tolist() == [[2, 1]] * 8


def test_joints_of_another_layout_skip_the_clip(tiny):
    other = JointTrack(np.ones((4, 9)), "3:xyc")
    with pytest.raises(VideoError) as refusal:
        joints_of(Frames(moving(), FPS, joints=other), tiny)
    assert "3:xyc" in refusal.value.reason
    assert LAYOUT in refusal.value.reason


def test_a_file_of_joints_that_cannot_be_read_skips_the_clip(tiny, clips, tmp_path):
    with pytest.raises(VideoError) as refusal:
        joints_of(Clip(clips[0].path, joints=tmp_path / "none.poses.npz"), tiny)
    assert "none.poses.npz" in refusal.value.reason


@pytest.mark.parametrize("trimmed", [False, True])
def test_joints_are_estimated_where_there_are_none(tiny, trimmed):
    pose, timing = create("tests.poses.made_up:brightest"), Timing()
    source = Frames(moving(), FPS)
    if trimmed:
        frames = moving()
        still = np.concatenate([frames[:1].repeat(30, 0), frames, frames[-1:].repeat(30, 0)])
        source = as_predicted(Frames(still, FPS))
    found, joints = joints_of(source, tiny, pose=pose, timing=timing)
    assert (np.diff(joints[:, 0]) > 0).all()
    assert joints[:, 4] == pytest.approx(0.5)
    assert timing.seconds["pose"] > 0
    assert found.joints.layout == LAYOUT
    assert len(found.joints.values) <= 8


def test_joints_beside_a_clip_are_not_estimated(tiny):
    class Refusing:
        name, layout = "refusing", LAYOUT

        def estimate(self, frames, times):
            raise AssertionError

    _, joints = joints_of(Frames(moving(), FPS, joints=track()), tiny, pose=Refusing())
    assert joints[:, 0].any()


def test_large_frames_are_reduced_and_few_a_second_estimated(tiny):
    seen = []

    class Counting:
        name, layout = "counting", LAYOUT

        def estimate(self, frames, times):
            frames = list(frames)
            seen.append((len(frames), frames[0].shape, np.diff(times).min()))
            return np.ones((len(frames), 6), np.float32)

    side = 2 * LONGEST_SIDE
    joints_of(Frames(np.zeros((8, 32, side, 3), np.uint8), 32), tiny, pose=Counting())
    ((count, shape, step),) = seen
    assert (count, shape) == (4, (16, LONGEST_SIDE, 3))
    assert step == pytest.approx(1 / 16)


def test_windows_have_the_joints_of_their_times(tiny):
    ring = FeatureRing(tiny, (JOINTS,), joints=track().since(0.0, 4.0))
    for i, frame in enumerate(moving()):
        ring.add(i / FPS, frame)
    early, late = (ring.features(start, start + 2)[JOINTS] for start in (0.0, 1.0))
    assert late[:, 0] - early[:, 0] == pytest.approx(10, abs=1.1)


def test_windows_have_estimated_joints(tiny):
    timing = Timing()
    pose = create("tests.poses.made_up:brightest")
    ring = FeatureRing(tiny, (JOINTS,), timing, pose=pose)
    for i, frame in enumerate(moving()):
        ring.add(i / FPS, frame)
    joints = ring.features(0.0, 4.0)[JOINTS]
    assert (np.diff(joints[:, 0]) > 0).all()
    assert timing.seconds["pose"] > 0


def test_windows_without_joints_have_zeros(tiny):
    ring = FeatureRing(tiny, (JOINTS,))
    for i, frame in enumerate(moving()):
        ring.add(i / FPS, frame)
    assert not ring.features(0.0, 4.0)[JOINTS].any()


def test_trimmed_clips_say_how_long_they_are(tiny):
    frames = moving()
    still = np.concatenate([frames[:1].repeat(30, 0), frames])
    reading = ProcessedVideo(Frames(still, FPS)).then(Trim()).read([lambda t: np.arange(4)])
    assert reading.duration < reading.clip_duration == pytest.approx(7.0)
