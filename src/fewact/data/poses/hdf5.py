"""Poses in HDF5: analysis files of SLEAP.

A file of another person may declare data of any size, and name other files of this computer as its
own data. Only data sets of the file itself, which are linked directly, are read, after their
declared sizes were checked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import MIB
from fewact.core.errors import DataError
from fewact.data.joints import MOST_JOINTS
from fewact.data.poses.bodies import Body, Detection, linked
from fewact.data.poses.pose import POSES, skeleton_of

MOST_BYTES: Final = 256 * MIB
"""Largest declared size of a data set."""

MOST_TRACKS: Final = 1000
"""Largest number of tracks of a file."""

LEAST_CONFIDENCE: Final = 1e-3
"""Confidence of a joint that was found, but without a confidence."""


def read_sleap(path: Path) -> tuple[list[Body], str]:
    """Return the bodies of an analysis file of SLEAP, and their skeleton.

    Raises:
        DataError: The file has no tracks, reads from another file, or h5py is not installed.
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
            tracks = _data(path, file, "tracks", "f")
            nodes = _data(path, file, "node_names", "SO")
            if tracks is None or nodes is None:
                _refuse_pandas(path, list(file)[:5])
            scores = _data(path, file, "point_scores", "f")
            names = _data(path, file, "track_names", "SO")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        POSES.refuse(path, "the file cannot be read", str(error)[:80])
    return _bodies(path, tracks, _texts(path, nodes), scores, _texts(path, names))


def _data(path: Path, file: Any, name: str, kinds: str) -> NDArray[Any] | None:
    """Return a data set of a file; None if it has none of this name.

    Args:
        path: File, for errors.
        file: Open file.
        name: Name of the data set.
        kinds: Kinds of types that are read, as in NumPy.
    """
    import h5py

    link = file.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        POSES.refuse(path, f"{name} is a link, perhaps to another file")
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        POSES.refuse(path, f"{name} is no data of the file itself, but perhaps of another file")
    if data.dtype.kind not in kinds or data.shape is None:
        POSES.refuse(path, f"{name} has another type", str(data.dtype)[:40])
    size = int(np.prod([int(n) for n in data.shape], dtype=object)) * data.dtype.itemsize
    if size > MOST_BYTES:
        POSES.refuse(path, f"{name} is larger than {MOST_BYTES // MIB} MiB", f"{size} bytes")
    return np.asarray(data)


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
        confidence = np.maximum(np.nan_to_num(scores), LEAST_CONFIDENCE).astype(np.float32)
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


def _refuse_pandas(path: Path, groups: Sequence[str]) -> None:
    raise DataError(
        "not an analysis file of SLEAP",
        where=str(path),
        got=", ".join(name[:40] for name in groups),
        expected="the data sets tracks and node_names",
        hint="The HDF5 files of DeepLabCut have pickled columns, which could run code: "
        "deeplabcut.analyze_videos_converth5_to_csv writes tables.",
    )
