"""Layouts of joints: the joint and the axis of each number of a frame.

A layout is a text, such as ``kinect20:xyz`` or ``pose33:xyzc+hand21:xyz+hand21:xyz``: parts, each
with the axes of its joints. A part has the name of a known skeleton, or the number of its joints
and the pairs that swap in a mirror, counted from 0: ``7(1-2,3-4):xyc``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from fewact.core.errors import DataError, did_you_mean

LAYOUT_EXPECTED = (
    'parts such as "kinect20:xyz" joined by "+": a skeleton, or a number of joints with the pairs '
    'that swap in a mirror as in "7(1-2,3-4)"; and the axes xy, xyc, xyz or xyzc (c: confidence)'
)


def _runs(*starts: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    """Return the pairs (left + i, right + i) of runs of joints (left, right, number)."""
    return tuple((left + i, right + i) for left, right, n in starts for i in range(n))


def _alternating(first: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of neighbours: (first, first + 1), and so on."""
    return tuple((i, i + 1) for i in range(first, end, 2))


SKELETONS: Final[Mapping[str, tuple[int, tuple[tuple[int, int], ...]]]] = {
    "kinect20": (20, _runs((4, 8, 4), (12, 16, 4))),
    "kinect25": (25, (*_runs((4, 8, 4), (12, 16, 4)), (21, 23), (22, 24))),
    "coco17": (17, _alternating(1, 17)),
    "body18": (18, (*_runs((2, 5, 3), (8, 11, 3)), (14, 15), (16, 17))),
    "body25": (
        25,
        (*_runs((2, 5, 3), (9, 12, 3)), (15, 16), (17, 18), *_runs((19, 22, 3))),
    ),
    "pose33": (33, (*_runs((1, 4, 3)), *_alternating(7, 33))),
    "hand21": (21, ()),
}
"""Joints and left-right pairs of skeletons: of Kinect 1 and 2, COCO, OpenPose and MediaPipe. Two
hands of a layout swap with each other."""

AXES: Final = ("xy", "xyc", "xyz", "xyzc")
LAYOUT_PART = re.compile(r"(?P<name>\w+?)(?:\((?P<pairs>[\d,-]*)\))?:(?P<axes>\w+)")
MOST_JOINTS = 300
"""Largest number of joints: all their distances from each other are compared."""


@dataclass(frozen=True)
class Joints:
    """Where the joints of a frame's vector are.

    Args:
        width: Length d of the vector.
        coordinates: Positions of the 2 or 3 coordinates of each joint, x first.
        confidences: Position of the confidence of each joint; −1 for a joint without one.
        mirror: Joint that each joint becomes in a mirror, whose x axis points the other way.
    """

    width: int
    coordinates: tuple[tuple[int, ...], ...]
    confidences: tuple[int, ...]
    mirror: tuple[int, ...]


@lru_cache(maxsize=64)
def parse_joints(layout: str) -> Joints:
    """Return where the joints of a layout are.

    >>> parse_joints("3(1-2):xyc")
    Joints(width=9, coordinates=((0, 1), (3, 4), (6, 7)), confidences=(2, 5, 8), mirror=(0, 2, 1))
    """
    coordinates: list[tuple[int, ...]] = []
    confidences: list[int] = []
    mirror: list[int] = []
    hands: list[int] = []
    width = 0
    for part in layout.split("+"):
        count, pairs, axes = _part(layout, part)
        first, dimensions = len(mirror), len(axes.rstrip("c"))
        if part.startswith("hand21"):
            hands.append(first)
        starts = [width + len(axes) * i for i in range(count)]
        coordinates += [tuple(range(start, start + dimensions)) for start in starts]
        confidences += [start + dimensions if axes.endswith("c") else -1 for start in starts]
        swapped = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
        mirror += [first + swapped.get(i, i) for i in range(count)]
        width += len(axes) * count
    if len(hands) == 2:
        for i in range(21):
            mirror[hands[0] + i], mirror[hands[1] + i] = hands[1] + i, hands[0] + i
    if len(mirror) > MOST_JOINTS or len({len(axes) for axes in coordinates}) > 1:
        _refuse(layout, f"more than {MOST_JOINTS} joints, or some in the plane and some in space")
    return Joints(width, tuple(coordinates), tuple(confidences), tuple(mirror))


def _part(layout: str, part: str) -> tuple[int, tuple[tuple[int, int], ...], str]:
    match = LAYOUT_PART.fullmatch(part)
    if match is None or match["axes"] not in AXES:
        _refuse(layout, f'"{part}" is no part of a layout')
    name = match["name"]
    if not name.isdecimal():
        if name not in SKELETONS or match["pairs"] is not None:
            _refuse(layout, f'unknown skeleton "{name}"', did_you_mean(name, SKELETONS))
        return *SKELETONS[name], match["axes"]
    if not 1 <= int(name[:5]) <= MOST_JOINTS:
        _refuse(layout, f"{name[:9]} joints")
    pairs = []
    for pair in filter(None, (match["pairs"] or "").split(",")):
        first, _, second = pair.partition("-")
        if not (first.isdecimal() and second.isdecimal()):
            _refuse(layout, f'"{pair}" is no pair')
        pairs.append((int(first[:5]), int(second[:5])))
    joints = [joint for pair in pairs for joint in pair]
    if len(set(joints)) < len(joints) or any(joint >= int(name) for joint in joints):
        _refuse(layout, "a joint of the pairs is in two of them, or does not exist")
    return int(name), tuple(pairs), match["axes"]


def _refuse(layout: str, what: str, hint: str = "") -> NoReturn:
    raise DataError(
        f"not a layout of joints: {what}",
        got=repr(layout[:80]),
        expected=LAYOUT_EXPECTED,
        hint=hint,
    )


SIDE_WORDS: Final = (("left", "right"), ("l", "r"))


def layout_of(names: Sequence[str], axes: str) -> str:
    """Return the layout of joints whose names say left and right.

    >>> layout_of(["nose", "leftEar", "rightEar", "paw_L", "paw_R"], "xyc")
    '5(1-2,3-4):xyc'
    """
    words = [_words(name) for name in names]
    place = {tuple(key): i for i, key in enumerate(words)}
    pairs = []
    for i, key in enumerate(words):
        for left, right in SIDE_WORDS:
            swapped = tuple(right if word == left else word for word in key)
            if swapped != tuple(key) and swapped in place:
                pairs.append(f"{i}-{place[swapped]}")
                break
    return f"{len(names)}({','.join(pairs)}):{axes}" if pairs else f"{len(names)}:{axes}"


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case: of ``leftEar``, left and ear."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)]
