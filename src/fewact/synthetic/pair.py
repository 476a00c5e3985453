"""Pairs of objects; the class moves one of them, both or none."""

import math
from dataclasses import dataclass

import numpy as np

from fewact.core.random import NamedDraws
from fewact.synthetic.classes import Motion, Step
from fewact.synthetic.movement import (
    GAP,
    GROWTH,
    SLIDE,
    Track,
    fraction_done,
    frozen_offset,
    motion_offsets,
    random_phase,
)

RADIUS = (0.065, 0.105)
"""Range of an object's radius in the anchor frame, in frame sides."""

MARGIN = 0.08
"""Smallest distance between the path of an object's center and the frame's edge, in frame sides."""

_MEETINGS: tuple[Motion, Motion] = ("knocks the other", "is knocked")


@dataclass
class SceneObject:
    """State of an object in each frame.

    Args:
        name: Name of the object, the key of its appearance.
        x: Center (t,), in frame sides from the left.
        y: Center (t,), in frame sides from the top.
        radius: Radius (t,), in frame sides.
        angle: Clockwise rotation (t,), in turns.
        alpha: Opacity (t,), 0 … 1.
        acts: Whether the class moves the object.
    """

    name: str
    x: Track
    y: Track
    radius: Track
    angle: Track
    alpha: Track
    acts: bool


def draw_pair(
    draws: NamedDraws,
    name: str,
    steps: tuple[Step, ...],
    progress: Track,
    anchor: int,
    at: tuple[float, float],
) -> tuple[SceneObject, SceneObject]:
    """Draw two objects and their motions.

    Args:
        draws: Draws of the video.
        name: Name of the pair.
        steps: Steps of the class.
        progress: Progress (t,) of the video.
        anchor: Frame in which the drawn states apply.
        at: Approximate position in that frame, in frame sides from the left and the top.
    """
    draws = draws.of(name)
    meeting = next((part for part, step in enumerate(steps) if step.motion in _MEETINGS), None)
    pair = [
        _draw_thing(draws, f"{name} {index}", bool(index), steps, progress, anchor)
        for index in (0, 1)
    ]
    if meeting is None:
        near = anchor
        far = draws.uniform("gap", *GAP) * abs(1 - 2 * random_phase(draws, "met"))
        ways = np.zeros_like(progress), far + np.zeros_like(progress)
    else:
        done = fraction_done(progress, meeting)
        near = int(np.argmax(done > 0))  # within the part; sizes do not change there
        done = done if steps[meeting].motion == "knocks the other" else 1 - done
        ways = (
            -draws.uniform("before", *GAP) * np.maximum(1 - 2 * done, 0),
            draws.uniform("after", *GAP) * np.maximum(2 * done - 1, 0),
        )
    angle = math.tau * draws.uniform("direction")
    ways = ways[0], ways[1] + pair[0].radius[near] + pair[1].radius[near]
    for axis, middle, ratio in (("x", at[0], math.cos(angle)), ("y", at[1], math.sin(angle))):
        tracks = [getattr(thing, axis) for thing in pair]
        if not any(track.any() for track in tracks):
            middle += frozen_offset(draws, axis, SLIDE)
        for track, way in zip(tracks, ways, strict=True):
            track += ratio * way - track[near]
        middle -= (tracks[0][anchor] + tracks[1][anchor]) / 2
        for track in tracks:
            track += middle
        _keep_inside(*tracks)
    return pair[0], pair[1]


def _draw_thing(
    draws: NamedDraws, name: str, other: bool, steps: tuple[Step, ...], progress: Track, anchor: int
) -> SceneObject:
    """Draw an object that starts at position 0."""
    own = draws.of(name)
    motions = [(part, step.motion) for part, step in enumerate(steps) if step.other is other]
    made = motion_offsets(own, motions, progress)
    size = made.size - made.size[anchor] if made.size.any() else frozen_offset(own, "size", GROWTH)
    return SceneObject(
        name=name,
        x=made.x,
        y=made.y,
        radius=np.exp2(own.uniform("size", *map(math.log2, RADIUS)) + size + 0 * progress),
        angle=own.uniform("angle") + made.angle,
        alpha=made.alpha * own.choice("solid", (1.0, 1.0, 0.85, 0.7)),
        acts=bool(motions),
    )


def _keep_inside(*tracks: Track) -> None:
    """Shift paths by the smallest distance that keeps them off the frame's edges."""
    low, high = float(np.min(tracks)), float(np.max(tracks))
    if high - low > 1 - 2 * MARGIN:
        shift = 0.5 - (low + high) / 2
    else:
        shift = max(MARGIN - low, 0.0) - max(high - 1 + MARGIN, 0.0)
    for track in tracks:
        track += shift
