"""Poses of a clip as they are read, and as vectors of a fixed number of frames."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.data.joints import layout_of

POSES: Final = FileType(
    "file of poses",
    DataError,
    512 * MIB,
    "poses of OpenPose (a folder of *_keypoints.json), MediaPipe (JSON), COCO keypoints (JSON), "
    "DeepLabCut (CSV), SLEAP (analysis HDF5), NTU RGB+D (.skeleton), or a CSV table with columns "
    "such as nose_x, nose_y",
)

POSE_FRAMES: Final = 32
"""Number of frames of each clip after it was read: clips differ in length."""

BY_NUMBER: Final[Mapping[int, str]] = {17: "coco17", 21: "hand21", 33: "pose33"}
"""Skeletons of joints without names, by their number."""


@dataclass(frozen=True)
class Poses:
    """Joints of one body over time.

    Args:
        places: Coordinates (t j 2 or 3).
        confidence: Confidence (t j); 0 where a joint is missing.
        skeleton: Parts of their layout without axes, joined by ``+``.
    """

    places: NDArray[np.float32]
    confidence: NDArray[np.float32]
    skeleton: str

    @property
    def layout(self) -> str:
        """Layout of ``vectors``, see ``fewact.data.joints``."""
        axes = "xyc" if self.places.shape[-1] == 2 else "xyzc"
        return "+".join(f"{part}:{axes}" for part in self.skeleton.split("+"))

    def vectors(self, frames: int = POSE_FRAMES) -> NDArray[np.float32]:
        """Return coordinates and confidences at evenly spaced times: (frames, j·(2 or 3 + 1)).

        A joint that only one of the two nearest frames has is taken from that frame.
        """
        times = np.linspace(0, len(self.places) - 1, frames)
        first = np.floor(times).astype(int)
        last = np.minimum(first + 1, len(self.places) - 1)
        later = (times - first)[:, None] * np.ones_like(self.confidence[first])  # (frames j)
        visible = self.confidence > 0
        later = np.where(visible[first], np.where(visible[last], later, 0), 1)
        places, confidence = (
            np.asarray(x[first] + w * (x[last] - x[first]))
            for x, w in ((self.places, later[..., None]), (self.confidence, later))
        )
        places = np.where(confidence[..., None] > 0, places, 0)
        joined = np.concatenate([places, confidence[..., None]], -1)
        return joined.reshape(frames, -1).astype(np.float32)


def poses(joints: NDArray[Any], skeleton: str) -> Poses:
    """Return poses of coordinates and confidences (t j 3 or 4); what is not finite is missing."""
    values = np.asarray(joints, np.float32)
    present = np.isfinite(values).all(-1) & (values[..., -1] > 0)
    values = np.where(present[..., None], values, 0)
    return Poses(values[..., :-1], values[..., -1], skeleton)


def skeleton_of(names: Sequence[str]) -> str:
    """Return the skeleton of joints with these names; of numbered ones by how many there are."""
    numbered = not any(any(map(str.isalpha, name)) for name in names)
    if numbered or len({name.rstrip("0123456789") for name in names}) == 1:
        return BY_NUMBER.get(len(names), str(len(names)))
    return layout_of(names, "xy").removesuffix(":xy")


def stacked(
    frames: Iterable[Sequence[Sequence[float]] | None], joints: int, numbers: int
) -> NDArray[np.float32]:
    """Return frames of one body (t joints numbers); NaN for a frame without it.

    Raises:
        ValueError: A frame has other joints, or something that is no number.
    """
    missing = np.full((joints, numbers), np.nan, np.float32)
    arrays = [missing if not f else np.asarray(f, np.float32)[:, :numbers] for f in frames]
    if any(array.shape != missing.shape for array in arrays):
        raise ValueError("the frames have different numbers of joints")
    return np.stack(arrays)
