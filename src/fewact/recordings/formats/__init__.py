"""Events of recordings: one table inside, and a reader and a writer for each program.

A format is found by the content of a file when it is read, and by its name when it is written. Each
reader yields the same rows; a row that cannot be used is named and skipped.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from fewact.core.errors import DataError, UserError
from fewact.core.paths import file_and_sheet, user_path
from fewact.core.text_table import printable
from fewact.data.columns import normalised
from fewact.data.event_options import EventOptions
from fewact.data.files import TABLE_SUFFIXES, find_recording, first_few, timeline_or_none
from fewact.data.sheets import sheets_of
from fewact.recordings.formats import (
    ava,
    boris,
    boris_tables,
    cvat,
    datavyu,
    documents,
    elan,
    frames,
    label_studio,
    longomatch,
    observer,
    praat,
    programs,
    repetition_table,
    tables,
    via,
    xml,
)
from fewact.recordings.formats.account import counted
from fewact.recordings.formats.event import (
    EVENT_COLUMNS,
    EVENTS,
    EVENTS_EXPECTED,
    Event,
    Read,
    Row,
    Write,
    event_of,
)
from fewact.recordings.formats.resolver import Resolver

__all__ = [
    "Event",
    "EventTable",
    "events_text",
    "find_recording",
    "is_event_file",
    "read_events",
    "timeline_or_none",
    "writer_of",
]

FORMATS: Final[tuple[tuple[Callable[[Path, str], bool], Read], ...]] = (
    (documents.is_lines, documents.read_lines),
    (boris.is_project, boris.read_project),
    (observer.is_otx, observer.read_otx),
    (praat.is_textgrid, praat.read_textgrid),
    (datavyu.is_datavyu, datavyu.read_datavyu),
    (cvat.is_cvat, cvat.read_cvat),
    (longomatch.is_longomatch, longomatch.read_longomatch),
    (via.is_project, via.read_project),
    (ava.is_ava, ava.read_ava),
    (elan.is_elan, elan.read_elan),
    (xml.is_sportscode, xml.read_sportscode),
    (label_studio.is_tasks, label_studio.read_tasks),
    (label_studio.is_table, label_studio.read_table),
    (documents.is_document, documents.read_document),
    (tables.is_via, tables.read_via),
    (programs.is_jwatcher, programs.read_jwatcher),
    (boris_tables.is_table, boris_tables.read_table),
    (programs.is_program, programs.read_program),
    (tables.is_events, tables.read_table),
    (tables.is_list, tables.read_list),
    (boris_tables.is_bare, boris_tables.read_bare),
    (frames.is_frames, frames.read_frames),
)
"""Readers, each with the test whether a file is for it; the first one reads it."""

WRITERS: Final[dict[str, Write]] = {
    ".via.csv": tables.write_via,
    ".createml.csv": tables.write_createml,
    ".repetitions.csv": repetition_table.write_repetitions,
    ".csv": tables.write_table,
    ".txt": tables.write_list,
    ".boris": boris.write_project,
    ".eaf": elan.write_elan,
    ".xml": xml.write_sportscode,
    ".activitynet.json": documents.write_activitynet,
    ".createml.json": documents.write_createml,
    ".labelstudio.json": label_studio.write_tasks,
}
"""Writers by the end of a file's name; the first that fits is used."""


@dataclass(frozen=True)
class EventTable:
    """Events of a file.

    Args:
        path: File.
        rows: Place of each event in the file, as in "line 3", and the event.
        skipped: One sentence for each row that cannot be used: file, place and reason.
        notes: Sentences about what was left out or ignored on purpose, and choices that were made.
        warnings: Sentences about what may be wrong, such as a rate that does not fit the video.
    """

    path: Path
    rows: tuple[tuple[str, Event], ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def events(self) -> list[Event]:
        """The events, in the order of the file."""
        return [event for _, event in self.rows]


class Source(NamedTuple):
    """What is read of a file.

    Args:
        file: File.
        text: Its text, or the text of a sheet.
        read: Reader of its format.
        notes: Sentences about the encoding and about other sheets.
    """

    file: Path
    text: str
    read: Read
    notes: tuple[str, ...]


def _source(path: Path) -> Source | None:
    """Return what is read of a file; None if it has no events of a known program.

    Raises:
        DataError: The file cannot be read, or several of its sheets have events.
    """
    file, _ = file_and_sheet(path)
    if file.suffix.lower() == ".opf":
        return Source(file, datavyu.archive_text(file), datavyu.read_datavyu, ())
    sheets = sheets_of(path, EVENTS)
    readers = {sheet.name: (sheet, read) for sheet in sheets if (read := _reader(file, sheet.text))}
    if len(readers) > 1:
        raise DataError(
            "several sheets of the workbook have events",
            where=str(file),
            got=first_few(readers),
            expected="one sheet",
            hint=f"Name it: {file.name}#{next(iter(readers))}.",
        )
    if not readers:
        return None
    ((sheet, read),) = readers.values()
    others = [other.name for other in sheets if other is not sheet]
    notes = [f"sheets that are ignored: {first_few(others)}"] if others else []
    return Source(file, sheet.text, read, (*notes, *filter(None, [sheet.note])))


def _reader(path: Path, text: str) -> Read | None:
    return next((read for recognises, read in FORMATS if recognises(path, text)), None)


def is_event_file(path: Path) -> bool:
    """Whether a file has events, not a table of clips with path and label."""
    file, _ = file_and_sheet(path)
    if file.suffix.lower() not in TABLE_SUFFIXES or not file.is_file():
        return False
    try:
        return _source(path) is not None
    except DataError:  # the caller who reads it says why it cannot be read
        return file.suffix.lower() not in (".csv", ".tsv")


def read_events(path: str | Path, options: EventOptions | None = None) -> EventTable:
    """Return the events of a file of a known program.

    Args:
        path: File.
        options: Rater, tier, video and frame rate, where the file leaves them open.

    Raises:
        DataError: The file cannot be read, no known program wrote it, or several people scored the
            same recording and none is chosen.
    """
    source = _source(user_path(path, DataError))
    if source is None:
        raise _unknown(user_path(path, DataError))
    file = source.file
    notes = [*source.notes]

    def rows_of_events() -> Iterator[Row]:
        for row in source.read(file, source.text):
            if "note" in row[1]:
                notes.extend(filter(None, [row[1]["note"]]))
            else:
                yield row

    resolver = Resolver(file, options or EventOptions())
    rows, skipped = list[tuple[str, Event]](), list[str]()
    for where, fields in resolver.chosen(rows_of_events()):
        try:
            rows.append((where, event_of(resolver.resolved(fields))))
        except UserError:  # of the file, not of this row
            raise
        except ValueError as fault:
            skipped.append(f"{file}, {where}: {fault}")
    said, warned = (
        tuple(f"{file}: {sentence}" for sentence in sentences)
        for sentences in ((*notes, *resolver.notes), (*resolver.warnings, *_scored_twice(rows)))
    )
    return EventTable(file, tuple(rows), tuple(skipped), said, warned)


def _scored_twice(rows: Iterable[tuple[str, Event]]) -> Iterator[str]:
    """Yield a sentence if events of one class and subject are at the same time, or mostly."""
    groups: dict[object, list[tuple[str, Event]]] = {}
    for where, event in rows:
        key = event.recording, event.subject, event.label, event.box
        groups.setdefault(key, []).append((where, event))
    found = [
        (second, first)
        for group in groups.values()
        for (first, a), (second, b) in pairwise(sorted(group, key=lambda row: row[1].start))
        if (a.start, a.end) == (b.start, b.end)
        or 2 * (min(a.end, b.end) - b.start) > max(a.end, b.end) - a.start
    ]
    if found:
        yield (
            f"{counted(len(found), 'event', 'events')} may be scored twice: the one of "
            f"{found[0][0]} is at the time of {found[0][1]}, and of its class (a column rater or "
            "subject tells them apart)"
        )


def _unknown(path: Path) -> DataError:
    """Return the error of a file that no reader recognises."""
    header = EVENT_COLUMNS.header(sheets_of(path, EVENTS)[0].text)
    return DataError(
        "the file has no events of a known program",
        where=str(path),
        got=printable(first_few((cell[:40] for cell in header), 12)),
        expected=f"{EVENTS.expected}: {EVENTS_EXPECTED}",
        hint='A table of clips has no recordings: rename the column "path" to "video".'
        if "path" in map(normalised, header)
        else EVENTS.hint,
    )


def writer_of(path: Path) -> Write | None:
    """Return the function that gives the text of events in the format of a file's name."""
    name = path.name.lower()
    return next((write for end, write in WRITERS.items() if name.endswith(end)), None)


def events_text(path: Path, events: Sequence[Event]) -> str:
    """Return the content of a file of events, in the format of its name.

    Raises:
        OutputError: The format cannot hold these events.
    """
    write = writer_of(path)
    if write is None:
        EVENTS.refuse(path, "unknown format of events", path.suffix)
    return write(events, path.parent)
