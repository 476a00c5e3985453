"""Outputs of events that commands share: rows on stdout, and names of recordings in files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from fewact.cli.output import Columns
from fewact.core.errors import OptionError
from fewact.core.text_table import csv_line, printed_json
from fewact.data.tables import SIDES
from fewact.recordings.event_text import clock_time
from fewact.recordings.formats import Event
from fewact.recordings.formats.tables import COLUMNS, cells

EventFormat = Literal["table", "jsonl", "csv"]
"""Formats of events on stdout; all are written event by event."""

FORMATS_OF_ONE_RECORDING = (".eaf", ".nwb", ".vtt", ".srt")
"""Extensions of files that have the times of one recording alone."""

WIDEST_TIME = "00:00:00.000"
WIDEST_SUBJECT = "99"


def is_of_one_recording(output: Path | None) -> bool:
    """Return whether a file for events has the times of one recording alone."""
    return output is not None and output.suffix.lower() in FORMATS_OF_ONE_RECORDING


def one_recording_error(output: Path) -> OptionError:
    """Return the error of an output that is of one recording where there are several."""
    return OptionError(
        "this output is of one recording", where=str(output), expected=".csv, .boris"
    )


def recording_name(source: str | Path, output: Path | None) -> str:
    """Return how a file of events names a recording: programs look for it from its folder."""
    if output is None:
        return str(source)
    path = Path(source)
    file = path.parent.resolve() / path.name
    try:
        return os.path.relpath(file, output.parent.resolve())
    except ValueError:  # Windows: another drive
        return str(file)


def event_writer(
    format: EventFormat,
    classes: Sequence[Any],
    recordings: Sequence[str] = (),
    *,
    by_subject: bool = False,
) -> Callable[[Event], None]:
    """Return a function that writes an event to stdout; a header is written immediately.

    Args:
        format: Format of the events.
        classes: Classes of the events, which set the widths of columns.
        recordings: Recordings, if there are several: each row names its own.
        by_subject: Whether events have a subject and a box.
    """
    if format == "jsonl":
        return lambda event: print(printed_json(event.to_dict()), flush=True)
    first_column = ("recording",) if recordings else ()
    if format == "csv":
        subject = ("subject", *SIDES) if by_subject else ()
        columns_of_csv = (*first_column, *COLUMNS, *subject, *(["clock"] if recordings else []))
        print(csv_line(columns_of_csv), end="", flush=True)
        return lambda event: print(csv_line(cells(event, columns_of_csv)), end="", flush=True)
    names = (*first_column, *(["subject"] if by_subject else []), *COLUMNS)
    first = [recordings] if recordings else []
    first += [[WIDEST_SUBJECT]] if by_subject else []
    columns = Columns(names, *first, [WIDEST_TIME], [WIDEST_TIME], classes, [])
    columns.print_header()

    def write_row(event: Event) -> None:
        span = clock_time(event.start), clock_time(event.end)
        name = [event.recording] if recordings else []
        name += [event.subject] if by_subject else []
        columns.print(*name, *span, event.label, f"{event.confidence:.2f}", str(event.repetitions))

    return write_row
