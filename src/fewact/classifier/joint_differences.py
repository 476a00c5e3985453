"""Which joints of two clips differ most, and when.

Frames are matched by dynamic time warping over the angles at the joints. If the second body is
nearer in a mirror, its left and right are swapped.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fewact.align.dtw import dtw
from fewact.core.errors import DataError
from fewact.data.clips import VideoClip
from fewact.data.joint_angles import JointAngles, has_angles, joint_angles
from fewact.data.joints import JointTrack

MATCHED_FRAMES: Final = 64
"""Number of frames of each clip that are matched."""

SMOOTHED_FRAMES: Final = 5
"""Number of frames whose median angle a frame has: bodies are mistaken in single frames."""

LEAST_KNOWN: Final = 0.3
"""Least fraction of the matched frames in which an angle is known in both clips."""

MOST_DIFFERENT: Final = 90.0
"""Difference in degrees that frames without a common angle are taken to have."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointDifference:
    """The angle at a joint in two clips.

    Args:
        joint: Joint, such as ``left knee``.
        mean: Mean absolute difference of matched frames, in degrees.
        largest: Largest difference, the second clip minus the first, in degrees.
        first_time: Time of the largest difference in the first clip, in seconds.
        second_time: The same in the second clip.
        ranges: Range of the angle in each clip, in degrees.
        degrees: Angle in each clip (m 2) at matched frames, in degrees; NaN where it is not known.
    """

    joint: str
    mean: float
    largest: float
    first_time: float
    second_time: float
    ranges: tuple[float, float]
    degrees: Numbers


@dataclass(frozen=True, eq=False)
class JointDifferences:
    """The angles of two clips.

    Args:
        joints: The joints, the one that differs most first.
        times: Times (m 2) of matched frames in both clips, in seconds.
        mirrored: Whether left and right of the second body are swapped.
    """

    joints: tuple[JointDifference, ...]
    times: Numbers
    mirrored: bool

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row for each joint, see ``DIFFERENCE_HEADER``."""
        return [
            (
                joint.joint,
                f"{joint.mean:.0f}",
                f"{joint.largest:+.0f}",
                f"{joint.first_time:.2f}",
                f"{joint.second_time:.2f}",
                *(f"{one:.0f}" for one in joint.ranges),
            )
            for joint in self.joints
        ]


DIFFERENCE_HEADER: Final = (
    "joint",
    "mean (°)",
    "largest (°)",
    "new (s)",
    "other (s)",
    "new range (°)",
    "other range (°)",
)
"""Columns of the rows of ``JointDifferences``: the first clip is the new one. Differences are mean
and largest over matched frames; the times are those of the largest one."""


@dataclass(frozen=True, eq=False)
class ClipJoints:
    """Joints of a clip.

    Args:
        title: Title of the clip.
        track: Its joints, whose x and y have one unit.
        span: Its duration, in seconds.
    """

    title: str
    track: JointTrack
    span: float


def clip_joints(clip: VideoClip) -> ClipJoints | None:
    """Return the joints beside a clip; None without any, or if their angles are not known.

    Raises:
        VideoError: The clip cannot be read.
        DataError: Its joints cannot be read.
    """
    track = clip.joint_track()
    if track is None or not has_angles(track.layout):
        return None
    reading = clip.read([lambda _: np.zeros(1, np.int64)])
    span = reading.clip_duration
    in_heights = track.since(0.0, span).in_heights(reading.uncut_aspect)
    return ClipJoints(clip.title, in_heights, span)


def compared(first: ClipJoints, second: ClipJoints) -> JointDifferences:
    """Return how the joints of two clips differ, see ``joint_differences``."""
    return joint_differences(first.track, second.track, (first.span, second.span))


def joint_differences(
    first: JointTrack,
    second: JointTrack,
    spans: tuple[float, float],
    aspects: tuple[float, float] = (1.0, 1.0),
) -> JointDifferences:
    """Return how the joints of two clips differ.

    Args:
        first: Joints of the first clip.
        second: Joints of the second clip, in the same skeleton.
        spans: Seconds of the clips.
        aspects: Width over height of their pictures.

    Raises:
        DataError: The angles of a layout are not known, they differ, or no angle is in both clips.
    """
    angles, times = [], []
    for track, span, aspect in zip((first, second), spans, aspects, strict=True):
        own = track.times_in(span)
        even = np.linspace(own[0], own[-1], min(MATCHED_FRAMES, len(own)))
        of_track = joint_angles(track, aspect)
        angles.append(JointAngles(of_track.names, _at(even, own, of_track.degrees)))
        times.append(even)
    if angles[0].names != angles[1].names:
        raise DataError(
            "the clips have joints of different skeletons",
            got=f"{first.layout} and {second.layout}",
            expected="the same skeleton",
        )
    choices = [_matched(angles[0], other) for other in (angles[1], angles[1].mirrored())]
    mirrored = choices[1][0] < choices[0][0]
    _, path, degrees = choices[mirrored]
    if not np.isfinite(degrees).all(-1).any():
        raise DataError("no angle is known in both clips", got=f"{first.layout}: joints missing")
    at = np.stack([times[0][path[:, 0]], times[1][path[:, 1]]], axis=1)  # (m 2)
    listed = [
        _difference(name, at, degrees[:, i])
        for i, name in enumerate(angles[0].names)
        if np.isfinite(degrees[:, i]).all(-1).mean() >= LEAST_KNOWN
    ]
    ordered = sorted(listed, key=lambda joint: -joint.mean)
    return JointDifferences(tuple(ordered), at, bool(mirrored))


def _at(even: Numbers, own: Numbers, degrees: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return smoothed angles (t a) at even times; NaN where most frames around have none."""
    half = SMOOTHED_FRAMES // 2
    padded = np.pad(degrees, ((half, half), (0, 0)), mode="edge")
    around = np.stack([padded[i : i + len(degrees)] for i in range(SMOOTHED_FRAMES)])  # (5 t a)
    known = np.isfinite(around).sum(0)
    median = np.sort(around, axis=0)  # NaN are last
    middle = np.take_along_axis(median, np.maximum(known - 1, 0)[None] // 2, axis=0)[0]
    smoothed = np.where(known > half, middle, np.nan)
    nearest = np.abs(own[None] - even[:, None]).argmin(1)
    return np.asarray(smoothed[nearest], np.float32)


def _matched(first: JointAngles, second: JointAngles) -> tuple[float, NDArray[np.intp], Numbers]:
    """Return the cost of the match, its frames (m 2), and their angles (m a 2)."""
    difference = np.abs(first.degrees[:, None] - second.degrees[None]).astype(np.float64)
    known = np.isfinite(difference)
    sums = np.where(known, difference, 0).sum(-1)
    cost = np.where(known.any(-1), sums / np.maximum(known.sum(-1), 1), MOST_DIFFERENT)
    alignment = dtw(cost)
    if alignment.plan is None:
        raise RuntimeError("the aligner gives no plan")
    path = np.argwhere(np.asarray(alignment.plan) > 0)
    degrees = np.stack([first.degrees[path[:, 0]], second.degrees[path[:, 1]]], axis=-1)
    return float(cost[path[:, 0], path[:, 1]].mean()), path, degrees.astype(np.float64)


def _difference(name: str, times: Numbers, degrees: Numbers) -> JointDifference:
    """Return the difference of an angle (m 2) of matched frames."""
    signed = degrees[:, 1] - degrees[:, 0]
    known = np.isfinite(signed)
    worst = int(np.where(known, np.abs(signed), -1).argmax())
    low, high = np.nanmin(degrees[known], axis=0), np.nanmax(degrees[known], axis=0)
    return JointDifference(
        name,
        float(np.abs(signed[known]).mean()),
        float(signed[worst]),
        float(times[worst, 0]),
        float(times[worst, 1]),
        (float(high[0] - low[0]), float(high[1] - low[1])),
        degrees,
    )
