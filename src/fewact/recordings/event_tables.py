"""Read tables of events for commands: recordings' durations, subjects, and pairs of tables."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewact.cli.run import say
from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.agreement import Scored, recordings
from fewact.recordings.formats import (
    Event,
    EventTable,
    find_recording,
    read_events,
    timeline_or_none,
)
from fewact.video.samplers import Timeline

END_ROUNDING = 1.0
"""Seconds by which an event may begin after the last frame: clocks and durations are rounded."""


def read_table(path: Path, options: EventOptions | None = None) -> EventTable:
    """Return the events of a file; say which rows are skipped, and what was left out."""
    table = read_events(path, options)
    say_choices(table)
    for row in table.skipped:
        say(f"Warning: skipped: {row}")
    return table


def say_choices(table: EventTable) -> None:
    """Say what was left out of a table on purpose, and what may be wrong."""
    for sentence in table.notes:
        say(f"Note: {sentence}")
    for sentence in table.warnings:
        say(f"Warning: {sentence}")


def recording_duration(
    table: EventTable, name: str, events: Sequence[Event]
) -> tuple[Timeline | None, float]:
    """Return the times of the frames of a recording, and its duration in seconds.

    Without the recording these are None and the end of its last event.

    Args:
        table: Table beside which the recording is found.
        name: Name of the recording.
        events: Its events.

    Raises:
        DataError: There is no recording, and an event lasts until its end.
    """
    timeline = _timeline([table], events)
    if timeline is not None:
        later = [event for event in events if event.start > timeline.end + END_ROUNDING]
        if later:
            raise DataError(
                "events begin after the end of the recording",
                where=f"{table.path}: {name}",
                got=f"{len(later)} of {len(events)}, the last at {later[-1].start:g} s",
                expected=f"times up to {timeline.end:g} s",
                hint="Is it another video, or another frame rate (--fps)? If fewact watch joined "
                "files, times count from the first one; use its option --join off.",
            )
        return timeline, timeline.end
    last = max(event.end for event in events)
    if math.isinf(last):
        raise DataError("an event without times needs the recording", where=name or str(table.path))
    say(f"Warning: cannot read {name or 'the recording'}: it lasts until its last event")
    return None, last


def check_subjects(*tables: EventTable) -> None:
    """Refuse tables without subjects."""
    for table in tables:
        if not any(event.subject for event in table.events):
            raise DataError(
                "no event has a subject", where=str(table.path), expected="events with subjects"
            )


def are_apart(found: Sequence[Event], scored: Sequence[Event]) -> bool:
    """Return whether events are counted by subject: both sides name some of the same; say so."""
    names = [{event.subject for event in events} - {""} for events in (found, scored)]
    if not any(names):
        return False
    if common := names[0] & names[1]:
        say(f"Each subject apart: {', '.join(sorted(common))} in both")
        return True
    first, second = (", ".join(sorted(of))[:80] or "none" for of in names)
    say(f"Subjects together: no name is in both (found: {first}; scored: {second})")
    return False


def scored_twice(tables: Sequence[EventTable], truth: EventTable) -> list[Scored]:
    """Return the recordings that a person scored, with what was found in them.

    Args:
        tables: Tables of found events.
        truth: Table of the person.

    Raises:
        DataError: No recording is in both.
    """
    pairs = recordings([event for table in tables for event in table.events], truth.events)
    listed = []
    for name, (found, true) in pairs.items():
        if not true:
            say(f"Warning: left out, not in {truth.path}: {name} ({len(found)} events)")
            continue
        if not found:
            say(f"Warning: no events were found in {name}: all of {truth.path} are missed")
        timeline = _timeline([*tables, truth], [*found, *true])
        frames = None if timeline is None else np.append(timeline.times, timeline.end)
        listed.append(Scored(name, tuple(found), tuple(true), frames))
    if not listed:
        raise DataError(
            "the tables have no recording in common",
            where=str(truth.path),
            got=", ".join(sorted(pairs))[:200],
            expected="the same names of recordings; folders and extensions do not count",
        )
    return listed


def _timeline(tables: Sequence[EventTable], events: Sequence[Event]) -> Timeline | None:
    """Return the times of the frames of a recording that is found beside one of the tables."""
    for name in dict.fromkeys(event.recording for event in events if event.recording):
        for table in tables:
            timeline = timeline_or_none(find_recording(table.path.parent, name))
            if timeline is not None:
                return timeline
    return None
