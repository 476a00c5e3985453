"""Rendered animals with four legs and a tail, seen from the side or from above."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from benchmarks.training.figures import Floats, draw_colours, draw_sway
from benchmarks.training.scenes import FRAMES, SIDE, Fill, camera_path, change, composed
from fewact.video.samplers import RGBImage

ACTS: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "walk": (("x", "even", 1.6), ("gait", "beat", 1)),
    "rear": (("pitch", "form", 65), ("fore", "form", 0.5)),
    "wash": (
        ("pitch", "stay", 35),
        ("head", "stay", -0.25),
        ("head", "beat", 0.06),
        ("paw", "during", 0.6),
        ("paw", "beat", 0.3),
    ),
    "lick": (("curl", "form", 60), ("head", "form", -0.3), ("head", "beat", 0.12)),
    "scratch": (("curl", "stay", 25), ("hind", "during", 0.7), ("hind", "fast", 0.4)),
    "dig": (("fore", "fast", 0.4), ("head", "stay", -0.3)),
    "turn": (("heading", "form", 150),),
    "sniff": (("head", "form", 0.35), ("head", "beat", 0.06), ("reach", "form", 0.1)),
    "shake": (("y", "fast", 0.03), ("curl", "fast", 12)),
    "stretch": (("length", "form", 0.35), ("head", "form", -0.1)),
    "curl": (("curl", "form", 110), ("length", "form", -0.2)),
    "jump": (("y", "hop", 0.5), ("x", "even", 0.5)),
}
"""What an animal does: tracks of its pose, the signals that they follow, and how far."""

TRACKS = tuple(dict.fromkeys(track for act in ACTS.values() for track, _, _ in act))
SIGNED = ("curl", "heading")
"""Tracks whose direction is the class's."""

OUTLINE = (1, 1, 0.98, 0.9, 0.8, 0.6, 0.58)
"""Radii of the body from the hip to the head."""


@dataclass(frozen=True)
class Act:
    """An act of a class.

    Args:
        name: Name of one of ``ACTS``.
        size: Its extent.
        pace: Number of its beats.
        sign: Its direction.
        form: Form of its change.
    """

    name: str
    size: float
    pace: float
    sign: float
    form: str


@dataclass(frozen=True)
class AnimalClass:
    """A class of what an animal does.

    Args:
        above: Whether it is seen from above.
        facing: Direction in which it faces.
        acts: Its acts, in order.
    """

    above: bool
    facing: float
    acts: tuple[Act, ...]


def animal_class(rng: np.random.Generator) -> AnimalClass:
    """Return a class of one or two acts."""
    acts = [
        Act(
            str(rng.choice(tuple(ACTS))),
            rng.uniform(0.6, 1.3),
            rng.uniform(2, 7),
            float(rng.choice((-1, 1))),
            str(rng.choice(("there", "back", "from"))),
        )
        for _ in range(1 if rng.random() < 0.6 else 2)
    ]
    return AnimalClass(bool(rng.random() < 0.3), float(rng.choice((-1, 1))), tuple(acts))


class Animal:
    """A performance of a class by an animal; call it to paint a frame.

    Args:
        rng: Source of random numbers.
        one: The class.
        place: Place (2) of its middle, as fractions of the frame.
        scale: Length of its body, as a fraction of the frame.
    """

    def __init__(
        self, rng: np.random.Generator, one: AnimalClass, place: Floats, scale: float
    ) -> None:
        self.one, self.place, self.scale = one, place, scale
        self.tracks = _tracks(rng, one.acts)
        self.fat, self.leg, self.tail = (
            rng.uniform(*ends) for ends in ((0.3, 0.5), (0.25, 0.7), (0.3, 1.1))
        )
        self.neck, self.tilt = rng.uniform(0.2, 0.45), rng.uniform(-12, 12)
        colour = draw_colours(rng, 1)[0]
        self.bright, self.dark = (
            tuple((shade * colour).astype(int).tolist()) for shade in (1.0, 0.7)
        )
        self.sway = draw_sway(rng, FRAMES)[:, :3] / 50

    def __call__(self, draw: ImageDraw.ImageDraw, i: int, shift: Floats) -> Floats:
        """Paint frame i; return how far it has moved (2), as fractions of the frame."""
        at = {name: float(track[i]) for name, track in self.tracks.items()}
        facing = self.one.facing
        moved = np.array([facing * (at["x"] - self.tracks["x"].mean()), -at["y"]]) * self.scale
        moved = moved + shift
        angle, unit = np.radians(at["heading"]), self.scale * SIDE
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        view = turned if self.one.above else np.diag([np.cos(angle), 1.0])
        frame = np.diag([facing, -1.0]) @ view * unit
        hip, middle, shoulder, head = self._spine(at, i)

        def shown(point: Floats) -> Floats:
            return np.asarray((self.place + moved) * SIDE + frame @ point)

        def ball(point: Floats, radius: float, fill: Fill) -> None:
            centre, r = shown(point), radius * self.fat * unit
            draw.ellipse((*(centre - r), *(centre + r)), fill=fill)

        def limb(start: Floats, end: Floats, width: float = 0.13) -> None:
            ends = [tuple(shown(start)), tuple(shown(end))]
            draw.line(ends, fill=self.dark, width=max(2, int(width * unit)))

        tail = np.array([-0.8 * self.tail, 0.2 + 2.5 * self.sway[i, 2]])
        limb(hip, hip + tail, 0.07)
        for number, root in enumerate((hip, hip, shoulder, shoulder)):
            limb(root, self._foot(at, number, root, head))
        body = (hip, (hip + middle) / 2, middle, (middle + shoulder) / 2, shoulder)
        for point, radius in zip((*body, (shoulder + head) / 2, head), OUTLINE, strict=True):
            ball(point, radius, self.bright)
        ball(head + np.array([0.18, -0.05]), 0.3, self.dark)
        ball(head + np.array([-0.1, 0.5 * self.fat]), 0.22, self.dark)
        return moved

    def _spine(self, at: Mapping[str, float], i: int) -> list[Floats]:
        """Return hip, middle, shoulder and head: along the body, and up or across it."""
        half, curl = 0.45 * (1 + at["length"]), np.radians(at["curl"]) / 2
        pitch = np.radians(at["pitch"] + self.tilt + 40 * self.sway[i, 0])
        reach = self.neck + at["reach"]
        if self.one.above:
            lengths = (half, half, reach + 0.15 + 0.3 * at["head"])
            short, angles = np.cos(pitch), (0.0, curl, 2 * curl)
        else:
            lengths, short, bend = (half, half, reach), 1.0, abs(curl)
            angles = (pitch + 0.3 * bend, pitch - 0.7 * bend, 0.6 * pitch - 1.6 * bend)
        pieces = [
            length * np.array([np.cos(angle) * short, np.sin(angle)])
            for length, angle in zip(lengths, angles, strict=True)
        ]
        if not self.one.above:
            pieces[2][1] += 0.15 + at["head"] + self.sway[i, 1]
        return [*np.cumsum([(-half, 0.0), *pieces], 0)]

    def _foot(self, at: Mapping[str, float], number: int, root: Floats, head: Floats) -> Floats:
        """Return the end of a leg: of the two behind, then the two in front."""
        front = number >= 2
        step = 0.2 * at["gait"] * (1, -1, -1, 1)[number]
        lifted = at["fore"] if front else at["hind"] * (number == 0)
        if self.one.above:
            across = (self.fat + 0.1) * (-1) ** number
            return np.asarray(root + np.array([step + 0.4 * lifted, across]))
        down = 0.55 * lifted - self.leg - 0.4 * self.fat
        foot = np.array([root[0] + step + 0.3 * max(lifted, 0), down])
        raised = at["paw"] if front else 0.0
        return np.asarray(raised * head + (1 - raised) * foot)


def _tracks(rng: np.random.Generator, acts: tuple[Act, ...]) -> Mapping[str, Floats]:
    """Return the tracks (t) of a performance of acts."""
    tracks = {name: np.zeros(FRAMES) for name in TRACKS}
    bounds = np.linspace(0, 1, len(acts) + 1)
    bounds[1:-1] += rng.normal(0, 0.06, len(acts) - 1)
    for act, start, end in zip(acts, bounds, bounds[1:], strict=False):
        at = ((np.linspace(0, 1, FRAMES) - start) / (end - start)).clip(0, 1)
        size = act.size * rng.uniform(0.75, 1.25)
        phase = 2 * np.pi * act.pace * np.exp(rng.normal(0, 0.15)) * at + rng.uniform(0, 6)
        during = ((at > 0) & (at < 1)) * np.sin(np.pi * at) ** 0.3
        signals = {
            "form": change(at, act.form) * size,
            "stay": change(np.clip(2.5 * at, 0, 1), "there") * size,
            "even": at * size,
            "during": during,
            "beat": during * np.sin(2 * phase),
            "fast": during * np.sin(3 * phase),
            "hop": during * np.abs(np.sin(phase / 2)) * size,
        }
        for track, signal, amount in ACTS[act.name]:
            tracks[track] += amount * (act.sign if track in SIGNED else 1) * signals[signal]
    return tracks


def animal(number: int, seed: int) -> RGBImage:
    """Render a class of an animal."""
    one = animal_class(np.random.default_rng((number, 76)))
    rng = np.random.default_rng((number, seed, 77))
    place = np.array([0.5, 0.55]) + rng.uniform(-0.12, 0.12, 2)
    shown = Animal(rng, one, place, rng.uniform(0.14, 0.34))
    return composed(rng, shown, camera_path(rng))
