"""Frames of clips in the number and size in which joints are estimated."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fewact.data.joints import JointTrack
from fewact.poses.base import HIGHEST_RATE, PoseEstimator
from fewact.video.resizing import resized
from fewact.video.samplers import Ints, RGBImage, Timeline
from fewact.video.source import VideoSource

LONGEST_SIDE = 960
"""Longest side of a frame, in pixels, that joints are estimated in; larger frames are reduced."""

FRAMES_AT_ONCE = 64
"""Frames of a clip that are in memory together."""

FRAME_ROUNDING = 1e-6
"""Seconds by which times that are equal may differ."""


def at_most(rate: float, timeline: Timeline, indices: Ints) -> Ints:
    """Return the first of positions (t) in a timeline and those after it, at most so many a second.

    >>> at_most(4.0, Timeline(np.arange(9) / 8, 9 / 8), np.arange(9)).tolist()
    [0, 2, 4, 6, 8]
    """
    chosen: list[int] = []
    for index in np.unique(indices).tolist():
        time = timeline.times[index]
        if not chosen or time - timeline.times[chosen[-1]] >= 1 / rate - FRAME_ROUNDING:
            chosen.append(index)
    return np.array(chosen, np.int64)


def reduced(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame (h w 3) whose longest side is at most ``LONGEST_SIDE``."""
    height, width = frame.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return frame
    return resized(frame, (max(1, round(factor * height)), max(1, round(factor * width))))


def frames_of(clip: VideoSource, indices: Ints) -> Iterator[RGBImage]:
    """Yield the frames of a clip at some positions, reduced; few are in memory together."""
    for i in range(0, len(indices), FRAMES_AT_ONCE):
        yield from clip.read([partial(_chosen, indices, i)], transform=reduced).frames[0]


def _chosen(indices: Ints, first: int, timeline: Timeline) -> Ints:
    return indices[first : first + FRAMES_AT_ONCE]


def track_of(clip: VideoSource, timeline: Timeline, estimator: PoseEstimator) -> JointTrack:
    """Return the joints of a clip, at most ``HIGHEST_RATE`` times a second.

    Args:
        clip: The clip; memory does not depend on its length.
        timeline: Times of its frames.
        estimator: Estimates the joints.

    Raises:
        VideoError: The clip cannot be read.
    """
    indices = at_most(HIGHEST_RATE, timeline, np.arange(timeline.n))
    times = timeline.times[indices]
    return JointTrack(estimator.estimate(frames_of(clip, indices), times), estimator.layout, times)
