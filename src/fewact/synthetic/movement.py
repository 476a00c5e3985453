"""How an object moves away from where it was, motion by motion."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.random import NamedDraws
from fewact.synthetic.classes import Motion

Track = NDArray[np.float64]
"""A value in each frame, (t,)."""

SLIDE = (0.18, 0.28)
"""How far an object slides, rises or falls, in picture sides."""

GROWTH = (0.6, 0.9)
"""Doublings of its size."""

TURN = (0.35, 0.7)
"""Turns."""

GAP = (0.12, 0.22)
"""How far apart objects are before and after one knocks the other, in picture sides."""


@dataclass
class Offsets:
    """What an object's motions add to its state, in each frame.

    Args:
        x: (t,) to the right, in picture sides.
        y: (t,) downwards.
        size: (t,) doublings of the radius.
        angle: (t,) turns, clockwise.
        alpha: (t,) factor of what is seen.
    """

    x: Track
    y: Track
    size: Track
    angle: Track
    alpha: Track


def offsets(draws: NamedDraws, motions: Iterable[tuple[int, Motion]], progress: Track) -> Offsets:
    """What motions add to an object's state.

    Args:
        draws: For this object.
        motions: What it does, each with the part in which it does it.
        progress: (t,) of the video.
    """
    x, y, size, angle = np.zeros((4, len(progress)))
    made = Offsets(x, y, size, angle, alpha=np.ones(len(progress)))
    for part, motion in motions:
        if motion in _MOVES:
            _MOVES[motion](made, share(progress, part), draws.of(f"part {part}"))
    return made


def share(progress: Track, part: int) -> Track:
    """(t,) how much of a part is done."""
    return np.clip(progress - part, 0.0, 1.0)


def caught(draws: NamedDraws, name: str) -> float:
    """How much of a motion is done at a moment of a video that is drawn at random."""
    at_rest = draws.choice(f"{name} rests", (None, None, None, 0.0, 0.0, 1.0, 1.0))
    return draws.uniform(name) if at_rest is None else at_rest


def frozen(draws: NamedDraws, name: str, amount: tuple[float, float]) -> float:
    """How far from one moment to another of a motion that the class does not have."""
    far = draws.uniform(f"{name} amount", *amount)
    return far * (caught(draws, f"{name} here") - caught(draws, f"{name} there"))


def _slide(made: Offsets, u: Track, draws: NamedDraws, across: int, down: int) -> None:
    far = draws.uniform("far", *SLIDE)
    made.x += across * far * u
    made.y += down * far * u


def _turn(made: Offsets, u: Track, draws: NamedDraws, way: int) -> None:
    made.angle += way * draws.uniform("far", *TURN) * u


def _resize(made: Offsets, u: Track, draws: NamedDraws, way: int) -> None:
    made.size += way * draws.uniform("far", *GROWTH) * u


def _sway(made: Offsets, u: Track, draws: NamedDraws) -> None:
    """To one side and the other, in arcs: no sine, whose last bit differs between machines."""
    arcs = 2 * draws.choice("times", (2, 3)) * u
    side = 1 - 2 * (np.floor(arcs) % 2)
    first = draws.choice("side", (-1, 1))
    made.x += first * draws.uniform("far", 0.05, 0.08) * side * _arc(arcs)


def _hop(made: Offsets, u: Track, draws: NamedDraws) -> None:
    made.y -= draws.uniform("far", 0.1, 0.16) * _arc(draws.choice("times", (2, 3)) * u)


def _arc(u: Track) -> Track:
    """From 0 up to 1 and back in each unit."""
    rest = u - np.floor(u)
    return 4 * rest * (1 - rest)


def _fade(made: Offsets, u: Track, draws: NamedDraws, way: int) -> None:
    made.alpha *= u if way > 0 else 1 - u


_MOVES: dict[Motion, Callable[[Offsets, Track, NamedDraws], None]] = {
    "slides left": lambda made, u, draws: _slide(made, u, draws, -1, 0),
    "slides right": lambda made, u, draws: _slide(made, u, draws, 1, 0),
    "rises": lambda made, u, draws: _slide(made, u, draws, 0, -1),
    "falls": lambda made, u, draws: _slide(made, u, draws, 0, 1),
    "turns clockwise": lambda made, u, draws: _turn(made, u, draws, 1),
    "turns anticlockwise": lambda made, u, draws: _turn(made, u, draws, -1),
    "grows": lambda made, u, draws: _resize(made, u, draws, 1),
    "shrinks": lambda made, u, draws: _resize(made, u, draws, -1),
    "sways": _sway,
    "hops": _hop,
    "appears": lambda made, u, draws: _fade(made, u, draws, 1),
    "vanishes": lambda made, u, draws: _fade(made, u, draws, -1),
}
"""Motions of one object alone; those that need another one or an occluder are laid out with it."""

ALONE: tuple[Motion, ...] = tuple(name for name in _MOVES if name not in ("appears", "vanishes"))
"""What an object can do alone, and be seen all the time."""
