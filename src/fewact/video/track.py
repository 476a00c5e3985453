"""A subject in a recording: where it is over time, and the picture that is cut out around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.video.samplers import Floats

MARGIN = 1.35
"""Height of the picture of a subject as a multiple of that of its box."""

WALKS = 3.0
"""Area of the place of a track, as a multiple of its box, from which on its subject walks."""

LARGE = 0.9
"""Height of that picture, as a fraction of the full one's, from which on it is the full height."""


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
        """Return the area that both have."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)

    def overlap(self, other: "Box") -> float:
        """Return the shared area as a fraction of the smaller one."""
        return self.shared(other) / max(1e-9, min(self.area, other.area))

    def iou(self, other: "Box") -> float:
        """Return the shared area as a fraction of the area of both.

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
        subject: Its name; found ones are numbered from 1 in the order in which they appear.
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
        """Return the box around the subject between two times, or nearest to them.

        A twentieth of the boxes may reach beyond it at each side.
        """
        first, last = np.searchsorted(self.times, (start, end))
        first = min(int(first), len(self.times) - 1)
        return extent(self.boxes[first : max(int(last), first + 1)])


@dataclass(frozen=True)
class Picture:
    """What is shown of a subject: a part of the picture, in which others are painted over.

    Args:
        part: The part; None for the full picture.
        own: Box of the subject, in which nothing is painted over.
        others: Boxes of other subjects. Each row of them is interpolated between its two ends, so
            that nothing moves there.
    """

    part: Box | None = None
    own: Box | None = None
    others: tuple[Box, ...] = ()

    @property
    def is_full(self) -> bool:
        """Whether frames stay as they are."""
        return self.part is None and not self.others

    def of(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what is shown (h' w' 3) of a frame (h w 3); empty if it is beside the frame."""
        if self.others:
            shown = frame.copy()
            for other in self.others:
                _paint_over(shown, other)
            if self.own is not None:
                self.own.within(shown)[:] = self.own.within(frame)
            frame = shown
        return np.ascontiguousarray(frame if self.part is None else self.part.within(frame))


@dataclass(frozen=True)
class Around:
    """The part of the picture around a subject.

    Args:
        box: Box around it, in pixels.
    """

    box: Box

    def of(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what is shown (h' w' 3) of a frame (h w 3); empty if it is beside the frame."""
        rows, columns = frame.shape[:2]
        if not self.box.within(frame).size:
            return frame[:0]
        return pictures([self.box], (rows, columns))[0].of(frame)


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
    boxes: Sequence[Box], size: tuple[int, int], aspect: float | None = None
) -> list[Picture]:
    """Return what is shown of each of several subjects.

    Args:
        boxes: Box around each subject, in pixels.
        size: Height and width of the full picture.
        aspect: Width over height of what is shown; None for that of the full picture.
    """
    shown = []
    for number, box in enumerate(boxes):
        part = _part_around(box, size, aspect or size[1] / size[0])
        frame = part or Box(0, 0, size[1], size[0])
        rest = [*boxes[:number], *boxes[number + 1 :]]
        others = tuple(other for other in rest if other.shared(frame) > 0)
        shown.append(Picture(part, box if others else None, others))
    return shown


def _part_around(box: Box, size: tuple[int, int], aspect: float) -> Box | None:
    """Return the part of the picture around a subject; None for all of it."""
    rows, columns = size
    height = max(MARGIN * box.height, MARGIN * box.width / aspect)
    height = rows if height >= LARGE * rows else height
    width = height * aspect
    if height == rows and width >= LARGE * columns:
        return None
    width = min(columns, width)
    left = min(max(0.0, box.x + box.width / 2 - width / 2), columns - width)
    top = min(max(0.0, box.y + box.height / 2 - height / 2), rows - height)
    return Box(float(round(left)), float(round(top)), float(round(width)), float(round(height)))


def extent(boxes: Floats) -> Box:
    """Return the box around boxes (n 4); a twentieth of them may reach beyond it at each side."""
    left, top = np.quantile(boxes[:, :2], 0.05, axis=0).tolist()
    right, bottom = np.quantile(boxes[:, :2] + boxes[:, 2:], 0.95, axis=0).tolist()
    return Box(left, top, right - left, bottom - top)
