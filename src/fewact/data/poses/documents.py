"""Poses in JSON: frames of OpenPose, landmarks of MediaPipe, and COCO keypoints."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.files import natural_key
from fewact.data.poses.bodies import Body, Detection, linked, numbered
from fewact.data.poses.pose import BY_NUMBER, POSES, skeleton_of, stacked

FRAME_END: Final = "_keypoints.json"
"""End of the name of a frame of OpenPose."""

BODY_SKELETONS: Final[Mapping[int, str]] = {25: "body25", 18: "body18", 17: "coco17"}
"""Skeletons of OpenPose by their numbers of joints."""

OPENPOSE: Final = ("pose_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")
HAND_JOINTS: Final = 21
IDENTITIES: Final = ("idx", "track_id", "person_id", "tracking_id")
"""Fields of COCO keypoints with the name of a body over time."""

HANDS: Final = ("left_hand", "right_hand")
CONFIDENCES: Final = ("visibility", "confidence", "score", "presence")


def read_openpose(frames: Sequence[Path]) -> tuple[list[Body], str]:
    """Return the bodies of a folder of frames of OpenPose, and their skeleton."""
    folder = frames[0].parent
    ordered = sorted(frames, key=lambda file: natural_key(file.name))
    people = [(t, person) for t, file in enumerate(ordered) for person in _people(file)]
    if not people:
        POSES.refuse(folder, "no frame has a person")
    parts, skeletons = {}, []
    for key in OPENPOSE:
        numbers = {len(person[key]) for _, person in people if person[key]}
        if len(numbers) > 1:
            POSES.refuse(folder, f"the frames have different numbers of {key}")
        if numbers:
            count = parts[key] = numbers.pop()
            if "hand" in key and count != HAND_JOINTS:
                POSES.refuse(folder, f"{key} has {count} joints, not {HAND_JOINTS}")
            skeletons.append("hand21" if "hand" in key else BODY_SKELETONS.get(count, str(count)))
    detections = []
    for t, person in people:
        joined = [stacked([person[key]], count, 3)[0] for key, count in parts.items()]
        joints = np.concatenate(joined)
        score = float(np.mean(np.nan_to_num(joints[:, -1])))
        detections.append(Detection(t, joints, person["name"], score))
    if not parts:
        POSES.refuse(folder, "no frame has a person")
    return linked(folder, detections, len(ordered)), "+".join(skeletons)


def _people(file: Path) -> list[dict[str, Any]]:
    """Return the joints [x, y, confidence] of each part of each person, and its name, if any."""
    try:
        return [
            {key: _triples(person.get(key) or []) for key in OPENPOSE}
            | {"name": _identity(person.get("person_id"))}
            for person in POSES.json(file)["people"]
        ]
    except (LookupError, TypeError, ValueError, AttributeError):
        POSES.refuse(file, "not a frame of OpenPose")


def _identity(value: Any) -> str:
    """Return the name of a person in its file; empty for none, which OpenPose writes as -1."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return "" if value is None or str(value).startswith("-") else str(value)


def _triples(numbers: Sequence[Any]) -> list[list[float]]:
    return [[float(x) for x in numbers[i : i + 3]] for i in range(0, len(numbers) - 2, 3)]


def is_coco(content: Any) -> bool:
    """Whether JSON content has COCO keypoints: annotations, or a list of results."""
    rows = content.get("annotations") if isinstance(content, dict) else content
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and {"keypoints", "image_id"} <= first.keys()


def read_coco(path: Path, content: Any) -> tuple[list[Body], str]:
    """Return the bodies of COCO keypoints, and their skeleton.

    The tracks of AlphaPose are in ``idx``, of others in ``track_id`` or ``person_id``.
    """
    rows = content["annotations"] if isinstance(content, dict) else content
    try:
        frames = numbered([_image(row["image_id"]) for row in rows], path)
        detections = []
        for frame, row in zip(frames, rows, strict=True):
            named = [row[key] for key in IDENTITIES if row.get(key) is not None]
            joints = np.asarray(_triples(row["keypoints"]), np.float32)
            name = _identity(named[0]) if named else ""
            detections.append(Detection(frame, joints, name, float(row.get("score", 1.0))))
        categories = content.get("categories") if isinstance(content, dict) else None
        names = categories[0].get("keypoints") if categories else None
        shapes = {detection.joints.shape for detection in detections}
        if len(shapes) != 1:
            raise ValueError("bodies of different numbers of joints")
        count = shapes.pop()[0]
        titles = names if names and len(names) == count else [str(i) for i in range(count)]
        return linked(path, detections, max(frames) + 1), skeleton_of(titles)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        POSES.refuse(path, "not COCO keypoints", str(error)[:80])


def _image(value: Any) -> Any:
    """Return the number of an image such as ``12.jpg``; the name of another one."""
    text = str(value)
    stem = text.rpartition(".")[0] or text
    return int(stem) if stem.isdecimal() and len(stem) < 16 else text


def read_mediapipe(path: Path, content: Any) -> tuple[list[Body], str]:
    """Return the bodies of a list of frames, each a list or a dictionary of lists of landmarks.

    Landmarks are dictionaries with x, y, perhaps z and visibility, or lists of these numbers. Lists
    named ``…left_hand…`` and ``…right_hand…`` are hands; the first list with another name is the
    body, or lists of the landmarks of several bodies.
    """
    frames = content.get("frames", content) if isinstance(content, dict) else content
    try:
        named_parts = [dict(_parts(frame)) for frame in frames]
        names = [name for name in ("body", *HANDS) if any(frame.get(name) for frame in named_parts)]
        several = any(len(people) > 1 for frame in named_parts for people in frame.values())
        if several and len(names) > 1:
            POSES.refuse(path, "hands of several people: whose they are is not in the file")
        first = {
            name: next(people[0] for f in named_parts if (people := f.get(name))) for name in names
        }
        widths = {len(points[0]) for points in first.values()}
        if len(widths) == 1:
            skeletons = [BY_NUMBER.get(len(p), str(len(p))) for p in first.values()]
            detections = [
                Detection(t, np.concatenate(joined))
                for t, frame in enumerate(named_parts)
                for joined in _people_of(frame, first)
            ]
            return linked(path, detections, len(named_parts)), "+".join(skeletons)
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        if isinstance(error, DataError):
            raise
    POSES.refuse(path, "no landmarks in a list of frames")


Points = list[list[float]]


def _people_of(
    frame: Mapping[str, Sequence[Points]], first: Mapping[str, Points]
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield the parts of each body in a frame, in the order of ``first``."""
    for i in range(max(map(len, frame.values()), default=0)):
        yield [
            stacked([people[i] if i < len(people) else None], len(points), len(points[0]))[0]
            for name, points in first.items()
            for people in [frame.get(name) or ()]
        ]


def _parts(frame: Any) -> Iterator[tuple[str, list[Points]]]:
    """Yield the name of each list of landmarks of a frame, and its bodies' numbers."""
    named = frame if isinstance(frame, dict) else {"body": frame}
    body = False
    for key, value in named.items():
        people = _bodies(value)
        name = next((hand for hand in HANDS if hand in key.lower()), "body")
        if not people or "world" in key.lower() or (name == "body" and body):
            continue
        body = body or name == "body"
        yield name, people


def _bodies(value: Any) -> list[Points]:
    """Return the landmarks of each body; empty if these are none."""
    if isinstance(value, list) and value and all(map(_points, value)):
        return [points for person in value if (points := _points(person))]
    points = _points(value)
    return [points] if points else []


def _points(value: Any) -> Points | None:
    """Return landmarks as coordinates and a confidence each; None if these are none."""
    if isinstance(value, dict):
        value = value.get("landmark", value.get("landmarks"))
    if not isinstance(value, list) or len(value) < 3:
        return None
    if isinstance(value[0], dict):
        axes = [axis for axis in "xyz" if axis in value[0]]
        if axes[:2] != ["x", "y"]:
            return None
        return [[*(float(p[a]) for a in axes), _confidence(p)] for p in value]
    if isinstance(value[0], list) and len(value[0]) in (2, 3, 4) and _is_number(value[0][0]):
        return [[*map(float, p), *([1.0] if len(p) < 4 else [])] for p in value]
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _confidence(point: Mapping[str, Any]) -> float:
    """Return the confidence of a landmark; MediaPipe gives hands none, or 0."""
    return next((float(point[key]) for key in CONFIDENCES if point.get(key)), 1.0)
