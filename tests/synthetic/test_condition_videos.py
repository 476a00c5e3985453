"""Videos in a condition: read like others, and determined by condition and seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.data import Clip, Video, VideoList
from fewact.synthetic.conditions import (
    CONDITIONS,
    Condition,
    InCondition,
    compress,
    picture,
    with_condition,
)
from fewact.synthetic.simulated_cameras import with_simulated_camera
from fewact.video import EveryNth, Segments, read_frames, write_video
from fewact.video.source import ProcessedVideo


@pytest.fixture
def videos(tmp_path: Path) -> VideoList:
    """Grey videos: the brightness of a frame tells the video and the time."""
    found = []
    for number, (label, group) in enumerate([("x", "g"), ("y", "g"), ("y", "h"), ("z", "g")]):
        size = (24, 32) if number != 1 else (30, 20)
        levels = 40 * number + 2 * np.arange(12)
        frames = np.broadcast_to(levels[:, None, None, None], (12, *size, 3)).astype(np.uint8)
        write_video(tmp_path / f"{number}.mkv", frames, 12, "ffv1")
        clip = Clip(tmp_path / f"{number}.mkv")
        found.append(Video(str(number), label, group=group, source=clip))
    return VideoList("few", tuple(found), "shared")


def in_condition(clip: Clip, *values: Any) -> ProcessedVideo:
    return ProcessedVideo(clip).then(InCondition(*values))


@pytest.mark.parametrize("name", CONDITIONS)
def test_samplers_and_transforms_get_what_the_condition_shows(name: str, videos: VideoList) -> None:
    source = with_condition(videos, f"{name}:2").videos[0].source
    assert source is not None
    whole, four = source.read([EveryNth(1), Segments(4)])
    assert whole.dtype == four.dtype == np.uint8
    assert four.shape[1:] == whole.shape[1:]
    middle = ((np.arange(4) + 0.5) * len(whole) / 4).astype(int)
    assert np.array_equal(four, whole[middle])
    (corner,) = source.read([Segments(4)], transform=lambda frame: frame[:2, :1, 0])
    assert np.array_equal(corner, four[:, :2, :1, 0])


def test_pictures_are_changed_at_the_times_when_they_are_shown(videos: VideoList) -> None:
    clip = videos.videos[0].source
    assert isinstance(clip, Clip)
    condition = Condition("grain", 3)
    found = in_condition(clip, condition, 5).read([EveryNth(1)]).frames[0]
    plain = read_frames(clip.path, EveryNth(1))
    assert np.array_equal(found, picture(plain, np.arange(12) / 12, condition, 5))
    found = in_condition(clip, Condition("compressed", 1)).read([EveryNth(1)]).frames[0]
    assert np.array_equal(found, compress(plain, 12, 40))


@pytest.mark.parametrize(("severity", "length"), [(1, 24), (2, 36), (3, 60)])
def test_a_loose_clip_shows_other_classes_of_the_same_group_around_the_action(
    severity: int, length: int, videos: VideoList
) -> None:
    for seed in range(4):
        source = with_condition(videos, f"loose:{severity}", seed).videos[0].source
        assert source is not None
        (frames,) = source.read([EveryNth(1)])
        assert frames.shape == (length, 24, 32, 3)
        number = np.round(frames[:, 0, 0, 0] / 40 - 0.3).astype(int)  # of the video
        (own,) = np.nonzero(number == 0)
        assert len(own) == 12
        assert np.array_equal(own, own[0] + np.arange(12))
        assert 0.25 * (length - 12) <= own[0] <= 0.75 * (length - 12)
        assert np.array_equal(frames[own, 0, 0, 0], 2 * np.arange(12))
        assert set(number) <= {0, 1, 3}  # not video 2, of another group


def test_the_fingerprint_depends_on_videos_condition_and_seed(videos: VideoList) -> None:
    clip, other = videos.videos[0].source, videos.videos[1].source
    assert clip is not None
    assert other is not None
    found = {
        in_condition(clip, Condition(name, severity), seed).fingerprint()
        for name in ("dark", "loose")
        for severity in (1, 2)
        for seed in (0, 1)
    }
    found |= {in_condition(clip, Condition("loose", 1), 0, (other, other)).fingerprint()}
    assert len(found | {clip.fingerprint()}) == 10


def test_a_condition_comes_after_the_camera(videos: VideoList) -> None:
    changed = with_condition(with_simulated_camera(videos, "hand"), "dark:1", 3)
    assert changed.digest == videos.digest
    assert changed.flags == ("camera: hand", "condition: dark:1")
    source = changed.videos[0].source
    assert isinstance(source, ProcessedVideo)
    step = source.steps[-1]
    assert isinstance(step, InCondition)
    assert "shake" in source.changes
    assert source.changes.endswith(f"dark:1 {step.seed}")
    assert source.read([Segments(2)]).frames[0].shape == (2, 18, 24, 3)
