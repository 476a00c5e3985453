"""What things look like: drawn apart from what they do."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.random import NamedDraws

Picture = NDArray[np.float32]
"""(h w 3) or (h w), 0 … 255."""

OUTLINES = ("disc", "square", "triangle", "diamond", "cross", "hexagon")
PATTERNS = ("half", "stripe", "dot")
BACKGROUNDS = ("plain", "slope", "cloudy", "speckled", "striped", "chequered")

Colour = tuple[float, float, float]
"""Red, green, blue, 0 … 255."""


@dataclass(frozen=True)
class Look:
    """How an object looks.

    Args:
        outline: One of ``OUTLINES``.
        pattern: One of ``PATTERNS``; none of them looks the same when it is turned.
        colours: Of the object and of the pattern on it.
    """

    outline: str
    pattern: str
    colours: tuple[Colour, Colour]


def draw_look(draws: NamedDraws) -> Look:
    """Draw how an object looks."""
    bright, dark = _colour(draws, "bright", 1.0, 0.65, 1.0), _colour(draws, "dark", 1.0, 0.1, 0.45)
    colours = (bright, dark) if draws.chance("inside out", 0.5) else (dark, bright)
    return Look(draws.choice("outline", OUTLINES), draws.choice("pattern", PATTERNS), colours)


def draw_wall(draws: NamedDraws) -> tuple[Colour, Colour]:
    """Draw the two colours of an occluder's stripes."""
    return _colour(draws, "wall", 0.5, 0.3, 0.6), _colour(draws, "stripes", 0.5, 0.4, 0.7)


def draw_background(draws: NamedDraws, side: int) -> Picture:
    """Draw a background.

    Args:
        draws: For the background.
        side: Of the square picture, in pixels.

    Returns:
        (side side 3): one of six kinds between two colours of about one brightness.
    """
    level = draws.choice("level", (0.15, 0.4, 0.65))
    first = np.asarray(_colour(draws, "first", 0.4, level, level + 0.2), dtype=np.float32)
    second = np.asarray(_colour(draws, "second", 0.4, level, level + 0.2), dtype=np.float32)
    share = _KINDS[draws.choice("kind", BACKGROUNDS)](draws, side)
    mixed: Picture = first + share[..., None] * (second - first)
    return mixed


def _colour(
    draws: NamedDraws, name: str, strength: float, darkest: float, brightest: float
) -> Colour:
    hue, saturation = draws.uniform(f"{name} hue"), strength * draws.uniform(f"{name} pure", 0.4)
    rgb = colorsys.hsv_to_rgb(hue, saturation, draws.uniform(f"{name} value", darkest, brightest))
    red, green, blue = (round(255 * part) for part in rgb)
    return float(red), float(green), float(blue)


def _plain(draws: NamedDraws, side: int) -> Picture:
    return np.zeros((side, side), dtype=np.float32)


def _slope(draws: NamedDraws, side: int) -> Picture:
    """From one side to the other, in any direction."""
    ramp = np.arange(side, dtype=np.float32) / side
    across, down = draws.uniform("across", -1, 1), draws.uniform("down", -1, 1)
    slope = across * ramp[None] + down * ramp[:, None]
    return np.asarray((slope - slope.min()) / (slope.max() - slope.min() + 1e-3))


def _noise(draws: NamedDraws, side: int, cells: int) -> Picture:
    """Random values on a grid of cells, with straight slopes between them."""
    octets = draws.octets("grid", (cells + 1) ** 2)
    grid = octets.reshape(cells + 1, cells + 1).astype(np.float32) / 255
    place = np.arange(side, dtype=np.float32) * cells / side
    low = place.astype(np.int64)
    rest = place - low.astype(np.float32)
    rows = grid[low] + rest[:, None] * (grid[low + 1] - grid[low])
    return np.asarray(rows[:, low] + rest * (rows[:, low + 1] - rows[:, low]))


def _wave(draws: NamedDraws, side: int, name: str) -> Picture:
    """Stripes with soft edges, in any direction."""
    ramp = np.arange(side, dtype=np.float32) / side
    times = draws.uniform(f"{name} times", 4, 10)
    across = draws.uniform(f"{name} across", -1, 1)
    place = times * (across * ramp[None] + (1 - abs(across)) * ramp[:, None])
    saw = np.abs(place - np.floor(place) - np.float32(0.5)) * 4 - 1
    return np.asarray(np.clip(saw * 3, -1, 1))


_KINDS: dict[str, Callable[[NamedDraws, int], Picture]] = {
    "plain": _plain,
    "slope": _slope,
    "cloudy": lambda draws, side: _noise(draws, side, 4 + draws.below("cells", 4)),
    "speckled": lambda draws, side: _noise(draws, side, 14 + draws.below("cells", 12)),
    "striped": lambda draws, side: 0.5 + 0.5 * _wave(draws, side, "stripes"),
    "chequered": lambda draws, side: (
        0.5 + 0.5 * _wave(draws, side, "stripes") * _wave(draws, side, "others")
    ),
}
