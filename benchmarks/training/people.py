"""Rendered people of other kinds than ``figures``: in clothes, in held poses, moving as a whole."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from PIL import ImageDraw

from benchmarks.training.animals import Animal, animal_class
from benchmarks.training.figures import (
    INDEX,
    NAMES,
    STEPS,
    Action,
    FigureClass,
    Floats,
    arm_keys,
    both_sides,
    draw_camera,
    draw_figure,
    draw_sway,
    figure_class,
    joints,
    of_side,
    paint_figure,
    perform,
    rotation,
)
from benchmarks.training.scenes import (
    FRAMES,
    SIDE,
    Paint,
    camera_path,
    change,
    composed,
    eased,
    key_times,
)
from fewact.video.samplers import RGBImage


def legs(*angles: float, out: tuple[float, float] = (4, 4)) -> dict[str, float]:
    """Return a pose: left thigh and knee, right thigh and knee, and how far legs are spread."""
    left, right = ({"thigh": angles[i], "knee": angles[i + 1], "out": out[i // 2]} for i in (0, 2))
    return {**of_side("left", left), **of_side("right", right)}


def arms(up: float, side: float = 0.0, bend: float = 0.0) -> dict[str, float]:
    return both_sides({"raise": up, "side": side, "bend": bend})


FLAT, SPREAD = arms(20, 80), legs(0, 0, 0, 0, out=(28, 28))
POSES: tuple[tuple[dict[str, float], float, float], ...] = (
    ({}, 0, 0),
    ({**legs(90, 100, 90, 100), "lean": 20}, 0, 0),
    (legs(0, 90, 0, 90), 0, 0),
    (legs(90, 5, 90, 5), 0, 0),
    (FLAT, 88, 0),
    (FLAT, -88, 0),
    (arms(160), 88, 0),
    ({"lean": 120, **arms(150)}, 0, 0),
    ({**arms(40, 0, 20), "lean": -35}, 80, 0),
    ({**legs(120, 130, 120, 130), "lean": 80, **arms(160)}, 0, 0),
    ({**SPREAD, "tilt": 70, **arms(90, 85)}, 0, 0),
    ({**SPREAD, "tilt": -70, **arms(90, 85)}, 0, 0),
    ({**legs(70, 70, -30, 0), **arms(90, 85)}, 0, 0),
    ({**legs(-30, 0, 70, 70), **arms(160)}, 0, 0),
    ({**legs(30, 120, 0, 0, out=(50, 4)), **arms(165)}, 0, 0),
    ({"lean": 80}, 0, 0),
    ({"lean": 110, **arms(80)}, 0, 0),
    ({**legs(70, 100, 70, 100), "lean": 110, **arms(80)}, 0, 0),
    (FLAT, 0, 88),
    ({**arms(170), "tilt": 20}, 0, 0),
    ({**legs(90, 30, 0, 0), "lean": -20}, 0, 0),
    ({**legs(90, 5, 90, 5), "lean": 60, **arms(90)}, 0, 0),
)
"""Changes of the resting pose, then pitch and roll of the whole body in degrees."""

WHOLE: Mapping[str, Mapping[str, float]] = {
    "squat": {**both_sides({"thigh": 90, "knee": 105}), "lean": 25},
    "x": {"x": 0.35},
    "lean": {"lean": 70},
    "tilt": {"tilt": 35},
    "lift": {"lift": 0.12},
    "turn": {"turn": 90},
    "walk": {},
    "near": {},
}
"""Changes of the whole body."""

FORMS = ("there", "back", "from", "cycles")
ANGLES = np.array([name not in ("x", "lift") for name in NAMES])


def person(
    rng: np.random.Generator,
    poses: Floats,
    *,
    rigid: Floats | None = None,
    near: Floats | None = None,
    full: bool = True,
    textured: float = 0.6,
    beside: Paint | None = None,
) -> RGBImage:
    """Return frames of a person in poses (t p).

    Args:
        rng: Source of random numbers.
        poses: The poses.
        rigid: Pitch, roll and yaw of the whole body in degrees, and its x: (t 4).
        near: Growth (t) of the whole body.
        full: Whether the whole figure is in the frame.
        textured: Probability of clothes with a texture.
        beside: Painter of who is beside the person.
    """
    figure = draw_figure(rng, "train")
    camera = draw_camera(rng, FRAMES, full=full)
    if rng.random() < 0.1:  # from above
        camera = replace(camera, view=rotation(0, rng.uniform(0, 70)) @ camera.view)
    path = camera_path(rng)
    if rigid is not None:
        scale, centre = rng.uniform(0.45, 0.8), np.array([0.5, 0.5]) + rng.uniform(-0.1, 0.1, 2)
        camera = replace(camera, scale=scale, centre=centre)

    def paint(draw: ImageDraw.ImageDraw, i: int, shift: Floats) -> Floats:
        if beside is not None:
            beside(draw, i, shift)
        where = joints(figure, poses[i])
        if rigid is not None:
            pitch, roll, yaw, x = rigid[i]
            turn = rotation(1, yaw) @ rotation(0, pitch) @ rotation(2, roll)
            where = {k: turn @ (v - where["pelvis"]) for k, v in where.items()}
            lowest = min(v[1] for v in where.values())
            where = {k: v + np.array([x, -lowest + 0.03, 0]) for k, v in where.items()}
        if near is not None:
            where = {k: v * (1 + near[i]) for k, v in where.items()}
        paint_figure(draw, figure, replace(camera, centre=camera.centre + shift), where, SIDE)
        x, y, _ = where["pelvis"]
        return shift + np.array([x, -y]) * camera.scale

    return composed(rng, paint, path, depth=figure.depth, textured=textured)


def held_poses(number: int, seed: int) -> RGBImage:
    """Render a class of one to three changes between poses, the last of which is held."""
    rng = np.random.default_rng((number, 72))
    count = int(rng.choice((1, 2, 3), p=(0.4, 0.4, 0.2))) + 1
    chosen = rng.choice(len(POSES), count, replace=False)
    if rng.random() < 0.6:
        chosen[0] = 0
    yaw = float(rng.choice((0, 0, 60, -60, 90, -90)))
    jitter = rng.normal(0, 10, (count, len(NAMES))) * ANGLES
    back = rng.random() < 0.3
    x = np.cumsum(rng.choice((0, 0, 0, 0.4, -0.4), count))
    lengths = rng.uniform(0.5, 2, count + 1)
    rng = np.random.default_rng((number, seed, 73))
    keys = np.zeros((count, len(NAMES) + 4))
    for key, pose, own, at in zip(keys, chosen, jitter, x, strict=True):
        changes, pitch, roll = POSES[pose]
        for name, value in {**arms(9, 55, 15), **changes}.items():
            key[INDEX[name]] = value
        key[: len(NAMES)] += own * (pose != 0)
        key[len(NAMES) :] = pitch, roll, yaw, at
    if back:
        keys = np.concatenate([keys, keys[:1]])
    keys = keys + rng.normal(0, 5, keys.shape) * np.append(ANGLES, [True, True, False, False])
    keys[:, -2] += rng.normal(0, 10)
    keys[:, -1] = (keys[:, -1] - keys[:, -1].mean()).clip(-0.5, 0.5) * rng.uniform(0.7, 1.1)
    lengths = lengths[: len(keys) - 1] * np.exp(rng.normal(0, 0.2, len(keys) - 1))
    times = key_times(lengths, rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.35))
    shown = eased(keys, np.linspace(0, 1, FRAMES), times, rng.uniform(0, 0.4))
    sway = draw_sway(rng, STEPS) * rng.uniform(0.5, 1.5)
    sway = sway[np.linspace(0, STEPS - 1, FRAMES).astype(int)]
    return person(rng, shown[:, :-4] + sway, rigid=shown[:, -4:])


def whole_body(number: int, seed: int) -> RGBImage:
    """Render a class of one or two smooth changes of the whole body, whatever the arms do."""
    rng, parts = np.random.default_rng((number, 74)), []
    for _ in range(1 if rng.random() < 0.6 else 2):
        kind, form = str(rng.choice(tuple(WHOLE))), str(rng.choice(FORMS))
        form = "cycles" if kind == "lift" else form
        drawn = int(rng.integers(2, 6)), float(rng.choice((-1, 1))), rng.uniform(0.5, 1.1)
        parts.append((kind, form, *drawn))
    rng = np.random.default_rng((number, seed, 75))
    drawn_number = int(rng.integers(1 << 30))
    keys = arm_keys(rng, circle=False, alternate=False)
    poses = perform(FigureClass(drawn_number, "train", (Action((keys,)),)), rng, FRAMES)
    start, end = rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.2)
    at = ((np.linspace(0, 1, FRAMES) - start) / (end - start)).clip(0, 1)
    at = at + rng.normal(0, 0.15) * at * (1 - at)
    near = np.zeros(FRAMES)
    for kind, form, times, sign, size in parts:
        extent = change(at, form, times) * size * rng.uniform(0.7, 1.2)
        for name, amount in WHOLE[kind].items():
            direction = sign if kind in ("x", "tilt", "turn") else 1
            poses[:, INDEX[name]] += amount * direction * extent
        if kind == "near":
            near = near + 0.35 * sign * extent
        if kind == "walk":
            phase = 2 * np.pi * times * at
            for side, leg in (("left", 1), ("right", -1)):
                poses[:, INDEX[f"{side} thigh"]] += 28 * leg * np.sin(phase) * size
                poses[:, INDEX[f"{side} knee"]] += 25 * size * (1 + leg * np.sin(phase + 1))
            if form in ("there", "from"):
                poses[:, INDEX["x"]] += 0.7 * sign * (at - 0.5)
    return person(rng, poses, near=near)


def clothed(number: int, seed: int) -> RGBImage:
    """Render a class of ``figures`` in clothes with textures."""
    one, rng = figure_class(20000 + number), np.random.default_rng((number, seed, 71))
    return person(rng, perform(one, rng, FRAMES), full=one.moves_more_than_arms, textured=0.9)


def beside_animal(number: int, seed: int) -> RGBImage:
    """Render a class of ``figures`` beside an animal that does what it wants."""
    one, rng = figure_class(40000 + number), np.random.default_rng((number, seed, 78))
    place = np.array([rng.choice((0.15, 0.85)), 0.85]) + rng.uniform(-0.1, 0.1, 2)
    animal = Animal(rng, animal_class(rng), place, rng.uniform(0.06, 0.13))
    poses = perform(one, rng, FRAMES)
    return person(rng, poses, full=one.moves_more_than_arms, beside=animal)
