"""Skeletons of NTU RGB+D: bodies with names, joints that are inferred or not tracked."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.poses import is_poses, read_pose


def skeleton(frames: list[dict[str, float]], state: int = 2) -> str:
    """A file of frames, each with the x of its bodies by their names."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for name, x in bodies.items():
            lines += [f"{name} 0 1 1 1 1 0 0.02 -0.3 2", "25"]
            for joint in range(25):
                shown = 0 if joint == 24 else state
                lines.append(f"{x + (x - 1) * joint / 25} {joint / 10} 3.5 1 2 3 4 0 0 0 0 {shown}")
    return "\n".join(lines) + "\n"


def test_the_body_that_moves_is_read_in_space(tmp_path: Path) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    frames = [{"72057594037944738": 1.0, "72057594037944739": 1 + t / 10} for t in range(6)]
    path.write_text(skeleton([*frames, {}]))
    assert is_poses(path)
    read = read_pose(path)
    assert read.layout == "kinect25:xyzc"
    assert read.places.shape == (7, 25, 3)
    np.testing.assert_allclose(read.places[:6, 0, 0], [1 + t / 10 for t in range(6)], rtol=1e-6)
    assert (read.confidence[:6, :24] == 1).all()
    assert (read.confidence[:, 24] == 0).all()
    assert (read.confidence[6] == 0).all()
    path.write_text(skeleton(frames, state=1))
    assert (read_pose(path).confidence[:6, :24] == 0.5).all()


@pytest.mark.parametrize(
    "text", ["x", "0\n", "2\n1\n", "-3\n", "1\n0\n", skeleton([{"7": 1.0}]).replace(" 3.5", "")]
)
def test_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text(text)
    with pytest.raises(DataError):
        read_pose(path)
