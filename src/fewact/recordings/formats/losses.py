"""What a file of events lost when events were written in its format: found by reading it back."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from fewact.data.files import first_few
from fewact.recordings.formats.event import Event

SAME_TIME: Final = 0.0006
"""Largest difference of times that are equal: formats round to milliseconds."""

SAME_CONFIDENCE: Final = 0.0001

FIELDS: Final[dict[str, Callable[[Event, Event], bool]]] = {
    "recording": lambda a, b: a.recording == b.recording,
    "subject": lambda a, b: a.subject == b.subject,
    "confidence": lambda a, b: (
        (a.confidence is None) == (b.confidence is None)
        and abs((a.confidence or 0.0) - (b.confidence or 0.0)) <= SAME_CONFIDENCE
    ),
    "repetitions": lambda a, b: a.repetitions == b.repetitions,
    "frames": lambda a, b: a.frames == b.frames,
    "clock": lambda a, b: a.clock == b.clock,
    "box": lambda a, b: a.box == b.box,
    "mark": lambda a, b: a.mark == b.mark,
}
"""Whether a field of two events is the same."""


def losses(before: Sequence[Event], after: Sequence[Event]) -> list[str]:
    """Return a sentence for each thing that events lost; empty if they are the same.

    Args:
        before: Events that were written.
        after: Events that were read back.
    """
    said = []
    counts = Counter(str(event.label) for event in before)
    counts.subtract(str(event.label) for event in after)
    gone = {label: number for label, number in counts.items() if number}
    if gone:
        said.append(
            f"events: {len(before)} become {len(after)} "
            f"({first_few(f'{label}: {-number:+d}' for label, number in gone.items())})"
        )
    if len(before) != len(after) or gone:
        return said
    pairs = list(zip(_sorted(before), _sorted(after), strict=True))
    changes = [max(abs(a.start - b.start), _apart(a.end, b.end)) for a, b in pairs]
    if changed := [change for change in changes if change > SAME_TIME]:
        said.append(f"times: {len(changed)} events change by up to {max(changed):.3f} s")
    for name, same in FIELDS.items():
        if number := sum(not same(a, b) for a, b in pairs):
            said.append(f"{name}: of {number} events")
    return said


def _sorted(events: Sequence[Event]) -> list[Event]:
    """Return events in the order in which they are paired."""
    return sorted(events, key=lambda e: (str(e.label), round(e.start, 2), e.recording, e.subject))


def _apart(first: float, second: float) -> float:
    if math.isinf(first) and math.isinf(second):
        return 0.0
    return abs(first - second)
