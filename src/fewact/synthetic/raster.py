"""Rasterisation of one frame.

All operations are additions, products, quotients and square roots of 32-bit numbers, which are the
same on every machine; results of sines and powers are rounded first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.synthetic.appearance import Appearance, Color, Image

GRID = 64
"""Positions are rounded to 1/GRID pixel, so that the last bit of a sine changes no pixel."""

REACH = 1.2
"""Largest distance of an outline from its center, in radii."""


@dataclass(frozen=True)
class Camera:
    """Camera in one frame.

    Args:
        x: Center of the frame to the right of the scene's center, in frame sides.
        y: Center of the frame below the scene's center, in frame sides.
        zoom: Magnification.
    """

    x: float
    y: float
    zoom: float

    def pixels(self, size: int, x: float, y: float) -> tuple[float, float]:
        """Return the pixel position of a scene position, for frames with side ``size``."""
        return (
            _rounded(((x - 0.5 - self.x) * self.zoom + 0.5) * size),
            _rounded(((y - 0.5 - self.y) * self.zoom + 0.5) * size),
        )


def _rounded(value: float) -> float:
    return math.floor(value * GRID + 0.5) / GRID


def paint_background(image: Image, background: Image, camera: Camera) -> None:
    """Paint the visible part of a background.

    Args:
        image: Frame (h h 3), overwritten.
        background: Background (s s 3), centered on the scene, in pixels of the frame.
        camera: Camera of the frame.
    """
    size, side = len(image), len(background)
    zoom = math.floor(camera.zoom * 4096 + 0.5) / 4096
    steps = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) / np.float32(zoom)
    (rows, down), (columns, across) = (
        _between(steps + np.float32(side / 2 - 0.5 + _rounded(shift * size)), side)
        for shift in (camera.y, camera.x)
    )
    if not (down.any() or across.any()):
        image[:] = background[rows[:, None], columns]
        return
    strip = background[rows]
    strip += down[:, None, None] * (background[rows + 1] - strip)  # (h s 3)
    image[:] = strip[:, columns]
    image += across[:, None] * (strip[:, columns + 1] - image)


def _between(position: NDArray[np.float32], side: int) -> tuple[NDArray[np.int64], Image]:
    """Return the pixel before each position, and the fraction of the way to the next."""
    position = np.clip(position, 0, side - 1.001)
    before = np.floor(position)
    return before.astype(np.int64), position - before


def paint_object(
    image: Image,
    appearance: Appearance,
    at: tuple[float, float],
    radius: float,
    turns: float,
    alpha: float,
) -> None:
    """Paint an object.

    Args:
        image: Frame (h h 3), painted on.
        appearance: Appearance of the object.
        at: Center, in pixels from the left and the top.
        radius: Radius, in pixels.
        turns: Clockwise rotation, in turns.
        alpha: Opacity, 0 … 1.
    """
    x, y = at
    radius = max(_rounded(radius), 1.0)
    alpha = math.floor(alpha * 4096 + 0.5) / 4096
    box = [max(math.floor(middle - REACH * radius - 1), 0) for middle in (y, x)]
    end = [max(math.ceil(middle + REACH * radius + 1), 0) for middle in (y, x)]
    part = image[box[0] : end[0], box[1] : end[1]]
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
    cover = _inside(_OUTLINES[appearance.outline](along, across), radius)
    patterned = _inside(_PATTERNS[appearance.pattern](along, across), radius)[..., None]
    first, second = (np.asarray(color, dtype=np.float32) for color in appearance.colors)
    part += (cover * alpha)[..., None] * (first + patterned * (second - first) - part)


def paint_occluder(
    image: Image,
    colors: tuple[Color, Color],
    at: tuple[float, float],
    half: tuple[float, float],
) -> None:
    """Paint an occluder with vertical stripes.

    Args:
        image: Frame (h h 3), painted on.
        colors: Colors of the stripes.
        at: Center, in pixels from the left and the top.
        half: Half of the width and of the height, in pixels.
    """
    size = len(image)
    (over, wide), (down, high) = (
        (np.arange(size, dtype=np.float32) + np.float32(0.5 - middle), _rounded(length))
        for middle, length in zip(at, half, strict=True)
    )
    cover = _inside(np.abs(over) - wide, 1.0) * _inside(np.abs(down) - high, 1.0)[:, None]
    position = over * (2 / wide)
    stripes = _inside(np.abs(position - np.floor(position) - 0.5) - 0.25, wide / 2)[:, None]
    first, second = (np.asarray(color, dtype=np.float32) for color in colors)
    image += cover[..., None] * (first + stripes * (second - first) - image)


def add_noise(image: Image, octets: NDArray[np.uint8], strength: float) -> None:
    """Add grey noise.

    Args:
        image: Frame (h h 3), changed in place.
        octets: Random bytes (h²,).
        strength: Amplitude.
    """
    noise = (octets & 15).astype(np.float32) + (octets >> 4) - np.float32(15)
    image += (noise * np.float32(strength / 15)).reshape(*image.shape[:2], 1)


def _inside(distance: Image, scale: float) -> Image:
    """Return the coverage of each pixel from the signed distance of its center."""
    coverage: Image = np.clip(np.float32(0.5) - distance * np.float32(scale), 0, 1)
    return coverage


def _cross(x: Image, y: Image) -> Image:
    x, y = np.abs(x), np.abs(y)
    bar = np.maximum(x - np.float32(1.1), y - np.float32(0.4))
    post = np.maximum(y - np.float32(1.1), x - np.float32(0.4))
    return np.asarray(np.minimum(bar, post))


_OUTLINES: dict[str, Callable[[Image, Image], Image]] = {
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
"""Signed distance to an outline of radius about 1; negative inside."""

_PATTERNS: dict[str, Callable[[Image, Image], Image]] = {
    "half": lambda x, y: x,
    "stripe": lambda x, y: np.maximum(np.abs(y) - np.float32(0.3), x - np.float32(0.5)),
    "dot": lambda x, y: (
        np.sqrt((x - np.float32(0.45)) * (x - np.float32(0.45)) + y * y) - np.float32(0.4)
    ),
}
"""Signed distance to the pattern on an object; negative inside."""
