"""Files of poses after public reports: two bodies, an idle one and one that claps."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.poses import read_pose


@pytest.fixture(scope="module")
def folder(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("poses")
    for name in ("pose-tables", "openpose-two-people"):
        shutil.unpack_archive(assets / "reports4" / f"{name}.tar.xz", made)
    return made / "q"


@pytest.mark.parametrize(
    "name",
    [
        "dlc_multi_clap.csv",
        "sleap_notrack_clap.csv",
        "coco_two_clap.json",
        "alphapose_idx_clap.json",
    ],
)
def test_the_body_that_claps_is_read(folder: Path, name: str) -> None:
    alone = read_pose(folder / "base_clap.csv").places
    read = read_pose(folder / name).places
    assert read.shape == alone.shape
    assert np.abs(read - alone).mean() < 2  # pixels: noise of another draw


def test_missing_frames_stay_missing(folder: Path) -> None:
    read = read_pose(folder / "sleap_gaps_clap.csv")
    assert len(read.places) == len(read_pose(folder / "base_clap.csv").places)
    assert (read.confidence[15:45] == 0).all()
    assert (read.confidence[45:] > 0).all()


@pytest.mark.parametrize("name", ["op_two_clap", "op_two_wave"])
def test_two_people_of_openpose_are_apart(folder: Path, name: str) -> None:
    steps = np.abs(np.diff(read_pose(folder / name).places, axis=0)).max((1, 2))
    assert steps.max() < 100  # pixels; the people are 200 apart


def test_a_skeleton_of_ntu_is_read(folder: Path) -> None:
    read = read_pose(folder / "S001C001P001R001A001.skeleton")
    assert (read.layout, read.places.shape) == ("kinect25:xyzc", (60, 25, 3))


@pytest.mark.parametrize("name", ["nc.csv", "ox.csv", "lg.csv", "bl.csv", "wd.csv"])
def test_hostile_tables_are_refused(assets: Path, name: str) -> None:
    with pytest.raises(DataError):
        read_pose(assets / "reports4" / "hostile" / name)


@pytest.mark.parametrize(
    "name",
    [
        "external_raw_passwd.h5",
        "huge.h5",
        "huge2.h5",
        "hugenames.h5",
        "hugescores.h5",
        "sleap-3d98a1-x.h5",
        "sleap-e65441-x.h5",
        "sleap-f357bd-x.h5",
        "softloop.h5",
        "openpose-c57557-f_000_keypoints.json",
    ],
)
def test_hostile_files_are_refused(assets: Path, name: str) -> None:
    pytest.importorskip("h5py")
    with pytest.raises(DataError):
        read_pose(assets / "reports4" / "hostile" / name)
