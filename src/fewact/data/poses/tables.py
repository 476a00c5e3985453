"""Poses in tables: of DeepLabCut, and with a column for each coordinate; and in HDF5 of SLEAP."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.cells import number
from fewact.data.column_names import SUBJECT
from fewact.data.columns import TRACK, Column, Schema
from fewact.data.poses.pose import POSES, Poses, poses, skeleton_of

JOINT_COLUMN: Final = re.compile(
    r"(?P<joint>.*?)[ _.:-]?(?P<axis>x|y|z|v|c|visibility|confidence|score|likelihood|presence)",
    re.I,
)
NUMBERED_JOINT: Final = re.compile(r"(?P<axis>x|y|z|v|c|visibility)[ _]?(?P<joint>\d+)", re.I)
POSE_COLUMNS: Final = Schema((Column("id", f"{TRACK} {SUBJECT}"),))
"""Columns of a table of poses, except the columns of joints."""

MISSING_CELLS: Final = ("", "na", "n/a", "nan", "none", "null", "-", "inf", "-inf")
"""Cells of a missing joint, in lower case."""
LEAST_JOINTS: Final = 3
"""Smallest number of joints of a table of coordinates."""


def is_deeplabcut(text: str) -> bool:
    """Whether a table was written by DeepLabCut."""
    return text.startswith(("scorer,", "scorer;"))


def read_deeplabcut(path: Path, text: str) -> Poses:
    """Return the poses of a table of DeepLabCut: of the animal with the highest confidence."""
    rows = [cells for _, cells in POSE_COLUMNS.rows(path, text)]
    header = {row[0]: row for row in rows[:4]}
    if not {"bodyparts", "coords"} <= header.keys():
        POSES.refuse(path, "a table of DeepLabCut without its rows bodyparts and coords")
    parts, coords = header["bodyparts"], header["coords"]
    animals = header.get("individuals", ["" for _ in parts])
    columns: dict[str, dict[str, dict[str, int]]] = {}
    for i, axis in enumerate(coords):
        if axis in ("x", "y", "z", "likelihood"):
            columns.setdefault(animals[i], {}).setdefault(parts[i], {})[axis[0]] = i
    body = [row for row in rows if row[0] not in ("scorer", *header) or row[0].isdecimal()]
    animal_poses = [
        _of_columns(path, body, {part: _axes(axes) for part, axes in parts.items()})
        for parts in columns.values()
    ]
    return max(animal_poses, key=lambda animal: float(animal.confidence.mean()))


def columns_of_joints(names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the columns of each joint's axes (x, y, z and c); a joint needs x and y.

    >>> columns_of_joints(["frame", "nose_x", "nose_y", "nose_visibility"])
    {'nose': {'x': 1, 'y': 2, 'c': 3}}
    """
    columns: dict[str, dict[str, int]] = {}
    for i, name in enumerate(names):
        match = NUMBERED_JOINT.fullmatch(name) or JOINT_COLUMN.fullmatch(name)
        if match and match["joint"]:
            columns.setdefault(match["joint"], {}).setdefault(match["axis"].lower()[0], i)
    return {joint: _axes(c) for joint, c in columns.items() if {"x", "y"} <= c.keys()}


def _axes(columns: Mapping[str, int]) -> dict[str, int]:
    """Return the columns with one name, c, for a confidence of any name."""
    axes = {axis: columns[axis] for axis in "xyz" if axis in columns}
    confidence = [i for axis, i in columns.items() if axis not in "xyz"]
    return axes | ({"c": confidence[0]} if confidence else {})


def is_wide(text: str) -> bool:
    """Whether the header of a table has the coordinates of joints."""
    return len(columns_of_joints(POSE_COLUMNS.header(text))) >= LEAST_JOINTS


def read_wide(path: Path, text: str) -> Poses:
    """Return the poses of a table with a row for each frame and a column for each coordinate."""
    rows = [cells for _, cells in POSE_COLUMNS.rows(path, text)]
    names, body = rows[0], rows[1:]
    columns = columns_of_joints(names)
    if "id" in (known_names := POSE_COLUMNS.of(names)):
        track = known_names.index("id")
        body = [row for row in body if len(row) > track]
        longest = Counter(row[track] for row in body).most_common(1)
        body = [row for row in body if row[track] == longest[0][0]]
    return _of_columns(path, body, columns)


def _of_columns(
    path: Path, rows: Sequence[Sequence[str]], columns: Mapping[str, Mapping[str, int]]
) -> Poses:
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
    return poses(np.asarray(joints, np.float32), skeleton_of(list(columns)))


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


def read_hdf5(path: Path) -> Poses:
    """Return the poses of the longest track in an analysis file of SLEAP.

    Raises:
        DataError: The file has no such tracks, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(
            "needs the package h5py",
            where=str(path),
            hint='Install it: pip install "fewact[poses]". Or export a CSV table.',
        ) from None
    POSES.check_size(path.stat().st_size, str(path))
    try:
        with h5py.File(path, "r") as file:
            if "tracks" not in file or "node_names" not in file:
                _refuse_pandas(path, list(file))
            tracks = np.asarray(file["tracks"], np.float32)  # (tracks 2 nodes frames)
            names = [n.decode() if isinstance(n, bytes) else str(n) for n in file["node_names"]]
            scores = np.asarray(file["point_scores"]) if "point_scores" in file else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        POSES.refuse(path, "the file cannot be read", str(error)[:80])
    return _of_tracks(path, tracks, names, scores)


def _of_tracks(
    path: Path, tracks: NDArray[np.float32], names: Sequence[str], scores: NDArray[Any] | None
) -> Poses:
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(names)) or not tracks.size:
        POSES.refuse(path, "tracks of another shape", str(tracks.shape))
    longest = int(np.isfinite(tracks).sum((1, 2, 3)).argmax())
    places = tracks[longest].transpose(2, 1, 0)  # (frames nodes 2)
    confidence = np.ones(places.shape[:2], np.float32)
    if scores is not None and scores.shape == (len(tracks), len(names), len(places)):
        confidence = np.maximum(scores[longest].T, 1e-3).astype(np.float32)
    return poses(np.concatenate([places, confidence[..., None]], -1), skeleton_of(names))


def _refuse_pandas(path: Path, groups: Sequence[str]) -> None:
    raise DataError(
        "not an analysis file of SLEAP",
        where=str(path),
        got=", ".join(groups[:5]),
        expected="the data sets tracks and node_names",
        hint="The HDF5 files of DeepLabCut have pickled columns, which could run code: "
        "deeplabcut.analyze_videos_converth5_to_csv writes tables.",
    )
