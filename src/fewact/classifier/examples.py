"""What is kept of the taught clips: names and nodes, in an order without a history."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor

from fewact.data import Clip, natural_key

Nodes = dict[str, Tensor]


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Example:
    """What is remembered of a clip besides its nodes.

    Args:
        name: Its path below what was given to ``fit``, with forward slashes; of features, the name
            that they were given with.
        label: Its class.
        start: Where it begins in the file, in seconds; None for the file's beginning.
        end: Where it ends, in seconds; None for the file's end.
        group: Its group, as given.
    """

    name: Annotated[str, Field(min_length=1)]
    label: Annotated[str, Field(min_length=1)]
    start: float | None = None
    end: float | None = None
    group: str | None = None

    @property
    def title(self) -> str:
        """The name, with the stretch where it is not the whole file.

        >>> TaughtClip("game.mp4", "goal", start=12.5).title
        'game.mp4 [12.5 s …]'
        """
        if self.start is None and self.end is None:
            return self.name
        end = "…" if self.end is None else f"… {self.end:g} s"
        return f"{self.name} [{self.start or 0:g} s {end}]"


@dataclass(frozen=True)
class Examples:
    """The taught clips, sorted by class, then by file name.

    Args:
        clips: What is remembered of each, s of them.
        nodes: What the method keeps of them, (s …) float32 on the CPU.
        origins: What a picture of each can be made from: its file, or the picture that a loaded
            model has of it; None where there is none.
    """

    clips: tuple[Example, ...]
    nodes: Nodes
    origins: tuple[Clip | bytes | None, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in natural order."""
        return tuple(sorted({clip.label for clip in self.clips}, key=natural_key))

    @property
    def labels(self) -> Tensor:
        """(s) int64 places in ``classes``."""
        place = {name: i for i, name in enumerate(self.classes)}
        return torch.tensor([place[clip.label] for clip in self.clips])

    def select(self, keep: Sequence[int]) -> "Examples":
        """Some of the clips, in the order given."""
        return Examples(
            tuple(self.clips[i] for i in keep),
            {name: value[list(keep)] for name, value in self.nodes.items()},
            tuple(self.origins[i] for i in keep),
        )

    def digest(self, i: int) -> str:
        """SHA-256 of a clip's nodes."""
        content = hashlib.sha256()
        for name in sorted(self.nodes):
            content.update(self.nodes[name][i].contiguous().numpy().tobytes())
        return content.hexdigest()

    def repeated(self, more: "Examples") -> list[str]:
        """Titles of further clips that are here already: same class, file name and features."""
        called = {_key(clip) for clip in more.clips}
        known = {
            (_key(clip), self.digest(i))
            for i, clip in enumerate(self.clips)
            if _key(clip) in called
        }
        return [c.title for i, c in enumerate(more.clips) if (_key(c), more.digest(i)) in known]


def join(parts: Iterable[Examples]) -> Examples:
    """All clips of several parts in the one order that these clips have.

    Sums over a class's clips then add up in the same order, and predictions are the same to the
    last bit, whether clips were taught at once or one after the other, and from whichever folder.
    """
    found = list(parts)
    # An older version may have kept something beside these.
    names = [name for name in found[0].nodes if all(name in part.nodes for part in found)]
    together = Examples(
        tuple(clip for part in found for clip in part.clips),
        {name: torch.cat([part.nodes[name] for part in found]) for name in names},
        tuple(origin for part in found for origin in part.origins),
    )
    keys = [_key(clip) for clip in together.clips]
    count = Counter(keys)

    def order(i: int) -> tuple[Any, ...]:
        # Only clips that are called alike need to be told apart by what they show.
        content = together.digest(i) if count[keys[i]] > 1 else ""
        return (keys[i], content, together.clips[i].name)

    return together.select(sorted(range(len(keys)), key=order))


def _key(clip: Example) -> tuple[Any, ...]:
    end = math.inf if clip.end is None else clip.end
    file = PurePosixPath(clip.name).name
    return natural_key(clip.label), natural_key(file), clip.start or 0.0, end
