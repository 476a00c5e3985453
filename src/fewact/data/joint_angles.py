"""Angles at the joints of a body, in degrees: elbows, shoulders, hips, knees and ankles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.joints import JointTrack, parse_joints

Limb = tuple[int, int, int]
"""Numbers of a joint in the middle and of its two neighbours: (neighbour, joint, neighbour)."""


def _both(left: Mapping[str, Limb], right: Mapping[str, Limb]) -> dict[str, Limb]:
    """Return the limbs of both sides, the left one first."""
    sides = {"left": left, "right": right}
    return {f"{side} {name}": sides[side][name] for name in left for side in sides}


def _side(
    shoulder: int, elbow: int, wrist: int, hip: int, knee: int, ankle: int, toe: int | None = None
) -> dict[str, Limb]:
    limbs = {
        "elbow": (shoulder, elbow, wrist),
        "shoulder": (elbow, shoulder, hip),
        "hip": (shoulder, hip, knee),
        "knee": (hip, knee, ankle),
    }
    return limbs if toe is None else limbs | {"ankle": (knee, ankle, toe)}


ANGLES: Final[Mapping[str, Mapping[str, Limb]]] = {
    "kinect20": _both(_side(4, 5, 6, 12, 13, 14, 15), _side(8, 9, 10, 16, 17, 18, 19)),
    "kinect25": _both(_side(4, 5, 6, 12, 13, 14, 15), _side(8, 9, 10, 16, 17, 18, 19)),
    "coco17": _both(_side(5, 7, 9, 11, 13, 15), _side(6, 8, 10, 12, 14, 16)),
    "body18": _both(_side(5, 6, 7, 11, 12, 13), _side(2, 3, 4, 8, 9, 10)),
    "body25": _both(_side(5, 6, 7, 12, 13, 14, 19), _side(2, 3, 4, 9, 10, 11, 22)),
    "pose33": _both(_side(11, 13, 15, 23, 25, 27, 31), _side(12, 14, 16, 24, 26, 28, 32)),
}
"""Angles of skeletons, by their names."""


SURE_ANGLE: Final = 0.5
"""Least confidence of the three joints of an angle, where the layout has confidences."""


@dataclass(frozen=True, eq=False)
class JointAngles:
    """Angles of a body over time.

    Args:
        names: Names of the angles.
        degrees: Angles (t a), 0 … 180; NaN where one of the three joints is missing or unsure.
    """

    names: tuple[str, ...]
    degrees: NDArray[np.float32]

    def mirrored(self) -> "JointAngles":
        """Return the angles with left and right swapped."""
        swap = {"left": "right", "right": "left"}
        place = {name: i for i, name in enumerate(self.names)}
        sides = (name.partition(" ") for name in self.names)
        order = [place[f"{swap[side]} {joint}"] for side, _, joint in sides]
        return JointAngles(self.names, self.degrees[:, order])


def has_angles(layout: str) -> bool:
    """Return whether the angles of the joints of a layout are known."""
    return _skeleton(layout) in ANGLES


def joint_angles(track: JointTrack, aspect: float = 1.0) -> JointAngles:
    """Return the angles of a body; in the plane of the picture if its joints have no depth.

    Args:
        track: Joints over time.
        aspect: Width over height of the picture, for joints in fractions of it.

    Raises:
        DataError: The layout has no skeleton whose angles are known.

    >>> values = np.zeros((1, 34), np.float32)
    >>> values[0, 10:12], values[0, 14:16], values[0, 18:20] = (1, 1), (2, 1), (2, 2)
    >>> angles = joint_angles(JointTrack(values, "coco17:xy"))
    >>> dict(zip(angles.names, angles.degrees[0].tolist()))["left elbow"]
    90.0
    """
    limbs = ANGLES.get(_skeleton(track.layout))
    if limbs is None:
        raise DataError(
            "the angles of these joints are not known",
            where=track.layout,
            expected=f"a layout that begins with one of {', '.join(ANGLES)}",
        )
    track = track.in_heights(aspect)
    first, middle, second = np.array([*limbs.values()]).T
    places, present = track.places, _sure(track)
    one, other = (places[:, end] - places[:, middle] for end in (first, second))  # (t a 2 or 3)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    known = present[:, first] & present[:, middle] & present[:, second] & (lengths > 0)
    cosine = (one * other).sum(-1) / np.where(known, lengths, 1)
    degrees = np.degrees(np.arccos(cosine.clip(-1, 1)))
    return JointAngles(tuple(limbs), np.where(known, degrees, np.nan).astype(np.float32))


def _sure(track: JointTrack) -> NDArray[np.bool_]:
    """Return whether each joint of each frame is there, and sure: (t j)."""
    columns = np.array(parse_joints(track.layout).confidences)
    confidences = track.values[:, np.maximum(columns, 0)]
    return track.present & ((columns < 0) | (confidences >= SURE_ANGLE))


def _skeleton(layout: str) -> str:
    return layout.partition(":")[0]
