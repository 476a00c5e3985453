"""Poses in HDF5: analysis files of SLEAP.

A file of another person may declare data of any size, and name other files of this computer as its
own data. Only data sets of the file itself, which are linked directly, are read, after their
declared sizes were checked.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.joints import MOST_JOINTS
from fewact.data.poses import hdf5_child
from fewact.data.poses.bodies import Body, Detection, linked
from fewact.data.poses.pose import POSES, skeleton_of

DATA_SETS: Final = {"tracks": "f", "node_names": "SO", "point_scores": "f", "track_names": "SO"}
"""Data sets that are read, with the kinds of their types as in NumPy."""

CHILD_SECONDS: Final = 60.0
"""Seconds after which a process that reads a file is stopped, if its processor time did not."""

MOST_TRACKS: Final = 1000
"""Largest number of tracks of a file."""

LEAST_POINT_SCORE: Final = 1e-3
"""Confidence of a joint that was found, but without a confidence."""


def read_sleap(path: Path) -> tuple[list[Body], str]:
    """Return the bodies of an analysis file of SLEAP, and their skeleton.

    Raises:
        DataError: The file has no tracks, reads from another file, or h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise DataError(
            "needs the package h5py",
            where=str(path),
            hint='Install it: pip install "fewact[poses]". Or export a CSV table.',
        )
    POSES.check_size(path.stat().st_size, str(path))
    data = _data_sets(path)
    if "tracks" not in data or "node_names" not in data:
        _refuse_pandas(path, ", ".join(data))
    nodes, names = _texts(path, data["node_names"]), _texts(path, data.get("track_names"))
    return _bodies(path, data["tracks"], nodes, data.get("point_scores"), names)


def _data_sets(path: Path) -> dict[str, NDArray[Any]]:
    """Return the data sets of a file, read by a process that a damaged file may stop."""
    names = [f"{name}:{kinds}" for name, kinds in DATA_SETS.items()]
    command = [sys.executable, "-m", hdf5_child.__name__, str(path.absolute()), *names]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=CHILD_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        POSES.refuse(path, "the file is damaged: reading it does not end")
    if done.returncode == hdf5_child.REFUSED:
        what, *got = json.loads(done.stderr.splitlines()[-1])
        if what == "other groups":
            _refuse_pandas(path, *got)
        POSES.refuse(path, what, *got)
    if done.returncode:
        POSES.refuse(path, "the file is damaged: reading it fails", f"code {done.returncode}")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as arrays:
        return dict(arrays)


def _texts(path: Path, values: NDArray[Any] | None) -> list[str]:
    """Return the texts of a data set; empty without one."""
    if values is None:
        return []
    if values.ndim != 1 or len(values) > max(MOST_JOINTS, MOST_TRACKS):
        POSES.refuse(path, "names of another shape", str(values.shape))
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def _bodies(
    path: Path,
    tracks: NDArray[Any],
    nodes: Sequence[str],
    scores: NDArray[Any] | None,
    names: Sequence[str],
) -> tuple[list[Body], str]:
    """Return the bodies of tracks (tracks 2 nodes frames)."""
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(nodes)) or not tracks.size:
        POSES.refuse(path, "tracks of another shape", str(tracks.shape))
    if len(tracks) > MOST_TRACKS or len(nodes) > MOST_JOINTS:
        POSES.refuse(path, "too many tracks or nodes", str(tracks.shape))
    confidence = np.ones((len(tracks), *tracks.shape[2:]), np.float32)
    if scores is not None and scores.shape == confidence.shape:
        confidence = np.maximum(np.nan_to_num(scores), LEAST_POINT_SCORE).astype(np.float32)
    joined = np.concatenate([tracks.astype(np.float32), confidence[:, None]], 1)
    joints = joined.transpose(0, 3, 2, 1)  # (tracks frames nodes 3)
    present = np.isfinite(joints).all(-1).any(-1)  # (tracks frames)
    if len(names) == len(tracks) or len(tracks) == 1:
        titles = names if len(names) == len(tracks) else ["1"]
        bodies = [Body(titles[i], joints[i]) for i in range(len(tracks)) if present[i].any()]
    else:  # rows of instances without identity
        detections = [Detection(int(t), joints[i, t]) for i, t in np.argwhere(present)]
        bodies = linked(path, detections, joints.shape[1])
    if not bodies:
        POSES.refuse(path, "no frame has a body")
    return bodies, skeleton_of(nodes)


def _refuse_pandas(path: Path, groups: str) -> NoReturn:
    raise DataError(
        "not an analysis file of SLEAP",
        where=str(path),
        got=groups,
        expected="the data sets tracks and node_names",
        hint="The HDF5 files of DeepLabCut have pickled columns, which could run code: "
        "deeplabcut.analyze_videos_converth5_to_csv writes tables.",
    )
