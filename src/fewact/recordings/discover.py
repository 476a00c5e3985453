"""Discover recurring movements in an index without any label: groups of segments that are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.workers import on_one_core
from fewact.recordings.find import SEGMENT_WEIGHTS
from fewact.recordings.index import ENTRY_SECONDS, Archive, IndexedRecording, recording_parts
from fewact.recordings.segments import SAME_PERFORMANCE, Segment, apart
from fewact.recordings.small_vectors import (
    INDEX_TRACKS,
    Array,
    SmallVectors,
    aligned_similarities,
    motion_at,
)
from fewact.recordings.windows import START_ROUNDING

MOVEMENT_SECONDS: Final = 2.5
"""Default duration of the segments, in seconds."""

MOST_WINDOWS: Final = 4000
"""Largest number of windows that are compared with each other."""

MOVEMENT_STEP: Final = 1 / 5
"""Least distance between the starts of windows, as a fraction of their length."""

GROUP_SEEDS: Final = 2
"""Number of segments to which the first segment of a group must be similar."""

LEAST_ALIKE: Final = 1.4
"""Least similarity of a segment with the first ones of its group. Chosen on development
recordings, as are the others here, see docs/results/archive.md."""

ALIGNED_WEIGHT: Final = 4.0
"""Weight of aligned motion, next to 1 for the small vectors."""

ALIGNED_NEIGHBOURS: Final = 64
"""Number of neighbours of a window by small vectors, with whose motion its motion is aligned."""

SMALLEST_GROUP: Final = 3
"""Least number of segments of a group."""

WINDOWS_AT_ONCE: Final = 32
"""Number of windows that are compared with their neighbours at once: more need more memory."""

OTHERS_AT_ONCE: Final = 512
"""Number of windows that the first ones of a group are compared with at once."""

RECORDING_DISTANCE: Final = 1e7
"""Seconds between recordings on a common time: no two of their windows overlap."""


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
    motion: Array
    length: float

    @cached_property
    def places(self) -> Array:
        """Starts (w) on one time for all recordings, which are far from each other."""
        numbers = {recorded: i for i, recorded in enumerate(dict.fromkeys(self.recorded))}
        offsets = np.array([numbers[recorded] for recorded in self.recorded])
        return self.starts + RECORDING_DISTANCE * offsets

    def similarities(self, windows: NDArray[np.int64], others: NDArray[np.int64]) -> Array:
        """Return the similarities (w n) of windows (w), each with n others (w n)."""
        quick = (self.vectors[others] @ self.vectors[windows][..., None])[..., 0]  # (w n)
        aligned = aligned_similarities(self.motion[windows][:, None], self.motion[others])[:, 0]
        # The motion of what is no figure says little.
        similarity: Array = quick + np.maximum(quick, ALIGNED_WEIGHT * aligned)
        return similarity


def discover(
    archive: Archive,
    recordings: Sequence[IndexedRecording],
    *,
    length: float = MOVEMENT_SECONDS,
    most: int = 20,
) -> list[list[Segment]]:
    """Return the recurring movements of recordings as groups, the clearest group first.

    Args:
        archive: Index.
        recordings: Its recordings that are searched.
        length: Duration of the segments, in seconds.
        most: Largest number of groups.
    """
    return on_one_core(lambda: _groups(_windows(archive, recordings, length), most))


def _groups(windows: _Windows, most: int) -> list[list[Segment]]:
    if len(windows.starts) <= GROUP_SEEDS:
        return []
    seeds = _Seeds(windows, _alike(windows))
    groups: list[list[Segment]] = []
    while len(groups) < most:
        members = _members(windows, seeds)
        if len(members) < SMALLEST_GROUP:
            break
        groups.append(
            [
                Segment(
                    windows.recorded[i],
                    float(windows.starts[i]),
                    float(windows.starts[i]) + windows.length,
                    f"group {len(groups) + 1}",
                    rank,
                )
                for i, rank in members
            ]
        )
        for i, _ in members:
            seeds.free &= ~_overlapping(windows, i)
    return groups


def _windows(archive: Archive, recordings: Sequence[IndexedRecording], length: float) -> _Windows:
    """Return the windows of recordings, farther apart where there would be too many."""
    minutes = [len(archive.minutes(recorded.fingerprint)) for recorded in recordings]
    seconds = ENTRY_SECONDS * sum(minutes)
    step = max(MOVEMENT_STEP * length, seconds / MOST_WINDOWS)
    of: list[IndexedRecording] = []
    starts: list[float] = []
    vectors: list[Array] = []
    motion: list[Array] = []
    for recorded in recordings:
        before = -1.0
        for begin, rows in recording_parts(archive, recorded):
            duration = len(rows["layout"]) / INDEX_TRACKS["layout"].rate
            for start in np.arange(0.0, duration - length + START_ROUNDING, step).tolist():
                if begin + start > before:
                    before = begin + start
                    of.append(recorded)
                    starts.append(before)
                    vectors.append(
                        SmallVectors.of_rows(rows, start, length).joined(SEGMENT_WEIGHTS)
                    )
                    motion.append(motion_at(rows["motion"], np.array([start]), length))
    joined = np.concatenate(motion) if motion else np.zeros(0)
    return _Windows(of, np.array(starts), np.array(vectors, np.float32), joined, length)


def _alike(windows: _Windows) -> Array:
    """Return the similarities (w w) of windows with their neighbours; −∞ for all other windows."""
    alike = np.full((len(windows.starts),) * 2, -np.inf, np.float32)
    for begin in range(0, len(alike), WINDOWS_AT_ONCE):
        part = np.arange(begin, min(begin + WINDOWS_AT_ONCE, len(alike)))
        products = windows.vectors[part] @ windows.vectors.T
        nearest = np.argsort(-products, axis=1)[:, :ALIGNED_NEIGHBOURS]
        alike[part[:, None], nearest] = windows.similarities(part, nearest)
    return alike


class _Seeds:
    """Seeds of groups: for each free window, the free windows that are most similar to it.

    Args:
        windows: The windows.
        alike: Their similarities (w w).

    Attributes:
        free: Whether each window (w) is in no group.
    """

    def __init__(self, windows: _Windows, alike: Array) -> None:
        self._places, self._length, self._alike = windows.places, windows.length, alike
        self._known: dict[int, tuple[list[int], float]] = {}
        self.free = np.ones(len(alike), bool)

    def clearest(self) -> list[int]:
        """Return the seeds that are most similar; none if no window has enough neighbours."""
        best, seeds = -np.inf, list[int]()
        for i in np.flatnonzero(self.free).tolist():
            nearest, score = self._of(i)
            if score > best:
                best, seeds = score, nearest
        return seeds

    def _of(self, i: int) -> tuple[list[int], float]:
        """Return a window followed by the most similar free windows, and their mean similarity."""
        neighbours = self._known.get(i)
        # Fewer than enough may be more where others are no longer free.
        if neighbours is None or not self._is_valid(neighbours[0]):
            ranks = np.where(self.free, self._alike[i], -np.inf)
            nearest = apart(self._places, self._places + self._length, ranks, GROUP_SEEDS + 1)
            score = float(ranks[nearest[1:]].mean()) if len(nearest) > GROUP_SEEDS else -np.inf
            self._known[i] = neighbours = nearest, score
        return neighbours

    def _is_valid(self, nearest: list[int]) -> bool:
        return len(nearest) > GROUP_SEEDS and bool(self.free[nearest].all())


def _members(windows: _Windows, seeds: _Seeds) -> list[tuple[int, float]]:
    """Return the windows of the clearest group of free ones, with their similarities to it."""
    first = np.array(seeds.clearest(), np.int64)
    if not len(first):
        return []
    places = windows.places
    ranks = np.empty(len(places))
    for begin in range(0, len(places), OTHERS_AT_ONCE):
        part = np.arange(begin, min(begin + OTHERS_AT_ONCE, len(places)))
        pairs = np.broadcast_to(part, (len(first), len(part)))
        ranks[part] = windows.similarities(first, pairs).mean(0)
    ranks = np.where(seeds.free & (ranks >= LEAST_ALIKE), ranks, -np.inf)
    nearest = apart(places, places + windows.length, ranks, len(places))
    return [(i, float(ranks[i])) for i in nearest if ranks[i] >= LEAST_ALIKE]


def _overlapping(windows: _Windows, chosen: int) -> NDArray[np.bool_]:
    """Return which windows overlap a chosen window."""
    near: NDArray[np.bool_] = np.abs(windows.places - windows.places[chosen]) < (
        (1 - SAME_PERFORMANCE) * windows.length
    )
    return near
