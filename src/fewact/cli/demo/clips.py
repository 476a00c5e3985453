"""Small rendered videos of eight actions that only their motion tells apart.

A patterned thing moves before a still background. Its colour, shape, size, pattern, place and
speed, the background, the still things beside it and the noise are drawn afresh for each clip and
have nothing to do with the class.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Way = tuple[Array, Array, Array, Array]
"""Place across and down (pictures), size (factor) and angle (radians) of the thing, each (t,)."""

FRAMES, HEIGHT, WIDTH, FPS = 48, 120, 160, 24
NOISE = 0.015


@dataclass(frozen=True)
class Drawn:
    """What one clip's motion is made of, beside its class.

    Args:
        x: Where the thing is in the middle of its way, in picture widths.
        y: The same down, in picture heights.
        reach: How far it goes, from 0 (least) to 1.
        turns: How many turns or bounces, from 0 (fewest) to 1.
        sway: Small motion across the way, in pictures; positive or negative.
        way: +1 or −1 where the class leaves a direction free.
    """

    x: float
    y: float
    reach: float
    turns: float
    sway: float
    way: float


def _across(u: Array, drawn: Drawn, way: float) -> Way:
    x = drawn.x + way * (0.25 + 0.2 * drawn.reach) * (2 * u - 1)
    return x, drawn.y + drawn.sway * u, np.ones_like(u), 0.3 * drawn.sway * u


def _upright(u: Array, drawn: Drawn, way: float) -> Way:
    y = drawn.y - way * (0.25 + 0.15 * drawn.reach) * (2 * u - 1)
    return drawn.x + drawn.sway * u, y, np.ones_like(u), 0.3 * drawn.sway * u


def _resize(u: Array, drawn: Drawn, way: float) -> Way:
    size = np.exp(way * (0.45 + 0.35 * drawn.reach) * (2 * u - 1))
    return drawn.x + drawn.sway * u, np.full_like(u, drawn.y), size, np.zeros_like(u)


def _turn(u: Array, drawn: Drawn) -> Way:
    angle = drawn.way * np.pi * (1 + 1.5 * drawn.turns) * u
    return drawn.x + drawn.sway * u, np.full_like(u, drawn.y), np.ones_like(u), angle


def _bounce(u: Array, drawn: Drawn) -> Way:
    height = np.abs(np.sin(np.pi * (1.5 + 1.5 * drawn.turns) * u + 0.5))
    y = drawn.y + (0.3 + 0.2 * drawn.reach) * (0.5 - height)
    return drawn.x + 2 * drawn.sway * u, y, np.ones_like(u), np.zeros_like(u)


ACTIONS: dict[str, Callable[[Array, Drawn], Way]] = {
    "bouncing": _bounce,
    "falling": lambda u, drawn: _upright(u, drawn, -1.0),
    "growing": lambda u, drawn: _resize(u, drawn, 1.0),
    "moving left": lambda u, drawn: _across(u, drawn, -1.0),
    "moving right": lambda u, drawn: _across(u, drawn, 1.0),
    "rising": lambda u, drawn: _upright(u, drawn, 1.0),
    "shrinking": lambda u, drawn: _resize(u, drawn, -1.0),
    "turning": _turn,
}
"""The classes, and where the thing is when the share u (t,) of its way lies behind it."""


@dataclass(frozen=True)
class Thing:
    """What is seen moving, or standing by.

    Args:
        outline: Which of the five shapes.
        pattern: Which of the three patterns on it.
        colours: (2 3) RGB, 0 … 1: of the thing and of its pattern.
        radius: About its size, in pixels.
    """

    outline: int
    pattern: int
    colours: Array
    radius: float


def render(action: str, index: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw one clip of an action.

    Args:
        action: One of ``ACTIONS``.
        index: Which clip of it.
        seed: Other clips of all actions.

    Returns:
        Frames (t h w 3), RGB; the same for the same arguments.
    """
    draw = np.random.default_rng((seed, list(ACTIONS).index(action), index))
    drawn = Drawn(
        x=draw.uniform(0.4, 0.6),
        y=draw.uniform(0.4, 0.6),
        reach=draw.uniform(),
        turns=draw.uniform(),
        sway=draw.uniform(-0.08, 0.08),
        way=draw.choice([-1.0, 1.0]),
    )
    begin, length = draw.uniform(0.0, 0.2), draw.uniform(0.6, 0.8)
    u = np.clip((np.linspace(0, 1, FRAMES) - begin) / length, 0, 1)  # (t)
    way = ACTIONS[action](u * u * (3 - 2 * u), drawn)

    still = _background(draw)  # (h w 3)
    for _ in range(draw.integers(0, 3)):
        x, y, angle = draw.uniform(0.1, 0.9), draw.uniform(0.1, 0.9), draw.uniform(0, np.pi)
        _paint(still, _thing(draw, draw.uniform(6, 12)), x, y, 1.0, angle)
    thing = _thing(draw, draw.uniform(15, 22))
    frames = np.repeat(still[None], FRAMES, axis=0)  # (t h w 3)
    for frame, x, y, size, angle in zip(frames, *way, strict=True):
        _paint(frame, thing, x, y, size, angle)
    noise = draw.standard_normal((FRAMES, HEIGHT, WIDTH, 1), dtype=np.float32)
    return (255 * (frames + NOISE * noise).clip(0, 1)).astype(np.uint8)


def _colour(draw: np.random.Generator, saturation: float, value: tuple[float, float]) -> Array:
    hue, saturation = draw.uniform(), draw.uniform(0.5, 1) * saturation
    return np.array(colorsys.hsv_to_rgb(hue, saturation, draw.uniform(*value)))


def _background(draw: np.random.Generator) -> NDArray[np.float32]:
    """One of five kinds of still picture (h w 3) between two pale or two dark colours."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT
    angle, period = draw.uniform(0, np.pi), draw.uniform(0.15, 0.5)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    wave = np.sin(2 * np.pi * along / period)
    kinds = [
        along / 1.7,
        0.5 + 0.5 * np.tanh(4 * wave),
        0.5 + 0.5 * np.tanh(4 * wave * np.sin(2 * np.pi * across / period)),
        0.5 + 0.25 * (np.sin(9 * x + 7 * wave) + np.sin(8 * y + 5 * across)),
        np.hypot(x - draw.uniform(0, 1.3), y - draw.uniform(0, 1)),
    ]
    share = kinds[draw.integers(len(kinds))][..., None]
    level = draw.choice([0.15, 0.65])
    first, second = (_colour(draw, 0.4, (level, level + 0.25)) for _ in range(2))
    return np.asarray(first * (1 - share) + second * share, dtype=np.float32)


def _thing(draw: np.random.Generator, radius: float) -> Thing:
    colours = np.stack([_colour(draw, 1.0, (0.6, 1.0)), _colour(draw, 1.0, (0.1, 0.5))])
    return Thing(int(draw.integers(5)), int(draw.integers(3)), colours, radius)


def _paint(
    picture: NDArray[np.float32], thing: Thing, x: float, y: float, size: float, angle: float
) -> None:
    """Paint a thing onto a picture (h w 3), its middle at (x, y) in pictures, turned."""
    scale = thing.radius * size
    middle = np.array([y * HEIGHT, x * WIDTH])
    top, left = (int(v) for v in np.maximum(middle - 1.5 * scale, 0))
    bottom, right = (int(v) for v in np.maximum(middle + 1.5 * scale + 1, 0))
    part = picture[top:bottom, left:right]
    down, over = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    dy, dx = (down - middle[0]) / scale, (over - middle[1]) / scale
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    cover = _inside(_outline(thing.outline, along, across), scale)
    marked = _inside(_mark(thing.pattern, along, across), scale)
    part += cover * (thing.colours[0] * (1 - marked) + thing.colours[1] * marked - part)


def _inside(distance: Array, scale: float) -> Array:
    """Share (h w 1) of each pixel that lies inside, for edges without steps."""
    share: Array = np.clip(0.5 - distance * scale, 0, 1)[..., None]
    return share


def _outline(kind: int, x: Array, y: Array) -> Array:
    """How far outside a thing of radius about one a point lies; negative inside."""
    if kind == 0:
        outside = np.hypot(x, y) - 1
    elif kind == 1:
        outside = np.maximum(abs(x), abs(y)) - 0.85
    elif kind == 2:
        outside = np.maximum(y - 0.6, 0.866 * abs(x) - 0.5 * y - 0.6)
    elif kind == 3:
        outside = np.hypot(x, y) - 0.8 - 0.25 * np.cos(5 * np.arctan2(y, x))
    else:
        bar, post = (np.maximum(abs(a) - 1, abs(b) - 0.4) for a, b in ((x, y), (y, x)))
        outside = np.minimum(bar, post)
    return np.asarray(outside)


def _mark(kind: int, x: Array, y: Array) -> Array:
    """As ``_outline``, for the pattern: a stripe, one half, a dot."""
    return np.asarray([abs(x) - 0.3, x, np.hypot(x - 0.45, y) - 0.35][kind])
