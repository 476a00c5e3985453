"""Training clips as a model stores them: names, classes and nodes, in a fixed order."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.names import INTEGER, Example
from fewact.core.array_api import all_finite
from fewact.core.errors import DataError, ModelError
from fewact.data.clips import BACKGROUND, Clip
from fewact.data.files import natural_key, numbered, without_number
from fewact.methods.base import rows

Nodes = dict[str, NDArray[np.float32]]

TEACH_AGAIN = "Teach again from the clips."

FEW_VALUES = 64
"""Number of values of each node by which most clips are distinguished."""

ROUNDING = 2**-11
"""Largest relative error of rounding to float16, where values are not too small for it."""


@dataclass(frozen=True)
class Examples:
    """All training clips, sorted by class, then by file name; last those of no class, ``none``.

    Args:
        clips: The s clips.
        nodes: Nodes of the clips by name, (s …) float32.
        origins: Source of each clip's thumbnail: the clip, or the thumbnail of a loaded model;
            None if there is neither.
    """

    clips: tuple[Example, ...]
    nodes: Nodes
    origins: tuple[Clip | bytes | None, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the clips with the nodes that a saved model has."""
        return _unpickled, (self.clips, stored(self.nodes), self.origins)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names, in natural order; ``none`` is not a class."""
        labels = {clip.label for clip in self.clips} - {BACKGROUND}
        return tuple(sorted(labels, key=_class_key))

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Positions (s) in ``classes``; no clip may have the label ``none``."""
        position = {name: i for i, name in enumerate(self.classes)}
        return np.array([position[clip.label] for clip in self.clips], np.int64)

    @cached_property
    def durations(self) -> tuple[float, ...]:
        """Durations of the clips that have a known one, in seconds."""
        return tuple(clip.duration for clip in self.clips if clip.duration is not None)

    def select(self, keep: Sequence[int]) -> "Examples":
        """Return the clips at these positions, in this order; for all in their order no copy."""
        if list(keep) == list(range(len(self.clips))):
            return self
        return Examples(
            tuple(self.clips[i] for i in keep),
            rows(self.nodes, list(keep)),
            tuple(self.origins[i] for i in keep),
        )

    @property
    def of_classes(self) -> "Examples":
        """The clips of the classes."""
        return self if self._split is None else self._split[0]

    @property
    def of_no_class(self) -> "Examples | None":
        """The clips with the label ``none``; None if none has."""
        return None if self._split is None else self._split[1]

    @cached_property
    def _split(self) -> tuple["Examples", "Examples"] | None:
        """Both; nothing is copied where those of no class are the last ones, as ``join`` sorts."""
        outside = [i for i, clip in enumerate(self.clips) if clip.label == BACKGROUND]
        if not outside:
            return None
        first = outside[0]
        if outside == list(range(first, len(self.clips))):
            return self._part(slice(first)), self._part(slice(first, None))
        inside = [i for i, clip in enumerate(self.clips) if clip.label != BACKGROUND]
        return self.select(inside), self.select(outside)

    def _part(self, part: slice) -> "Examples":
        """Return consecutive clips, with views of the nodes."""
        return Examples(self.clips[part], rows(self.nodes, part), self.origins[part])

    def digest(self, i: int) -> str:
        """Return the SHA-256 of the nodes of clip ``i``."""
        content = hashlib.sha256()
        for name in sorted(self.nodes):
            content.update(self.nodes[name][i].tobytes())
        return content.hexdigest()

    def _beginning(self, i: int) -> bytes:
        """Return the first values of each node of clip ``i``."""
        beginnings = (self.nodes[name][i].reshape(-1)[:FEW_VALUES] for name in sorted(self.nodes))
        return b"".join(values.tobytes() for values in beginnings)

    def repeated(self, new: "Examples") -> list[str]:
        """Return titles of new clips that exist already: same class, file name and nodes."""
        keys, new_keys = (
            [_key(clip, without_number(clip.name)) for clip in examples.clips]
            for examples in (self, new)
        )
        requested = set(new_keys)
        existing = {(key, self.digest(i)) for i, key in enumerate(keys) if key in requested}
        return [
            clip.title
            for i, (clip, key) in enumerate(zip(new.clips, new_keys, strict=True))
            if (key, new.digest(i)) in existing
        ]

    def named_apart(self, new: "Examples") -> "Examples":
        """Return new clips with a number in each name that another clip has already."""
        taken = {clip.title for clip in self.clips}
        clips = []
        for clip in new.clips:
            candidates = (replace(clip, name=numbered(clip.name, n)) for n in count(1))
            clips.append(
                next(candidate for candidate in candidates if candidate.title not in taken)
            )
            taken.add(clips[-1].title)
        return replace(new, clips=tuple(clips))

    def copies(self, new: "Examples | None" = None) -> list[tuple[Example, Example]]:
        """Return pairs of clips with equal nodes: each new clip, and the first existing one.

        Without new clips, find clips here that equal an earlier clip.
        """
        candidates = self if new is None else new
        rows_of_self, rows_of_new = (
            [examples._beginning(i) for i in range(len(examples.clips))]
            for examples in (self, candidates)
        )
        # Few clips begin alike: only these are compared completely, by their digests.
        count, copies_needed = Counter(rows_of_self), 2 if new is None else 1
        alike = {row for row in rows_of_new if count[row] >= copies_needed}
        first: dict[str, int] = {}
        for i, row in enumerate(rows_of_self):
            if row in alike:
                first.setdefault(self.digest(i), i)
        pairs = []
        for i, (clip, row) in enumerate(zip(candidates.clips, rows_of_new, strict=True)):
            position = first.get(candidates.digest(i)) if row in alike else None
            if position is not None and (new is not None or position != i):
                pairs.append((clip, self.clips[position]))
        return pairs


def spread(count: int, limit: int) -> list[int]:
    """Return the positions of at most ``limit`` of ``count`` clips, evenly spread."""
    limit = min(count, limit)
    return [i * count // limit for i in range(limit)]


def spread_over_classes(labels: Sequence[int], limit: int) -> list[int]:
    """Return positions of at most ``limit`` clips and at least one of each class, sorted."""
    counts: dict[int, int] = {}
    order = []
    for position, label in enumerate(labels):
        counts[label] = counts.get(label, 0) + 1
        order.append((counts[label], position))
    return sorted(position for _, position in sorted(order)[: max(limit, len(counts))])


def rounded(nodes: Nodes) -> Nodes:
    """Return nodes with the precision of float16, as a model stores them, in float32.

    A node that float16 cannot hold, for its size or because most of its values are too small, is
    returned unchanged. No answer changed on development clips: docs/decisions/engineering.md. This
    holds for features of fewact's backbones. Precomputed features may have a large common offset,
    beside which rounding would remove all differences between clips: they are not rounded.
    """
    halves = {name: half.astype(np.float32) for name, half in _halves(nodes).items()}
    return {
        name: half if _is_close(half, nodes[name]) else nodes[name] for name, half in halves.items()
    }


def _halves(nodes: Nodes) -> dict[str, NDArray[np.float16]]:
    with np.errstate(over="ignore"):  # Infinity is not used.
        return {name: value.astype(np.float16) for name, value in nodes.items()}


def _is_close(half: NDArray[np.float32], value: NDArray[np.float32]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        largest = ROUNDING * float(np.linalg.norm(value))
        return float(np.linalg.norm(half - value)) <= largest < math.inf  # then half is finite


def stored(nodes: Nodes) -> dict[str, NDArray[np.floating]]:
    """Return nodes in float16 if that changes no bit of them: teaching rounds what it can."""
    return {
        name: half if np.array_equal(half.astype(np.float32), nodes[name]) else nodes[name]
        for name, half in _halves(nodes).items()
    }


def _unpickled(
    clips: tuple[Example, ...],
    nodes: dict[str, NDArray[np.floating]],
    origins: tuple[Clip | bytes | None, ...],
) -> Examples:
    return Examples(clips, as_float32(nodes), origins)


def as_float32(nodes: Mapping[str, NDArray[Any]]) -> Nodes:
    """Return nodes (s …) in float32, their numbers in order; those that are so stay themselves."""
    return {name: np.ascontiguousarray(value, np.float32) for name, value in nodes.items()}


def join(parts: Iterable[Examples]) -> Examples:
    """Join parts into one, with the clips in an order that does not depend on the parts.

    Sums over the clips of a class are then computed in the same order. Predictions are equal to the
    last bit, whether clips are learned together or one by one, and from any folder.
    """
    all_parts = list(parts)
    together = Examples(
        tuple(clip for part in all_parts for clip in part.clips),
        {
            name: np.concatenate([part.nodes[name] for part in all_parts])
            for name in all_parts[0].nodes
        },
        tuple(origin for part in all_parts for origin in part.origins),
    )
    keys = [_key(clip, clip.name) for clip in together.clips]
    count = Counter(keys)

    def order(i: int) -> tuple[Any, ...]:
        none = together.clips[i].label == BACKGROUND
        # Only clips with the same name need their content to be distinguished.
        content = together.digest(i) if count[keys[i]] > 1 else ""
        return (none, keys[i], content, together.clips[i].name)

    return together.select(sorted(range(len(keys)), key=order))


def _class_key(label: str) -> tuple[Any, ...]:
    """Return a key for the natural order, with negative integers first, in ascending order."""
    if label.startswith("-") and INTEGER.fullmatch(label):
        return 0, int(label)
    return 1, natural_key(label)


def _key(clip: Example, name: str) -> tuple[Any, ...]:
    end = math.inf if clip.end is None else clip.end
    file = PurePosixPath(name).name
    return natural_key(clip.label), natural_key(file), clip.start or 0.0, end


def check_shapes(examples: Examples, nodes: Nodes) -> None:
    """Refuse a clip whose nodes differ in shape from the training clips' nodes."""
    of_clip, of_model = shapes_of(nodes), shapes_of(examples.nodes)
    if of_clip != of_model:
        raise ModelError(
            "the training clips in the model do not fit its method and backbone",
            got=f"nodes of shapes {of_model}"[:300],
            expected=str(of_clip)[:300],
            hint=TEACH_AGAIN,
        )


def check_finite_nodes(nodes: Nodes, title: str) -> None:
    """Refuse a clip whose encoding is not finite."""
    for name, value in nodes.items():
        if not all_finite(value):
            raise DataError(
                f'the clip is encoded to numbers that are not finite, in node "{name}"',
                where=title,
                expected="finite numbers",
                hint="Check its features and the method; `fewact check-method` says more.",
            )


def check_finite_scores(scores: NDArray[Any], titles: Sequence[str]) -> None:
    """Refuse clips with these titles whose scores (h …) are not finite; name the first one."""
    finite = np.isfinite(scores).reshape(len(scores), -1).all(1)
    if not finite.all():
        first = int(finite.argmin())
        values = scores[first].ravel()
        raise DataError(
            "the scores of the clip are not finite numbers",
            where=titles[first],
            got=str(float(values[~np.isfinite(values)][0])),
            expected="finite numbers",
            hint="Check its features and the method; `fewact check-method` says more.",
        )


def shapes_of(nodes: Nodes) -> dict[str, tuple[int, ...]]:
    """Return the shape of each node of a clip."""
    return {name: tuple(value.shape[1:]) for name, value in nodes.items()}
