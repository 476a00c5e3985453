"""Videos recorded with a simulated camera, whose path depends only on time and seed."""

import numpy as np
import pytest

from fewact.core.errors import OptionError
from fewact.data import Clip, Video, VideoList
from fewact.synthetic.simulated_cameras import CAMERAS, Recorded, record, with_simulated_camera
from fewact.video import EveryNth, Segments, read_frames, write_video
from fewact.video.source import ProcessedVideo


@pytest.fixture
def clip(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, 12)
    return Clip(tmp_path / "a.mp4")


def recorded(clip, camera, seed):
    return ProcessedVideo(clip).then(Recorded(camera, seed))


def test_frames_are_recorded_at_the_times_when_they_are_shown(clip):
    few, full = recorded(clip, CAMERAS["hand"], 3).read([Segments(4), EveryNth(1)])
    plain = read_frames(clip.path, EveryNth(1))
    expected = record(plain, np.arange(12) / 12, CAMERAS["hand"], 3)
    assert np.array_equal(full, expected)
    assert np.array_equal(few, expected[[1, 4, 7, 10]])


def test_the_transform_gets_recorded_frames(clip):
    source = recorded(clip, CAMERAS["pan"], 3)
    (full,), (small,) = (
        source.read([Segments(3)], transform=t) for t in (None, lambda frame: frame[:2, :1, 0])
    )
    assert small.shape == (3, 2, 1)
    assert np.array_equal(small, full[:, :2, :1, 0])


def test_the_fingerprint_depends_on_video_camera_and_seed(clip):
    fingerprints = {
        recorded(clip, CAMERAS[name], seed).fingerprint()
        for name in ("hand", "pan")
        for seed in (0, 1)
    }
    assert len(fingerprints | {clip.fingerprint()}) == 5
    assert recorded(clip, CAMERAS["pan"], 0).fingerprint() in fingerprints


def test_each_video_of_a_list_has_a_different_camera_path(clip):
    videos = VideoList(
        "few", (Video("a", "x", source=clip), Video("b", "y", source=clip), Video("c", "y"))
    )
    shaken = with_simulated_camera(videos, "hand", 1)
    assert shaken.digest == videos.digest
    assert shaken.flags == ("camera: hand",)
    first, second, missing = (video.source for video in shaken.videos)
    assert missing is None
    assert not np.array_equal(
        first.read([Segments(2)]).frames[0], second.read([Segments(2)]).frames[0]
    )
    assert first.steps != with_simulated_camera(videos, "hand", 2).videos[0].source.steps


def test_unknown_cameras_are_refused():
    with pytest.raises(OptionError, match="unknown camera"):
        with_simulated_camera(VideoList("none", ()), "drone")
