"""Appearance of objects and backgrounds, drawn independently of motion."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.core.random import NamedDraws

Image = NDArray[np.float32]
"""Image (h w 3) or (h w), 0 … 255."""

OUTLINES = ("disc", "square", "triangle", "diamond", "cross", "hexagon")
PATTERNS = ("half", "stripe", "dot")
BACKGROUNDS = ("plain", "slope", "cloudy", "speckled", "striped", "chequered")

Color = tuple[float, float, float]
"""Red, green, blue, 0 … 255."""


@dataclass(frozen=True)
class Appearance:
    """Appearance of an object.

    Args:
        outline: Outline, one of ``OUTLINES``.
        pattern: Pattern, one of ``PATTERNS``; all of them show rotation.
        colors: Colors of the object and of its pattern.
    """

    outline: str
    pattern: str
    colors: tuple[Color, Color]


def draw_appearance(draws: NamedDraws) -> Appearance:
    """Draw the appearance of an object."""
    bright, dark = _color(draws, "bright", 1.0, 0.65, 1.0), _color(draws, "dark", 1.0, 0.1, 0.45)
    colors = (bright, dark) if draws.chance("inside out", 0.5) else (dark, bright)
    return Appearance(draws.choice("outline", OUTLINES), draws.choice("pattern", PATTERNS), colors)


def draw_occluder_colors(draws: NamedDraws) -> tuple[Color, Color]:
    """Draw the two colors of an occluder's stripes."""
    return _color(draws, "wall", 0.5, 0.3, 0.6), _color(draws, "stripes", 0.5, 0.4, 0.7)


def draw_background(draws: NamedDraws, side: int) -> Image:
    """Draw a background.

    Args:
        draws: Draws of the background.
        side: Side of the square image, in pixels.

    Returns:
        Image (side side 3): one of six textures between two colors of similar brightness.
    """
    level = draws.choice("level", (0.15, 0.4, 0.65))
    first = np.asarray(_color(draws, "first", 0.4, level, level + 0.2), dtype=np.float32)
    second = np.asarray(_color(draws, "second", 0.4, level, level + 0.2), dtype=np.float32)
    mixing = _TEXTURES[draws.choice("kind", BACKGROUNDS)](draws, side)
    mixed: Image = first + mixing[..., None] * (second - first)
    return mixed


def _color(
    draws: NamedDraws, name: str, strength: float, darkest: float, brightest: float
) -> Color:
    hue, saturation = draws.uniform(f"{name} hue"), strength * draws.uniform(f"{name} pure", 0.4)
    rgb = colorsys.hsv_to_rgb(hue, saturation, draws.uniform(f"{name} value", darkest, brightest))
    red, green, blue = (round(255 * part) for part in rgb)
    return float(red), float(green), float(blue)


def _plain(draws: NamedDraws, side: int) -> Image:
    return np.zeros((side, side), dtype=np.float32)


def _slope(draws: NamedDraws, side: int) -> Image:
    """Return a linear ramp in a random direction."""
    ramp = np.arange(side, dtype=np.float32) / side
    across, down = draws.uniform("across", -1, 1), draws.uniform("down", -1, 1)
    slope = across * ramp[None] + down * ramp[:, None]
    return np.asarray((slope - slope.min()) / (slope.max() - slope.min() + 1e-3))


def _noise(draws: NamedDraws, side: int, cells: int) -> Image:
    """Return random values on a grid of cells, bilinearly interpolated."""
    octets = draws.octets("grid", (cells + 1) ** 2)
    grid = octets.reshape(cells + 1, cells + 1).astype(np.float32) / 255
    position = np.arange(side, dtype=np.float32) * cells / side
    low = position.astype(np.int64)
    rest = position - low.astype(np.float32)
    rows = grid[low] + rest[:, None] * (grid[low + 1] - grid[low])
    return np.asarray(rows[:, low] + rest * (rows[:, low + 1] - rows[:, low]))


def _wave(draws: NamedDraws, side: int, name: str) -> Image:
    """Return stripes with soft edges in a random direction."""
    ramp = np.arange(side, dtype=np.float32) / side
    times = draws.uniform(f"{name} times", 4, 10)
    across = draws.uniform(f"{name} across", -1, 1)
    position = times * (across * ramp[None] + (1 - abs(across)) * ramp[:, None])
    saw = np.abs(position - np.floor(position) - np.float32(0.5)) * 4 - 1
    return np.asarray(np.clip(saw * 3, -1, 1))


_TEXTURES: dict[str, Callable[[NamedDraws, int], Image]] = {
    "plain": _plain,
    "slope": _slope,
    "cloudy": lambda draws, side: _noise(draws, side, 4 + draws.below("cells", 4)),
    "speckled": lambda draws, side: _noise(draws, side, 14 + draws.below("cells", 12)),
    "striped": lambda draws, side: 0.5 + 0.5 * _wave(draws, side, "stripes"),
    "chequered": lambda draws, side: (
        0.5 + 0.5 * _wave(draws, side, "stripes") * _wave(draws, side, "others")
    ),
}
