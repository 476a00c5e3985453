"""Scene of a video: the state of every object in each frame.

A single frame must not identify the class. So the videos of all classes hold the same types of
objects: two pairs and an occluder. An object that the class moves has its drawn state at a random
time, not at the start. An object that the class does not move is frozen in the middle of a motion:
half occluded, half faded, or between two objects that never meet.
"""

import math
from dataclasses import dataclass

import numpy as np

from fewact.core.random import NamedDraws
from fewact.synthetic.classes import Step
from fewact.synthetic.movement import ALONE, Track, fraction_done, random_phase
from fewact.synthetic.pair import MARGIN, SceneObject, draw_pair
from fewact.synthetic.presets import Preset
from fewact.synthetic.truth import Truth, draw_truth

MAX_STATIC = 2
"""Largest number of further static objects: an invisible object is not noticed among them."""


@dataclass(frozen=True)
class Occluder:
    """Occluder of an object.

    Args:
        x: Center, in frame sides from the left.
        y: Center, in frame sides from the top.
        width: Half of the width, in frame sides.
        height: Half of the height, in frame sides.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Scene:
    """Objects of a video in painting order.

    Args:
        hidden: Object that the occluder may hide.
        occluder: Occluder; all other objects pass in front of it.
        objects: All other objects, the objects of the class last.
    """

    hidden: SceneObject
    occluder: Occluder
    objects: tuple[SceneObject, ...]


def draw_scene(draws: NamedDraws, steps: tuple[Step, ...], truth: Truth, preset: Preset) -> Scene:
    """Draw the scene of a video.

    Args:
        draws: Draws of the video.
        steps: Steps of the class.
        truth: Ground truth with the timing.
        preset: Preset with the number of distractors.
    """
    progress, frames = truth.progress, len(truth.part)
    anchor = draws.below("anchor", frames)
    angle, apart = math.tau * draws.uniform("places"), draws.uniform("apart", 0.12, 0.24)
    across, down = apart * math.cos(angle), apart * math.sin(angle)
    own = draw_pair(draws, "own", steps, progress, anchor, (0.5 + across, 0.5 + down))
    idle = draw_pair(draws, "idle", (), progress, anchor, (0.5 - across, 0.5 - down))
    fewest, most = preset.distractors
    count = fewest + draws.below("strays", most - fewest + 1)
    strays = [_draw_stray(draws, f"stray {index}", frames) for index in range(count)]
    still = [
        _draw_one(draws, f"still {index}", (), progress)
        for index in range(draws.below("still", MAX_STATIC + 1))
    ]
    if not any(step.motion in ("appears", "vanishes") for step in steps):
        idle[1].alpha *= random_phase(draws, "faded")
    guest, hidden = idle[0], np.full(frames, random_phase(draws, "hidden"))
    for part, step in enumerate(steps):
        if step.motion in ("hides", "emerges"):
            guest, done = own[step.other], fraction_done(progress, part)
            hidden = done if step.motion == "hides" else 1 - done
    occluder = _occlude(draws.of("occluder"), guest, hidden, anchor)
    others = (thing for thing in (*still, *idle, *strays, own[1], own[0]) if thing is not guest)
    return Scene(guest, occluder, tuple(others))


def _draw_stray(draws: NamedDraws, name: str, frames: int) -> SceneObject:
    """Draw an object with two motions and another timing than the class."""
    own = draws.of(name)
    steps = tuple(Step(own.choice(f"motion {part}", ALONE)) for part in (0, 1))
    progress = draw_truth(own, ("", ""), frames, Preset("")).progress
    return _draw_one(draws, name, steps, progress)


def _draw_one(
    draws: NamedDraws, name: str, steps: tuple[Step, ...], progress: Track
) -> SceneObject:
    """Draw an object at a random position."""
    own = draws.of(name)
    middle = own.uniform("x", 0.15, 0.85), own.uniform("y", 0.15, 0.85)
    return draw_pair(draws, name, steps, progress, own.below("anchor", len(progress)), middle)[0]


def _occlude(draws: NamedDraws, guest: SceneObject, hidden: Track, anchor: int) -> Occluder:
    """Place an occluder beside an object, and move the object behind it.

    Args:
        draws: Draws of the occluder.
        guest: Object, at its position in the anchor frame.
        hidden: Fraction of the way behind the occluder (t,).
        anchor: Anchor frame.
    """
    radius = float(guest.radius.max())
    width = 1.2 * radius + draws.uniform("width", 0.01, 0.03)
    height = 1.2 * radius + draws.uniform("height", 0.01, 0.06)
    x, y = float(guest.x[anchor]), float(guest.y[anchor])
    far = draws.choice("side", (-1.0, 1.0)) * (width + 1.2 * radius)
    if abs(x + far * hidden[anchor] - 0.5) > 0.5 - MARGIN:  # it would leave the frame
        far = -far
    away = far * (1 - hidden)
    guest.x += away - away[anchor]
    x -= away[anchor]
    return Occluder(x, y + draws.uniform("y", -0.01, 0.01), width, height)
