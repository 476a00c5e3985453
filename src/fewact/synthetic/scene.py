"""Where everything is in each frame of a video.

A single frame must not tell the class. So each video holds the same kinds of things whatever its
class: two pairs of objects and an occluder. What the class moves is in its drawn state at a moment
drawn at random, not at the start. What the class leaves alone is frozen as if caught on the way:
half behind the occluder, half faded, somewhere between two objects that never meet.
"""

import math
from dataclasses import dataclass

import numpy as np

from fewact.random import NamedDraws
from fewact.synthetic.classes import Step
from fewact.synthetic.movement import ALONE, Track, caught, share
from fewact.synthetic.pair import MARGIN, Thing, draw_pair
from fewact.synthetic.presets import Preset
from fewact.synthetic.truth import Truth, draw_truth

MOST_STILL = 2
"""Objects beside the two pairs, so that one that is not seen is not missed."""


@dataclass(frozen=True)
class Occluder:
    """What an object hides behind.

    Args:
        x: Its middle, in picture sides from the left.
        y: The same from the top.
        width: Half of it.
        height: Half of it.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Scene:
    """Everything, in the order in which it is painted.

    Args:
        guest: The object that the occluder may hide.
        occluder: Hides the guest alone: all others pass in front of it.
        things: All other objects, those of the class last.
    """

    guest: Thing
    occluder: Occluder
    things: tuple[Thing, ...]


def draw_scene(draws: NamedDraws, steps: tuple[Step, ...], truth: Truth, preset: Preset) -> Scene:
    """Lay out the scene of a video.

    Args:
        draws: For this video.
        steps: What its class does.
        truth: Its timing.
        preset: How it is made harder.
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
        for index in range(draws.below("still", MOST_STILL + 1))
    ]
    if not any(step.motion in ("appears", "vanishes") for step in steps):
        idle[1].alpha *= caught(draws, "faded")
    guest, hidden = idle[0], np.full(frames, caught(draws, "hidden"))
    for part, step in enumerate(steps):
        if step.motion in ("hides", "emerges"):
            guest, done = own[step.other], share(progress, part)
            hidden = done if step.motion == "hides" else 1 - done
    occluder = _occlude(draws.of("occluder"), guest, hidden, anchor)
    others = (thing for thing in (*still, *idle, *strays, own[1], own[0]) if thing is not guest)
    return Scene(guest, occluder, tuple(others))


def _draw_stray(draws: NamedDraws, name: str, frames: int) -> Thing:
    """An object that does two motions of its own, in its own time."""
    own = draws.of(name)
    steps = tuple(Step(own.choice(f"motion {part}", ALONE)) for part in (0, 1))
    progress = draw_truth(own, ("", ""), frames, Preset("")).progress
    return _draw_one(draws, name, steps, progress)


def _draw_one(draws: NamedDraws, name: str, steps: tuple[Step, ...], progress: Track) -> Thing:
    """An object anywhere."""
    own = draws.of(name)
    middle = own.uniform("x", 0.15, 0.85), own.uniform("y", 0.15, 0.85)
    return draw_pair(draws, name, steps, progress, own.below("anchor", len(progress)), middle)[0]


def _occlude(draws: NamedDraws, guest: Thing, hidden: Track, anchor: int) -> Occluder:
    """Put an occluder beside an object, and move the object behind it.

    Args:
        draws: For the occluder.
        guest: The object, where it is in the anchor's frame.
        hidden: (t,) how far it is on its way behind the occluder.
        anchor: A frame.
    """
    radius = float(guest.radius.max())
    width = 1.2 * radius + draws.uniform("width", 0.01, 0.03)
    height = 1.2 * radius + draws.uniform("height", 0.01, 0.06)
    x, y = float(guest.x[anchor]), float(guest.y[anchor])
    far = draws.choice("side", (-1.0, 1.0)) * (width + 1.2 * radius)
    if abs(x + far * hidden[anchor] - 0.5) > 0.5 - MARGIN:  # it would come out of the picture
        far = -far
    away = far * (1 - hidden)
    guest.x += away - away[anchor]
    x -= away[anchor]
    return Occluder(x, y + draws.uniform("y", -0.01, 0.01), width, height)
