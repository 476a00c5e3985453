"""Frames in which joints are estimated: few a second, few in memory, none too large."""

from pathlib import Path

import numpy as np
import pytest

from fewact.data import Clip
from fewact.poses import create
from fewact.poses.reading import FRAMES_AT_ONCE, LONGEST_SIDE, at_most, reduced, track_of
from fewact.video import write_video
from fewact.video.reading import timeline_of
from fewact.video.samplers import Timeline


def test_frames_in_chunks_are_those_of_the_clip(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (150, 32, 48, 3), np.uint8)
    write_video(tmp_path / "1.mp4", frames, 15)
    clip, estimator = Clip(tmp_path / "1.mp4"), create("tests.poses.made_up:brightest")
    track = track_of(clip, timeline_of(clip.path), estimator)
    every = clip.read([lambda timeline: np.arange(timeline.n)]).frames[0]
    assert len(track.values) == len(every) == 150 > FRAMES_AT_ONCE
    expected = estimator.estimate(every, np.arange(len(every)) / 15)
    np.testing.assert_array_equal(track.values, expected)


def test_a_fast_video_is_thinned_out_evenly() -> None:
    timeline = Timeline(np.arange(60) / 60, 1.0)
    assert at_most(16, timeline, np.arange(60)).tolist() == [*range(0, 60, 4)]
    assert at_most(16, timeline, np.array([0, 1, 2, 59])).tolist() == [0, 59]


@pytest.mark.parametrize("shape", [(90, 160), (1080, 1920), (2000, 10)])
def test_large_frames_are_reduced(shape: tuple[int, int]) -> None:
    frame = np.zeros((*shape, 3), np.uint8)
    small = reduced(frame)
    assert max(small.shape) <= LONGEST_SIDE
    assert (small is frame) == (max(shape) <= LONGEST_SIDE)
