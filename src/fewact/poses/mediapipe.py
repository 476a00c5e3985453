"""BlazePose, the pose estimator of MediaPipe, run by LiteRT: 33 joints of each body.

A detector finds bodies in a small image of the frame: for each the middle of the hips, and a point
above it whose distance and direction are the body's size and lean. A second network reads the
square region around a body, upright and in 256 x 256 pixels, and returns the joints. It also
returns both points for the next frame, so that the detector runs only where no body is followed.

After Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020), with the
constants of MediaPipe's graphs. Its filter over time is left out: it slows fast movements.
"""

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import WeightsError
from fewact.core.extras import check_extra
from fewact.poses.base import Person
from fewact.poses.weights import EXPECTED, INSTALL_HINT, Networks, read_networks
from fewact.video.camera.registration import sample
from fewact.video.resizing import resized

ESTIMATOR_NAME = "mediapipe"
POSE_LAYOUT = "pose33:xyzc"
POSE_JOINTS = 33
POSE_AXES = 4

DETECTOR_SIDE = 224
STRIDES = (8, 8, 16, 16, 32, 32, 32, 32, 32, 32)
"""Stride of the grid of each anchor of a cell."""

LEAST_SCORE = 0.5
"""Smallest score of a detected body, and smallest presence of one that is followed."""

SAME_BODY_IOU = 0.3
"""Smallest IoU of the boxes of two detections of one body."""

REGION_SIDE = 256
REGION_MARGIN = 1.25
"""Side of the region around a body, as a multiple of twice the distance of its two points."""

LANDMARKS = 39
HIPS, TOP = 33, 34
"""Landmarks that are the two points of a body."""

HEATMAP_SIDE = 64
HEATMAP_REACH = 3
"""A joint becomes the mean position in its heatmap, up to this many cells away."""

LEAST_HEAT = 0.5
"""Smallest confidence of a heatmap that moves its joint."""

DETECTOR_OUTPUTS = (1, 2254, 12), (1, 2254, 1)
"""Shapes of the detector's outputs: boxes and points, and scores."""

LANDMARK_OUTPUTS = (1, 195), (1, 1), (1, 64, 64, 39)
"""Shapes of the other network's outputs that are used: landmarks, presence and heatmaps; not the
outline, nor landmarks in metres."""

MOST_PEOPLE = 6
"""Largest number of people that are followed."""

SAME_REGION = 0.5
"""Two regions whose middles are nearer than this multiple of the smaller side are of one body."""

DETECTION_STEP = 8
"""Frames between two searches for further people."""

TILE_SIDE = 0.6
"""Side of the square tiles of a frame in which small people are searched, in its smaller side."""

TILE_STEP = 0.7
"""Largest distance of neighbouring tiles, in sides of a tile."""

Floats = NDArray[np.float32]


class BodyRegion(NamedTuple):
    """Square region around a body.

    Args:
        middle: Middle of the hips, complex: x to the right and y down, in pixels.
        up: Vector from the middle to the middle of the region's upper side.
    """

    middle: complex
    up: complex

    @staticmethod
    def of(hips: complex, top: complex) -> "BodyRegion":
        """Return the region of a body with these two points."""
        return BodyRegion(hips, (top - hips) * REGION_MARGIN)

    @property
    def half(self) -> float:
        """Half of a side, in pixels."""
        return abs(self.up)

    def at(self, x: Any, y: Any) -> Any:
        """Return the positions in the frame of points in the region, from −1 to 1."""
        return self.middle + self.up * (1j * x - y)

    def near(self, other: "BodyRegion") -> bool:
        """Return whether both are regions of one body."""
        return abs(self.middle - other.middle) < SAME_REGION * 2 * min(self.half, other.half)


class DetectedBody(NamedTuple):
    """Body in a frame: joints (33 4) in pixels, and the region to read in the next frame."""

    joints: Floats
    region: BodyRegion


@dataclass(frozen=True, eq=False)
class BlazePose:
    """BlazePose, see ``PoseEstimator`` and ``EstimatesPeople``.

    Args:
        networks: Its networks.
        name: Name by which it is created.
    """

    networks: Networks = field(repr=False)
    name: str = ESTIMATOR_NAME
    layout: str = POSE_LAYOUT

    def __reduce__(self) -> tuple[Any, ...]:
        """Load the networks of a copy again: loaded ones cannot be copied."""
        return BlazePose, (self.networks, self.name, self.layout)

    @cached_property
    def _detector(self) -> Any:
        return _interpreter(self.networks.detector, DETECTOR_OUTPUTS)

    @cached_property
    def _landmarks(self) -> Any:
        return _interpreter(self.networks.landmarks, LANDMARK_OUTPUTS)

    def estimate(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the joints (t d) of the main body, see ``PoseEstimator.estimate``."""
        vectors = []
        region: BodyRegion | None = None
        for frame in frames:
            body = None if region is None else self._body(frame, region)
            if body is None:
                regions = self.regions(frame)
                body = self._body(frame, regions[0]) if regions else None
            region = None if body is None else body.region
            vectors.append(_vector(body, len(frame)))
        return np.stack(vectors) if vectors else np.zeros((0, POSE_JOINTS * POSE_AXES), np.float32)

    def regions(self, frame: NDArray[np.uint8]) -> list[BodyRegion]:
        """Return the regions of the bodies that the detector finds, the surest one first."""
        height, width = frame.shape[:2]
        scale = DETECTOR_SIDE / max(height, width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        image = np.full((DETECTOR_SIDE, DETECTOR_SIDE, 3), -1, np.float32)
        top, left = (DETECTOR_SIDE - rows) // 2, (DETECTOR_SIDE - columns) // 2
        small = resized(frame, (rows, columns)).astype(np.float32)
        image[top : top + rows, left : left + columns] = small / 127.5 - 1
        boxes, scores = _run(self._detector, image)
        sure = scores[:, 0] > np.log(LEAST_SCORE / (1 - LEAST_SCORE))
        values = boxes[sure].reshape(-1, 6, 2)  # middle, size, and four points of each body
        values[:, [0, 2, 3, 4, 5]] += ANCHORS[sure][:, None]
        found = _merged(values, _sigmoid(scores[sure, 0]))
        points = (found[:, 2:4] - (left, top)) / (columns, rows) * (width, height)
        return [BodyRegion.of(complex(*hips), complex(*above)) for hips, above in points]

    def _all_regions(self, frame: NDArray[np.uint8]) -> list[BodyRegion]:
        """Return the regions of bodies in a frame, and of small ones in its tiles."""
        found = self.regions(frame)
        for top, left, side in _tiles(*frame.shape[:2]):
            part = frame[top : top + side, left : left + side]
            shift = complex(left, top)
            found += [BodyRegion(middle + shift, up) for middle, up in self.regions(part)]
        return found

    def _body(self, frame: NDArray[np.uint8], region: BodyRegion) -> DetectedBody | None:
        """Return the body in a region; None if there is none."""
        if region.half < 1:
            return None
        landmarks, presence, heatmap = _run(self._landmarks, _cut(frame, region))
        if presence.item() < LEAST_SCORE:
            return None
        values = landmarks.reshape(LANDMARKS, 5) / np.float32(REGION_SIDE)
        positions = _refined(values[:, :2], heatmap)
        places = region.at(*(2 * positions.T - 1))  # (39)
        joints = np.empty((POSE_JOINTS, POSE_AXES), np.float32)
        joints[:, 0], joints[:, 1] = places.real[:POSE_JOINTS], places.imag[:POSE_JOINTS]
        joints[:, 2] = values[:POSE_JOINTS, 2] * (2 * region.half)
        joints[:, 3] = _sigmoid(values[:POSE_JOINTS, 3] * REGION_SIDE)
        return DetectedBody(joints, BodyRegion.of(complex(places[HIPS]), complex(places[TOP])))

    def estimate_people(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> list[Person]:
        """Return each body that was followed, see ``EstimatesPeople.estimate_people``."""
        people: list[dict[int, DetectedBody]] = []
        followed: dict[int, BodyRegion] = {}
        number, height = 0, 1
        for number, frame in enumerate(frames, 1):
            height = len(frame)
            followed = self._follow(frame, number - 1, people, followed)
        return sorted(
            (_person(bodies, number, height) for bodies in people),
            key=lambda person: -int(person.boxes.any(1).sum()),
        )

    def _follow(
        self,
        frame: NDArray[np.uint8],
        number: int,
        people: list[dict[int, DetectedBody]],
        followed: dict[int, BodyRegion],
    ) -> dict[int, BodyRegion]:
        """Add the bodies of a frame to those of people, and return the regions to look at next."""
        regions: list[tuple[int | None, BodyRegion]] = [*followed.items()]
        if number % DETECTION_STEP == 0 or not followed:
            known = [*followed.values()]
            regions += [
                (None, region)
                for region in self._all_regions(frame)
                if not any(region.near(other) for other in known)
            ]
        after: dict[int, BodyRegion] = {}
        for person, region in regions[:MOST_PEOPLE]:
            body = self._body(frame, region)
            if body is None or any(body.region.near(other) for other in after.values()):
                continue
            if person is None:
                person = len(people)
                people.append({})
            people[person][number] = body
            after[person] = body.region
        return after


def create(file: str = "") -> BlazePose:
    """Return the estimator.

    Args:
        file: File with its networks; "" for those that ``fewact poses --install`` keeps.

    Raises:
        ExtraError: LiteRT is not installed.
        WeightsError: There are no such networks.
    """
    check_extra("the pose estimator of MediaPipe", "pose", "ai_edge_litert")
    return BlazePose(read_networks(file), f"{ESTIMATOR_NAME}:{file}" if file else ESTIMATOR_NAME)


def _tiles(height: int, width: int) -> list[tuple[int, int, int]]:
    """Return top, left and side of square tiles that cover a frame."""
    side = max(1, round(TILE_SIDE * min(height, width)))

    def starts(length: int) -> list[int]:
        count = 1 + math.ceil((length - side) / (TILE_STEP * side))
        return [round(start) for start in np.linspace(0, length - side, count).tolist()]

    return [(top, left, side) for top in starts(height) for left in starts(width)]


def _anchors() -> NDArray[np.float32]:
    """Return the middles (2254 2) of the detector's anchors: x and y, in pixels of its image."""
    middles = []
    for stride in sorted(set(STRIDES)):
        cells = (np.arange(DETECTOR_SIDE // stride) + 0.5) * stride
        each = STRIDES.count(stride)
        middles += [(x, y) for y, x in product(cells, cells) for _ in range(each)]
    return np.array(middles, np.float32)


ANCHORS = _anchors()


def _sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(−v)); of numbers far from 0 without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), np.float32)


def _merged(values: Floats, scores: Floats) -> Floats:
    """Return one detection (b 6 2) for each body: the mean of its detections by their scores."""
    bodies = []
    low, high = values[:, 0] - values[:, 1] / 2, values[:, 0] + values[:, 1] / 2
    left = np.argsort(-scores, kind="stable")
    while left.size:
        first = left[0]
        shared = (np.minimum(high[left], high[first]) - np.maximum(low[left], low[first])).clip(0)
        both = shared.prod(-1)
        areas = values[:, 1].prod(-1)
        same = both > SAME_BODY_IOU * (areas[left] + areas[first] - both)
        same[0] = True
        weights = scores[left[same]]
        bodies.append(np.tensordot(weights / weights.sum(), values[left[same]], 1))
        left = left[~same]
    return np.array(bodies, np.float32).reshape(-1, 6, 2)


def _cut(frame: NDArray[np.uint8], region: BodyRegion) -> Floats:
    """Return the upright image (256 256 3), from 0 to 1, of a region; borders are continued."""
    steps = (np.arange(REGION_SIDE, dtype=np.float32) + 0.5) * (2 / REGION_SIDE) - 1
    places = region.at(steps, steps[:, None]).astype(np.complex64)  # (256 256)
    height, width = frame.shape[:2]
    reach = 2 * region.half + 2
    low_x, high_x = _range(region.middle.real, reach, width)
    low_y, high_y = _range(region.middle.imag, reach, height)
    part = frame[low_y:high_y, low_x:high_x].astype(np.float32)
    middle = complex((low_x + high_x) / 2, (low_y + high_y) / 2)
    image, _ = sample(part.transpose(2, 0, 1)[None], (places - np.complex64(middle))[None])
    upright = np.ascontiguousarray(image[0].transpose(1, 2, 0), np.float32)
    upright /= 255
    return upright


def _range(middle: float, reach: float, length: int) -> tuple[int, int]:
    """Return the pixels of a side within a distance of a place, at least one."""
    low = int(np.clip(middle - reach, 0, length - 1))
    return low, int(np.clip(middle + reach + 1, low + 1, length))


def _refined(positions: Floats, heatmap: NDArray[np.float32]) -> Floats:
    """Return positions (39 2), from 0 to 1, moved to the means of their heatmaps (64 64 39)."""
    refined = positions.copy()
    cells = np.trunc(positions * HEATMAP_SIDE).astype(int)
    inside = ((cells >= 0) & (cells < HEATMAP_SIDE)).all(1)
    for i in np.flatnonzero(inside):
        x, y = cells[i]
        left, above = max(0, x - HEATMAP_REACH), max(0, y - HEATMAP_REACH)
        near = heatmap[above : y + HEATMAP_REACH + 1, left : x + HEATMAP_REACH + 1, i]
        heat = _sigmoid(near)
        if heat.max() >= LEAST_HEAT:
            rows, columns = np.arange(heat.shape[0]), np.arange(heat.shape[1])
            total = heat.sum()
            refined[i, 0] = (left + heat.sum(0) @ columns / total) / HEATMAP_SIDE
            refined[i, 1] = (above + heat.sum(1) @ rows / total) / HEATMAP_SIDE
    return refined


def _vector(body: DetectedBody | None, height: int) -> Floats:
    """Return the joints (d) of a body, in heights of the frame; zeros if there is none."""
    if body is None:
        return np.zeros(POSE_JOINTS * POSE_AXES, np.float32)
    joints = body.joints.copy()
    joints[:, :3] /= height
    return joints.reshape(-1)


def _person(bodies: dict[int, DetectedBody], count: int, height: int) -> Person:
    joints = np.stack([_vector(bodies.get(i), height) for i in range(count)])
    places = joints.reshape(count, POSE_JOINTS, POSE_AXES)[..., :2]
    low, high = places.min(1), places.max(1)
    return Person(joints, np.concatenate([low, high - low], 1))


class _Network(NamedTuple):
    """A loaded network, and the positions of its input and of the outputs that are used."""

    interpreter: Any
    given: int
    outputs: tuple[int, ...]


def _interpreter(network: bytes, shapes: Sequence[tuple[int, ...]]) -> _Network:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with _silenced():
            interpreter = Interpreter(model_content=network, num_threads=1)
            interpreter.allocate_tensors()
        found = {tuple(out["shape"].tolist()): out for out in interpreter.get_output_details()}
        outputs = tuple(found[shape]["index"] for shape in shapes)
        (given,) = interpreter.get_input_details()
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            "this is no network of MediaPipe's pose estimator",
            got=str(error)[:200],
            expected=EXPECTED,
            hint=INSTALL_HINT,
        ) from error
    return _Network(interpreter, given["index"], outputs)


@contextmanager
def _silenced() -> Iterator[None]:
    """Leave out what LiteRT writes to stderr when it loads a network: it has no option for it."""
    sys.stderr.flush()
    with open(os.devnull, "wb") as null:
        kept = os.dup(2)
        try:
            os.dup2(null.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _run(network: _Network, image: Floats) -> list[NDArray[np.float32]]:
    """Return the outputs of a network that are used, without their first axis."""
    network.interpreter.set_tensor(network.given, image[None])
    network.interpreter.invoke()
    return [network.interpreter.get_tensor(index)[0] for index in network.outputs]
