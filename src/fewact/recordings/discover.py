"""Discover recurring movements in an index without any label: groups of segments that are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.recordings.find import (
    OVERLAP,
    Array,
    Segment,
    Sought,
    alignment,
    apart,
    joined_vector,
    motion_at,
    parts_of,
)
from fewact.recordings.index import BLOCK, TRACKS, Archive, IndexedRecording

LENGTH: Final = 2.5
"""Duration of the segments unless another one is requested, in seconds."""

WINDOWS: Final = 4000
"""Largest number of windows that are compared with each other."""

HOP: Final = 1 / 5
"""Least distance between the starts of windows, as a fraction of their length."""

SEEDS: Final = 2
"""Number of other segments that the first one of a group is like."""

ALIKE: Final = 1.4
"""Least similarity of a segment with the first ones of its group. Chosen on development
recordings, as are the others here, see docs/results/archive.md."""

ALIGNED: Final = 4.0
"""Weight of aligned motion, next to 1 for the small vectors."""

NEAREST: Final = 64
"""Number of windows whose motion is aligned with that of each, those of the nearest vectors."""

FEWEST: Final = 3
"""Least number of segments of a group."""


@dataclass(frozen=True)
class _Windows:
    """Windows of recordings.

    Args:
        recorded: Recording of each window.
        starts: Start of each, in seconds (w).
        vectors: Vectors (w d).
        motion: Vectors of learned motion (w t d), of length 1.
        length: Duration, in seconds.
    """

    recorded: list[IndexedRecording]
    starts: Array
    vectors: Array
    motion: Tensor
    length: float

    @cached_property
    def places(self) -> Array:
        """Starts (w) on one time for all recordings, which are far from each other."""
        numbers = {recorded: i for i, recorded in enumerate(dict.fromkeys(self.recorded))}
        return self.starts + 1e7 * np.array([numbers[recorded] for recorded in self.recorded])

    def similarities(self, i: int, others: NDArray[np.int64]) -> Array:
        """Return the similarities (n) of a window with others (n)."""
        quick: Array = self.vectors[others] @ self.vectors[i]
        aligned = ALIGNED * alignment(self.motion[[i]], self.motion[others])[0]
        # The motion of what is no figure says little.
        similarity: Array = quick + np.maximum(quick, aligned)
        return similarity


def discover(
    archive: Archive,
    recordings: Sequence[IndexedRecording],
    *,
    length: float = LENGTH,
    most: int = 20,
) -> list[list[Segment]]:
    """Return the recurring movements of recordings as groups, the clearest group first.

    Args:
        archive: Index.
        recordings: Its recordings that are searched.
        length: Duration of the segments, in seconds.
        most: Largest number of groups.
    """
    windows = _windows(archive, recordings, length)
    if len(windows.starts) <= SEEDS:
        return []
    alike = np.full((len(windows.starts),) * 2, -np.inf, np.float32)
    for i, vector in enumerate(windows.vectors):
        nearest = np.argsort(-(windows.vectors @ vector))[:NEAREST]
        alike[i, nearest] = windows.similarities(i, nearest)
    free = np.ones(len(windows.starts), bool)
    groups: list[list[Segment]] = []
    while len(groups) < most:
        members = _clearest(windows, alike, free)
        if len(members) < FEWEST:
            break
        groups.append(
            [
                Segment(
                    windows.recorded[i],
                    float(windows.starts[i]),
                    float(windows.starts[i]) + length,
                    f"group {len(groups) + 1}",
                    rank,
                )
                for i, rank in members
            ]
        )
        for i, _ in members:
            free &= ~_overlapping(windows, i)
    return groups


def _windows(archive: Archive, recordings: Sequence[IndexedRecording], length: float) -> _Windows:
    """Return the windows of recordings, with a larger hop where there would be too many."""
    seconds = sum(BLOCK * archive.blocks(recorded.fingerprint) for recorded in recordings)
    hop = max(HOP * length, seconds / WINDOWS)
    of: list[IndexedRecording] = []
    starts: list[float] = []
    vectors: list[Array] = []
    motion: list[Tensor] = []
    for recorded in recordings:
        before = -1.0
        for begin, rows in parts_of(archive, recorded):
            duration = len(rows["layout"]) / TRACKS["layout"].rate
            for start in np.arange(0.0, duration - length + 1e-6, hop).tolist():
                if begin + start > before:
                    before = begin + start
                    of.append(recorded)
                    starts.append(before)
                    vectors.append(joined_vector(Sought.of_rows(rows, start, length)))
                    motion.append(motion_at(rows["motion"], np.array([start]), length))
    joined = torch.cat(motion) if motion else torch.zeros(0)
    return _Windows(of, np.array(starts), np.array(vectors, np.float32), joined, length)


def _clearest(windows: _Windows, alike: Array, free: NDArray[np.bool_]) -> list[tuple[int, float]]:
    """Return the windows of the clearest group of free ones, with their similarities to it."""
    places = windows.places
    best, seeds = -np.inf, list[int]()
    for i in np.flatnonzero(free).tolist():
        ranks = np.where(free, alike[i], -np.inf)
        nearest = apart(places, places + windows.length, ranks, SEEDS + 1)
        score = float(ranks[nearest[1:]].mean()) if len(nearest) > SEEDS else -np.inf
        if score > best:
            best, seeds = score, nearest
    if not seeds:
        return []
    everything = np.arange(len(places))
    ranks = np.mean([windows.similarities(i, everything) for i in seeds], 0)
    ranks = np.where(free & (ranks >= ALIKE), ranks, -np.inf)
    nearest = apart(places, places + windows.length, ranks, len(places))
    return [(i, float(ranks[i])) for i in nearest if ranks[i] >= ALIKE]


def _overlapping(windows: _Windows, chosen: int) -> NDArray[np.bool_]:
    """Return which windows show a part of what a chosen one shows."""
    near: NDArray[np.bool_] = np.abs(windows.places - windows.places[chosen]) < (
        (1 - OVERLAP) * windows.length
    )
    return near
