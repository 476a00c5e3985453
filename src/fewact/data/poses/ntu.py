"""Skeletons of NTU RGB+D: text with the bodies of each frame, each with 25 joints in space."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from fewact.data.poses.bodies import Body, Detection, linked
from fewact.data.poses.pose import POSES

SKELETON_SUFFIX: Final = ".skeleton"
BODY_JOINTS: Final = 25
BODY_NUMBERS: Final = 10
"""Numbers in the line of a body; the first is its name."""

JOINT_NUMBERS: Final = 12
"""Numbers in the line of a joint: x, y, z, four of the images, four of its rotation, its state."""

TRACKED: Final = 2.0
"""State of a joint that is tracked; 1 is inferred, 0 is not tracked."""

MOST_FRAMES: Final = 100_000


def read_ntu(path: Path, text: str) -> tuple[list[Body], str]:
    """Return the bodies of a file of NTU RGB+D, and their skeleton.

    Raises:
        DataError: The file has another form.
    """
    lines = iter(text.split("\n"))
    try:
        frames = int(next(lines))
        if not 0 < frames <= MOST_FRAMES:
            raise ValueError
        detections = [detection for t in range(frames) for detection in _frame(t, lines)]
    except (ValueError, StopIteration, RuntimeError):
        POSES.refuse(path, "not a skeleton file of NTU RGB+D")
    return linked(path, detections, frames), "kinect25"


def _frame(frame: int, lines: Iterator[str]) -> Iterator[Detection]:
    for _ in range(int(next(lines))):
        body = next(lines).split()
        if len(body) != BODY_NUMBERS or int(next(lines)) != BODY_JOINTS:
            raise ValueError
        rows = np.array([next(lines).split() for _ in range(BODY_JOINTS)], np.float64)
        if rows.shape != (BODY_JOINTS, JOINT_NUMBERS):
            raise ValueError
        joints = np.c_[rows[:, :3], rows[:, -1] / TRACKED].astype(np.float32)
        yield Detection(frame, joints, body[0])
