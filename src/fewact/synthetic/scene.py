"""Scene of a video: its truth over time, its motions, and the state of its objects in each frame.

The truth says which part of its class each frame shows, and how much of that part is done.

A single frame must not identify the class. So the videos of all classes hold the same types of
objects: two pairs and an occluder. An object that the class moves has its drawn state at a random
time, not at the start. An object that the class does not move is frozen in the middle of a motion:
half occluded, half faded, or between two objects that never meet.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ShapeError
from fewact.core.random import NamedDraws
from fewact.synthetic.classes import Motion, MotionStep, Preset

MIN_FRAMES = 3
"""Number of frames of the shortest part."""

TIE = 1e-9
"""Tolerance for equal progress."""


@dataclass(frozen=True)
class Truth:
    """Ground truth of a video.

    Args:
        parts: Names of the parts.
        part: Part of each frame (t,); in a pause the previous part, before the first part 0.
        phase: Fraction of the part's motion done in each frame (t,), 0 … 1.
        pause: Whether the frame is in a pause (t,).
    """

    parts: tuple[str, ...]
    part: NDArray[np.int64]
    phase: NDArray[np.float64]
    pause: NDArray[np.bool_]

    @property
    def progress(self) -> NDArray[np.float64]:
        """Progress (t,): finished parts plus the phase of the current one, 0 … number of parts."""
        return self.part + self.phase


def correspondence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frames of two videos of a class correspond.

    Args:
        first: Progress (t,) of one video.
        second: Progress (t',) of the other video.

    Returns:
        Correspondence (t t'), bool: true if one of the two frames is nearest to the other in
        progress. Each row and each column has at least one; pauses and slower videos have several.

    >>> correspondence(np.array([0.0, 1.0]), np.array([0.0, 0.1, 0.9])).tolist()
    [[True, True, False], [False, False, True]]
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for name, progress in (("first", first), ("second", second)):
        if progress.ndim != 1 or not progress.size:
            raise ShapeError("not a progress", where=name, got=str(progress.shape), expected="(t,)")
    apart = np.abs(first[:, None] - second[None])  # (t t')
    by_row, by_column = apart.min(axis=1, keepdims=True), apart.min(axis=0, keepdims=True)
    return np.asarray((apart <= by_row + TIE) | (apart <= by_column + TIE))


def draw_truth(draws: NamedDraws, parts: tuple[str, ...], frames: int, preset: Preset) -> Truth:
    """Draw the timing of parts, by their names, and of pauses."""
    count = len(parts)
    lengths_drawn = [draws.uniform("lead", *preset.edge)]
    low, high = preset.part
    for index in range(count):
        lengths_drawn.append(low * (high / low) ** draws.uniform(f"length {index}"))
        pause_range = preset.edge if index == count - 1 else preset.gap
        lengths_drawn.append(draws.uniform(f"pause {index}", *pause_range))
    # Every part has at least its minimum length; the rest is divided by the drawn lengths.
    spare, total = frames - MIN_FRAMES * count, sum(lengths_drawn)
    ends = [int(spare * end / total + 0.5) for end in accumulate(lengths_drawn)]
    lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    part, phase, pause = [0] * lengths[0], [0.0] * lengths[0], [True] * lengths[0]
    for index in range(count):
        moving, still_frames = lengths[2 * index + 1] + MIN_FRAMES, lengths[2 * index + 2]
        haste = draws.uniform(f"haste {index}", -0.4, 0.4)
        done = [(frame + 0.5) / moving for frame in range(moving)]
        phase += [u + haste * u * (1 - u) for u in done] + [1.0] * still_frames
        part += [index] * (moving + still_frames)
        pause += [False] * moving + [True] * still_frames
    return Truth(parts, np.array(part, dtype=np.int64), np.array(phase), np.array(pause))


Track = NDArray[np.float64]
"""Value in each frame (t,)."""

SLIDE = (0.18, 0.28)
"""Range of the distance that an object slides, rises or falls, in frame sides."""

GROWTH = (0.6, 0.9)
"""Range of the change of size, in powers of two."""

TURN = (0.35, 0.7)
"""Range of the rotation, in turns."""

OBJECT_GAP = (0.12, 0.22)
"""Range of the distance between objects before and after a knock, in frame sides."""


@dataclass
class StateOffsets:
    """Changes of an object's state in each frame (t,).

    Offsets are in frame sides, to the right and downwards, the size in powers of two, the angle in
    clockwise turns; ``alpha`` is a factor of the opacity.
    """

    x: Track
    y: Track
    size: Track
    angle: Track
    alpha: Track


def motion_offsets(
    draws: NamedDraws, motions: Iterable[tuple[int, Motion]], progress: Track
) -> StateOffsets:
    """Return the changes of an object's state by its motions, each with the part that it is in."""
    x, y, size, angle = np.zeros((4, len(progress)))
    offsets = StateOffsets(x, y, size, angle, alpha=np.ones(len(progress)))
    for part, motion in motions:
        if motion in _MOVES:
            _MOVES[motion](offsets, fraction_done(progress, part), draws.of(f"part {part}"))
    return offsets


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


def _slide(offsets: StateOffsets, u: Track, draws: NamedDraws, across: int, down: int) -> None:
    far = draws.uniform("far", *SLIDE)
    offsets.x += across * far * u
    offsets.y += down * far * u


def _turn(offsets: StateOffsets, u: Track, draws: NamedDraws, sign: int) -> None:
    offsets.angle += sign * draws.uniform("far", *TURN) * u


def _resize(offsets: StateOffsets, u: Track, draws: NamedDraws, sign: int) -> None:
    offsets.size += sign * draws.uniform("far", *GROWTH) * u


def _sway(offsets: StateOffsets, u: Track, draws: NamedDraws) -> None:
    """Move from side to side in arcs; a sine's last bit would differ between machines."""
    arcs = 2 * draws.choice("times", (2, 3)) * u
    side = 1 - 2 * (np.floor(arcs) % 2)
    first = draws.choice("side", (-1, 1))
    offsets.x += first * draws.uniform("far", 0.05, 0.08) * side * _arc(arcs)


def _hop(offsets: StateOffsets, u: Track, draws: NamedDraws) -> None:
    offsets.y -= draws.uniform("far", 0.1, 0.16) * _arc(draws.choice("times", (2, 3)) * u)


def _arc(u: Track) -> Track:
    """Return an arc from 0 to 1 and back in each unit interval."""
    phase = u - np.floor(u)
    return 4 * phase * (1 - phase)


def _fade(offsets: StateOffsets, u: Track, draws: NamedDraws, sign: int) -> None:
    offsets.alpha *= u if sign > 0 else 1 - u


_MOVES: dict[Motion, Callable[[StateOffsets, Track, NamedDraws], None]] = {
    "slides left": lambda offsets, u, draws: _slide(offsets, u, draws, -1, 0),
    "slides right": lambda offsets, u, draws: _slide(offsets, u, draws, 1, 0),
    "rises": lambda offsets, u, draws: _slide(offsets, u, draws, 0, -1),
    "falls": lambda offsets, u, draws: _slide(offsets, u, draws, 0, 1),
    "turns clockwise": lambda offsets, u, draws: _turn(offsets, u, draws, 1),
    "turns anticlockwise": lambda offsets, u, draws: _turn(offsets, u, draws, -1),
    "grows": lambda offsets, u, draws: _resize(offsets, u, draws, 1),
    "shrinks": lambda offsets, u, draws: _resize(offsets, u, draws, -1),
    "sways": _sway,
    "hops": _hop,
    "appears": lambda offsets, u, draws: _fade(offsets, u, draws, 1),
    "vanishes": lambda offsets, u, draws: _fade(offsets, u, draws, -1),
}
"""Motions of a single object; those with a second object or an occluder are drawn elsewhere."""

ALONE: tuple[Motion, ...] = tuple(name for name in _MOVES if name not in ("appears", "vanishes"))
"""Motions of a single object that stays visible."""


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
    steps: tuple[MotionStep, ...],
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
        at: Approximate position in that frame.
    """
    draws = draws.of(name)
    meeting = next((part for part, step in enumerate(steps) if step.motion in _MEETINGS), None)
    pair = [
        _draw_thing(draws, f"{name} {index}", bool(index), steps, progress, anchor)
        for index in (0, 1)
    ]
    if meeting is None:
        near = anchor
        far = draws.uniform("gap", *OBJECT_GAP) * abs(1 - 2 * random_phase(draws, "met"))
        ways = np.zeros_like(progress), far + np.zeros_like(progress)
    else:
        done = fraction_done(progress, meeting)
        near = int(np.argmax(done > 0))  # within the part; sizes do not change there
        done = done if steps[meeting].motion == "knocks the other" else 1 - done
        ways = (
            -draws.uniform("before", *OBJECT_GAP) * np.maximum(1 - 2 * done, 0),
            draws.uniform("after", *OBJECT_GAP) * np.maximum(2 * done - 1, 0),
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
    draws: NamedDraws,
    name: str,
    other: bool,
    steps: tuple[MotionStep, ...],
    progress: Track,
    anchor: int,
) -> SceneObject:
    own_draws = draws.of(name)
    motions = [(part, step.motion) for part, step in enumerate(steps) if step.other is other]
    offsets = motion_offsets(own_draws, motions, progress)
    size = (
        offsets.size - offsets.size[anchor]
        if offsets.size.any()
        else frozen_offset(own_draws, "size", GROWTH)
    )
    return SceneObject(
        name=name,
        x=offsets.x,
        y=offsets.y,
        radius=np.exp2(own_draws.uniform("size", *map(math.log2, RADIUS)) + size + 0 * progress),
        angle=own_draws.uniform("angle") + offsets.angle,
        alpha=offsets.alpha * own_draws.choice("solid", (1.0, 1.0, 0.85, 0.7)),
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


MAX_STATIC = 2
"""Largest number of further static objects: an invisible object is not noticed among them."""


@dataclass(frozen=True)
class Occluder:
    """Occluder of an object: its center, and half of its width and height, in frame sides."""

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


def draw_scene(
    draws: NamedDraws, steps: tuple[MotionStep, ...], truth: Truth, preset: Preset
) -> Scene:
    """Draw the scene of a video of a class with these steps."""
    progress, frames = truth.progress, len(truth.part)
    anchor = draws.below("anchor", frames)
    angle, apart = math.tau * draws.uniform("places"), draws.uniform("apart", 0.12, 0.24)
    across, down = apart * math.cos(angle), apart * math.sin(angle)
    pair = draw_pair(draws, "own", steps, progress, anchor, (0.5 + across, 0.5 + down))
    idle = draw_pair(draws, "idle", (), progress, anchor, (0.5 - across, 0.5 - down))
    fewest, largest = preset.distractors
    count = fewest + draws.below("strays", largest - fewest + 1)
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
            guest, done = pair[step.other], fraction_done(progress, part)
            hidden = done if step.motion == "hides" else 1 - done
    occluder = _occlude(draws.of("occluder"), guest, hidden, anchor)
    objects = (*still, *idle, *strays, pair[1], pair[0])
    return Scene(guest, occluder, tuple(item for item in objects if item.name != guest.name))


def _draw_stray(draws: NamedDraws, name: str, frames: int) -> SceneObject:
    """Draw an object with two motions and another timing than the class."""
    own_draws = draws.of(name)
    steps = tuple(MotionStep(own_draws.choice(f"motion {part}", ALONE)) for part in (0, 1))
    progress = draw_truth(own_draws, ("", ""), frames, Preset("")).progress
    return _draw_one(draws, name, steps, progress)


def _draw_one(
    draws: NamedDraws, name: str, steps: tuple[MotionStep, ...], progress: Track
) -> SceneObject:
    own_draws = draws.of(name)
    middle = own_draws.uniform("x", 0.15, 0.85), own_draws.uniform("y", 0.15, 0.85)
    return draw_pair(
        draws, name, steps, progress, own_draws.below("anchor", len(progress)), middle
    )[0]


def _occlude(draws: NamedDraws, guest: SceneObject, hidden: Track, anchor: int) -> Occluder:
    """Place an occluder beside an object in the anchor frame, and move the object behind it.

    The fraction of the way behind the occluder in each frame is ``hidden`` (t,).
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
