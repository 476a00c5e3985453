"""What the synthetic benchmark holds: its classes, and presets that each add one difficulty.

Classes are sequences of elementary motions of one or two objects. The 100 classes form 25 families.
A family is closed under two changes that keep single frames the same: the reversed order of parts,
and the video played backwards. So the reversed order of each class is a class of the same split.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from fewact.core.errors import UnknownNameError, did_you_mean
from fewact.data.videos import Split

Motion = Literal[
    "slides left",
    "slides right",
    "rises",
    "falls",
    "turns clockwise",
    "turns anticlockwise",
    "grows",
    "shrinks",
    "sways",
    "hops",
    "appears",
    "vanishes",
    "hides",
    "emerges",
    "knocks the other",
    "is knocked",
]

BACKWARDS: dict[Motion, Motion] = {
    "slides left": "slides right",
    "rises": "falls",
    "turns clockwise": "turns anticlockwise",
    "grows": "shrinks",
    "appears": "vanishes",
    "hides": "emerges",
    "knocks the other": "is knocked",
    "sways": "sways",
    "hops": "hops",
}
"""Each motion's reverse: what a video of it shows when played backwards."""
BACKWARDS |= {after: before for before, after in BACKWARDS.items()}


@dataclass(frozen=True)
class MotionStep:
    """One part of a class: a motion, of the object that moves in the first part or of the other."""

    motion: Motion
    other: bool = False

    def __str__(self) -> str:
        return f"the other {self.motion}" if self.other else self.motion


@dataclass(frozen=True)
class MotionClass:
    """Class of the benchmark: two or three parts in order; the first one moves the first object."""

    steps: tuple[MotionStep, ...]
    split: Split

    @property
    def label(self) -> str:
        """Class name in words, such as "slides left, then grows"."""
        *first, last = map(str, self.steps)
        return f"{', '.join(first)}, then {last}"

    @property
    def swapped(self) -> "MotionClass":
        """Class with the same parts in reversed order."""
        return MotionClass(_in_order(self.steps[::-1]), self.split)

    @property
    def backwards(self) -> "MotionClass":
        """Class of this class's videos played backwards."""
        undone = tuple(MotionStep(BACKWARDS[step.motion], step.other) for step in self.steps[::-1])
        return MotionClass(_in_order(undone), self.split)


def _in_order(steps: tuple[MotionStep, ...]) -> tuple[MotionStep, ...]:
    """Swap the objects if the second one moves in the first part."""
    if not steps[0].other:
        return steps
    return tuple(MotionStep(step.motion, not step.other) for step in steps)


def _other(motion: Motion) -> MotionStep:
    return MotionStep(motion, other=True)


_FAMILIES: dict[Split, tuple[tuple[Motion | MotionStep, ...], ...]] = {
    "train": (
        ("slides left", "rises"),
        ("slides left", "falls"),
        ("slides left", "grows"),
        ("slides left", "turns clockwise"),
        ("rises", "grows"),
        ("rises", "turns clockwise"),
        ("turns clockwise", "shrinks"),
        ("sways", "slides left"),
        ("hops", "turns clockwise"),
        ("slides left", _other("rises")),
        ("hops", _other("grows")),
        ("appears", _other("slides left")),
        ("hides", _other("turns clockwise")),
        ("knocks the other", "rises"),
        ("slides left", "rises", "shrinks"),
        ("turns clockwise", _other("falls"), "grows"),
    ),
    "val": (
        ("rises", "turns anticlockwise"),
        ("sways", _other("grows")),
        ("hides", _other("rises")),
    ),
    "test": (
        ("slides left", "shrinks"),
        ("turns clockwise", "grows"),
        ("slides left", _other("falls")),
        ("appears", _other("turns clockwise")),
        ("knocks the other", "grows"),
        ("slides left", _other("hides"), "rises"),
    ),
}
"""One class of each family; a change of this table is a new version of the benchmark."""


@cache
def classes() -> tuple[MotionClass, ...]:
    """Return all classes: 64 training, 12 validation and 24 test classes, in fixed order.

    >>> classes()[0].label, len(classes())
    ('slides left, then rises', 100)
    """
    classes: dict[MotionClass, None] = {}
    for split, families in _FAMILIES.items():
        for family in families:
            steps = tuple(
                part if isinstance(part, MotionStep) else MotionStep(part) for part in family
            )
            first = MotionClass(steps, split)
            back = first.backwards
            classes |= dict.fromkeys((first, first.swapped, back, back.swapped))
    return tuple(classes)


Range = tuple[float, float]


@dataclass(frozen=True)
class Preset:
    """Distribution of videos, apart from their class.

    Args:
        summary: Difficulty, in words.
        frames: Range of the number of frames.
        part: Range of the relative lengths of parts, drawn uniformly on a log scale.
        edge: Range of the pauses before the first and after the last part, in the same unit.
        gap: Range of the pauses between parts, in the same unit.
        shake: Range of camera shake, in frame sides.
        pan: Range of the camera's path over the video, in frame sides.
        zoom: Range of the zoom over the video, in powers of two.
        distractors: Range of the number of further objects that move at random.
        bias: Fraction of videos with the appearance of their class.
        cell: Side in pixels of the cells of noise that frames consist of; 0 for painted frames.
        scale: Factor of the objects' radii.
    """

    summary: str
    frames: tuple[int, int] = (24, 48)
    part: Range = (0.8, 1.25)
    edge: Range = (0.0, 0.3)
    gap: Range = (0.0, 0.2)
    shake: Range = (0.0, 0.004)
    pan: Range = (0.0, 0.0)
    zoom: Range = (0.0, 0.0)
    distractors: tuple[int, int] = (0, 0)
    bias: float = 0.0
    cell: int = 0
    scale: float = 1.0


PRESETS = {
    "plain": Preset("parts of about the same length, small pauses, an almost static camera"),
    "misaligned": Preset(
        "starts, lengths and pauses vary strongly",
        part=(0.35, 2.2),
        edge=(0.0, 1.6),
        gap=(0.0, 0.9),
    ),
    "moving-camera": Preset(
        "the camera pans, zooms and shakes", shake=(0.0, 0.02), pan=(0.04, 0.14), zoom=(-0.2, 0.2)
    ),
    "distractors": Preset("one or two more objects move at random", distractors=(1, 2)),
    "appearance-biased": Preset("appearance and background mostly identify the class", bias=0.8),
    "noise": Preset(
        "every frame is noise; only what changes from frame to frame shows the objects",
        cell=4,
        scale=2.0,
    ),
    "long": Preset("long videos with long pauses", frames=(64, 512), edge=(0.0, 0.8), gap=(0, 0.5)),
}


def preset_of(name: str) -> Preset:
    """Return a preset by name."""
    if name not in PRESETS:
        raise UnknownNameError(
            "unknown preset",
            where="motions",
            got=repr(name),
            expected=", ".join(PRESETS),
            hint=did_you_mean(str(name), PRESETS),
        )
    return PRESETS[name]
