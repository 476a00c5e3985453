"""Time budgets: how often and how long each class was performed in each recording."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fewact.recordings.formats import Event
from fewact.recordings.formats.event import by_subject


@dataclass(frozen=True)
class Budget:
    """Numbers of a class in a recording, or in a part of it.

    Args:
        recording: Recording.
        label: Class.
        start: Start of the part, in seconds.
        end: End of the part, in seconds.
        count: Number of performances that begin in it, point events too. One at the end of the
            recording, or just after it, is of the last part.
        total: Seconds in which the class is performed; events at the same time count once.
        mean: Mean duration of the events that begin in it and are no point events, in seconds;
            None if there are none.
        latency: Seconds from the start of the part to the first event that begins in it; None if
            there is none.
        subject: Individual; empty if all count together.
    """

    recording: str
    label: str
    start: float
    end: float
    count: int
    total: float
    mean: float | None
    latency: float | None
    subject: str = ""

    @property
    def share(self) -> float:
        """Fraction of the time, 0 … 1."""
        return self.total / (self.end - self.start) if self.end > self.start else 0.0


def budgets_of(
    recording: str,
    events: Sequence[Event],
    duration: float,
    classes: Sequence[str],
    *,
    width: float | None = None,
    apart: bool | None = None,
) -> list[Budget]:
    """Return the numbers of each class of each subject, see ``budgets``.

    ``apart`` counts each subject apart; None if an event has one.
    """
    if apart is None:
        apart = any(event.subject for event in events)
    return [
        replace(row, subject=subject)
        for subject, own in (by_subject(events) if apart else {"": events}).items()
        for row in budgets(recording, own, duration, classes, width=width)
    ]


def budgets(
    recording: str,
    events: Sequence[Event],
    duration: float,
    classes: Sequence[str],
    *,
    width: float | None = None,
) -> Iterator[Budget]:
    """Yield the numbers of each class, in bins of a width in seconds, or in the whole recording."""
    step = width or duration
    edges = [step * i for i in range(int(np.ceil(duration / step)))] if duration > 0 else [0.0]
    for start, end in pairwise((*edges, duration)):
        for label in classes:
            listed = [event for event in events if str(event.label) == label]
            begun = [
                event
                for event in listed
                if start <= event.start < (end if end < duration else math.inf)
            ]
            lengths = [max(0.0, min(e.end, duration) - e.start) for e in begun if not e.is_point]
            yield Budget(
                recording,
                label,
                start,
                end,
                sum(event.repetitions for event in begun),
                covered(listed, start, end),
                sum(lengths) / len(lengths) if lengths else None,
                min(event.start for event in begun) - start if begun else None,
            )


def covered(events: Iterable[Event], start: float, end: float) -> float:
    """Return the seconds between two times in which at least one event goes on.

    >>> covered([Event("a", 1.0, 3.0), Event("a", 2.0, 4.0), Event("a", 9.0, 12.0)], 0.0, 10.0)
    4.0
    """
    total, last = 0.0, start
    for event in sorted(events, key=lambda event: event.start):
        first = max(event.start, last)
        last = max(last, min(event.end, end))
        total += max(0.0, last - first)
    return total
