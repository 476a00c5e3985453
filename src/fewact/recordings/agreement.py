"""Agreement of two tables of events: a model with a person, or two people with each other."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.data.clips import is_none
from fewact.data.files import stem_and_suffix
from fewact.recordings.formats import Event
from fewact.recordings.formats.event import by_subject

EVENT_IOU = 0.5
"""Least temporal IoU of two events of one class that count as the same event."""

POINT_TOLERANCE = 1.0
"""Largest difference between the starts of a point event and its partner, in seconds."""

TIME_ROUNDING = 1e-6
"""Seconds by which times that are equal may differ."""

TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Temporal IoUs of the mean average precision, as published for few-shot localisation."""

BOOTSTRAP_SECONDS = 30.0
"""Duration of a block of the bootstrap: neighbouring units of time are not independent."""

RESAMPLES = 1000
"""Number of draws of the bootstrap."""

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Kappa:
    """Cohen's κ over units of time, each with one class or none.

    Args:
        value: κ; NaN if both have one and the same class all the time.
        interval: 95 % interval, by a bootstrap over blocks of 30 s; None for less than two blocks.
        units: Number of units.
        confusion: Number of units (c+1, c+1): rows are the person's classes, columns the found
            classes; the last row and column are time of no class.
    """

    value: float
    interval: tuple[float, float] | None
    units: int
    confusion: Ints


@dataclass(frozen=True)
class Agreement:
    """Agreement of found events with a person's events.

    Args:
        classes: Classes of both, sorted.
        matched: Pairs of found and scored events of one class with an IoU of at least 0.5.
        false: Found events without a partner.
        missed: Scored events without a partner.
        seconds: κ per second.
        frames: κ per frame; None if a recording cannot be read.
        class_kappas: κ per second of each class against the rest.
        precisions: Average precision of each scored class at each of ``TIOUS``; empty if an event
            was found without a confidence.
    """

    classes: tuple[str, ...]
    matched: tuple[tuple[Event, Event], ...]
    false: tuple[Event, ...]
    missed: tuple[Event, ...]
    seconds: Kappa
    frames: Kappa | None
    class_kappas: Mapping[str, float]
    precisions: Mapping[str, Sequence[float]]

    def mean_precisions(self) -> list[float]:
        """Return the mean average precision (mAP) at each of ``TIOUS``."""
        return [float(column) for column in np.mean(list(self.precisions.values()), 0)]

    def f1(self, label: str | None = None) -> float:
        """Return the F1 of the events of a class, or of all; NaN if there are none."""
        matched, false, missed = self.counts(label)
        total = 2 * matched + false + missed
        return 2 * matched / total if total else float("nan")

    def counts(self, label: str | None = None) -> tuple[int, int, int]:
        """Return the numbers of matched, false and missed events of a class, or of all."""
        lists = ([found for found, _ in self.matched], self.false, self.missed)
        matched, false, missed = (
            sum(label in (None, str(event.label)) for event in events) for events in lists
        )
        return matched, false, missed


@dataclass(frozen=True)
class Scored:
    """A recording that was scored twice.

    Args:
        name: Name of the recording.
        found: Events of a model, or of another person.
        scored: Events of the person.
        frames: Bounds of the frames (n+1,), in seconds; None if they are not known.
        subject: Individual that performed all of them; empty if they count together.
    """

    name: str
    found: tuple[Event, ...]
    scored: tuple[Event, ...]
    frames: Floats | None = None
    subject: str = ""

    @property
    def duration(self) -> float:
        """Duration in seconds, or the end of the last event."""
        if self.frames is not None:
            return float(self.frames[-1])
        ends = [event.end for event in (*self.found, *self.scored)]
        return max((end for end in ends if np.isfinite(end)), default=0.0)

    def of_classes(self) -> "Scored":
        """Return the events of classes; events without an end are cut at the end of the recording.

        Events of ``none`` or ``(none)`` are time of no class.
        """
        found, scored = (
            tuple(
                replace(e, end=self.duration) if np.isinf(e.end) else e
                for e in events
                if not is_none(str(e.label))
            )
            for events in (self.found, self.scored)
        )
        return replace(self, found=found, scored=scored)

    def by_subject(self) -> "list[Scored]":
        """Return the events of each subject apart."""
        found, scored = by_subject(self.found), by_subject(self.scored)
        return [
            replace(self, found=tuple(found.get(s, ())), scored=tuple(scored.get(s, ())), subject=s)
            for s in sorted(found.keys() | scored)
        ]


def key_of(recording: str) -> str:
    r"""Return what identifies a recording in tables of different programs: its name alone.

    >>> key_of(r"C:\night\a.mp4") == key_of("x/a") == "a"
    True
    """
    return stem_and_suffix(PurePosixPath(recording.replace("\\", "/")).name)[0]


def recordings(
    found: Iterable[Event], scored: Iterable[Event]
) -> dict[str, tuple[list[Event], list[Event]]]:
    """Return the found and the scored events of each recording, by its name without a folder.

    If a table names no recording, and the other one has one recording, they are of this.

    Raises:
        DataError: A table names no recordings, and the other one has several.
    """
    pairs: dict[str, tuple[list[Event], list[Event]]] = {}
    for position, events in enumerate((found, scored)):
        for event in events:
            pairs.setdefault(key_of(event.recording), ([], []))[position].append(event)
    if "" in pairs and len(pairs) > 1:
        unnamed = pairs.pop("")
        if len(pairs) > 1:
            raise DataError(
                "a table does not say of which recordings its events are",
                got=f"{len(pairs)} recordings in the other one: {', '.join(sorted(pairs))}",
                expected="a column with the recording, or one recording",
            )
        for listed, events in zip(next(iter(pairs.values())), unnamed, strict=True):
            listed += events
    return pairs


def agree(listed: Sequence[Scored], tolerance: float = POINT_TOLERANCE) -> Agreement:
    """Return the agreement over recordings; time that a table calls ``none`` has no class.

    Args:
        listed: Recordings.
        tolerance: Largest difference of the starts of a point event and its partner, in seconds.
    """
    seconds = [np.arange(np.floor(recording.duration + 0.5)) + 0.5 for recording in listed]
    listed = [recording.of_classes() for recording in listed]
    names = {str(e.label) for recording in listed for e in (*recording.found, *recording.scored)}
    classes = tuple(sorted(names))
    matched: list[tuple[Event, Event]] = []
    false: list[Event] = []
    missed: list[Event] = []
    for recording in listed:
        pairs = dict(match(recording.found, recording.scored, tolerance))
        partners = set(pairs.values())
        matched += [(recording.found[i], recording.scored[j]) for i, j in pairs.items()]
        false += [event for i, event in enumerate(recording.found) if i not in pairs]
        missed += [event for j, event in enumerate(recording.scored) if j not in partners]
    middles = [(b[1:] + b[:-1]) / 2 for recording in listed if (b := recording.frames) is not None]
    return Agreement(
        classes,
        tuple(matched),
        tuple(false),
        tuple(missed),
        _kappa(listed, seconds, classes),
        _kappa(listed, middles, classes) if len(middles) == len(listed) else None,
        {name: _kappa_of_class(listed, seconds, name) for name in classes},
        average_precisions(listed),
    )


def match(
    found: Sequence[Event], scored: Sequence[Event], tolerance: float = POINT_TOLERANCE
) -> list[tuple[int, int]]:
    """Return positions of events of one class that are the same, the most similar pairs first.

    A point event is the same as an event of its class that begins within the tolerance.
    """
    order = sorted(range(len(scored)), key=lambda j: scored[j].start)
    starts = [scored[j].start for j in order]
    longest = max((true.end - true.start for true in scored), default=0.0)
    candidates = []
    for i, event in enumerate(found):
        first = bisect_left(starts, event.start - max(longest, tolerance))
        for j in order[first : bisect_right(starts, max(event.end, event.start + tolerance))]:
            if str(event.label) == str(scored[j].label):
                similarity = _similarity(event, scored[j], tolerance)
                if similarity >= EVENT_IOU:
                    candidates.append((-similarity, i, j))
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return sorted(partner.items())


def average_precisions(
    listed: Sequence[Scored], tious: Sequence[float] = TIOUS
) -> dict[str, list[float]]:
    """Return the average precision of each scored class at temporal IoUs, as ActivityNet's code.

    Found events of a class, of all recordings, are taken by falling confidence. Each is compared
    with the free scored event of its class and recording that it overlaps most. If their IoU is
    large enough, the found event is right and the scored event is taken. The precision is the area
    under the interpolated curve of precision over recall. Point events, which have no IoU, are left
    out.

    Returns:
        By class; empty if an event was found without a confidence, or none was found.
    """
    listed = [
        replace(
            recording,
            found=tuple(event for event in recording.found if not event.is_point),
            scored=tuple(event for event in recording.scored if not event.is_point),
        )
        for recording in listed
    ]
    found = [(recording, event) for recording in listed for event in recording.found]
    if not found or any(event.confidence is None for _, event in found):
        return {}
    found.sort(key=lambda pair: -(pair[1].confidence or 0.0))
    return {
        label: [_average_precision(found, listed, label, tiou) for tiou in tious]
        for label in sorted(
            {str(event.label) for recording in listed for event in recording.scored}
        )
    }


def _average_precision(
    found: Sequence[tuple[Scored, Event]], listed: Sequence[Scored], label: str, tiou: float
) -> float:
    free = {
        recording.name: [event for event in recording.scored if str(event.label) == label]
        for recording in listed
    }
    total = sum(map(len, free.values()))
    right = []
    for recording, event in found:
        if str(event.label) != label:
            continue
        candidates = free[recording.name]
        overlaps = [_iou(event, true) for true in candidates]
        nearest = int(np.argmax(overlaps)) if candidates else -1
        right.append(nearest >= 0 and overlaps[nearest] >= tiou)
        if right[-1]:
            del candidates[nearest]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # of this recall or a higher one
    return float(best[np.array(right, dtype=bool)].sum() / total)


def _similarity(first: Event, second: Event, tolerance: float) -> float:
    """Return the IoU of two events; for a point event 1 (same start) to 0.5 (the tolerance)."""
    if not (first.is_point or second.is_point):
        return _iou(first, second)
    apart = abs(first.start - second.start)
    if apart > tolerance + TIME_ROUNDING:
        return 0.0
    return 1 - (1 - EVENT_IOU) * min(1.0, apart / tolerance) if tolerance else 1.0


def _iou(first: Event, second: Event) -> float:
    shared = max(0.0, min(first.end, second.end) - max(first.start, second.start))
    union = max(first.end, second.end) - min(first.start, second.start)  # where they overlap
    return shared / union if union > 0 else 0.0


def codes(events: Iterable[Event], classes: Sequence[str], times: Floats) -> Ints:
    """Return the position of the class at each time (t,), or their number for none.

    If events overlap, the event that begins first counts.
    """
    numbers = np.full(len(times), len(classes))
    for event in sorted(events, key=lambda event: event.start, reverse=True):
        first, last = np.searchsorted(times, (event.start, event.end))
        numbers[first:last] = classes.index(str(event.label))
    return numbers


def _kappa(listed: Sequence[Scored], times_of: Sequence[Floats], classes: Sequence[str]) -> Kappa:
    size = len(classes) + 1
    blocks = []
    for recording, times in zip(listed, times_of, strict=True):
        scored, found = (
            codes(events, classes, times) for events in (recording.scored, recording.found)
        )
        pair = scored * size + found
        at = (times // BOOTSTRAP_SECONDS).astype(np.int64)
        count = int(at[-1]) + 1 if len(at) else 0
        counts = np.bincount(at * size * size + pair, minlength=count * size * size)
        blocks.append(counts.reshape(count, size, size))
    confusions = np.concatenate(blocks)  # (b c+1 c+1)
    confusion = confusions.sum(0)
    interval = None
    if len(confusions) > 1:
        draws = np.random.default_rng(0).integers(
            len(confusions), size=(RESAMPLES, len(confusions))
        )
        values = [kappa(confusions[draw].sum(0)) for draw in draws]
        if np.isfinite(values).any():
            low, high = np.nanquantile(values, (0.025, 0.975))
            interval = float(low), float(high)
    return Kappa(kappa(confusion), interval, int(confusion.sum()), confusion)


def _kappa_of_class(listed: Sequence[Scored], times_of: Sequence[Floats], name: str) -> float:
    confusion = np.zeros((2, 2), dtype=np.int64)
    for recording, times in zip(listed, times_of, strict=True):
        scored, found = (
            codes([e for e in events if str(e.label) == name], [name], times)
            for events in (recording.scored, recording.found)
        )
        confusion += np.bincount(2 * scored + found, minlength=4).reshape(2, 2)
    return kappa(confusion)


def kappa(confusion: Ints) -> float:
    """Return Cohen's κ, (p − e) / (1 − e), of a table of counts (c, c); NaN if it is not defined.

    p is the fraction of units on the diagonal, e the one expected of independent observers.

    >>> kappa(np.array([[20, 5], [10, 15]]))
    0.4
    """
    total = confusion.sum()
    if not total:
        return float("nan")
    observed = np.trace(confusion) / total
    expected = (confusion.sum(0) * confusion.sum(1)).sum() / total**2
    return (
        round(float((observed - expected) / (1 - expected)), 12) if expected < 1 else float("nan")
    )
