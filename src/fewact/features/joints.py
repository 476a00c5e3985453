"""Joints of a clip at the times of its frames: those beside the clip, or estimated ones.

All joints have one unit for x and y, and times from the start of the clip.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, VideoError
from fewact.data.joints import JointTrack
from fewact.features.request import JointRequest, Request
from fewact.poses.base import HIGHEST_RATE, PoseEstimator
from fewact.poses.reading import at_most, reduced
from fewact.video import warn_of_video
from fewact.video.samplers import Floats
from fewact.video.source import (
    Clean,
    KeepFrames,
    Part,
    ProcessedVideo,
    Reading,
    Trim,
    VideoSource,
)

LARGEST_UNSEEN_END = 0.05
"""Largest fraction of a clip after the last frame of its joints that is not named: the last of 8
frames that are compared is at 94 % of the clip."""

JointsAt = Mapping[int, NDArray[np.float32]]
"""Joints (t d) by the number of decoded frames of a view."""


@dataclass(frozen=True, eq=False)
class JointReader:
    """Reads the joints of clips for the requests of a method.

    Args:
        layout: Layout of the requested joints, see ``fewact.data.joints``.
        counts: Numbers of decoded frames of the views whose joints are requested.
        slot: Number of decoded frames of a frame slot.
        estimator: Estimates the joints of clips that have none; None to leave them without.
    """

    layout: str
    counts: Sequence[int]
    slot: int = 1
    estimator: PoseEstimator | None = None
    _estimating: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def of(
        requests: Sequence[Request], slot: int, estimator: PoseEstimator | None
    ) -> "JointReader | None":
        """Return a reader for requests; None if none is for joints."""
        joints = [request for request in requests if isinstance(request, JointRequest)]
        if not joints:
            return None
        counts = tuple(dict.fromkeys(request.frames * slot for request in joints))
        return JointReader(joints[0].layout, counts, slot, estimator)

    def read(
        self, source: VideoSource, reading: Reading, counts: Sequence[int]
    ) -> JointTrack | None:
        """Return the joints of a clip that was read; None if it has none.

        Args:
            source: The clip, with its steps.
            reading: Its frames, in sets of ``counts`` frames.
            counts: Numbers of frames of the sets.

        Raises:
            VideoError: Its joints cannot be read, or have another layout.
        """
        clip, name = recorded(source), getattr(recorded(source), "display_name", "clip")
        try:
            track = clip.joint_track() if hasattr(clip, "joint_track") else None
        except DataError as error:
            raise VideoError(name, f"its joints cannot be read: {error}") from error
        if track is None:
            if self.estimator is None:
                return None
            number = list(counts).index(max(self.counts))
            return self._estimated(source, reading, number, self.estimator)
        if track.layout != self.layout:
            raise VideoError(
                name,
                f"its joints, {track.layout}, are not those of the training clips, {self.layout}",
                hint="Compute them in the same way, or leave the joints out.",
            )
        timed: JointTrack = track.since(0.0, reading.clip_duration)
        _warn_of_end(name, timed.times_in(0.0), reading.clip_duration)
        return timed.in_heights(reading.uncut_aspect)

    def at_views(self, track: JointTrack, times: Mapping[int, Floats], span: float) -> JointsAt:
        """Return joints at the times (n) of each number n of frames of a clip of ``span`` s."""
        middle = self.slot // 2
        return {count: track.at(times[count][middle :: self.slot], span) for count in self.counts}

    def of_frame(self, frame: NDArray[np.uint8], time: float) -> NDArray[np.float32] | None:
        """Return the joints (d) of one frame; None without an estimator."""
        if self.estimator is None:
            return None
        with self._estimating:
            (joints,) = self.estimator.estimate(reduced(frame)[None], np.array([time]))
        found: NDArray[np.float32] = joints
        return found

    def of_frames(
        self, joints: Mapping[int, Sequence[NDArray[np.float32] | None]]
    ) -> JointsAt | None:
        """Return the joints of frames by the number n of these; None if they have none."""
        middle = self.slot // 2
        found: dict[int, NDArray[np.float32]] = {}
        for count in self.counts:
            of_slots = [of_frame for of_frame in joints[count] if of_frame is not None]
            if len(of_slots) < len(joints[count]):
                return None
            found[count] = np.stack(of_slots[middle :: self.slot])
        return found

    def _estimated(
        self, source: VideoSource, reading: Reading, number: int, estimator: PoseEstimator
    ) -> JointTrack:
        indices = at_most(HIGHEST_RATE, reading.timeline, reading.chosen[number])
        times = reading.timeline.times[indices]
        start = 0.0 if reading.active is None else reading.active.start
        part = without_changes(source, reading)
        (frames,) = part.read([lambda _: indices], transform=reduced).frames
        with self._estimating:
            values = estimator.estimate(frames, times)
        return JointTrack(values, estimator.layout, times + start)


def recorded(source: VideoSource | None) -> Any:
    """Return the clip that steps are applied to."""
    while isinstance(source, ProcessedVideo):
        source = source.source
    return source


def without_changes(source: VideoSource, reading: Reading) -> VideoSource:
    """Return the part of a clip that was read, with its frames as they were recorded."""
    if not isinstance(source, ProcessedVideo):
        return source
    steps = [step for step in source.steps if not isinstance(step, Trim | Clean | KeepFrames)]
    trimmed = any(isinstance(step, Trim) for step in source.steps)
    if trimmed and reading.active is not None:
        steps.append(Part(reading.active))
    return ProcessedVideo(source.source, tuple(steps))


def _warn_of_end(name: str, times: Floats, span: float) -> None:
    """Warn that the joints of a clip of ``span`` seconds end before it does."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    end = max(float(times[-1]) + step, 0.0)
    if span - end > LARGEST_UNSEEN_END * span:
        warn_of_video(f"{name}: its joints end at {end:.1f} s, the clip at {span:.1f} s")
