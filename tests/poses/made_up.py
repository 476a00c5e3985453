"""Estimators of a user's, for tests."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def brightest(frames: NDArray[np.uint8], times: NDArray[np.float64]) -> Floats:
    """Return one joint: the brightest pixel, missing in dark frames; and one that is at (½, ½)."""
    joints = np.zeros((len(frames), 2, 3), np.float32)
    for joint, frame in zip(joints, frames, strict=True):
        level = frame.astype(int).sum(-1)
        y, x = np.unravel_index(level.argmax(), level.shape)
        joint[0] = ((x + 0.5) / len(frame), (y + 0.5) / len(frame), level.max() > 300)
        joint[1] = 0.5, 0.5, 1
    return joints.reshape(len(frames), -1)


brightest.layout = "2:xyc"  # type: ignore[attr-defined]


def too_short(frames: NDArray[np.uint8], times: NDArray[np.float64]) -> Floats:
    return brightest(frames, times)[:-1]


too_short.layout = "2:xyc"  # type: ignore[attr-defined]


class Still:
    """An estimator that finds a body at the same place in each frame."""

    name = "tests.poses.made_up:STILL"
    layout = "2:xyc"

    def estimate(self, frames: NDArray[np.uint8], times: NDArray[np.float64]) -> Floats:
        return np.ones((len(times), 6), np.float32)


STILL = Still()
NOTHING = object()
