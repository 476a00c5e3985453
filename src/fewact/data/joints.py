"""Layouts of joints, the joint and the axis of each number of a frame; and joints over time.

A layout is a text, such as ``kinect20:xyz`` or ``pose33:xyzc+hand21:xyz+hand21:xyz``: parts, each
with the axes of its joints. A part has the name of a known skeleton, or the number of its joints
and the pairs that swap in a mirror, counted from 0: ``7(1-2,3-4):xyc``.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

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


LARGEST_COORDINATE: Final = 1e6
"""Largest magnitude of a coordinate, in pixels, metres or fractions of a picture."""

LONGEST_JOINT_GAP: Final = 2.0
"""Longest time between frames that joints are interpolated between, in median steps."""

EQUAL_TIMES: Final = 1e-3
"""Fraction of a step by which times that are equal may differ."""

Flags = NDArray[np.bool_]
Times = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointTrack:
    """Joints of one body over time.

    A joint is missing in a frame where its confidence is not above 0, where its coordinates are all
    0, or where one of its numbers is not finite. All numbers of a missing joint become 0.

    Args:
        values: Coordinates and confidences (t d) of each frame, floating-point.
        layout: Layout of the joints in a frame, see above.
        times: Times (t) of the frames, ascending, in seconds from the start of the clip; None for
            frames that are even over the clip, each in the middle of its part.
        of_picture: Whether x is a fraction of the width of the picture and y of its height, as
            MediaPipe writes them; otherwise they have one unit.

    Raises:
        DataError: The layout is none, or the values or the times have another shape or are no
            numbers.

    >>> track = JointTrack(np.arange(12.0).reshape(2, 6), "3:xy", times=[0.0, 1.0])
    >>> track.at([0.5, 3.0], span=1.0).tolist()
    [[3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    values: NDArray[np.float32]
    layout: str
    times: Times | None = None
    of_picture: bool = False

    def __post_init__(self) -> None:
        values = _numbers(self.values, "the values of joints", "(t d)", 2)
        width = parse_joints(self.layout).width
        if values.shape[1] != width or not len(values):
            raise DataError(
                "the joints have another width than their layout, or there is no frame",
                where=self.layout,
                got=str(values.shape),
                expected=f"(t {width}), t at least 1",
            )
        object.__setattr__(self, "values", self._without_missing(values))
        if self.times is not None:
            times = _numbers(self.times, "the times of joints", "(t)", 1).astype(np.float64)
            if times.shape != values.shape[:1] or not (np.diff(times) > 0).all():
                raise DataError(
                    "the times of joints do not ascend, or are not as many as the frames",
                    where=self.layout,
                    got=f"{len(times)} times for {len(values)} frames",
                    expected="a time for each frame, later than the one before",
                )
            object.__setattr__(self, "times", times)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the layout, the values and the times."""
        sha = hashlib.sha256(repr((self.layout, self.values.shape, self.of_picture)).encode())
        sha.update(np.ascontiguousarray(self.values).data)
        sha.update(b"" if self.times is None else self.times.tobytes())
        return sha.hexdigest()

    @property
    def present(self) -> Flags:
        """Whether each frame has each joint: (t j)."""
        return self._present(self.values)

    def times_in(self, span: float) -> Times:
        """Return the times (t) of the frames in a clip of this many seconds."""
        count = len(self.values)
        if self.times is not None:
            return self.times
        return np.asarray((np.arange(count) + 0.5) * (span / count), np.float64)

    @property
    def places(self) -> NDArray[np.float32]:
        """Coordinates (t j 2 or 3)."""
        return self.values[:, np.array(parse_joints(self.layout).coordinates)]

    def in_heights(self, aspect: float) -> "JointTrack":
        """Return joints whose x and y have one unit, of a picture of this width over height.

        MediaPipe's z has the unit of x.
        """
        if not self.of_picture:
            return self
        factors = np.ones(self.values.shape[1], np.float32)
        for x, _, *depth in parse_joints(self.layout).coordinates:
            factors[[x, *depth]] = aspect
        return replace(self, values=self.values * factors, of_picture=False)

    def since(self, start: float, span: float) -> "JointTrack":
        """Return the same joints with times from a later start.

        Args:
            start: The start, in seconds from the present start.
            span: Seconds of the clip that the joints were given for.
        """
        return replace(self, times=self.times_in(span) - start)

    def at(self, times: Sequence[float] | Times, span: float) -> NDArray[np.float32]:
        """Return the joints (n d) at times (n); a joint that is missing then is 0.

        A joint that both neighbouring frames have is interpolated. A joint that only one has, or
        that is before the first or after the last frame, is taken from the nearest frame if this
        is within half a step.

        Args:
            times: The times (n), in seconds from the start of the clip.
            span: Seconds of the clip.
        """
        own, at = self.times_in(span), np.asarray(times, np.float64)
        step = float(np.median(np.diff(own))) if len(own) > 1 else span
        before = (np.searchsorted(own, at, "right") - 1).clip(0)
        after = np.where(at < own[0], 0, np.minimum(before + 1, len(own) - 1))
        gap = own[after] - own[before]
        later = np.divide(at - own[before], gap, out=np.zeros_like(at), where=gap > 0)  # (n)
        nearest = np.where(later > 0.5, after, before)
        within = np.abs(at - own[nearest]) <= step * (0.5 + EQUAL_TIMES)
        near = (gap > 0) & (gap <= step * (LONGEST_JOINT_GAP + EQUAL_TIMES))
        present = self.present
        both = (present[before] & present[after] & near[:, None])[:, self._joint_of]  # (n d)
        first, last = self.values[before], self.values[after]
        between = first + later[:, None].astype(np.float32) * (last - first)
        taken = np.where(within[:, None], self.values[nearest], 0)
        return np.where(both, between, taken).astype(np.float32)

    @cached_property
    def _joint_of(self) -> NDArray[np.intp]:
        """Number of the joint of each number of a frame: (d)."""
        joints = parse_joints(self.layout)
        joint_of = np.zeros(joints.width, np.intp)
        for joint, (axes, confidence) in enumerate(
            zip(joints.coordinates, joints.confidences, strict=True)
        ):
            joint_of[[*axes, *([confidence] if confidence >= 0 else [])]] = joint
        return joint_of

    def _present(self, values: NDArray[Any]) -> Flags:
        joints = parse_joints(self.layout)
        places = values[:, np.array(joints.coordinates)]  # (t j 2 or 3)
        confidences = values[:, np.maximum(joints.confidences, 0)]
        with np.errstate(invalid="ignore"):
            usable = (np.abs(places) <= LARGEST_COORDINATE).all(-1) & (places != 0).any(-1)
            return np.asarray(usable & ((np.array(joints.confidences) < 0) | (confidences > 0)))

    def _without_missing(self, values: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        return np.where(self._present(values)[:, self._joint_of], values, np.float32(0))


def _numbers(values: object, what: str, shape: str, axes: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != axes or array.dtype.kind not in "fiu":
        raise DataError(
            f"{what} are not an array of numbers",
            got=f"{array.dtype} {array.shape}",
            expected=f"{shape} floating-point",
        )
    return array
