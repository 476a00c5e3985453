"""Tables of repetitions: a row for each, with its duration and the range of motion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fewact.core.text_table import csv_line
from fewact.recordings.formats.event import Event
from fewact.recordings.formats.repetition import Repetition

REPETITION_HEADER: Final = (
    "recording",
    "subject",
    "label",
    "set",
    "repetition",
    "start",
    "end",
    "duration",
    "motion_range",
    "joint",
)
"""Columns. A set is the number of the event, from 1; a range of motion is in degrees."""


def write_repetitions(events: Sequence[Event], folder: Path) -> str:
    """Return a row for each repetition whose times are known; a row for each other event."""
    lines = [csv_line(REPETITION_HEADER)]
    for number, event in enumerate(events, start=1):
        whole = Repetition(event.start, event.end)
        for repetition, one in enumerate(event.repetition_times or (whole,), start=1):
            span = one.start, one.end, one.end - one.start
            degrees = "" if one.motion_range is None else f"{one.motion_range:.1f}"
            who = event.recording, event.subject, event.label, number, repetition
            lines.append(csv_line((*who, *(f"{time:.3f}" for time in span), degrees, one.joint)))
    return "".join(lines)
