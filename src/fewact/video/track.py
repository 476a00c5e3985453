"""A subject in a recording: its position over time, and the crop around it.

If the camera moves, the crop is taken from the stabilised view: the view of a static camera at the
position where the recording begins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.video.camera.registration import pixel_positions, sample
from fewact.video.pooling import mean_colours
from fewact.video.samplers import Floats

PICTURE_MARGIN = 1.35
"""Height of the crop around a subject, as a multiple of the height of its box."""

WALK_DISTANCE = 0.5
"""A subject walks if the center of its boxes moves by more than this multiple of the 90 % quantile
of their sides. On development recordings the multiple was at most 0.35 for people who stay, half of
them half-hidden, and at least 0.7 for people who walk. Half-hidden people move in parts of
different size."""

SLIMMEST_ASPECT = 0.6
"""Smallest width over height, and smallest height over width, of the crop around a box of the user.
A crop with the aspect ratio of the frame shows half of a neighbour: with eight classes of two
people side by side, 8 of 16 new clips were right. With the ratio of the box, 15 were right."""

FULL_HEIGHT = 0.9
"""A crop at least this tall, relative to the frame, is extended to the full height."""

ENOUGH_ROWS = 400
"""A large stabilised crop is reduced, but not below this number of rows: a network reads fewer."""


class Box(NamedTuple):
    """Part of a picture as displayed: left, top, width and height, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Width times height."""
        return self.width * self.height

    def shared(self, other: "Box") -> float:
        """Return the area of the intersection."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)

    def overlap(self, other: "Box") -> float:
        """Return the area of the intersection as a fraction of the smaller box."""
        return self.shared(other) / max(1e-9, min(self.area, other.area))

    def iou(self, other: "Box") -> float:
        """Return intersection over union.

        >>> Box(0, 0, 2, 2).iou(Box(1, 0, 2, 2))
        0.3333333333333333
        """
        shared = self.shared(other)
        return shared / max(1e-9, self.area + other.area - shared)

    def within(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the part of an image (h w …); empty if the box is beside it."""
        left, top = max(0, round(self.x)), max(0, round(self.y))
        right, bottom = round(self.x + self.width), round(self.y + self.height)
        return image[top : max(top, bottom), left : max(left, right)]


@dataclass(frozen=True, eq=False)
class Track:
    """Something that moves, followed over time.

    Args:
        subject: Name of the subject; detected subjects are numbered from 1 as they appear.
        times: Times (n), in seconds, ascending.
        boxes: Left, top, width and height (n 4) at these times, in pixels.
    """

    subject: str
    times: Floats
    boxes: Floats

    @property
    def start(self) -> float:
        """Time of the first box, in seconds."""
        return float(self.times[0])

    @property
    def end(self) -> float:
        """Time of the last box, in seconds."""
        return float(self.times[-1])

    def box(self, start: float = -math.inf, end: float = math.inf) -> Box:
        """Return the ``extent`` of the subject between two times, or nearest to them."""
        first, last = np.searchsorted(self.times, (start, end))
        first = min(int(first), len(self.times) - 1)
        return extent(self.boxes[first : max(int(last), first + 1)])


class CameraPose(NamedTuple):
    """Similarity from positions in the stabilised view to those in a frame: z → linear·z + shift.

    Positions are complex, x to the right and y down from the middle of the picture, in pixels.
    """

    linear: complex
    shift: complex

    def box(self, stabilised: Box, frame: NDArray[Any]) -> Box:
        """Return the position in a frame (h w …) of a box of the stabilised view."""
        rows, columns = frame.shape[:2]
        middle = complex(columns, rows) / 2
        center = complex(stabilised.x + stabilised.width / 2, stabilised.y + stabilised.height / 2)
        z = self.linear * (center - middle) + self.shift + middle
        width, height = (side * abs(self.linear) for side in (stabilised.width, stabilised.height))
        return Box(z.real - width / 2, z.imag - height / 2, width, height)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """How a camera moves through a recording.

    Args:
        times: Times (n), in seconds, ascending.
        linear: Linear parts (n) of the ``CameraPose`` at these times, complex.
        shift: Its shifts (n), complex.
        size: Height and width of the picture, in pixels.
    """

    times: Floats
    linear: NDArray[np.complex128]
    shift: NDArray[np.complex128]
    size: tuple[int, int]

    def view(self, time: float) -> CameraPose:
        """Return the camera's pose at a time, interpolated."""
        linear, shift = (np.interp(time, self.times, x) for x in (self.linear, self.shift))
        return CameraPose(complex(linear), complex(shift))

    @cached_property
    def scene(self) -> Box:
        """Part of the stabilised view that is visible most of the time."""
        frame = Track("", self.times, np.tile((0.0, 0.0, *self.size[::-1]), (len(self.times), 1)))
        return self.stabilised(frame).box()

    def stabilised(self, track: Track) -> Track:
        """Return a track of boxes in the picture as one of boxes in the stabilised view."""
        linear, shift = self._at(track.times)
        return self._mapped(track, 1 / linear, -shift / linear)

    def in_picture(self, track: Track) -> Track:
        """Return a track of boxes in the stabilised view as one of boxes in the picture."""
        return self._mapped(track, *self._at(track.times))

    def _at(self, times: Floats) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        return np.interp(times, self.times, self.linear), np.interp(times, self.times, self.shift)

    def _mapped(
        self, track: Track, linear: NDArray[np.complex128], shift: NDArray[np.complex128]
    ) -> Track:
        """Return a track whose boxes are moved and zoomed; they are not rolled."""
        corners, sides = track.boxes[:, :2], track.boxes[:, 2:] * np.abs(linear)[:, None]
        middle = np.array(self.size[::-1]) / 2
        x, y = (corners + track.boxes[:, 2:] / 2 - middle).T
        z = linear * (x + 1j * y) + shift
        boxes = np.column_stack([np.stack([z.real, z.imag], 1) + middle - sides / 2, sides])
        return Track(track.subject, track.times, boxes)


@dataclass(frozen=True)
class Picture:
    """Crop around a subject, in which other subjects are painted over.

    Args:
        part: Crop in the stabilised view; None for the full frame.
        own: Box of the subject, in which nothing is painted over.
        others: Boxes of other subjects. Each row of a box is interpolated between its two ends, so
            that nothing moves there.
    """

    part: Box | None = None
    own: Box | None = None
    others: tuple[Box, ...] = ()

    @property
    def is_full(self) -> bool:
        """Whether frames stay as they are."""
        return self.part is None and not self.others

    def of(
        self,
        frame: NDArray[np.uint8],
        view: CameraPose | None = None,
        before: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Return the crop (h' w' 3) of a frame (h w 3); empty if it is outside the frame.

        Args:
            frame: The frame.
            view: Pose of the camera, if the boxes and the part are in the stabilised view.
            before: Crop of the frame before, which fills pixels outside this frame.
        """
        if self.others:
            shown = frame.copy()
            for other in self.others:
                _paint_over(shown, other if view is None else view.box(other, frame))
            if self.own is not None:
                own = self.own if view is None else view.box(self.own, frame)
                own.within(shown)[:] = own.within(frame)
            frame = shown
        if view is not None:
            part = self.part or Box(0, 0, *frame.shape[1::-1])
            shown, inside = _stabilised(frame, part, view)
            if before is not None and before.shape == shown.shape:
                shown = np.where(inside[..., None], shown, before)
            return shown
        return np.ascontiguousarray(frame if self.part is None else self.part.within(frame))


def _stabilised(
    frame: NDArray[np.uint8], part: Box, view: CameraPose
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a part (h' w' 3) of a frame's (h w 3) stabilised view, and its mask (h' w').

    The mask is true inside the frame; outside, the border is repeated. A large part is reduced, to
    at least ``ENOUGH_ROWS`` rows.
    """
    rows, columns = frame.shape[:2]
    seen = view.box(part, frame)
    left, top = max(0, math.floor(seen.x) - 2), max(0, math.floor(seen.y) - 2)
    right, bottom = math.ceil(seen.x + seen.width) + 2, math.ceil(seen.y + seen.height) + 2
    left, top = min(left, columns - 1), min(top, rows - 1)
    near = frame[top : max(bottom, top + 1), left : max(right, left + 1)]
    step = max(1, int(part.height) // ENOUGH_ROWS)
    image = mean_colours(near, step) if step > 1 else near.astype(np.float32)  # (h w 3)
    size = max(1, round(part.height / step)), max(1, round(part.width / step))
    middle = complex(part.x + part.width / 2 - columns / 2, part.y + part.height / 2 - rows / 2)
    shift = view.linear * middle + view.shift + complex(columns / 2 - left, rows / 2 - top)
    shift = shift / step - complex(image.shape[1], image.shape[0]) / 2
    at = view.linear * pixel_positions(*size, 1.0, np.float32) + shift
    sampled, inside = sample(np.moveaxis(image, -1, 0)[None], at[None])
    shown = np.moveaxis(sampled[0], 0, -1).round().astype(np.uint8)
    return np.ascontiguousarray(shown), inside[0]


@dataclass(frozen=True)
class Around:
    """Crop around a box, in pixels."""

    box: Box

    def of(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the crop (h' w' 3) of a frame (h w 3); empty if it is outside the frame."""
        rows, columns = frame.shape[:2]
        if not self.box.within(frame).size:
            return frame[:0]
        aspect = min(max(self.box.width / self.box.height, SLIMMEST_ASPECT), 1 / SLIMMEST_ASPECT)
        return pictures([self.box], (rows, columns), aspect)[0].of(frame)


def _paint_over(frame: NDArray[np.uint8], box: Box) -> None:
    """Interpolate each row of a box, in place, from the pixel left of it to the one right of it."""
    inside = box.within(frame)
    if not inside.size:
        return
    left = max(0, round(box.x))
    right = left + inside.shape[1]
    top = max(0, round(box.y))
    rows = slice(top, top + inside.shape[0])
    ends = [frame[rows, x] for x in (left - 1, right) if 0 <= x < frame.shape[1]]
    if not ends:
        return
    steps = ((np.arange(inside.shape[1]) + 1) / (inside.shape[1] + 1))[:, None]
    first, last = (end[:, None].astype(np.float32) for end in (ends[0], ends[-1]))
    inside[:] = (first + steps * (last - first)).round()


def pictures(
    boxes: Sequence[Box],
    size: tuple[int, int],
    aspect: float | None = None,
    scene: Box | None = None,
) -> list[Picture]:
    """Return the crop around each of several subjects.

    Args:
        boxes: Box around each subject, in pixels.
        size: Height and width of the full frame.
        aspect: Width over height of the crops; None for the ratio of the full frame.
        scene: Visible part of the stabilised view, which the boxes are then in; None for a static
            camera.
    """
    shown = []
    for number, box in enumerate(boxes):
        part = _part_around(box, size, aspect or size[1] / size[0], scene)
        frame = part or Box(0, 0, size[1], size[0])
        rest = [*boxes[:number], *boxes[number + 1 :]]
        others = tuple(other for other in rest if other.shared(frame) > 0)
        shown.append(Picture(part, box if others else None, others))
    return shown


def _part_around(box: Box, size: tuple[int, int], aspect: float, scene: Box | None) -> Box | None:
    """Return the part of the frame around a subject; None for the full frame."""
    rows, columns = size
    height = max(PICTURE_MARGIN * box.height, PICTURE_MARGIN * box.width / aspect)
    height = rows if height >= FULL_HEIGHT * rows else height
    width = height * aspect
    if height == rows and width >= FULL_HEIGHT * columns and scene is None:
        return None
    width = min(columns, width)
    inside = scene or Box(0, 0, columns, rows)
    right, bottom = inside.x + inside.width - width, inside.y + inside.height - height
    left = max(inside.x, min(box.x + box.width / 2 - width / 2, right))
    top = max(inside.y, min(box.y + box.height / 2 - height / 2, bottom))
    return Box(float(round(left)), float(round(top)), float(round(width)), float(round(height)))


def extent(boxes: Floats) -> Box:
    """Return the box around boxes (n 4), without the outermost twentieth at each side."""
    left, top = np.quantile(boxes[:, :2], 0.05, axis=0).tolist()
    right, bottom = np.quantile(boxes[:, :2] + boxes[:, 2:], 0.95, axis=0).tolist()
    return Box(left, top, right - left, bottom - top)


def walks(boxes: Floats) -> bool:
    """Return whether the subject of boxes (n 4) walks, see ``WALK_DISTANCE``."""
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    way = np.quantile(middle, 0.95, axis=0) - np.quantile(middle, 0.05, axis=0)
    return bool((way > WALK_DISTANCE * np.quantile(boxes[:, 2:], 0.9, axis=0)).any())
