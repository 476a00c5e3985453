"""Painting one frame.

All is done with additions, products, quotients and square roots of 32-bit numbers, one array at a
time, which are the same on every machine; what comes from sines or powers is rounded first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.synthetic.looks import Colour, Look, Picture

GRID = 64
"""Places are rounded to this share of a pixel, so that no sine's last bit reaches a pixel."""

REACH = 1.2
"""No outline is farther from its middle than so many radii."""


@dataclass(frozen=True)
class Camera:
    """What the camera sees in a frame.

    Args:
        x: The middle of its picture, in picture sides from that of the scene.
        y: The same down.
        zoom: How large it sees things.
    """

    x: float
    y: float
    zoom: float

    def pixels(self, size: int, x: float, y: float) -> tuple[float, float]:
        """A place of the scene in pixels across and down, where ``size`` is the picture's side."""
        return (
            _rounded(((x - 0.5 - self.x) * self.zoom + 0.5) * size),
            _rounded(((y - 0.5 - self.y) * self.zoom + 0.5) * size),
        )


def _rounded(value: float) -> float:
    return math.floor(value * GRID + 0.5) / GRID


def paint_background(picture: Picture, background: Picture, camera: Camera) -> None:
    """Paint what the camera sees of a background.

    Args:
        picture: (h h 3), painted over.
        background: (s s 3), with the same middle as the scene, in the picture's pixels.
        camera: Where it looks.
    """
    size, side = len(picture), len(background)
    zoom = math.floor(camera.zoom * 4096 + 0.5) / 4096
    steps = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) / np.float32(zoom)
    (rows, down), (columns, across) = (
        _between(steps + np.float32(side / 2 - 0.5 + _rounded(shift * size)), side)
        for shift in (camera.y, camera.x)
    )
    if not (down.any() or across.any()):
        picture[:] = background[rows[:, None], columns]
        return
    strip = background[rows]
    strip += down[:, None, None] * (background[rows + 1] - strip)  # (h s 3)
    picture[:] = strip[:, columns]
    picture += across[:, None] * (strip[:, columns + 1] - picture)


def _between(place: NDArray[np.float32], side: int) -> tuple[NDArray[np.int64], Picture]:
    """The pixel before each place, and how far on the way to the next it is."""
    place = np.clip(place, 0, side - 1.001)
    before = np.floor(place)
    return before.astype(np.int64), place - before


def paint_thing(
    picture: Picture,
    look: Look,
    at: tuple[float, float],
    radius: float,
    turns: float,
    alpha: float,
) -> None:
    """Paint an object.

    Args:
        picture: (h h 3), painted on.
        look: How the object looks.
        at: Its middle, in pixels across and down.
        radius: Its size, in pixels.
        turns: How far it is turned clockwise.
        alpha: How much of it is seen, 0 … 1.
    """
    x, y = at
    radius = max(_rounded(radius), 1.0)
    alpha = math.floor(alpha * 4096 + 0.5) / 4096
    box = [max(math.floor(middle - REACH * radius - 1), 0) for middle in (y, x)]
    end = [max(math.ceil(middle + REACH * radius + 1), 0) for middle in (y, x)]
    part = picture[box[0] : end[0], box[1] : end[1]]
    if alpha == 0 or not part.size:
        return
    cos, sin = (
        math.floor(ratio(math.tau * turns) * 4096 + 0.5) / 4096 / radius
        for ratio in (math.cos, math.sin)
    )
    down = (np.arange(box[0], box[0] + part.shape[0], dtype=np.float32) + np.float32(0.5 - y))[
        :, None
    ]
    over = np.arange(box[1], box[1] + part.shape[1], dtype=np.float32) + np.float32(0.5 - x)
    along, across = over * cos + down * sin, down * cos - over * sin  # (h w), in radii
    cover = _inside(_OUTLINES[look.outline](along, across), radius)
    marked = _inside(_PATTERNS[look.pattern](along, across), radius)[..., None]
    first, second = (np.asarray(colour, dtype=np.float32) for colour in look.colours)
    part += (cover * alpha)[..., None] * (first + marked * (second - first) - part)


def paint_wall(
    picture: Picture,
    colours: tuple[Colour, Colour],
    at: tuple[float, float],
    half: tuple[float, float],
) -> None:
    """Paint an occluder with upright stripes.

    Args:
        picture: (h h 3), painted on.
        colours: Of the stripes.
        at: Its middle, in pixels across and down.
        half: Half its width and half its height, in pixels.
    """
    size = len(picture)
    (over, wide), (down, high) = (
        (np.arange(size, dtype=np.float32) + np.float32(0.5 - middle), _rounded(length))
        for middle, length in zip(at, half, strict=True)
    )
    cover = _inside(np.abs(over) - wide, 1.0) * _inside(np.abs(down) - high, 1.0)[:, None]
    place = over * (2 / wide)
    stripes = _inside(np.abs(place - np.floor(place) - 0.5) - 0.25, wide / 2)[:, None]
    first, second = (np.asarray(colour, dtype=np.float32) for colour in colours)
    picture += cover[..., None] * (first + stripes * (second - first) - picture)


def add_noise(picture: Picture, octets: NDArray[np.uint8], strength: float) -> None:
    """Add grey noise.

    Args:
        picture: (h h 3).
        octets: (h² ,) random bytes.
        strength: Its largest value.
    """
    noise = (octets & 15).astype(np.float32) + (octets >> 4) - np.float32(15)
    picture += (noise * np.float32(strength / 15)).reshape(*picture.shape[:2], 1)


def _inside(distance: Picture, scale: float) -> Picture:
    """Share of each pixel inside, where ``distance`` is how far outside its middle is."""
    share: Picture = np.clip(np.float32(0.5) - distance * np.float32(scale), 0, 1)
    return share


def _cross(x: Picture, y: Picture) -> Picture:
    x, y = np.abs(x), np.abs(y)
    bar = np.maximum(x - np.float32(1.1), y - np.float32(0.4))
    post = np.maximum(y - np.float32(1.1), x - np.float32(0.4))
    return np.asarray(np.minimum(bar, post))


_OUTLINES: dict[str, Callable[[Picture, Picture], Picture]] = {
    "disc": lambda x, y: np.sqrt(x * x + y * y) - 1,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) - np.float32(0.84),
    "triangle": lambda x, y: np.maximum(
        y - np.float32(0.6),
        np.float32(0.8660254) * np.abs(x) - np.float32(0.5) * y - np.float32(0.6),
    ),
    "diamond": lambda x, y: (np.abs(x) + np.abs(y) - np.float32(1.2)) * np.float32(0.7071068),
    "cross": _cross,
    "hexagon": lambda x, y: (
        np.maximum(np.abs(x), np.float32(0.5) * np.abs(x) + np.float32(0.8660254) * np.abs(y))
        - np.float32(0.95)
    ),
}
"""How far outside an outline of radius about one a point lies; negative inside."""

_PATTERNS: dict[str, Callable[[Picture, Picture], Picture]] = {
    "half": lambda x, y: x,
    "stripe": lambda x, y: np.maximum(np.abs(y) - np.float32(0.3), x - np.float32(0.5)),
    "dot": lambda x, y: (
        np.sqrt((x - np.float32(0.45)) * (x - np.float32(0.45)) + y * y) - np.float32(0.4)
    ),
}
"""The same for what is drawn on it."""
