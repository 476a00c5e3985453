"""NWB files of neuroscience: events as bouts of ``ndx-ethogram``, and points as events of NWB.

They are written, not read.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fewact.core.errors import OutputError
from fewact.core.extras import WRITTEN_BY, check_extra
from fewact.core.version import __version__
from fewact.data.files import find_recording, timeline_or_none
from fewact.recordings.formats.event import Event, by_recording

if TYPE_CHECKING:
    from pynwb import NWBFile

NWB: Final = ".nwb"
"""Extension of the files."""

UNKNOWN_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of a recording that no event tells; a file of NWB has to have one."""

COLUMNS: Final[dict[str, str]] = {
    "confidence": "probability of the class; NaN if it is not known",
    "repetitions": "number of performances in a row",
    "subject": "who performed it; empty if it is not known",
}
"""Columns that the tables have beside class and times, if an event has them."""


def held(events: Sequence[Event]) -> list[Event]:
    """Return events with the fields that a file of NWB holds."""
    return [replace(event, frames=None, clock="", box=None, mark="") for event in events]


def nwb_content(events: Sequence[Event], folder: Path) -> bytes:
    """Return the content of a file of NWB.

    Args:
        events: Events of one recording, in seconds from its start.
        folder: Folder of the file, from which the recording is found.

    Raises:
        ExtraError: A package is missing.
        OutputError: The events are of several recordings: a file of NWB has one time.
    """
    check_extra(*WRITTEN_BY[NWB])
    groups = by_recording(events)
    if len(groups) > 1:
        raise OutputError(
            "a file of NWB has one recording",
            got=f"{len(groups)} recordings",
            hint="Write one .nwb file for each, or all into one .boris file or .csv table.",
        )
    import h5py
    from pynwb import NWBHDF5IO

    session = _session(next(iter(groups), ""), events, folder)
    with (
        h5py.File("events.nwb", "w", driver="core", backing_store=False) as file,
        NWBHDF5IO(file=file, mode="w") as io,
    ):
        io.write(session)
        file.flush()
        return bytes(file.id.get_file_image())


def _session(recording: str, events: Sequence[Event], folder: Path) -> "NWBFile":
    from ndx_ethogram import EthogramBouts
    from pynwb import NWBFile
    from pynwb.event import EventsTable
    from pynwb.image import ImageSeries

    begun = _start(events)
    known = "" if begun else "; the date and time of its start are not known"
    session = NWBFile(
        session_description=f"events of {recording or 'a recording'}{known}",
        identifier=recording or "recording",
        session_start_time=begun or UNKNOWN_START,
    )
    module = session.create_processing_module("behavior", "events of actions")
    is_found = any(event.confidence is not None for event in events)
    facts: dict[str, Any] = {"labeling_method": "automated" if is_found else "manual"}
    if is_found:
        facts["source_software"] = f"fewact {__version__}"
    timeline = timeline_or_none(find_recording(folder, recording)) if recording else None
    if timeline is not None:
        facts["source_video"] = ImageSeries(
            name="video",
            description="recording of the events",
            unit="n.a.",
            external_file=[recording],
            format="external",
            starting_frame=[0],
            timestamps=timeline.times,
        )
        session.add_acquisition(facts["source_video"])
    description = f"events of {recording}" if recording else "events"
    bouts = EthogramBouts(name="events", description=description, **facts)
    _fill(bouts, [event for event in events if not event.is_point])
    module.add(bouts)
    if points := [event for event in events if event.is_point]:
        table = EventsTable(name="point_events", description=f"point {description}")
        table.add_column(name="label", description="class of the event")
        _fill(table, points)
        session.add_events_table(table)
    return session


def _fill(table: Any, events: Sequence[Event]) -> None:
    """Add a row for each event."""
    has = {name: any(_cell(event, name) for event in events) for name in COLUMNS}
    has["confidence"] = any(event.confidence is not None for event in events)
    has["repetitions"] = any(event.repetitions != 1 for event in events)
    names = [name for name in COLUMNS if has[name]]
    for name in names:
        table.add_column(name=name, description=COLUMNS[name])
    for event in events:
        times = (
            {"timestamp": event.start}
            if event.is_point
            else {"start_time": event.start, "stop_time": event.end}
        )
        table.add_row(
            label=str(event.label), **times, **{name: _cell(event, name) for name in names}
        )


def _cell(event: Event, name: str) -> Any:
    value = getattr(event, name)
    return math.nan if value is None else value


def _start(events: Sequence[Event]) -> datetime | None:
    """Return the date and time at which the recording starts; None if no event tells its own."""
    for event in events:
        with suppress(ValueError):
            time = datetime.fromisoformat(event.clock)
            own = time if time.tzinfo else time.astimezone()
            return own - timedelta(seconds=event.start)
    return None
