"""Commands on tables of events: ``agree`` and ``budget``."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    EventChoices,
    Overwrite,
    check_file,
    check_output_files,
    output_option,
)
from fewact.cli.output import OutputFormat, print_json, print_line, print_result_tables
from fewact.cli.run import exit_skipped
from fewact.core.atomic import write_text
from fewact.core.errors import DataError
from fewact.core.paths import file_and_sheet, similar_name


def _check_events(path: Path) -> Path:
    file, _ = file_and_sheet(path)
    if not file.exists():
        raise DataError("no such file", where=str(path), hint=similar_name(file))
    return path


def _check_each(paths: list[Path]) -> list[Path]:
    return [_check_events(path) for path in paths]


@with_specs
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
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Largest difference between the times of a point event and of its partner.",
            min=0.0,
        ),
    ] = 1.0,
    *,
    choices: EventChoices,
    scored_rater: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Person whose events in SCORED are compared (default: as --rater).",
            rich_help_panel="Events",
        ),
    ] = None,
    format: OutputFormat = "table",
) -> None:
    """Compare events with those that a person scored: F1, kappa, confusions, errors.

    Events of one class are the same if their temporal IoU is at least 0.5; a point event, which has
    no duration, if the other one begins within the tolerance. Recordings that the person did not
    score are left out.
    """
    from fewact.recordings import result_tables as results
    from fewact.recordings.agreement import Agreement, agree
    from fewact.recordings.event_tables import are_apart, check_subjects, read_table, scored_twice

    options = choices.options()
    tables = [read_table(path, options) for path in events]
    truth = read_table(scored, replace(options, rater=scored_rater or options.rater))
    if subjects:
        check_subjects(*tables, truth)
    if subjects is None:
        events_found = [event for table in tables for event in table.events]
        subjects = are_apart(events_found, truth.events)
    listed = scored_twice(tables, truth)
    of_subjects: dict[str, Agreement] = {}
    if subjects:
        listed = [part for recording in listed for part in recording.by_subject()]
        for name in sorted({part.subject for part in listed}):
            parts = [part for part in listed if part.subject == name]
            of_subjects[name] = agree(parts, tolerance)
    result = agree(listed, tolerance)
    if format == "json":
        document = results.agreement_dict(result)
        if subjects:
            document["subjects"] = {n: results.agreement_dict(r) for n, r in of_subjects.items()}
        print_json(document)
    else:
        also = [results.subjects_table(of_subjects)] if subjects else []
        print_result_tables([*results.agreement_tables(result), *also], format)
        if format == "table":
            for line in results.agreement_lists(result):
                print_line(line)
    exit_skipped(sum(len(table.skipped) for table in (*tables, truth)))


@with_specs
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
    *,
    choices: EventChoices,
    overwrite: Overwrite = False,
    format: OutputFormat = "table",
) -> None:
    """Count how often and how long each class was performed in each recording.

    Columns: number of performances, total and mean duration, share of the time, and latency to the
    first event. Without the video, a recording lasts until its last event.
    """
    check_output_files(frames, output, overwrite=overwrite, inputs=[str(events)])
    from fewact.recordings.ethogram import ethogram
    from fewact.recordings.event_tables import check_subjects, read_table, recording_duration
    from fewact.recordings.formats import find_recording
    from fewact.recordings.formats.event import by_recording
    from fewact.recordings.result_tables import budget_table, frame_header, frame_lines
    from fewact.recordings.time_budget import budgets_of

    table = read_table(events, choices.options())
    if not table.rows:
        raise DataError("the file has no events", where=str(events))
    if subjects:
        check_subjects(table)
    names = {event.recording for event in table.events if event.recording}
    videos = [find_recording(table.path.parent, name) for name in names]
    check_output_files(frames, output, overwrite=True, inputs=videos)
    classes = sorted({str(event.label) for event in table.events})
    rows, lines, durations = [], [frame_header(classes)], {}
    for name, listed in by_recording(table.events).items():
        timeline, durations[name] = recording_duration(table, name, listed)
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
