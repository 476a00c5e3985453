"""Commands on tables of events: ``agree`` and ``budget``."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.options import Overwrite, check_file, check_output_files, output_option
from fewact.cli.output import OutputFormat, print_json, print_line, print_result_tables
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import write_text
from fewact.core.errors import DataError
from fewact.core.paths import similar_name

if TYPE_CHECKING:
    from fewact.recordings.agreement import Scored
    from fewact.recordings.formats import Event, EventTable
    from fewact.report.document import Page
    from fewact.video.samplers import Timeline


def _check_events(path: Path) -> Path:
    if not path.exists():
        raise DataError("no such file", where=str(path), hint=similar_name(path))
    return path


def _check_each(paths: list[Path]) -> list[Path]:
    return [_check_events(path) for path in paths]


def _read(path: Path) -> "EventTable":
    """Return the events of a file; say which rows are skipped."""
    from fewact.recordings.formats import read_events

    table = read_events(path)
    for row in table.skipped:
        say(f"Warning: skipped: {row}")
    return table


def _timeline(tables: Sequence["EventTable"], events: Sequence["Event"]) -> "Timeline | None":
    """Return the times of the frames of a recording that is found beside one of the tables."""
    from fewact.recordings.formats import find_recording, timeline_or_none

    for name in dict.fromkeys(event.recording for event in events if event.recording):
        for table in tables:
            timeline = timeline_or_none(find_recording(table.path.parent, name))
            if timeline is not None:
                return timeline
    return None


def _duration(
    table: "EventTable", name: str, events: Sequence["Event"]
) -> tuple["Timeline | None", float]:
    """Return the times of the frames of a recording, and its duration in seconds."""
    timeline = _timeline([table], events)
    if timeline is not None:
        return timeline, timeline.end
    last = max(event.end for event in events)
    if math.isinf(last):
        raise DataError("an event without times needs the recording", where=name or str(table.path))
    say(f"Warning: cannot read {name or 'the recording'}: it lasts until its last event")
    return None, last


def agree(
    events: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVENTS...",
            help="Events that were found: written by `fewact watch -o`, or by another person.",
            callback=_check_each,
        ),
    ],
    scored: Annotated[
        Path,
        typer.Argument(
            help="Events of the same recordings that a person scored.", callback=_check_events
        ),
    ],
    subjects: Annotated[
        bool | None,
        typer.Option(
            "--subjects/--no-subjects",
            help="Compare the events of each subject apart (default: if both have subjects of the "
            "same names).",
        ),
    ] = None,
    format: OutputFormat = "table",
) -> None:
    """Compare events with those that a person scored: F1, kappa, confusions, errors.

    Events of one class are the same if their temporal IoU is at least 0.5. Recordings that the
    person did not score are left out.
    """
    from fewact.recordings import pages as report
    from fewact.recordings.agreement import agree

    *tables, truth = [_read(path) for path in (*events, scored)]
    if subjects:
        _check_subjects(*tables, truth)
    found = [event for table in tables for event in table.events]
    if subjects is None:
        subjects = are_apart(found, truth.events)
    listed = _scored_twice(tables, truth)
    of_subjects = {}
    if subjects:
        listed = [own for one in listed for own in one.by_subject()]
        names = sorted({one.subject for one in listed})
        of_subjects = {s: agree([one for one in listed if one.subject == s]) for s in names}
    result = agree(listed)
    if format == "json":
        each = {name: report.agreement_dict(one) for name, one in of_subjects.items()}
        print_json(report.agreement_dict(result) | ({"subjects": each} if subjects else {}))
    else:
        also = [report.subjects_table(of_subjects)] if subjects else []
        print_result_tables([*report.agreement_tables(result), *also], format)
        if format == "table":
            for line in report.agreement_lists(result):
                print_line(line)
    exit_skipped(sum(len(table.skipped) for table in (*tables, truth)))


def _check_subjects(*tables: "EventTable") -> None:
    for table in tables:
        if not any(event.subject for event in table.events):
            raise DataError(
                "no event has a subject", where=str(table.path), expected="events with subjects"
            )


def are_apart(predicted: Sequence["Event"], scored: Sequence["Event"]) -> bool:
    """Return whether events are counted by subject: both sides name some of the same; say so."""
    names = [{event.subject for event in events} - {""} for events in (predicted, scored)]
    if not any(names):
        return False
    if common := names[0] & names[1]:
        say(f"Each subject apart: {', '.join(sorted(common))} in both")
        return True
    first, second = (", ".join(sorted(of))[:80] or "none" for of in names)
    say(f"Subjects together: no name is in both (found: {first}; scored: {second})")
    return False


def _scored_twice(tables: Sequence["EventTable"], truth: "EventTable") -> "list[Scored]":
    """Return the recordings that a person scored, with what was found in them."""
    import numpy as np

    from fewact.recordings import agreement

    found_events = [event for table in tables for event in table.events]
    pairs = agreement.recordings(found_events, truth.events)
    listed = []
    for name, (found, true) in pairs.items():
        if not true:
            say(f"Warning: left out, not in {truth.path}: {name} ({len(found)} events)")
            continue
        if not found:
            say(f"Warning: no events were found in {name}: all of {truth.path} are missed")
        timeline = _timeline([*tables, truth], [*found, *true])
        frames = None if timeline is None else np.append(timeline.times, timeline.end)
        listed.append(agreement.Scored(name, tuple(found), tuple(true), frames))
    if not listed:
        raise DataError(
            "the tables have no recording in common",
            where=str(truth.path),
            got=", ".join(sorted(pairs))[:200],
            expected="the same names of recordings; folders and extensions do not count",
        )
    return listed


def budget(
    events: Annotated[
        Path,
        typer.Argument(
            help="Events: written by `fewact watch -o`, or by a person.", callback=_check_events
        ),
    ],
    bin: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Width of the parts in which time is counted.", min=0.1
        ),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames",
            metavar="FILE",
            help="CSV table to write: one row a frame, one column a class.",
            callback=check_file,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option(
            "FILE",
            "Ethogram to write, an SVG file: a row a subject and class, time to the right.",
            "ethogram",
            ".svg",
        ),
    ] = None,
    subjects: Annotated[
        bool | None,
        typer.Option(
            "--subjects/--no-subjects",
            help="Count the events of each subject apart (default: if they have subjects).",
        ),
    ] = None,
    overwrite: Overwrite = False,
    format: OutputFormat = "table",
) -> None:
    """Count how often and how long each class was performed in each recording.

    Columns: number of performances, total and mean duration, share of the time, and latency to the
    first event. Without the video, a recording lasts until its last event.
    """
    check_output_files(frames, output, overwrite=overwrite, inputs=[str(events)])
    from fewact.recordings.formats import find_recording
    from fewact.recordings.formats.event import by_recording
    from fewact.recordings.pages import budget_table, ethogram, frame_header, frame_lines
    from fewact.recordings.time_budget import budgets_of

    table = _read(events)
    if not table.rows:
        raise DataError("the file has no events", where=str(events))
    if subjects:
        _check_subjects(table)
    names = {event.recording for event in table.events if event.recording}
    videos = [find_recording(table.path.parent, name) for name in names]
    check_output_files(frames, output, overwrite=True, inputs=videos)
    classes = sorted({str(event.label) for event in table.events})
    rows, lines, durations = [], [frame_header(classes)], {}
    for name, listed in by_recording(table.events).items():
        timeline, durations[name] = _duration(table, name, listed)
        rows += budgets_of(name, listed, durations[name], classes, width=bin, apart=subjects)
        if frames is not None and timeline is None:
            raise DataError("a table of frames needs the recording", where=name or str(events))
        if frames is not None and timeline is not None:
            lines.append(frame_lines(name, listed, timeline, classes))
    if frames is not None:
        write_text(frames, "".join(lines))
    if output is not None:
        write_text(output, ethogram(table.events, durations, classes).file)
    if format == "json":
        print_json([asdict(row) | {"share": row.share} for row in rows])
    else:
        print_result_tables([budget_table(rows, binned=bin is not None)], format)
    exit_skipped(len(table.skipped))


def event_page(path: Path) -> tuple["Page", int]:
    """Return the report of a file of events, and the number of rows that are skipped."""
    from fewact.recordings import pages
    from fewact.recordings.formats.event import by_recording
    from fewact.recordings.time_budget import budgets_of

    table = _read(path)
    if not table.rows:
        raise DataError("the file has no events", where=str(path))
    listed = by_recording(table.events)
    durations = {name: _duration(table, name, events)[1] for name, events in listed.items()}
    classes = sorted({str(event.label) for event in table.events})
    rows = [
        row
        for name, events in listed.items()
        for row in budgets_of(name, events, durations[name], classes)
    ]
    return pages.event_page(path.name, rows, table.events, durations), len(table.skipped)
