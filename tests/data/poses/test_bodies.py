"""Bodies of a file: linked over time in any order, and the one that moves most is taken."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.poses import read_pose, read_poses
from fewact.data.poses.bodies import Body, Detection, chosen, linked, numbered

FILE = Path("poses.json")
FRAMES = 20


def body(x: float, *, moves: float = 0.0) -> np.ndarray:
    """Joints (t 4 3) of a body at a place, whose last joint moves to the right and back."""
    places = np.array([[x, 0], [x, 100], [x + 40, 0], [x + 40, 100]], np.float32)
    joints = np.repeat(places[None], FRAMES, 0)
    joints[:, -1, 0] += moves * np.sin(np.linspace(0, np.pi, FRAMES))
    return np.concatenate([joints, np.full((FRAMES, 4, 1), 0.9, np.float32)], -1)


def shuffled(*bodies: np.ndarray, names: Sequence[str] = ("", "")) -> list[Detection]:
    rng = np.random.default_rng(0)
    return [Detection(t, bodies[k][t], names[k]) for t in range(FRAMES) for k in rng.permutation(2)]


IDLE, MOVING = body(0), body(300, moves=60)


def test_bodies_are_linked_by_distance_whatever_their_order_is() -> None:
    bodies = linked(FILE, shuffled(IDLE, MOVING), FRAMES)
    assert len(bodies) == 2
    assert any(np.array_equal(found.joints, MOVING) for found in bodies)
    assert any(np.array_equal(found.joints, IDLE) for found in bodies)


def test_bodies_with_names_are_linked_by_them_even_where_they_cross() -> None:
    near = body(10, moves=60)
    bodies = linked(FILE, shuffled(IDLE, near, names=("b", "a")), FRAMES)
    assert [found.name for found in bodies] == ["a", "b"]
    np.testing.assert_array_equal(bodies[0].joints, near)
    twice = [Detection(0, IDLE[0], "a"), Detection(0, near[0], "a")]
    with pytest.raises(DataError, match="two bodies"):
        linked(FILE, twice, FRAMES)


def test_a_body_that_was_away_is_the_same_and_its_gap_is_missing() -> None:
    detections = [Detection(t, IDLE[t]) for t in range(FRAMES) if not 5 <= t < 12]
    (found,) = linked(FILE, detections, FRAMES)
    assert np.isnan(found.joints[5:12]).all()
    assert np.isfinite(found.joints[12:]).all()


def test_the_body_that_moves_most_is_taken_and_a_name_chooses() -> None:
    bodies = [Body("idle", IDLE, 0.99), Body("moving", MOVING, 0.8)]
    choice = chosen(FILE, bodies, None)
    assert (choice.body.name, choice.names) == ("moving", ("idle", "moving"))
    assert "2 bodies" in choice.sentence
    assert chosen(FILE, bodies, "idle").body.name == "idle"
    assert chosen(FILE, bodies, "2").body.name == "moving"
    for subject in ("3", "0", "mouse"):
        with pytest.raises(DataError) as error:
            chosen(FILE, bodies, subject)
        assert "idle, moving" in error.value.expected


def test_a_body_of_few_frames_or_of_noise_is_not_taken() -> None:
    short = np.full_like(MOVING, np.nan)
    short[:2] = body(900)[:2]
    short[1] += 500
    noise = body(600) + np.random.default_rng(0).normal(0, 30, MOVING.shape).astype(np.float32)
    bodies = [Body("short", short), Body("noise", noise, 0.02), Body("moving", MOVING)]
    assert chosen(FILE, bodies, None).body.name == "moving"


def test_numbers_of_frames_keep_their_gaps() -> None:
    assert numbered(["3", "4", "9"], FILE) == [0, 1, 6]
    assert numbered(["b.jpg", "a.jpg"], FILE) == [1, 0]
    with pytest.raises(DataError, match="most frames"):
        numbered([0, 10**9], FILE)


def test_a_file_says_how_many_bodies_it_has(tmp_path: Path) -> None:
    rows = [
        {"image_id": t, "keypoints": joints[t].ravel().tolist(), "score": 0.9, "idx": name}
        for t in range(FRAMES)
        for name, joints in ((1, IDLE), (2, MOVING))
    ]
    path = tmp_path / "two.json"
    path.write_text(json.dumps(rows))
    np.testing.assert_allclose(read_pose(path).places, MOVING[..., :2])
    np.testing.assert_allclose(read_pose(path, "1").places, IDLE[..., :2])
    with pytest.warns(UserWarning, match=r"2 bodies \(1, 2\): 2, which moves most; --subject"):
        read_poses([path])
    with pytest.warns(UserWarning, match="1, as named"):
        read_poses([path], "1")
    with pytest.raises(DataError, match="no such body"):
        read_poses([path], "3")


@pytest.mark.parametrize("track", ["", "track_1"])
def test_a_table_with_several_rows_a_frame_has_several_bodies(tmp_path: Path, track: str) -> None:
    names = [f"{joint}.{axis}" for joint in ("a", "b", "c", "d") for axis in ("x", "y", "score")]
    lines = [",".join(["track", "frame_idx", *names])]
    for t in range(FRAMES):
        for k, joints in enumerate((IDLE, MOVING)):
            cells = map(str, joints[t].ravel())
            lines.append(",".join([track and f"track_{k}", str(t), *cells]))
    path = tmp_path / "two.csv"
    path.write_text("\n".join(lines))
    np.testing.assert_allclose(read_pose(path).places, MOVING[..., :2], rtol=1e-5)
    np.testing.assert_allclose(read_pose(path, "1").places, IDLE[..., :2], rtol=1e-5)


def test_individuals_of_deeplabcut_are_bodies(tmp_path: Path) -> None:
    header = [["scorer"], ["individuals"], ["bodyparts"], ["coords"]]
    for animal in ("mouse1", "mouse2"):
        for joint in "abcd":
            for axis in ("x", "y", "likelihood"):
                for line, cell in zip(header, ("DLC", animal, joint, axis), strict=True):
                    line.append(cell)
    rows = [
        [str(t), *map(str, IDLE[t].ravel()), *map(str, MOVING[t].ravel())] for t in range(FRAMES)
    ]
    path = tmp_path / "two.csv"
    path.write_text("\n".join(",".join(line) for line in [*header, *rows]))
    np.testing.assert_allclose(read_pose(path).places, MOVING[..., :2], rtol=1e-5)
    np.testing.assert_allclose(read_pose(path, "mouse1").places, IDLE[..., :2], rtol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        ",,,\n,,\n",
        "nose_x,nose_y,nose_x,nose_y,a_x,a_y,b_x,b_y\n1,2,3,4,5,6,7,8\n",
        "scorer,a,a\nbodyparts,n,n\ncoords,q,q\n0,1,2\n",
        "scorer,a,a,a\nbodyparts,n,m,o\ncoords,x,x,x\n0,1,2,3\n",
        "scorer,a\nbodyparts,n\ncoords,x,y,x,y,x,y\n0,1,2,3,4,5,6\n",
        "scorer,a,a\nbodyparts,n,n\ncoords,x,x\n0,1,2\n",
    ],
)
def test_tables_without_places_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad\.csv"):
        read_pose(path)
