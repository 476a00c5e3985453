"""Rendered exercises: bodies that stand, hang, sit or lie, and repeat a motion.

A class is a posture and one or two changes of it, which are repeated. Its performances start at
any phase, show one repetition or several, and are seen from any side; the frame may cut the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import ImageDraw

from benchmarks.training.figures import (
    ARM,
    INDEX,
    NAMES,
    STEPS,
    Camera,
    Floats,
    both_sides,
    draw_figure,
    draw_sway,
    joints,
    of_side,
    paint_figure,
    rotation,
)
from benchmarks.training.people import ANGLES, arms, legs
from benchmarks.training.scenes import FRAMES, SIDE, camera_path, composed
from fewact.video.samplers import RGBImage

Pose = Mapping[str, float]


@dataclass(frozen=True)
class Posture:
    """Where a body is while it moves.

    Args:
        pose: Changes of the resting pose.
        pitch: Pitch of the whole body in degrees; 90 faces the floor.
        roll: Roll of the whole body in degrees.
        fixed: Joints that keep their mean height; none if the lowest joint is on the floor.
    """

    pose: Pose
    pitch: float = 0.0
    roll: float = 0.0
    fixed: tuple[str, ...] = ()


SHORTEST = 0.4
"""Least extent of a body that fills the frame, in heights of the figure."""

HANDS = ("left hand", "right hand")
BENT = legs(55, 95, 55, 95)
POSTURES: tuple[Posture, ...] = (
    Posture({}),
    Posture({}),
    Posture(legs(0, 0, 0, 0, out=(20, 20))),
    Posture({**legs(80, 95, 80, 95), "lean": 25}),
    Posture({"lean": 55, **legs(15, 25, 15, 25)}),
    Posture(legs(0, 90, 0, 90)),
    Posture(legs(90, 5, 90, 5)),
    Posture(legs(90, 90, 90, 90)),
    Posture({**arms(85, 20), "lean": 0}, 76),
    Posture({**arms(85, 20), "lean": 0}, 76),
    Posture({**arms(90, 20), **legs(90, 90, 90, 90)}, 85),
    Posture(arms(150, 20), 88),
    Posture(BENT, -88),
    Posture(legs(85, 10, 85, 10), -88),
    Posture(arms(80, 30), -88),
    Posture({**arms(-40, 10), **legs(70, 60, 70, 60)}, -30, fixed=HANDS),
    Posture(arms(172, 60), fixed=HANDS),
    Posture({**arms(172, 30), **legs(20, 60, 20, 60)}, fixed=HANDS),
    Posture({**arms(5, 20), **legs(0, 60, 0, 60)}, 8, fixed=HANDS),
    Posture({}, 0, 88),
    Posture({**arms(90, 85)}, 0, 70),
)

CHANGES: tuple[Pose, ...] = (
    both_sides({"raise": -25, "side": 55, "bend": 100, "roll": 70}),
    both_sides({"raise": -110, "side": 20, "bend": 130}),
    both_sides({"raise": -60, "bend": 70}),
    both_sides({"raise": 140, "side": 60}),
    both_sides({"raise": 80}),
    both_sides({"raise": 85, "side": 85}),
    both_sides({"bend": 130}),
    both_sides({"raise": 60, "bend": 110, "side": 40}),
    both_sides({"side": 80}),
    {**both_sides({"thigh": 90, "knee": 108}), "lean": 30},
    {**both_sides({"thigh": 90, "knee": 108}), "lean": 30, **both_sides({"raise": 70})},
    both_sides({"thigh": 95, "knee": 100}),
    both_sides({"thigh": 80}),
    both_sides({"out": 32}),
    {**both_sides({"out": 30, "raise": 145}), **both_sides({"side": 40})},
    {**both_sides({"thigh": 35, "knee": 60}), "lean": 10, "lift": 0.1},
    {**of_side("left", {"thigh": 85, "knee": 90}), **of_side("right", {"thigh": -15, "knee": 75})},
    of_side("left", {"thigh": 95, "knee": 105}),
    of_side("left", {"thigh": 70}),
    of_side("left", {"thigh": -35, "knee": 20}),
    of_side("left", {"out": 45}),
    {**of_side("left", {"thigh": 40, "knee": 35}), **of_side("right", {"thigh": -25, "raise": 40})},
    of_side("left", {"raise": 150, "side": 40}),
    of_side("left", {"raise": 70, "bend": -30}),
    {"lean": 65},
    {"lean": 60, **both_sides({"raise": 75})},
    {"lean": -30, **both_sides({"thigh": -20})},
    {"twist": 55},
    {"tilt": 40},
    {"pitch": 22},
    {"pitch": -35},
    {"lift": 0.13},
    {"x": 0.3, **of_side("left", {"thigh": 30, "out": 15}), **of_side("right", {"thigh": -15})},
)
"""Changes of a posture that are made and undone, repeatedly."""

RESTING_ARMS: tuple[Pose, ...] = (
    {},
    arms(60, 60, 110),
    arms(80, 10, 10),
    arms(130, 60, 130),
    arms(40, 10, 90),
)
COLUMNS = (*NAMES, "pitch")


@dataclass(frozen=True)
class Exercise:
    """A class of exercises.

    Args:
        posture: The posture.
        changes: What is repeated, as a change (p) of the pose and the pitch, for each half of time.
        alternates: Whether every second repetition is that of the other side.
        pace: Repetitions in a clip.
        rising: Fraction of a repetition in which the change grows.
        hold: Fraction of a repetition in which nothing changes.
        yaw: Direction that it is mostly seen from, in degrees.
    """

    posture: Posture
    changes: Floats
    alternates: bool
    pace: float
    rising: float
    hold: float
    yaw: float


def exercise(number: int) -> Exercise:
    """Return the class of a number."""
    rng = np.random.default_rng((number, 81))
    change = np.zeros(len(COLUMNS))
    for _ in range(1 if rng.random() < 0.65 else 2):
        chosen, size = CHANGES[rng.integers(len(CHANGES))], rng.uniform(0.6, 1.1)
        for name, value in chosen.items():
            change[COLUMNS.index(name)] += size * value
    one_sided = not np.allclose(change, _other_side(change))
    fast = rng.random() < 0.35
    return Exercise(
        POSTURES[rng.integers(len(POSTURES))],
        change,
        bool(one_sided and rng.random() < 0.7),
        float(np.exp(rng.uniform(np.log(3), np.log(7)) if fast else rng.uniform(0, np.log(3)))),
        float(rng.uniform(0.35, 0.65)),
        float(rng.uniform(0, 0.4)),
        float(rng.choice((0, 45, 90, 90))),
    )


def exercises(number: int, seed: int) -> RGBImage:
    """Render a performance of a class of exercises."""
    one, rng = exercise(number), np.random.default_rng((number, seed, 82))
    figure = draw_figure(rng, "train")
    poses = performance(one, rng)
    camera, place = _camera(rng, one)
    bodies = _on_the_floor(
        [_body(joints(figure, pose[:-1]), one.posture, pose[-1]) for pose in poses],
        one.posture.fixed,
    )
    points = np.array([list(body.values()) for body in bodies])  # (t j 3)
    middle = points.mean((0, 1))
    shown_points = (points - middle) @ camera.view[:2].T
    scale = camera.scale / max(float(np.ptp(shown_points, (0, 1)).max()), SHORTEST)

    def paint(draw: ImageDraw.ImageDraw, i: int, shift: Floats) -> Floats:
        where = {name: v - middle + np.array([0, 0.5, 0]) for name, v in bodies[i].items()}
        shown = replace(camera, scale=scale, centre=place + shift)
        paint_figure(draw, figure, shown, where, SIDE)
        x, y, _ = camera.view @ (bodies[i]["pelvis"] - middle)
        return shift + np.array([x, -y]) * scale

    return composed(rng, paint, camera.path, depth=figure.depth, textured=0.6)


def performance(one: Exercise, rng: np.random.Generator) -> Floats:
    """Return the poses (t p) of a performance, with the pitch of the whole body."""
    rest = np.zeros(len(COLUMNS))
    worn = RESTING_ARMS[rng.integers(len(RESTING_ARMS))] if rng.random() < 0.4 else {}
    free = not any(one.changes[INDEX[f"{s} {n}"]] for s in ("left", "right") for n in ARM)
    start = {**arms(9, 55, 15), **(worn if free else {}), **one.posture.pose}
    for name, value in start.items():
        rest[INDEX[name]] = value
    angles = np.append(ANGLES, True)
    rest = rest + rng.normal(0, 6, len(COLUMNS)) * angles
    rest[-1] += one.posture.pitch
    change = one.changes * rng.uniform(0.7, 1.15) * np.exp(rng.normal(0, 0.12, len(COLUMNS)))
    if rng.random() < 0.5 and not one.alternates:
        change = _other_side(change)
    pace = max(one.pace * np.exp(rng.normal(0, 0.35)), 0.8)
    at = pace * _tempo(rng) + rng.uniform(0, 2)
    extent = _repeated(at % 1, one.rising, one.hold)[:, None]
    other = (at // 1 % 2 == 1)[:, None] & one.alternates
    poses = rest + extent * np.where(other, _other_side(change), change)
    sway = draw_sway(rng, STEPS)[np.linspace(0, STEPS - 1, FRAMES).astype(int)]
    poses[:, :-1] += sway * rng.uniform(0.3, 1.5)
    return np.asarray(poses)


def _tempo(rng: np.random.Generator) -> Floats:
    at = np.linspace(0, 1, FRAMES)
    return np.asarray(at + rng.normal(0, 0.15) * at * (1 - at))


def _repeated(phase: Floats, rising: float, hold: float) -> Floats:
    """Return how far a change has come (t) at phases (t) of a repetition, from 0 to 1."""
    part = np.where(phase < rising, phase / rising, (1 - phase) / (1 - rising))
    part = ((part - hold / 2) / (1 - hold)).clip(0, 1)
    return np.asarray(part * part * (3 - 2 * part))


def _other_side(change: Floats) -> Floats:
    """Return a change (p) with left and right exchanged."""
    names = [n.replace("left", "?").replace("right", "left").replace("?", "right") for n in COLUMNS]
    signs = np.array([-1.0 if n in ("twist", "tilt", "turn", "x") else 1.0 for n in COLUMNS])
    return np.asarray(signs * change[[COLUMNS.index(n) for n in names]])


def _body(where: dict[str, Floats], posture: Posture, pitch: float) -> dict[str, Floats]:
    """Return the joints (3) of a body that is turned as a whole."""
    turn = rotation(0, pitch) @ rotation(2, posture.roll)
    return {name: turn @ v for name, v in where.items()}


def _on_the_floor(
    bodies: list[dict[str, Floats]], fixed: tuple[str, ...]
) -> list[dict[str, Floats]]:
    """Return bodies whose fixed joints, or whose lowest ones, keep their height."""
    heights = [min(body[name][1] for name in fixed or body) for body in bodies]
    return [
        {name: v - np.array([0, height, 0]) for name, v in body.items()}
        for body, height in zip(bodies, heights, strict=True)
    ]


def _camera(rng: np.random.Generator, one: Exercise) -> tuple[Camera, Floats]:
    """Return a camera whose scale is the part of the frame that is filled, and the middle."""
    yaw = rng.choice((-1, 1)) * one.yaw + rng.normal(0, 20)
    if rng.random() < 0.35:
        yaw = rng.uniform(-120, 120)
    above = rng.uniform(20, 60) if rng.random() < 0.1 else rng.uniform(-6, 16)
    view = rotation(0, above) @ rotation(1, yaw)
    cut = rng.random() < 0.3
    scale = rng.uniform(0.95, 1.5) if cut else rng.uniform(0.4, 0.92)
    place = np.array([0.5, 0.5]) + rng.uniform(-0.14, 0.14, 2) * (2 if cut else 1)
    aspect = float(np.exp(rng.normal(-0.15, 0.3)).clip(0.5, 1.5))
    return Camera(view, scale, place, aspect, camera_path(rng)), place
