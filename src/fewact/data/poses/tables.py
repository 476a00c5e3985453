"""Poses in tables: of DeepLabCut, and with a column for each coordinate."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fewact.core.errors import DataError
from fewact.data.cells import number, table_rows
from fewact.data.column_names import SUBJECT
from fewact.data.columns import TRACK, Column, Schema
from fewact.data.poses.bodies import Body, Detection, Joints, linked, numbered
from fewact.data.poses.pose import POSES, skeleton_of

JOINT_COLUMN: Final = re.compile(
    r"(?P<joint>.*?)[ _.:-]?(?P<axis>x|y|z|v|c|visibility|confidence|score|likelihood|presence)",
    re.I,
)
NUMBERED_JOINT: Final = re.compile(r"(?P<axis>x|y|z|v|c|visibility)[ _]?(?P<joint>\d+)", re.I)
POSE_COLUMNS: Final = Schema(
    (
        Column("id", f"{TRACK} {SUBJECT} individuals track_name idx instance"),
        Column("frame", "frame frame_idx frame_id frame_number frame_no image image_id"),
        Column("score", "instance.score instance_score"),
    )
)
"""Columns of a table of poses, except the columns of joints."""

MISSING_CELLS: Final = ("", "na", "n/a", "nan", "none", "null", "-", "inf", "-inf")
"""Cells of a missing joint, in lower case."""
TWICE: Final = -2
"""Column of an axis that two columns have."""

LEAST_JOINTS: Final = 3
"""Smallest number of joints of a table of coordinates."""


def is_deeplabcut(text: str) -> bool:
    """Whether a table was written by DeepLabCut."""
    return text.startswith(("scorer,", "scorer;"))


def read_deeplabcut(path: Path, text: str) -> tuple[list[Body], str]:
    """Return the bodies of a table of DeepLabCut, and their skeleton."""
    rows = [cells for _, cells in table_rows(path, text, text[len("scorer")])]
    header = {row[0]: row for row in rows[:4]}
    if not {"bodyparts", "coords"} <= header.keys():
        POSES.refuse(path, "a table of DeepLabCut without its rows bodyparts and coords")
    parts, coords = header["bodyparts"], header["coords"]
    animals = header.get("individuals", ["" for _ in parts])
    if not len(parts) == len(coords) == len(animals):
        POSES.refuse(path, "the header's rows have different numbers of columns")
    columns: dict[str, dict[str, dict[str, int]]] = {}
    for i, axis in enumerate(coords):
        if axis in ("x", "y", "z", "likelihood"):
            joint = columns.setdefault(animals[i], {}).setdefault(parts[i], {})
            if axis[0] in joint:
                POSES.refuse(path, f"two columns {axis} of {parts[i]}")
            joint[axis[0]] = i
    body = [row for row in rows if row[0] not in ("scorer", *header) or row[0].isdecimal()]
    places = numbered([row[0] for row in body], path) if body else []
    complete = {
        name: {part: _axes(axes) for part, axes in joints.items() if {"x", "y"} <= axes.keys()}
        for name, joints in columns.items()
    }
    of_animals = {name: joints for name, joints in complete.items() if len(joints) >= LEAST_JOINTS}
    if not of_animals:
        POSES.refuse(path, f"no animal with {LEAST_JOINTS} body parts, each with x and y")
    bodies, skeletons = [], set()
    for name, joints in of_animals.items():
        values = _joints(path, body, joints)
        placed = np.full((max(places, default=0) + 1, *values.shape[1:]), np.nan, np.float32)
        placed[places] = values
        confidence = float(np.nanmean(np.nan_to_num(placed[..., -1])))
        bodies.append(Body(name or "1", placed, confidence))
        skeletons.add(skeleton_of([*joints]))
    if len(skeletons) > 1:
        POSES.refuse(path, "the individuals have different body parts", ", ".join(of_animals))
    return bodies, skeletons.pop()


def columns_of_joints(names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the columns of each joint's axes (x, y, z and c); a joint needs x and y.

    >>> columns_of_joints(["frame", "nose_x", "nose_y", "nose_visibility"])
    {'nose': {'x': 1, 'y': 2, 'c': 3}}
    """
    columns: dict[str, dict[str, int]] = {}
    for i, name in enumerate(names):
        match = NUMBERED_JOINT.fullmatch(name) or JOINT_COLUMN.fullmatch(name)
        if match and match["joint"]:
            axes = columns.setdefault(match["joint"], {})
            axis = match["axis"].lower()[0]
            axes[axis] = TWICE if axis in axes else i
    return {joint: _axes(c) for joint, c in columns.items() if {"x", "y"} <= c.keys()}


def _axes(columns: Mapping[str, int]) -> dict[str, int]:
    """Return the columns with one name, c, for a confidence of any name."""
    axes = {axis: columns[axis] for axis in "xyz" if axis in columns}
    confidence = [i for axis, i in columns.items() if axis not in "xyz"]
    return axes | ({"c": confidence[0]} if confidence else {})


def is_wide(text: str) -> bool:
    """Whether the header of a table has the coordinates of joints."""
    return len(columns_of_joints(POSE_COLUMNS.header(text))) >= LEAST_JOINTS


def read_wide(path: Path, text: str) -> tuple[list[Body], str]:
    """Return the bodies of a table with a column for each coordinate, and their skeleton.

    A row is a frame; or a body in a frame, where a column has the frame. Rows without a track are
    linked by distance.
    """
    rows = [cells for _, cells in POSE_COLUMNS.rows(path, text)]
    if not rows:
        POSES.refuse(path, "the table has no cell with text")
    names, body = rows[0], rows[1:]
    columns = columns_of_joints(names)
    twice = [joint for joint, axes in columns.items() if TWICE in axes.values()]
    if twice:
        POSES.refuse(path, f'several columns of the joint "{twice[0]}" have the same name')
    known = POSE_COLUMNS.of(names)
    for name in ("id", "frame"):
        if known.count(name) > 1:
            POSES.refuse(path, f"several columns may be the {name}", ", ".join(names)[:80])
    values = _joints(path, body, columns)
    tracks = _column(body, known, "id")
    frames = _column(body, known, "frame")
    if tracks and not frames:  # rows of a track follow each other
        seen: Counter[str] = Counter()
        for track in tracks:
            frames.append(str(seen[track]))
            seen[track] += 1
    places = numbered(frames, path) if frames else list(range(len(body)))
    scores = [number(cell) or 0.0 for cell in _column(body, known, "score")] or [1.0] * len(body)
    detections = [
        Detection(place, joints, track, score)
        for place, joints, track, score in zip(
            places, values, tracks or [""] * len(body), scores, strict=True
        )
    ]
    return linked(path, detections, max(places, default=0) + 1), skeleton_of([*columns])


def _column(rows: Sequence[Sequence[str]], names: Sequence[str], name: str) -> list[str]:
    """Return the cells of a column; empty without the column."""
    if name not in names:
        return []
    at = names.index(name)
    return [row[at] if at < len(row) else "" for row in rows]


def _joints(
    path: Path, rows: Sequence[Sequence[str]], columns: Mapping[str, Mapping[str, int]]
) -> Joints:
    """Return coordinates and confidences (rows j 3 or 4)."""
    if not rows or len(columns) < LEAST_JOINTS:
        got = f"{len(rows)} frames of {len(columns)} joints"
        POSES.refuse(path, f"no frames, or fewer than {LEAST_JOINTS} joints", got)
    space = all("z" in axes for axes in columns.values())
    order = ("x", "y", "z") if space else ("x", "y")
    joints = [
        [
            [_number(path, row, axes[a]) for a in order] + [_number(path, row, axes.get("c", -1))]
            for axes in columns.values()
        ]
        for row in rows
    ]
    return np.asarray(joints, np.float32)


def _number(path: Path, row: Sequence[str], column: int) -> float:
    """Return a cell's number; NaN of an empty or missing one, 1 without a column.

    A decimal comma is allowed.
    """
    if column < 0:
        return 1.0
    cell = row[column] if column < len(row) else ""
    value = math.nan if cell.lower() in MISSING_CELLS else number(cell)
    if value is None:
        raise DataError(
            "not a coordinate",
            where=f"{path}, column {column + 1}",
            got=cell[:40],
            expected="a number, or an empty cell for a missing joint",
        )
    return value
