"""Segments of recordings that an action is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fewact.classifier.names import Label
from fewact.data import Clip
from fewact.recordings.formats import Event
from fewact.recordings.index import IndexedRecording
from fewact.recordings.small_vectors import Array

SAME_PERFORMANCE: Final = 0.4
"""Fraction of the shorter of two windows above which they show the same performance."""


@dataclass(frozen=True)
class Segment:
    """Segment of a recording that an action is compared with.

    Args:
        recorded: The recording.
        start: Start, in seconds.
        end: End, in seconds.
        label: Class that it shows most probably.
        rank: Score of the small vectors; larger is nearer.
        similarity: Similarity of the complete features; None if it was not read again.
        probability: Estimated probability that it shows its class; None if it was not read again.
    """

    recorded: IndexedRecording
    start: float
    end: float
    label: Label
    rank: float
    similarity: float | None = None
    probability: float | None = None

    @property
    def clip(self) -> Clip:
        """The segment of the file."""
        return Clip(self.recorded.path, start=self.start, end=self.end)


def apart(starts: Array, ends: Array, ranks: Array, count: int) -> list[int]:
    """Return the best windows that show different performances, at most so many, the best first."""
    order = np.argsort(-ranks, kind="stable")[: 20 * count]
    selected: list[int] = []
    while len(order) and len(selected) < count:
        best = int(order[0])
        selected.append(best)
        shared = np.minimum(ends[order], ends[best]) - np.maximum(starts[order], starts[best])
        shorter = np.minimum(ends[order] - starts[order], ends[best] - starts[best])
        order = order[shared <= SAME_PERFORMANCE * shorter]
    return selected


def events_of(segments: Sequence[Segment]) -> list[Event]:
    """Return segments as events."""
    return [
        Event(
            segment.label,
            segment.start,
            segment.end,
            segment.probability,
            recording=str(segment.recorded.path),
        )
        for segment in segments
    ]
