"""The classes: ordered sequences of elementary motions of one object or of two.

The hundred classes come in 25 families. A family is closed under two changes that leave single
frames as they are: the same parts in the other order, and the video played backwards. So the other
order of each class is a class of the same split.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

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
"""What a motion looks like when it is played backwards."""
BACKWARDS |= {after: before for before, after in BACKWARDS.items()}


@dataclass(frozen=True)
class Step:
    """One part of a class.

    Args:
        motion: What is done.
        other: By another object than the one that does the first part.
    """

    motion: Motion
    other: bool = False

    def __str__(self) -> str:
        return f"the other {self.motion}" if self.other else self.motion


@dataclass(frozen=True)
class MotionClass:
    """A class.

    Args:
        steps: Its two or three parts, in order; the first is done by the first object.
        split: The split it belongs to.
    """

    steps: tuple[Step, ...]
    split: Split

    @property
    def label(self) -> str:
        """The class in words: "slides left, then grows"."""
        *first, last = map(str, self.steps)
        return f"{', '.join(first)}, then {last}"

    @property
    def swapped(self) -> "MotionClass":
        """The same parts in the other order."""
        return MotionClass(_in_order(self.steps[::-1]), self.split)

    @property
    def backwards(self) -> "MotionClass":
        """What is seen when a video of this class is played backwards."""
        undone = tuple(Step(BACKWARDS[step.motion], step.other) for step in self.steps[::-1])
        return MotionClass(_in_order(undone), self.split)


def _in_order(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Name the objects anew where the first part is now done by the other one."""
    if not steps[0].other:
        return steps
    return tuple(Step(step.motion, not step.other) for step in steps)


def _other(motion: Motion) -> Step:
    return Step(motion, other=True)


_FAMILIES: dict[Split, tuple[tuple[Motion | Step, ...], ...]] = {
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
"""One class of each family; changing this table changes the benchmark's version."""


@cache
def classes() -> tuple[MotionClass, ...]:
    """All classes: 64 to train, 12 to validate, 24 to test; their order never changes.

    >>> classes()[0].label, len(classes())
    ('slides left, then rises', 100)
    """
    found: dict[MotionClass, None] = {}
    for split, families in _FAMILIES.items():
        for family in families:
            steps = tuple(part if isinstance(part, Step) else Step(part) for part in family)
            first = MotionClass(steps, split)
            back = first.backwards
            found |= dict.fromkeys((first, first.swapped, back, back.swapped))
    return tuple(found)
