"""HDF5 of others: only data of the file itself is read, and its size is checked first."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.poses import read_pose

h5py = pytest.importorskip("h5py")

NODES = [b"a", b"b", b"c"]
TRACKS = np.random.default_rng(0).uniform(0, 100, (2, 2, 3, 8))


def write(path: Path, **data: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in {"tracks": TRACKS, "node_names": NODES, **data}.items():
            if values is not None:
                file[name] = values
    return path


def test_tracks_with_names_are_bodies(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", track_names=[b"fly", b"bee"])
    places = TRACKS.transpose(0, 3, 2, 1).astype(np.float32)
    np.testing.assert_array_equal(read_pose(path, "bee").places, places[1])
    with pytest.raises(DataError) as error:
        read_pose(path, "ant")
    assert "fly, bee" in error.value.expected


def test_instances_without_tracks_are_linked_by_distance(tmp_path: Path) -> None:
    still = np.array([[0, 0], [0, 90], [60, 0]])
    moving = still + 500 + np.arange(8)[:, None, None] * 6  # (8 3 2)
    rows = np.empty((2, 2, 3, 8))
    for t in range(8):
        rows[t % 2, :, :, t], rows[1 - t % 2, :, :, t] = still.T, moving[t].T
    path = write(tmp_path / "a.h5", tracks=rows, track_names=np.zeros(0, "S1"))
    np.testing.assert_allclose(read_pose(path).places, moving)


@pytest.mark.parametrize("link", ["external", "soft", "raw", "virtual"])
def test_data_of_other_files_are_refused(tmp_path: Path, link: str) -> None:
    other = write(tmp_path / "other.h5")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["node_names"] = NODES
        if link == "external":
            file["tracks"] = h5py.ExternalLink(str(other), "/tracks")
        elif link == "soft":
            file["here"] = TRACKS
            file["tracks"] = h5py.SoftLink("/here")
        elif link == "raw":
            size = os.path.getsize(other)
            file.create_dataset("tracks", (1, 2, 3, 8), "f4", external=[(str(other), 0, size)])
        else:
            layout = h5py.VirtualLayout(TRACKS.shape, "f8")
            layout[:] = h5py.VirtualSource(str(other), "tracks", TRACKS.shape)
            file.create_virtual_dataset("tracks", layout)
    with pytest.raises(DataError, match="another file"):
        read_pose(path)


@pytest.mark.parametrize("name", ["tracks", "node_names", "point_scores"])
def test_what_a_header_declares_is_not_allocated(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.h5", **{name: None})
    with h5py.File(path, "a") as file:
        kind = "S1000" if name == "node_names" else "f8"
        file.create_dataset(name, (10**9,), kind, chunks=(10**6,))
    tracemalloc.start()
    with pytest.raises(DataError, match="larger than"):
        read_pose(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_other_types_and_shapes_are_refused(tmp_path: Path) -> None:
    for number, changed in enumerate(
        (
            {"tracks": np.zeros((2, 2, 3, 8), complex)},
            {"tracks": np.zeros((2, 2, 3))},
            {"node_names": np.array(7.5)},
            {"node_names": np.array(b"x")},
            {"tracks": np.full((2, 2, 3, 8), np.nan)},
        )
    ):
        with pytest.raises(DataError):
            read_pose(write(tmp_path / f"{number}.h5", **changed))
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="cannot be read"):
        read_pose(tmp_path / "b.h5")
