"""Events of recordings as clips to teach from."""

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from fewact.core.errors import DataError, warn
from fewact.data.clips import Clip, as_box
from fewact.data.event_options import EventOptions
from fewact.data.files import find_recording
from fewact.data.tables import ClipReader
from fewact.recordings.formats import EventTable, is_event_file, read_events
from fewact.recordings.formats.event import Event, by_recording


def event_clips(path: Path, options: EventOptions) -> tuple[list[Clip], list[str]]:
    """Return the clips of a file of events, see ``fewact.data.event_clips``."""
    table = read_events(path, options)
    for sentence in (*table.notes, *table.warnings):
        warn(sentence)
    skipped, only = list(table.skipped), options.only
    segments: dict[Clip, list[tuple[str, str]]] = {}
    for where, event in table.rows if only is None else _against_rest(table, only):
        file = find_recording(table.path.parent, event.recording) if event.recording else None
        if file is None or not os.path.exists(file):
            named = (
                f"there is no video {event.recording}" if file else "it names no video (--video)"
            )
            skipped.append(f"{table.path}, {where}: {named}")
            continue
        if event.is_point and options.window is None:
            skipped.append(
                f"{table.path}, {where}: a point event, which has no duration (--window)"
            )
            continue
        event = _around(event, options.window)
        times = (event.start or None, None if math.isinf(event.end) else event.end)
        segment = Clip(file, None, *times, box=as_box(event.box, where))
        segments.setdefault(segment, []).append((where, str(event.label)))
    clips = []
    for segment, rows in segments.items():
        labels = {label for _, label in rows}
        if len(labels) == 1:
            clips.append(replace(segment, label=rows[0][1]))
        repeated = rows[1:] if len(labels) == 1 else rows
        fault = f"the same segment as {rows[0][0]}"
        if len(labels) > 1:
            fault = f"its segment has several labels: {', '.join(sorted(labels))}"
        skipped += (f"{table.path}, {where}: {fault}" for where, _ in repeated)
    if not clips:
        raise DataError(
            "no row of the file can be used",
            where=str(table.path),
            got=skipped[0] if skipped else "no events",
            expected="states with a start, an end and a video",
            hint="Teach from point events with the time around them: --window SECONDS."
            if all(event.is_point for event in table.events)
            else "",
        )
    return clips, skipped


def _around(event: Event, window: float | None) -> Event:
    """Return a point event with the time around it; another event as it is."""
    if not event.is_point or window is None:
        return event
    return replace(event, start=max(0.0, event.start - window / 2), end=event.start + window / 2)


def _against_rest(table: EventTable, only: str) -> Iterator[tuple[str, Event]]:
    """Yield the events of a class; events that overlap none of them get the class ``not …``."""
    labels = {str(event.label) for event in table.events}
    if only not in labels:
        raise DataError(
            "the file has no event of this class",
            where=str(table.path),
            got=repr(only),
            expected=", ".join(sorted(labels)),
        )
    of_class = by_recording(event for event in table.events if str(event.label) == only)
    segments = set()
    for where, event in table.rows:
        segment = event.recording, event.start, event.end
        beside = (
            e.start < event.end and event.start < e.end for e in of_class.get(event.recording, ())
        )
        if str(event.label) == only:
            yield where, event
        elif segment not in segments and not any(beside):
            segments.add(segment)
            yield where, replace(event, label=f"not {only}")


EVENTS_AS_CLIPS: Final = ClipReader(is_event_file, event_clips)
