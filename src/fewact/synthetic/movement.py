"""Elementary motions: changes of an object's state over time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.core.random import NamedDraws
from fewact.synthetic.classes import Motion

Track = NDArray[np.float64]
"""Value in each frame (t,)."""

SLIDE = (0.18, 0.28)
"""Range of the distance that an object slides, rises or falls, in frame sides."""

GROWTH = (0.6, 0.9)
"""Range of the change of size, in powers of two."""

TURN = (0.35, 0.7)
"""Range of the rotation, in turns."""

GAP = (0.12, 0.22)
"""Range of the distance between objects before and after a knock, in frame sides."""


@dataclass
class Offsets:
    """Changes of an object's state in each frame.

    Args:
        x: Offset to the right (t,), in frame sides.
        y: Offset downwards (t,), in frame sides.
        size: Change of the radius (t,), in powers of two.
        angle: Clockwise rotation (t,), in turns.
        alpha: Factor of the opacity (t,).
    """

    x: Track
    y: Track
    size: Track
    angle: Track
    alpha: Track


def motion_offsets(
    draws: NamedDraws, motions: Iterable[tuple[int, Motion]], progress: Track
) -> Offsets:
    """Return the changes of an object's state by its motions.

    Args:
        draws: Draws of the object.
        motions: Part and motion of each step of the object.
        progress: Progress (t,) of the video.
    """
    x, y, size, angle = np.zeros((4, len(progress)))
    made = Offsets(x, y, size, angle, alpha=np.ones(len(progress)))
    for part, motion in motions:
        if motion in _MOVES:
            _MOVES[motion](made, fraction_done(progress, part), draws.of(f"part {part}"))
    return made


def fraction_done(progress: Track, part: int) -> Track:
    """Return the fraction of a part that is done (t,)."""
    return np.clip(progress - part, 0.0, 1.0)


def random_phase(draws: NamedDraws, name: str) -> float:
    """Return the phase of a motion at a random time of a video."""
    at_rest = draws.choice(f"{name} rests", (None, None, None, 0.0, 0.0, 1.0, 1.0))
    return draws.uniform(name) if at_rest is None else at_rest


def frozen_offset(draws: NamedDraws, name: str, amount: tuple[float, float]) -> float:
    """Return the offset between two random times of a motion that the class does not have."""
    far = draws.uniform(f"{name} amount", *amount)
    return far * (random_phase(draws, f"{name} here") - random_phase(draws, f"{name} there"))


def _slide(made: Offsets, u: Track, draws: NamedDraws, across: int, down: int) -> None:
    far = draws.uniform("far", *SLIDE)
    made.x += across * far * u
    made.y += down * far * u


def _turn(made: Offsets, u: Track, draws: NamedDraws, sign: int) -> None:
    made.angle += sign * draws.uniform("far", *TURN) * u


def _resize(made: Offsets, u: Track, draws: NamedDraws, sign: int) -> None:
    made.size += sign * draws.uniform("far", *GROWTH) * u


def _sway(made: Offsets, u: Track, draws: NamedDraws) -> None:
    """Move from side to side in arcs; a sine's last bit would differ between machines."""
    arcs = 2 * draws.choice("times", (2, 3)) * u
    side = 1 - 2 * (np.floor(arcs) % 2)
    first = draws.choice("side", (-1, 1))
    made.x += first * draws.uniform("far", 0.05, 0.08) * side * _arc(arcs)


def _hop(made: Offsets, u: Track, draws: NamedDraws) -> None:
    made.y -= draws.uniform("far", 0.1, 0.16) * _arc(draws.choice("times", (2, 3)) * u)


def _arc(u: Track) -> Track:
    """Return an arc from 0 to 1 and back in each unit interval."""
    rest = u - np.floor(u)
    return 4 * rest * (1 - rest)


def _fade(made: Offsets, u: Track, draws: NamedDraws, sign: int) -> None:
    made.alpha *= u if sign > 0 else 1 - u


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
"""Motions of a single object; those with a second object or an occluder are drawn elsewhere."""

ALONE: tuple[Motion, ...] = tuple(name for name in _MOVES if name not in ("appears", "vanishes"))
"""Motions of a single object that stays visible."""
