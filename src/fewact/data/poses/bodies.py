"""Bodies in a file of poses: linked over time, and one chosen.

The order of the bodies in a frame means nothing. Bodies with names in the file, such as tracks or
individuals, are linked by these; others by distance. The body that moves most is taken, as the
authors of NTU RGB+D advise for its files, unless the caller names one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, did_you_mean
from fewact.data.files import first_few, natural_key
from fewact.data.poses.pose import POSES

FARTHEST: Final = 1.0
"""Largest mean distance of joints from one frame to the next for one body, in sizes of the body."""

SHORT_TRACK: Final = 0.25
"""Fraction of the frames of the longest body below which a body is not taken unless it is named."""

EXTREMES: Final = (5, 95)
"""Percentiles of a coordinate over time whose difference is the extent of the movement."""

MOST_BODIES: Final = 1000
"""Largest number of bodies of a file."""

Joints = NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """A body in one frame.

    Args:
        frame: Position of the frame, from 0.
        joints: Coordinates and confidence (j 3 or 4); NaN or a confidence of 0 where missing.
        name: Name of the body in the file; empty if it has none.
        score: Confidence of the detection.
    """

    frame: int
    joints: Joints
    name: str = ""
    score: float = 1.0


@dataclass(frozen=True)
class Body:
    """A body over time.

    Args:
        name: Name in the file, or a number from 1 in the order of appearance.
        joints: Coordinates and confidences (t j 3 or 4); NaN where the body is missing.
        score: Mean confidence of its detections.
    """

    name: str
    joints: Joints
    score: float = 1.0


@dataclass(frozen=True)
class BodyChoice:
    """The body that was taken, and how many there were.

    Args:
        body: The body.
        names: Names of all bodies of the file.
        asked: Whether the caller named it.
    """

    body: Body
    names: tuple[str, ...]
    asked: bool

    @property
    def sentence(self) -> str:
        """How many bodies there were, and which one was taken."""
        why = "as named" if self.asked else "which moves most"
        return f"{len(self.names)} bodies ({first_few(self.names)}): {self.body.name}, {why}"


def linked(path: Path, detections: Sequence[Detection], frames: int) -> list[Body]:
    """Return the bodies of detections in any order.

    Raises:
        DataError: A name is twice in a frame, or there are too many bodies.
    """
    detections = [found for found in detections if _present(found.joints).any()]
    if not detections:
        POSES.refuse(path, "no frame has a body")
    if all(detection.name for detection in detections):
        tracks = _by_name(path, detections)
    else:
        tracks = {str(i + 1): track for i, track in enumerate(_by_distance(path, detections))}
    return [_body(name, track, frames) for name, track in tracks.items()]


def _by_name(path: Path, detections: Iterable[Detection]) -> Mapping[str, list[Detection]]:
    tracks: dict[str, dict[int, Detection]] = {}
    for detection in detections:
        track = tracks.setdefault(detection.name, {})
        if detection.frame in track:
            POSES.refuse(path, f'two bodies "{detection.name}" in one frame')
        track[detection.frame] = detection
        _check_number(path, len(tracks))
    return {name: [*tracks[name].values()] for name in sorted(tracks, key=natural_key)}


def _by_distance(path: Path, detections: Iterable[Detection]) -> list[list[Detection]]:
    """Return the detections of each body: the nearest pairs of a frame and the last places first.

    A body that was away is compared with its last place. A detection that is near no body, in
    sizes of a body, begins a new one.
    """
    frames: dict[int, list[Detection]] = {}
    for detection in detections:
        frames.setdefault(detection.frame, []).append(detection)
    tracks: list[list[Detection]] = []
    for frame in sorted(frames):
        listed = frames[frame]
        pairs = sorted(
            (_distance(track[-1].joints, detection.joints), i, k)
            for i, track in enumerate(tracks)
            for k, detection in enumerate(listed)
        )
        taken, free = set[int](), set(range(len(listed)))
        for distance, i, k in pairs:
            away = frame - tracks[i][-1].frame
            if distance <= FARTHEST * min(away, 3) and i not in taken and k in free:
                tracks[i].append(listed[k])
                taken.add(i)
                free.remove(k)
        tracks += [[listed[k]] for k in sorted(free)]
        _check_number(path, len(tracks))
    return tracks


def _check_number(path: Path, number: int) -> None:
    if number > MOST_BODIES:
        POSES.refuse(path, f"more than {MOST_BODIES} bodies")


def _present(joints: Joints) -> NDArray[np.bool_]:
    """Return which joints (…) are there, of coordinates and confidences (… c)."""
    return np.isfinite(joints).all(-1) & (joints[..., -1] > 0)


def _size(joints: Joints) -> float:
    """Return the diagonal of the box around the joints of a body (j c)."""
    places = joints[_present(joints)][:, :-1]
    return float(np.linalg.norm(np.ptp(places, 0))) if len(places) else 0.0


def _distance(first: Joints, second: Joints) -> float:
    """Return the mean distance of the joints that both have, in sizes of the body."""
    both = _present(first) & _present(second)
    size = max(_size(first), _size(second))
    if not both.any() or size == 0:
        return float("inf")
    apart = np.linalg.norm(first[both][:, :-1] - second[both][:, :-1], axis=-1)
    return float(apart.mean()) / size


def _body(name: str, track: Sequence[Detection], frames: int) -> Body:
    shape = track[0].joints.shape
    joints = np.full((frames, *shape), np.nan, np.float32)
    for detection in track:
        joints[detection.frame] = detection.joints
    return Body(name, joints, float(np.mean([detection.score for detection in track])))


def movement(body: Body) -> float:
    """Return the mean extent of the movement of a body's joints, in sizes of the body.

    It is weighted by the body's confidence: what is hardly detected moves by noise.
    """
    joints = np.where(_present(body.joints)[..., None], body.joints, np.nan)  # (t j c)
    kept = np.isfinite(joints[..., 0]).sum(0) > 1  # (j)
    if not kept.any():
        return 0.0
    places = joints[:, kept, :-1].astype(np.float64)
    low, high = np.nanpercentile(places, EXTREMES, axis=0)  # (j axes)
    sizes = [size for frame in body.joints if (size := _size(frame)) > 0]
    extent = float(np.linalg.norm(high - low, axis=-1).mean())
    return extent / float(np.median(sizes)) * body.score if sizes else 0.0


def chosen(path: Path, bodies: Sequence[Body], subject: str | None) -> BodyChoice:
    """Return the body that is named, or the one that moves most.

    Args:
        path: File, for errors.
        bodies: Bodies of the file.
        subject: Name of a body, or its number from 1; None for the one that moves most.

    Raises:
        DataError: There is no such body.
    """
    names = tuple(body.name for body in bodies)
    if subject is not None:
        if subject in names:
            return BodyChoice(bodies[names.index(subject)], names, True)
        if subject.isdecimal() and 1 <= int(subject[:9]) <= len(bodies):
            return BodyChoice(bodies[int(subject) - 1], names, True)
        raise DataError(
            "there is no such body",
            where=f"{path}, --subject",
            got=repr(subject),
            expected=f"{first_few(names)}, or a number from 1 to {len(bodies)}",
            hint=did_you_mean(subject, names),
        )
    lengths = [int(_present(body.joints).any(-1).sum()) for body in bodies]
    long = [b for b, n in zip(bodies, lengths, strict=True) if n >= SHORT_TRACK * max(lengths)]
    return BodyChoice(max(long, key=movement), names, False)


def numbered(values: Sequence[Any], path: Path) -> list[int]:
    """Return the position of each value of frames in order: gaps stay where they are numbers.

    Raises:
        DataError: The numbers are so far apart that most frames are missing.
    """
    try:
        numbers = [int(float(value)) for value in values]
    except (TypeError, ValueError, OverflowError):
        place = {v: i for i, v in enumerate(sorted({str(v) for v in values}, key=natural_key))}
        return [place[str(value)] for value in values]
    first = min(numbers)
    if max(numbers) - first >= max(1000, 20 * len(set(numbers))):
        POSES.refuse(path, "most frames are missing", f"frames {first} to {max(numbers)}")
    return [number - first for number in numbers]
