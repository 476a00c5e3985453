"""Rendered figures of people; a grammar of motions draws their classes, by number.

A class is a short programme: one or two actions of the arms, a leg and the whole body, in order. A
performance varies its tempo and extent, the figure, the view, the background and the recording.
Classes with circles, with arms that alternate, or with turns are for validation alone: the grammar
of the training classes has none of these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fewact.video.samplers import RGBImage

Floats = NDArray[np.float64]
Role = Literal["train", "val"]

ARM = ("raise", "side", "bend", "roll")
LEG = ("thigh", "out", "knee")
BODY = ("lean", "tilt", "twist", "turn", "x", "lift")
NAMES = tuple(f"{s} {n}" for s in ("left", "right") for n in (*ARM, *LEG)) + BODY
"""Parameters of a pose: angles in degrees; ``x`` and ``lift`` in heights of the figure."""
INDEX = {name: i for i, name in enumerate(NAMES)}

STEPS = 240
"""Steps of time of a programme, from which the frames are taken."""
SUPERSAMPLING = 2

SKIN = np.array([(236, 200, 175), (200, 150, 115), (120, 80, 55), (80, 55, 40)])
"""Colours of skin."""

Key = tuple[float, dict[str, float]]
"""Relative duration until a pose is reached, and its changes from the resting pose."""


@dataclass(frozen=True)
class Action:
    """Tracks of poses that happen at the same time.

    Args:
        tracks: Each a sequence of key poses.
    """

    tracks: tuple[tuple[Key, ...], ...]


@dataclass(frozen=True)
class FigureClass:
    """A class of motions.

    Args:
        number: Its number, which determines it together with the role.
        role: Grammar that it is drawn from.
        actions: Its actions, in order.
    """

    number: int
    role: Role
    actions: tuple[Action, ...]

    @property
    def moves_more_than_arms(self) -> bool:
        """Whether a leg or the whole body moves."""
        names = {n for a in self.actions for keys in a.tracks for _, pose in keys for n in pose}
        return any(name.rpartition(" ")[2] not in ARM for name in names)


def figure_class(number: int, role: Role = "train") -> FigureClass:
    """Return the class of a number."""
    rng = np.random.default_rng((number, role == "val"))
    new = int(rng.integers(3)) if role == "val" else None  # what only validation classes have
    count = 1 if rng.random() < 0.6 else 2
    actions = [_action(rng, new if i == 0 else None) for i in range(count)]
    return FigureClass(number, role, tuple(actions))


def _action(rng: np.random.Generator, new: int | None) -> Action:
    kind = rng.choice(5, p=(0.5, 0.1, 0.12, 0.2, 0.08))
    tracks: list[tuple[Key, ...]] = []
    if kind in (0, 3, 4) or new in (0, 1):
        tracks.append(arm_keys(rng, circle=new == 0, alternate=new == 1))
    if new == 2:
        tracks.append(_turn(rng))
    elif kind in (2, 3):
        tracks.append(_body(rng))
    if kind in (1, 4) and new != 2:
        tracks.append(_leg(rng))
    return Action(tuple(tracks))


def _arm_pose(rng: np.random.Generator) -> dict[str, float]:
    return {
        "raise": float(rng.choice((20, 55, 90, 125, 160))),
        "side": float(rng.choice((-35, 0, 40, 85))),
        "bend": float(rng.choice((0, 45, 90, 130))),
        "roll": float(rng.choice((-40, 0, 45, 90))),
    }


def arm_keys(rng: np.random.Generator, *, circle: bool, alternate: bool) -> tuple[Key, ...]:
    first, second = _arm_pose(rng), _arm_pose(rng)
    for name in rng.permutation(ARM)[:2]:  # the second pose changes two of the angles
        second[name] = first[name]
    if abs(second["raise"] - first["raise"]) + abs(second["side"] - first["side"]) < 30:
        second["bend"] = 120.0 if first["bend"] < 60 else 0.0
    times = int(rng.integers(2, 4))
    form = rng.integers(4)
    poses: list[tuple[float, dict[str, float]]]
    if circle:
        sign, size = float(rng.choice((-1, 1))), float(rng.choice((25, 45)))
        angles = sign * np.arange(8 * times + 1) * np.pi / 4
        middle = {**first, "raise": min(max(first["raise"], 50), 130), "bend": 20.0}
        poses = [
            (
                0.3,
                middle
                | {
                    "raise": middle["raise"] + size * float(np.sin(a)),
                    "side": middle["side"] + size * float(np.cos(a)),
                },
            )
            for a in angles
        ]
    elif form == 0:
        poses = [(1.0, first), (float(rng.choice((0.2, 1.5))), first)]
    elif form == 1:
        poses = [(1.0, first), (1.0, second), (0.3, second)]
    else:
        poses = [(1.0, first), (0.6, second)] + [(0.6, first), (0.6, second)] * (times - 1)
    sides: tuple[str, ...] = ("left",) if rng.random() < 0.5 else ("right",)
    if rng.random() < 0.4 or alternate:
        sides = ("left", "right")
    if alternate:
        once = [key for side in sides * 2 for key in ((0.7, of_side(side, first)), (0.7, {}))]
        return tuple(once)
    joined = [
        (t, {k: v for side in sides for k, v in of_side(side, pose).items()}) for t, pose in poses
    ]
    return (*joined, (1.0, {}))


def of_side(side: str, pose: dict[str, float]) -> dict[str, float]:
    return {f"{side} {name}": value for name, value in pose.items()}


def _leg(rng: np.random.Generator) -> tuple[Key, ...]:
    side = str(rng.choice(("left", "right")))
    pose = (
        {"thigh": 70.0, "knee": 10.0},
        {"thigh": 85.0, "knee": 95.0},
        {"out": 40.0},
        {"thigh": -15.0, "knee": 100.0},
    )[rng.integers(4)]
    times = int(rng.integers(1, 4))
    if rng.random() < 0.3:  # on the spot
        other = "right" if side == "left" else "left"
        once: list[Key] = [
            (0.7, of_side(side, pose)),
            (0.5, {}),
            (0.7, of_side(other, pose)),
            (0.5, {}),
        ]
        return tuple(once * times)
    back: list[Key] = [(0.8, of_side(side, pose)), (0.7, {})]
    return tuple(back * times)


def both_sides(pose: dict[str, float]) -> dict[str, float]:
    return {**of_side("left", pose), **of_side("right", pose)}


def _body(rng: np.random.Generator) -> tuple[Key, ...]:
    sign = float(rng.choice((-1, 1)))
    low = {**both_sides({"thigh": 85, "knee": 105}), "lean": float(rng.choice((10, 40)))}
    form = rng.integers(8)
    times = int(rng.integers(1, 3))
    keys: tuple[Key, ...]
    if form == 0:
        keys = ((1.0, low), (1.0, {})) * times
    elif form == 1:  # sits down, and stays
        keys = ((1.2, low), (1.0, low), (0.0, low))
    elif form == 2:  # gets up
        keys = ((0.0, low), (0.4, low), (1.2, {}), (0.8, {}))
    elif form == 3:
        keys = ((1.0, {"lean": float(rng.choice((45, 80)))}), (1.0, {})) * times
    elif form == 4:
        keys = ((0.8, {"tilt": 35 * sign}), (0.8, {})) * times
    elif form == 5:
        keys = ((0.8, {"twist": 55 * sign}), (0.8, {})) * times
    elif form == 6:
        crouch = {**both_sides({"thigh": 40, "knee": 70}), "lean": 15.0}
        keys = ((0.6, crouch), (0.3, {"lift": 0.18}), (0.3, crouch), (0.4, {})) * times
    else:
        walk: list[Key] = []
        for i in range(4):
            a, b = ("left", "right") if i % 2 else ("right", "left")
            walk.append(
                (
                    0.5,
                    {
                        **of_side(a, {"thigh": 28, "knee": 8}),
                        **of_side(b, {"thigh": -12, "knee": 35}),
                        "x": sign * 0.16 * (i + 1),
                    },
                )
            )
        keys = (*walk, (0.4, {"x": sign * 0.7}))
    return keys


def _turn(rng: np.random.Generator) -> tuple[Key, ...]:
    angle = float(rng.choice((-180, -90, 90, 180)))
    if rng.random() < 0.5:
        return ((1.5, {"turn": angle}), (0.5, {"turn": angle}))
    return ((1.0, {"turn": angle}), (0.4, {"turn": angle}), (1.0, {}))


def perform(one: FigureClass, rng: np.random.Generator, frames: int) -> Floats:
    """Return the poses (t p) of a performance of a class, at evenly spread times."""
    rest = _resting(rng)
    before, after = rng.uniform(0, 0.2, 2)
    lengths = np.array([max(sum(t for t, _ in k) for k in a.tracks) for a in one.actions])
    lengths = lengths * np.exp(rng.normal(0, 0.2, len(lengths)))
    bounds = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    bounds = before + (1 - before - after) * bounds
    grid = (np.arange(STEPS) + 0.5) / STEPS
    found = np.tile(rest, (STEPS, 1))
    extent = rng.uniform(0.8, 1.15)
    position = 0.0
    for action, begin, end in zip(one.actions, bounds, bounds[1:], strict=False):
        for keys in action.tracks:
            own = [0.0] + [t * float(np.exp(rng.normal(0, 0.2))) for t, _ in keys]
            times = begin + (end - begin) * np.cumsum(own) / sum(own)
            for name in sorted({name for _, pose in keys for name in pose}):
                at = INDEX[name]
                values = [found[0, at] * 0 + rest[at]] if keys[0][0] > 0 else []
                same: dict[float, float] = {}
                for _, pose in keys:
                    target = pose.get(name)
                    if target is None:
                        values.append(rest[at])
                    else:  # the same pose is reached alike each time, but for a little
                        if target not in same:
                            noise = 0.0 if name in ("x", "lift") else rng.normal(0, 7)
                            scale = extent if name not in ("side", "roll", "turn") else 1.0
                            same[target] = scale * target + noise
                        values.append(same[target] + (rng.normal(0, 2) if abs(target) > 2 else 0))
                shown = times[-len(values) :]
                track = np.interp(grid, shown, values)
                inside = grid >= (begin if keys[0][0] > 0 else 0)
                found[inside, at] = track[inside] + (position if name == "x" else 0)
        position = found[-1, INDEX["x"]] - rest[INDEX["x"]]
    kernel = np.hanning(2 * int(STEPS * rng.uniform(0.012, 0.03)) + 3)
    kernel /= kernel.sum()
    half = len(kernel) // 2
    padded = np.pad(found, ((half, half), (0, 0)), mode="edge")
    smooth: Floats = np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
    smooth += draw_sway(rng, STEPS) * rng.uniform(0.3, 1.5)
    return np.asarray(smooth[np.linspace(0, STEPS - 1, frames).round().astype(int)])


def _resting(rng: np.random.Generator) -> Floats:
    rest = np.zeros(len(NAMES))
    for side in ("left", "right"):
        for name, (mean, deviation) in {
            "raise": (9, 4),
            "side": (55, 20),
            "bend": (15, 8),
            "roll": (10, 20),
            "out": (4, 2),
            "knee": (4, 3),
        }.items():
            rest[INDEX[f"{side} {name}"]] = rng.normal(mean, deviation)
    return rest


def draw_sway(rng: np.random.Generator, steps: int) -> Floats:
    """Return slow movements of the joints that nobody intends."""
    knots = rng.normal(0, 1.5, (6, len(NAMES)))
    knots[:, [INDEX["x"], INDEX["lift"]]] *= 0.002
    knots[:, [INDEX[f"{s} {n}"] for s in ("left", "right") for n in LEG]] *= 0.3
    grid = np.linspace(0, 5, steps)
    return np.stack([np.interp(grid, np.arange(6), column) for column in knots.T], 1)


@dataclass(frozen=True)
class Figure:
    """Lengths of a figure in its heights, thicknesses, and colours.

    Args:
        limbs: Lengths of upper arm, forearm, thigh, shin, torso, neck and head.
        widths: Half widths of shoulders and hips.
        thick: Factor of all thicknesses.
        colours: Of skin, shirt, sleeves, trousers, shoes and hair: (6 3).
        stripes: Stripes across the torso, or 0.
        shade: Brightness of the lit side.
        depth: Whether brightness is depth, as in the image of a depth camera.
    """

    limbs: Floats
    widths: Floats
    thick: float
    colours: Floats
    stripes: int
    shade: float
    depth: bool


def draw_figure(rng: np.random.Generator, role: Role) -> Figure:
    """Return a figure; those of validation are thin, or broad, and in one colour."""
    limbs = np.array([0.175, 0.155, 0.235, 0.235, 0.29, 0.05, 0.075])
    limbs = limbs * rng.uniform(0.9, 1.1, 7)
    widths = np.array([0.105, 0.06]) * rng.uniform(0.85, 1.2, 2)
    thick, depth = rng.uniform(0.8, 1.3), rng.random() < 0.35
    colours = draw_colours(rng, 6)
    colours[0] = SKIN[rng.integers(4)] * rng.uniform(0.85, 1.1)
    colours[2] = colours[rng.choice((0, 1))]
    colours[5] *= 0.4
    stripes = int(rng.integers(2, 8)) if rng.random() < 0.3 else 0
    if role == "val":
        thick, stripes = float(rng.choice((0.65, 1.5))), 0
        colours[:] = colours[1]
    return Figure(limbs, widths, thick, colours, stripes, rng.uniform(1.0, 1.5), depth)


def draw_colours(rng: np.random.Generator, count: int) -> Floats:
    """Return colours (count 3), as pale or bright as each other."""
    bright = rng.uniform(0, 255, (count, 3))
    pale: Floats = bright.mean(1, keepdims=True)
    return pale + rng.uniform(0, 1) * (bright - pale)


def rotation(axis: int, degrees: float) -> Floats:
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    found = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    found[i, i] = found[j, j] = c
    found[i, j], found[j, i] = -s, s
    return found


def joints(figure: Figure, pose: Floats) -> dict[str, Floats]:
    """Return the positions (3) of the joints: right of the figure's left, up, and to the front."""
    at = {name: pose[i] for name, i in INDEX.items()}
    arm, fore, thigh, shin, torso, neck, head = figure.limbs
    turn = rotation(1, at["turn"])
    upper = turn @ rotation(0, at["lean"]) @ rotation(2, at["tilt"]) @ rotation(1, at["twist"])
    found: dict[str, Floats] = {"pelvis": np.zeros(3)}
    up = np.array([0.0, 1.0, 0.0])
    found["neck"] = upper @ (torso * up)
    found["head"] = found["neck"] + upper @ ((neck + head) * up)
    lowest = 0.0
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        r, s, b, roll = (np.radians(at[f"{side} {n}"]) for n in ARM)
        out = np.array([np.sin(r) * np.sin(s), -np.cos(r), np.sin(r) * np.cos(s)])
        rising = np.array([np.cos(r) * np.sin(s), np.sin(r), np.cos(r) * np.cos(s)])
        inward = np.array([-np.cos(s), 0.0, np.sin(s)])
        hinge = np.cos(roll) * rising + np.sin(roll) * inward
        found[f"{side} shoulder"] = found["neck"] + upper @ (mirror * (figure.widths[0], -0.02, 0))
        found[f"{side} elbow"] = found[f"{side} shoulder"] + upper @ (arm * mirror * out)
        along = np.cos(b) * out + np.sin(b) * hinge
        found[f"{side} hand"] = found[f"{side} elbow"] + upper @ (fore * mirror * along)
        a, o, k = (np.radians(at[f"{side} {n}"]) for n in LEG)
        found[f"{side} hip"] = turn @ (mirror * (figure.widths[1], 0, 0))
        for name, start, length, angle in (
            ("knee", "hip", thigh, a),
            ("ankle", "knee", shin, a - k),
        ):
            down = np.array([np.sin(o), -np.cos(angle) * np.cos(o), np.sin(angle) * np.cos(o)])
            found[f"{side} {name}"] = found[f"{side} {start}"] + turn @ (length * mirror * down)
        found[f"{side} toe"] = found[f"{side} ankle"] + turn @ (mirror * (0.01, -0.015, 0.06))
        lowest = min(lowest, found[f"{side} ankle"][1])
    move = np.array([at["x"], at["lift"] - lowest, 0.0])
    return {name: where + move for name, where in found.items()}


CAPSULES = (
    ("{} hip", "{} knee", 0.042, 0.032, 3),
    ("{} knee", "{} ankle", 0.031, 0.022, 3),
    ("{} ankle", "{} toe", 0.022, 0.018, 4),
    ("{} shoulder", "{} elbow", 0.030, 0.024, 1),
    ("{} elbow", "{} hand", 0.024, 0.017, 2),
    ("{} hand", "{} hand", 0.025, 0.025, 0),
)
"""Ends, their radii, and the colour of the parts of either side."""


@dataclass(frozen=True)
class Camera:
    """Where the figure is seen from, and where in the frame.

    Args:
        view: Rotation (3 3).
        scale: Height of the figure, as a fraction of the frame's.
        centre: Position of its middle, as fractions of the frame.
        aspect: Width of what is as wide as high.
        path: Offsets (t 2) of the frames, as fractions of the frame.
    """

    view: Floats
    scale: float
    centre: Floats
    aspect: float
    path: Floats


def draw_camera(rng: np.random.Generator, frames: int, *, full: bool) -> Camera:
    """Return a camera: most are nearly static, as after stabilisation.

    Args:
        rng: Source of random numbers.
        frames: Number of frames.
        full: Whether the whole figure is in the frame.
    """
    wide = rng.random() < 0.25
    view = rotation(0, rng.uniform(-4, 14)) @ rotation(1, rng.normal(0, 35 if wide else 12))
    scale = rng.uniform(0.5, 0.9) if full or rng.random() < 0.6 else rng.uniform(0.9, 1.7)
    low = 0.5 + max(0.0, scale - 0.95) * 0.45  # of near figures the upper half is seen
    centre = np.array([rng.uniform(0.33, 0.67), low + rng.uniform(-0.06, 0.06)])
    path = np.zeros((frames, 2))
    if rng.random() < 0.4:
        path += rng.normal(0, rng.uniform(0, 0.006), (frames, 2))
    if rng.random() < 0.25:
        path += np.linspace(-0.5, 0.5, frames)[:, None] * rng.normal(0, 0.06, 2)
    return Camera(view, scale, centre, rng.uniform(0.7, 1.1), path)


def paint_figure(
    draw: ImageDraw.ImageDraw, figure: Figure, camera: Camera, where: dict[str, Floats], side: int
) -> None:
    """Draw a figure, from its farthest part to its nearest."""
    shown = {}
    for name, point in where.items():
        x, y, z = camera.view @ (point - np.array([0.0, 0.5, 0.0]))
        near = 1 / (1 - 0.2 * z)
        flat = np.array([x * camera.aspect, -y]) * near * camera.scale + camera.centre
        shown[name] = (flat * side, z)
    unit = camera.scale * figure.thick * side
    parts: list[tuple[float, Callable[[], None]]] = []

    def colour(index: int, z: float, shade: float = 1.0) -> tuple[int, int, int]:
        if figure.depth:
            grey = figure.colours[1].mean() * 0.5 + 60 + 160 * z
            return (int(min(max(grey, 20), 255)),) * 3
        red, green, blue = np.clip(figure.colours[index] * shade, 0, 255).astype(int).tolist()
        return red, green, blue

    def capsule(a: str, b: str, ra: float, rb: float, index: int) -> None:
        (p, zp), (q, zq) = shown[a], shown[b]
        z = (zp + zq) / 2
        across = np.array([-(q - p)[1], (q - p)[0]])
        across = across / max(float(np.hypot(*across)), 1e-6)

        def draw_it() -> None:
            for width, shade, shift in ((1.0, 1.0, 0.0), (0.45, figure.shade, -0.3)):
                if width < 1 and (figure.depth or figure.shade < 1.1):
                    break
                fill = colour(index, z, shade)
                u, v = ra * unit * width, rb * unit * width
                one, two = p + shift * ra * unit, q + shift * rb * unit
                corners = (one + across * u, two + across * v, two - across * v, one - across * u)
                draw.polygon([tuple(c) for c in corners], fill=fill)
                for centre, r in ((one, u), (two, v)):
                    draw.ellipse((*(centre - r), *(centre + r)), fill=fill)

        parts.append((z, draw_it))

    for name in ("left", "right"):
        for a, b, ra, rb, index in CAPSULES:
            capsule(a.format(name), b.format(name), ra, rb, index)

    def torso() -> None:
        fill = colour(1, 0.0)
        pad = 0.028 * unit
        ends = [shown[n][0] for n in ("left shoulder", "right shoulder", "right hip", "left hip")]
        draw.polygon([tuple(c) for c in ends], fill=fill)
        for one, two in zip(ends, ends[1:] + ends[:1], strict=True):
            draw.line([tuple(one), tuple(two)], fill=fill, width=max(1, int(2 * pad)))
            draw.ellipse((*(one - pad), *(one + pad)), fill=fill)
        for i in range(figure.stripes * (not figure.depth)):
            part = (i + 0.5) / figure.stripes
            left, right = ((1 - part) * ends[i] + part * ends[j] for i, j in ((0, 3), (1, 2)))
            draw.line(
                [tuple(left), tuple(right)],
                fill=colour(3, 0.0),
                width=max(1, int(0.1 * unit / figure.stripes)),
            )

    parts.append((0.5 * (shown["neck"][1] + shown["pelvis"][1]) + 0.02, torso))

    def head() -> None:
        middle, z = shown["head"]
        r = figure.limbs[6] * camera.scale * side * np.array([0.8 * camera.aspect, 1.0])
        (neck, _), width = shown["neck"], max(1, int(0.05 * unit))
        draw.line([tuple(neck), tuple(middle)], fill=colour(0, z), width=width)
        draw.ellipse((*(middle - r), *(middle + r)), fill=colour(0, z))
        if not figure.depth:
            draw.chord((*(middle - r * 1.05), *(middle + r * 1.05)), 180, 360, fill=colour(5, z))

    parts.append((shown["head"][1], head))
    for _, draw_it in sorted(parts, key=lambda part: part[0]):
        draw_it()


def draw_background(rng: np.random.Generator, side: int, *, depth: bool) -> Image.Image:
    """Return a background: plain, a gradient, noise at several scales, or shapes."""
    form = rng.choice(4, p=(0.3, 0.15, 0.25, 0.3))
    if depth and rng.random() < 0.7:
        return Image.new("RGB", (side, side), (int(rng.choice((0, 0, 25))),) * 3)
    colours = draw_colours(rng, 2)
    if form == 0:
        return Image.new("RGB", (side, side), tuple(colours[0].astype(int).tolist()))
    corners = rng.uniform(0, 1, (2, 2))
    ramp = Image.fromarray((corners * 255).astype(np.uint8)).resize((side, side), 2)
    weight = np.asarray(ramp, np.float32)[..., None] / 255
    values = weight * colours[0] + (1 - weight) * colours[1]
    if form >= 2:
        for cells in (5, 12, 40):
            noise = rng.normal(0, rng.uniform(4, 45), (cells, cells, 3)) + 128
            noise = noise + rng.uniform() * (noise.mean(2, keepdims=True) - noise)
            grown = Image.fromarray(noise.clip(0, 255).astype(np.uint8)).resize((side, side), 3)
            values = values + np.asarray(grown, np.float32) - 128
    image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if form == 3:
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(3, 14))):
            x, y, w, h = rng.uniform(0, side, 4) * (1, 1, 0.5, 0.6)
            fill = tuple(rng.integers(0, 256, 3).tolist())
            if rng.random() < 0.5:
                draw.rectangle((x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=fill)
            else:
                draw.line((x, y, x + w, y + rng.normal(0, h)), fill=fill, width=int(side / 60))
    return image


def render(one: FigureClass, seed: int, *, frames: int = 24, size: int = 224) -> RGBImage:
    """Render a performance of a class.

    Args:
        one: The class.
        seed: Number of the performance.
        frames: Number of frames.
        size: Side of a frame in pixels.

    Returns:
        (t size size 3), uint8.
    """
    rng = np.random.default_rng((one.number, one.role == "val", 1 + seed))
    poses = perform(one, rng, frames)
    figure = draw_figure(rng, one.role)
    camera = draw_camera(rng, frames, full=one.moves_more_than_arms)
    side = SUPERSAMPLING * size
    margin = side // 6
    background = draw_background(rng, side + 2 * margin, depth=figure.depth)
    finish = _recording(rng, size)
    found = np.empty((frames, size, size, 3), np.uint8)
    for i, pose in enumerate(poses):
        shift = np.clip(camera.path[i], -0.15, 0.15)
        left, top = (margin - shift * side).round().astype(int)
        image = background.crop((left, top, left + side, top + side))
        moved = Camera(camera.view, camera.scale, camera.centre + shift, camera.aspect, camera.path)
        paint_figure(ImageDraw.Draw(image), figure, moved, joints(figure, pose), side)
        found[i] = finish(image.reduce(SUPERSAMPLING))
    return found


def _recording(rng: np.random.Generator, size: int) -> Callable[[Image.Image], RGBImage]:
    """Return how an image is recorded: light, contrast, grain and sharpness."""
    gain = rng.uniform(0.3, 1.2) if rng.random() < 0.4 else 1.0
    lift = rng.uniform(0, 60) if rng.random() < 0.15 else 0.0
    grain = rng.uniform(2, 10) if rng.random() < 0.35 else 0.0
    blur = rng.uniform(0.5, 2.0) if rng.random() < 0.3 else 0.0
    grey = rng.random() < 0.1

    def record(image: Image.Image) -> RGBImage:
        if grey:
            image = image.convert("L").convert("RGB")
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * size / 224))
        values = np.asarray(image, np.float32) * gain + lift * (1 - gain / 2)
        if grain:
            values = values + rng.normal(0, grain, values.shape[:2])[..., None].astype(np.float32)
        return values.clip(0, 255).astype(np.uint8)

    return record
