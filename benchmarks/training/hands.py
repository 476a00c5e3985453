"""Rendered hands: one close up, or one or two as a camera on the chest sees them."""

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from benchmarks.training.figures import SKIN, Floats, draw_colours, draw_sway
from benchmarks.training.scenes import (
    FRAMES,
    SIDE,
    Fill,
    camera_path,
    composed,
    eased,
    key_times,
)
from fewact.video.samplers import RGBImage

NAMES = ("x", "y", "angle", "turn", "near", "spread", "thumb", "index", "middle", "ring", "little")
"""Parameters of a pose: its place in sizes of the hand, degrees in the image and about the forearm,
logarithm of the size, how far the fingers are spread, and how far each is bent, from 0 to 1."""

SHAPES = (
    (1, 1, 1, 1, 1),
    (0, 0, 0, 0, 0),
    (1, 0, 1, 1, 1),
    (1, 0, 0, 1, 1),
    (0, 1, 1, 1, 1),
    (0, 1, 1, 1, 0),
    (0.6, 0.7, 0, 0, 0),
    (0.5, 0.5, 0.5, 0.5, 0.5),
)
"""Bends of the five fingers of a fist, a flat hand, and others."""

NOISE = (0.05, 0.05, 5, 4, 0.03, 0.1, 0.08, 0.08, 0.08, 0.08, 0.08)
"""Deviations of the parameters between performances."""

FINGERS = (0.6, 0.8, 0.9, 0.85, 0.65)
"""Lengths of the fingers in sizes of the hand."""


@dataclass(frozen=True)
class HandClass:
    """A class of what a hand does.

    Args:
        keys: Key poses (k p).
        hold: Fraction of the time between two of them in which nothing changes.
    """

    keys: Floats
    hold: float


def hand_class(rng: np.random.Generator) -> HandClass:
    """Return a class: one or two of place, angle, turn, size and shape change."""
    first = _pose(rng)
    second, new = first.copy(), _pose(rng)
    parts = rng.choice(5, 1 + (rng.random() < 0.4), replace=False)
    angle = rng.uniform(0, 2 * np.pi)
    if 0 in parts:
        second[:2] += rng.uniform(0.6, 1.5) * np.array([np.cos(angle), np.sin(angle)])
    if 1 in parts:
        second[2] += rng.choice((-1, 1)) * rng.uniform(30, 80)
    if 2 in parts:
        second[3] = rng.choice((90, 180))
    if 3 in parts:
        second[4] = rng.choice((-1, 1)) * rng.uniform(0.25, 0.6)
    if 4 in parts:
        other = (SHAPES.index(tuple(first[6:])) + rng.integers(1, len(SHAPES))) % len(SHAPES)
        second[6:], second[5] = SHAPES[other], new[5]
    form, times = rng.integers(4), int(rng.integers(2, 5))
    if form == 3 and 0 in parts:  # a circle
        angles = angle + rng.choice((-1, 1)) * np.arange(6 * times + 1) * np.pi / 3
        keys = np.tile(first, (len(angles), 1))
        keys[:, :2] += 0.6 * np.stack([np.cos(angles), np.sin(angles)], 1)
        return HandClass(keys, 0.0)
    forms = ([first, second], [first, second, first], [first, second] * times)
    return HandClass(np.stack(forms[min(int(form), 2)]), float(rng.uniform(0, 0.4)))


def _pose(rng: np.random.Generator) -> Floats:
    place, angle = rng.uniform(-0.3, 0.3, 2), rng.uniform(-25, 25)
    return np.array([*place, angle, 0, 0, rng.uniform(0, 1), *SHAPES[rng.integers(len(SHAPES))]])


class Hands:
    """A performance of the classes of one or two hands; call it to paint a frame.

    Args:
        rng: Source of random numbers.
        hands: Side of each hand, 1 or −1, and its class.
        chest: Whether the camera is on the chest.
    """

    def __init__(
        self, rng: np.random.Generator, hands: list[tuple[float, HandClass]], *, chest: bool
    ) -> None:
        skin = SKIN[rng.integers(4)] * rng.uniform(0.8, 1.05)
        self.skin: Fill = tuple(skin.astype(int).tolist())
        bare = rng.random() < 0.4
        sleeve = self.skin if bare else tuple(draw_colours(rng, 1)[0].astype(int).tolist())
        self.sleeve: Fill = sleeve
        self.size = SIDE * (rng.uniform(0.1, 0.2) if chest else rng.uniform(0.18, 0.34))
        extent, start, end = rng.uniform(0.8, 1.2), rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.25)
        lean = rng.normal(0, 15)
        mirrored = chest and len(hands) == 2
        self.sides, self.tracks, self.homes, self.roots = [], [], [], []
        for side, one in hands:
            keys = one.keys + rng.normal(0, 1, one.keys.shape) * NOISE
            keys[:, :2] *= extent * np.array([side if mirrored else 1, 1])
            keys[:, 2] *= side if mirrored else 1
            lengths = np.exp(rng.normal(0, 0.2, len(keys) - 1))
            times = key_times(lengths, start, end)
            track = eased(keys, np.linspace(0, 1, FRAMES), times, one.hold)
            track[:, :2] += draw_sway(rng, FRAMES)[:, :2] / 80
            across = 0.5 + (0.22 * side if chest else 0) + rng.uniform(-0.1, 0.1)
            self.sides.append(side)
            self.tracks.append(track)
            self.homes.append(np.array([across, rng.uniform(0.5, 0.75)]) * SIDE)
            elbow = across + 0.25 * side + np.sin(np.radians(lean))
            self.roots.append(np.array([elbow, 1.35]) * SIDE)

    def __call__(self, draw: ImageDraw.ImageDraw, i: int, shift: Floats) -> Floats:
        """Paint frame i; return how far the last hand has moved (2), as fractions of the frame."""
        wrist = self.homes[0]
        for number, track in enumerate(self.tracks):
            wrist = self.homes[number] + self.size * track[i, :2] + 0.3 * shift * SIDE
            self._paint_hand(draw, number, track[i], wrist)
        return np.asarray((wrist - self.homes[-1]) / SIDE)

    def _paint_hand(
        self, draw: ImageDraw.ImageDraw, number: int, pose: Floats, wrist: Floats
    ) -> None:
        """Paint a hand at a wrist (2)."""
        size, root = self.size * np.exp(pose[4]), self.roots[number]
        along = (wrist - root) / max(float(np.hypot(*(wrist - root))), 1e-6)
        cuff = wrist - 0.5 * size * along
        draw.line([tuple(root), tuple(cuff)], fill=self.sleeve, width=int(0.95 * size))
        draw.line([tuple(cuff), tuple(wrist)], fill=self.skin, width=int(0.7 * size))
        angle = np.arctan2(along[1], along[0]) + np.radians(pose[2])
        ahead = np.array([np.cos(angle), np.sin(angle)])
        turn = self.sides[number] * np.cos(np.radians(pose[3]))
        across = turn * np.array([-ahead[1], ahead[0]])
        palm, radius = wrist + 0.45 * size * ahead, 0.35 * size
        for offset in (-0.3, 0.0, 0.3):
            centre = palm + offset * size * across
            draw.ellipse((*(centre - radius), *(centre + radius)), fill=self.skin)
        for finger, (bent, length) in enumerate(zip(pose[6:], FINGERS, strict=True)):
            if finger == 0:
                base, spread = wrist + size * (0.35 * ahead + 0.4 * across), 0.9
            else:
                base = wrist + size * (0.85 * ahead + (0.5 - 0.25 * finger + 0.12) * across)
                spread = (0.1 + 0.25 * pose[5]) * (2.5 - finger)
            way = np.cos(spread) * ahead + np.sin(spread) * across
            tip, r = base + size * length * (1 - 0.75 * bent) * way, 0.1 * size
            shade = tuple(int(c * (0.92 - 0.08 * (finger % 2))) for c in self.skin)
            draw.line([tuple(base), tuple(tip)], fill=shade, width=max(2, int(0.2 * size)))
            draw.ellipse((*(tip - r), *(tip + r)), fill=shade)


def hands(number: int, seed: int, *, chest: bool) -> RGBImage:
    """Render a class of a hand close up, or of the hands that a camera on the chest sees.

    Args:
        number: Number of the class.
        seed: Number of the performance.
        chest: Whether the camera is on the chest: it may see two hands, and drifts more.
    """
    rng = np.random.default_rng((number, 79, chest))
    both = chest and rng.random() < 0.5
    sides = (1.0, -1.0) if both else (float(rng.choice((-1, 1))),)
    classes = [hand_class(rng) for _ in sides]
    if rng.random() < 0.5:  # together
        classes = classes[:1] * len(sides)
    rng = np.random.default_rng((number, seed, 80, chest))
    shown = Hands(rng, list(zip(sides, classes, strict=True)), chest=chest)
    path = camera_path(rng, drift=0.012 if chest else 0.004)
    return composed(rng, shown, path, textured=0.3)
