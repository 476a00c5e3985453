"""``fewact convert-events``: events of one program in the form of another."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import EventChoices, Overwrite, check_file, check_output_files
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import DataError, OutputError
from fewact.core.paths import similar_name
from fewact.data.files import first_few

if TYPE_CHECKING:
    from fewact.recordings.formats import Event

ONLY_WRITTEN = (".vtt", ".srt")
"""Formats that are written and not read: subtitles have class and times alone."""

ENDLESS = (".csv", ".json", ".txt")
"""Formats that can say that an event lasts until the end of its recording."""


def _check_events(path: Path) -> Path:
    if not path.exists() and "#" not in path.name:
        raise DataError("no such file", where=str(path), hint=similar_name(path))
    return path


def _check_format(parameter: typer.CallbackParam, path: Path) -> Path:
    from fewact.recordings.formats import WRITERS, writer_of

    file = check_file(parameter, path)
    known = (*WRITERS, ".json", ".nwb", *ONLY_WRITTEN)
    if file is None or (writer_of(file) is None and file.suffix.lower() not in known):
        raise OutputError(
            "unknown format of events",
            where=str(path),
            got=repr(path.suffix),
            expected=f"a name that ends in {', '.join(known)}",
        )
    return file


@with_specs
def convert_events(
    events: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Events of any program that is read.", callback=_check_events
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="File to write; its name says the format: .csv, .json, .boris, .eaf (ELAN), .xml "
            "(Sportscode), .via.csv, .activitynet.json, .createml.json, .createml.csv, "
            ".labelstudio.json, .txt (MMAction2), .nwb, .vtt or .srt.",
            callback=_check_format,
        ),
    ],
    *,
    choices: EventChoices,
    overwrite: Overwrite = False,
) -> None:
    """Convert events of one program into the format of another.

    What the format cannot hold is listed. Rows that cannot be read are listed and left out; the
    exit code is then 3.
    """
    check_output_files(output, overwrite=overwrite, inputs=[str(events)])
    from fewact.recordings.event_tables import read_table
    from fewact.recordings.event_text import write_events
    from fewact.recordings.formats import read_events
    from fewact.recordings.formats.losses import losses
    from fewact.recordings.formats.nwb import NWB, held

    table = read_table(events, choices.options())
    if not table.rows:
        raise DataError("the file has no events", where=str(events))
    listed = _ended(table.path, table.events, output)
    if output.suffix.lower() == ".txt":
        _check_numbers(output, listed)
    write_events(output, listed, {})
    print(f"{len(listed)} events: {output}")
    if output.suffix.lower() in ONLY_WRITTEN:
        say(f"Lost in {output.suffix}: all but classes and times")
    else:
        is_nwb = output.suffix.lower() == NWB
        for sentence in losses(listed, held(listed) if is_nwb else read_events(output).events):
            say(f"Lost in {output.name}: {sentence}")
    exit_skipped(len(table.skipped))


def _check_numbers(output: Path, events: "Sequence[Event]") -> None:
    """Refuse class names for a list of MMAction2: it holds numbers of classes."""
    names = sorted({str(event.label) for event in events if not str(event.label).isdecimal()})
    if names:
        raise OutputError(
            "classes in a list of MMAction2 are numbers",
            where=str(output),
            got=first_few(names),
            expected="another format",
        )


def _ended(path: Path, events: "Sequence[Event]", output: Path) -> "list[Event]":
    """Return events with recordings relative to the output, that end with their recording.

    Raises:
        DataError: An event lasts until the end of a recording that cannot be read, and the format
            has no word for it.
    """
    from fewact.recordings.formats import find_recording, timeline_or_none
    from fewact.recordings.outputs import recording_name

    listed = []
    for event in events:
        file = find_recording(path.parent, event.recording)
        name = recording_name(file, output) if event.recording and file.is_file() else None
        moved = event if name is None else replace(event, recording=name)
        timeline = timeline_or_none(file) if math.isinf(event.end) else None
        if timeline is not None:
            moved = replace(moved, end=timeline.end)
        elif math.isinf(event.end) and output.suffix.lower() not in ENDLESS:
            raise DataError(
                "an event without times needs its recording", where=f"{path}: {event.recording}"
            )
        listed.append(moved)
    return listed
