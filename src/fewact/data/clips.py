"""A clip: a labelled stretch of a video file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewact.errors import OptionError

BACKGROUND = "none"
"""Label, in any case, of clips that show no class."""


@dataclass(frozen=True)
class Clip:
    """A stretch of a video file.

    Args:
        path: The file, or a folder of numbered pictures.
        label: Its class; None where it is not known.
        start: Where the stretch begins, in seconds; None for the file's beginning.
        end: Where it ends, in seconds; None for the file's end.
        group: Clips of one group (a person, a recording) are kept apart when testing.
    """

    path: Path
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None


def is_background(label: str) -> bool:
    """Whether a label is the one kept for clips that show no class.

    >>> is_background("None"), is_background("nonet")
    (True, False)
    """
    return label.strip().casefold() == BACKGROUND


def limit_per_class(clips: Sequence[Clip], k: int, seed: int = 0) -> list[Clip]:
    """At most k clips of each class, in their given order.

    Which ones depends on the seed and on each clip's own label, file name and stretch: a clip that
    is added to the list displaces at most one other, and a folder that is moved gives the same.

    Args:
        clips: Labelled clips.
        k: Clips kept of a class, at least 1.
        seed: Another one chooses other clips.

    Raises:
        OptionError: k is less than 1.
    """
    if k < 1:
        raise OptionError("at least one clip of each class is kept", where="limit", got=str(k))
    ranked: dict[str | None, list[tuple[bytes, int]]] = {}
    for position, clip in enumerate(clips):
        facts = repr((seed, clip.label, clip.path.name, clip.start, clip.end))
        draw = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
        ranked.setdefault(clip.label, []).append((draw, position))
    kept = {position for draws in ranked.values() for _, position in sorted(draws)[:k]}
    return [clip for position, clip in enumerate(clips) if position in kept]
