"""The report of a file of events: their ethogram, time budgets, and all of them."""

from pathlib import Path

from fewact.core.errors import DataError
from fewact.core.version import __version__
from fewact.recordings.ethogram import ethogram
from fewact.recordings.event_tables import read_table, recording_duration
from fewact.recordings.formats.event import by_recording
from fewact.recordings.result_tables import budget_table, event_table
from fewact.recordings.time_budget import budgets_of
from fewact.report.document import Page, Section


def event_page(path: Path) -> tuple[Page, int]:
    """Return the report of a file of events, and the number of rows that are skipped.

    Raises:
        DataError: The file cannot be read, or has no events.
    """
    table = read_table(path)
    if not table.rows:
        raise DataError("the file has no events", where=str(path))
    events = table.events
    listed = by_recording(events)
    durations = {name: recording_duration(table, name, own)[1] for name, own in listed.items()}
    classes = sorted({str(event.label) for event in events})
    rows = [
        row
        for name, own in listed.items()
        for row in budgets_of(name, own, durations[name], classes)
    ]
    page = Page(
        path.name,
        (f"Events: {len(events)}, classes: {len(classes)}, recordings: {len(durations)}.",),
        (
            Section("Ethogram", drawing=ethogram(events, durations, classes)),
            Section("Numbers", tables=(budget_table(rows, binned=False),)),
            Section("All events", tables=(event_table(events),), folded=True),
        ),
        f"Written by fewact {__version__}.",
    )
    return page, len(table.skipped)
