"""Poses in JSON: frames of OpenPose, landmarks of MediaPipe, and COCO keypoints."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fewact.data.files import natural_key
from fewact.data.poses.pose import BY_NUMBER, POSES, Poses, poses, skeleton_of, stacked

FRAME_END: Final = "_keypoints.json"
"""End of the name of a frame of OpenPose."""

BODY_SKELETONS: Final[Mapping[int, str]] = {25: "body25", 18: "body18", 17: "coco17"}
"""Skeletons of OpenPose by their numbers of joints."""

OPENPOSE: Final = ("pose_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")
HANDS: Final = ("left_hand", "right_hand")
CONFIDENCES: Final = ("visibility", "confidence", "score", "presence")


def read_openpose(frames: Sequence[Path]) -> Poses:
    """Return the poses of a folder of OpenPose: in each frame the person it is most sure of."""
    people = [_person(file) for file in sorted(frames, key=lambda file: natural_key(file.name))]
    parts, skeletons = [], []
    for key in OPENPOSE:
        numbers = {len(person[key]) for person in people if person[key]}
        if len(numbers) > 1:
            POSES.refuse(frames[0].parent, f"the frames have different numbers of {key}")
        if numbers:
            count = numbers.pop()
            parts.append(stacked((person[key] for person in people), count, 3))
            skeletons.append("hand21" if "hand" in key else BODY_SKELETONS.get(count, str(count)))
    if not parts:
        POSES.refuse(frames[0].parent, "no frame has a person")
    return poses(np.concatenate(parts, 1), "+".join(skeletons))


def _person(file: Path) -> dict[str, list[list[float]]]:
    """Return the joints [x, y, confidence] of each part of a person; empty without a person."""
    try:
        people = [
            {key: _triples(person.get(key) or []) for key in OPENPOSE}
            for person in POSES.json(file)["people"]
        ]
        sure = [sum(joint[2] for joint in person[OPENPOSE[0]]) for person in people]
    except (LookupError, TypeError, ValueError, AttributeError):
        POSES.refuse(file, "not a frame of OpenPose")
    return people[int(np.argmax(sure))] if people else {key: [] for key in OPENPOSE}


def _triples(numbers: Sequence[Any]) -> list[list[float]]:
    return [[float(x) for x in numbers[i : i + 3]] for i in range(0, len(numbers) - 2, 3)]


def is_coco(content: Any) -> bool:
    """Whether JSON content has COCO keypoints: annotations, or a list of results."""
    rows = content.get("annotations") if isinstance(content, dict) else content
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and {"keypoints", "image_id"} <= first.keys()


def read_coco(path: Path, content: Any) -> Poses:
    """Return the poses of COCO keypoints: of each image the body of the highest score or area."""
    rows = content["annotations"] if isinstance(content, dict) else content
    best: dict[str, tuple[float, list[list[float]]]] = {}
    try:
        for row in rows:
            size = float(row.get("score", row.get("area", 0)))
            image = str(row["image_id"])
            if image not in best or size > best[image][0]:
                best[image] = size, _triples(row["keypoints"])
        people = [best[image][1] for image in sorted(best, key=natural_key)]
        categories = content.get("categories") if isinstance(content, dict) else None
        names = categories[0].get("keypoints") if categories else None
        joints = len(people[0])
        numbers = [str(i) for i in range(joints)]
        named = names if names and len(names) == joints else numbers
        return poses(stacked(people, joints, 3), skeleton_of(named))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        POSES.refuse(path, "not COCO keypoints", str(error)[:80])


def read_mediapipe(path: Path, content: Any) -> Poses:
    """Return the landmarks of a list of frames, each a list or a dictionary of lists of landmarks.

    Landmarks are dictionaries with x, y, perhaps z and visibility, or lists of these numbers. Lists
    named ``…left_hand…`` and ``…right_hand…`` are hands; the first list with another name is the
    body.
    """
    frames = content.get("frames", content) if isinstance(content, dict) else content
    try:
        named_parts = [dict(_parts(frame)) for frame in frames]
        names = [name for name in ("body", *HANDS) if any(frame.get(name) for frame in named_parts)]
        parts, skeletons = [], []
        for name in names:
            lists = [frame.get(name) for frame in named_parts]
            first = next(points for points in lists if points)
            parts.append(stacked(lists, len(first), len(first[0])))
            skeletons.append(BY_NUMBER.get(len(first), str(len(first))))
        widths = {part.shape[-1] for part in parts}
        if len(widths) == 1 and len(named_parts) > 0:
            return poses(np.concatenate(parts, 1), "+".join(skeletons))
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration):
        pass
    POSES.refuse(path, "no landmarks in a list of frames")


def _parts(frame: Any) -> Iterator[tuple[str, list[list[float]]]]:
    """Yield the name, and the coordinates and confidences, of each list of landmarks of a frame."""
    named = frame if isinstance(frame, dict) else {"body": frame}
    body = False
    for key, value in named.items():
        points = _points(value)
        name = next((hand for hand in HANDS if hand in key.lower()), "body")
        if points is None or "world" in key.lower() or (name == "body" and body):
            continue
        body = body or name == "body"
        yield name, points


def _points(value: Any) -> list[list[float]] | None:
    """Return landmarks as coordinates and a confidence each; None if these are none."""
    if isinstance(value, dict):
        value = value.get("landmark", value.get("landmarks"))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # the first person
    if not isinstance(value, list) or len(value) < 3:
        return None
    if isinstance(value[0], dict):
        axes = [axis for axis in "xyz" if axis in value[0]]
        return [[*(float(p[a]) for a in axes), _confidence(p)] for p in value]
    if isinstance(value[0], list) and len(value[0]) in (2, 3, 4):
        return [[*map(float, p), *([1.0] if len(p) < 4 else [])] for p in value]
    return None


def _confidence(point: Mapping[str, Any]) -> float:
    """Return the confidence of a landmark; MediaPipe gives hands none, or 0."""
    return next((float(point[key]) for key in CONFIDENCES if point.get(key)), 1.0)
