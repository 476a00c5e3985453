"""Joints beside recordings."""

from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.core.errors import DataError, OptionError
from fewact.data.joints import JointTrack
from fewact.data.poses.file import write_track
from fewact.networks import Backbone
from fewact.recordings.joints import joints_of_recordings
from fewact.video import write_video
from tests.classifier.test_few_shot_joints import LAYOUT, clips
from tests.refused import refused


@pytest.fixture(scope="module")
def by_joints(backbone: Backbone) -> FewShotClassifier:
    return FewShotClassifier(backbone).fit(clips(range(1)))


def test_joints_of_a_file_have_times_and_heights(
    by_joints: FewShotClassifier, tmp_path: Path
) -> None:
    video = tmp_path / "day.mp4"
    write_video(video, np.zeros((40, 32, 64, 3), np.uint8), 10)
    sources = [str(video), "rtsp://camera"]
    with pytest.warns(UserWarning, match="no joints"):
        assert joints_of_recordings(by_joints, sources, None) == {}
    write_track(tmp_path / "day.poses.npz", JointTrack(np.ones((4, 15)), LAYOUT, of_picture=True))
    found = joints_of_recordings(by_joints, sources[:1], None)
    assert list(found) == [str(video)]
    track = found[str(video)]
    assert track.times is not None
    assert track.times.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert track.values[0, :3].tolist() == [2, 1, 1]
    assert joints_of_recordings(by_joints, sources, "off") == {}


def test_other_joints_and_unused_joints_are_refused(
    by_joints: FewShotClassifier, backbone: Backbone, tmp_path: Path
) -> None:
    video = tmp_path / "day.mp4"
    write_video(video, np.zeros((40, 32, 64, 3), np.uint8), 10)
    poses = tmp_path / "day.poses.npz"
    write_track(poses, JointTrack(np.ones((4, 6)), "2:xyc"))
    with refused(DataError, where=str(video), got="2:xyc", expected=LAYOUT):
        joints_of_recordings(by_joints, [str(video)], str(poses))
    without = FewShotClassifier(backbone).fit(clips(range(1), joints=False))
    with refused(OptionError, where="--poses"):
        joints_of_recordings(without, [str(video)], str(poses))
