"""Fuzzer of files of poses: the body that moves is read, or the file is refused.

Two bodies in any order are written as each program writes them; then fields of documents, cells of
tables and lines of text are changed, and bytes of HDF5 files.
"""

import copy
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fewact.core.errors import UserError
from fewact.data.poses import read_pose
from tests.fuzz.documents import change
from tests.fuzz.report import Report, in_folder

FRAMES = 8
CELLS = ("", "nan", "x", "-1", "1e999", "9" * 400, "1,5", "٣", "0", '"', "track_0")

Bodies = list[np.ndarray]


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Read files of poses."""
    return in_folder(attempt, seed, seconds, count)


def attempt(random: Random, folder: Path, name: str, report: Report) -> None:
    """Write a file, changed or not, read it, and compare."""
    bodies = drawn(random)
    kind = random.choice(sorted(WRITE))
    path = folder / f"poses{WRITE[kind][0]}"
    changes = random.choice((0, 1, 1, 2, 4))
    WRITE[kind][1](path, bodies, random, changes)
    what = f"{name} {kind} {changes}"
    try:
        read = read_pose(path)
    except UserError as error:
        report.outcomes["refused"] += 1
        if not changes:
            report.defects.append(f"{what}: {str(error)[:300]}")
        return
    except Exception as error:
        report.defects.append(f"{what}: {type(error).__name__}: {error}"[:400])
        return
    report.outcomes["read" if changes else "read whole"] += 1
    vectors = read.vectors()
    if not np.isfinite(vectors).all() or len(vectors) != 32:
        report.defects.append(f"{what}: vectors that are not finite: {vectors.shape}")
    moving = bodies[0][..., :2]
    if not changes and np.abs(read.places[:, : moving.shape[1], :2] - moving).max() > 0.01:
        report.defects.append(f"{what}: another body")


def drawn(random: Random) -> Bodies:
    """Return a body that moves and an idle one (t j 3), far from each other."""
    rng = np.random.default_rng(random.randrange(2**32))
    shape = rng.uniform(0, 100, (25, 2))
    bodies = []
    for i in range(2):
        places = np.repeat(shape[None] + 400 * i, FRAMES, 0)
        places[:, -5:, 1] += (40 if i == 0 else 1) * np.sin(np.arange(FRAMES))[:, None]
        bodies.append(np.concatenate([places.round(2), np.full((FRAMES, 25, 1), 0.9)], -1))
    return bodies


def in_any_order(bodies: Bodies, t: int, random: Random) -> list[list[float]]:
    people = [body[t].ravel().tolist() for body in bodies]
    random.shuffle(people)
    return people


def write_document(path: Path, content: Any, random: Random, changes: int) -> None:
    content = copy.deepcopy(content)
    for _ in range(changes):
        change(content, random)
    path.write_text(json.dumps(content))


def coco(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    rows = [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": person, "score": 0.9}
        for t in range(FRAMES)
        for person in in_any_order(bodies, t, random)
    ]
    write_document(path, rows, random, changes)


def mediapipe(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    frames = [
        {
            "pose_landmarks": [
                [
                    {"x": x, "y": y, "visibility": c}
                    for x, y, c in zip(person[::3], person[1::3], person[2::3], strict=True)
                ]
                for person in in_any_order(bodies, t, random)
            ]
        }
        for t in range(FRAMES)
    ]
    write_document(path, {"frames": frames}, random, changes)


def openpose(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    for file in path.glob("*") if path.is_dir() else ():
        file.unlink()
    path.mkdir(exist_ok=True)
    for t in range(FRAMES):
        people = [{"pose_keypoints_2d": person} for person in in_any_order(bodies, t, random)]
        changed = changes if t == FRAMES // 2 else 0
        write_document(path / f"v_{t}_keypoints.json", {"people": people}, random, changed)


def write_rows(path: Path, rows: list[list[str]], random: Random, changes: int) -> None:
    for _ in range(changes):
        row = random.choice((rows[0], random.choice(rows)))
        at = random.randrange(len(row))
        match random.choice(("cell", "remove", "repeat", "row")):
            case "cell":
                row[at] = random.choice((*CELLS, row[random.randrange(len(row))]))
            case "remove":
                row.pop(at)
            case "repeat":
                row.insert(at, row[at])
            case "row":
                rows.insert(random.randrange(len(rows)), list(random.choice(rows)))
        rows[:] = [row for row in rows if row] or [[""]]
    path.write_text("\n".join(",".join(row) for row in rows))


def wide(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    joints = [f"j{chr(97 + i)}.{axis}" for i in range(25) for axis in ("x", "y", "score")]
    rows = [["frame_idx", *joints]]
    rows += [
        [str(t), *map(str, person)]
        for t in range(FRAMES)
        for person in in_any_order(bodies, t, random)
    ]
    write_rows(path, rows, random, changes)


def deeplabcut(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    rows: list[list[str]] = [["scorer"], ["individuals"], ["bodyparts"], ["coords"]]
    for animal in ("one", "two"):
        for i in range(25):
            for axis in ("x", "y", "likelihood"):
                for row, cell in zip(rows, ("net", animal, f"p{i}", axis), strict=True):
                    row.append(cell)
    rows += [[str(t), *(str(x) for body in bodies for x in body[t].ravel())] for t in range(FRAMES)]
    write_rows(path, rows, random, changes)


def ntu(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    lines = [str(FRAMES)]
    for t in range(FRAMES):
        lines.append("2")
        for name, body in enumerate(bodies):
            lines += [f"{name} 0 1 1 1 1 0 0 0 2", "25"]
            lines += [f"{x} {y} 3.5 0 0 0 0 0 0 0 0 2" for x, y, _ in body[t]]
    for _ in range(changes):
        at = random.randrange(len(lines))
        lines[at : at + 1] = random.choice(([], [lines[at]] * 2, [random.choice(CELLS)]))
    path.write_text("\n".join(lines) + "\n")


def sleap(path: Path, bodies: Bodies, random: Random, changes: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["tracks"] = np.stack([body[..., :2].transpose(2, 1, 0) for body in bodies])
        file["node_names"] = [f"n{i}".encode() for i in range(25)]
        file["track_names"] = [b"one", b"two"]
    content = bytearray(path.read_bytes())
    for _ in range(8 * changes):
        content[random.randrange(len(content))] = random.choice((0, 1, 2, 127, 255))
    path.write_bytes(content)


WRITE: dict[str, tuple[str, Callable[[Path, Bodies, Random, int], None]]] = {
    "coco": (".json", coco),
    "deeplabcut": (".csv", deeplabcut),
    "mediapipe": (".json", mediapipe),
    "ntu": (".skeleton", ntu),
    "openpose": (".folder", openpose),
    "wide": (".csv", wide),
    **({"sleap": (".h5", sleap)} if find_spec("h5py") else {}),
}
