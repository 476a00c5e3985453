"""``fewact total``: totals of recordings with intervals, from a sample that a person checks."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import Load, Quiet, check_model, output_option
from fewact.cli.output import OutputFormat, print_json, print_result_tables, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder, make_folder, write_text
from fewact.core.errors import DataError, OptionError
from fewact.core.text_table import printable

if TYPE_CHECKING:
    from fewact.recordings.check import CheckPlan
    from fewact.recordings.formats import Event

EVENTS, PLAN_FILE, VIDEO, TABLE = "events.csv", "plan.json", "check.mp4", "check.csv"


def _check_source(context: typer.Context, path: Path) -> Path:
    from fewact.recordings.formats import is_event_file

    return path if is_event_file(path) else check_model(context, path)


def _check_recordings(sources: list[str]) -> list[str]:
    from fewact.data.files import expand_paths

    return [str(path) for path in expand_paths(sources)]


@with_specs
def total(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL|EVENTS",
            help="Folder of a model, or events of the recordings written by `fewact watch -o`.",
            callback=_check_source,
        ),
    ],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORDINGS...",
            help="Video files, folders, or patterns such as 'night/*.mp4'.",
            callback=_check_recordings,
        ),
    ],
    load: Load,
    check: Annotated[
        str, typer.Option(metavar="PERCENT|N", help="How much you check: 2%, or 60 windows.")
    ] = "2%",
    output: Annotated[
        Path, output_option("FOLDER", "Folder for what is found, and for what you check.")
    ] = Path("total"),
    scored: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Events that you scored in check.mp4 with another program, such as BORIS or ELAN: "
            "all of it. Default: the table check.csv in the folder.",
        ),
    ] = None,
    window: Annotated[
        float, typer.Option(min=1, max=300, metavar="SECONDS", help="Duration of a window.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the draw.")] = 0,
    format: OutputFormat = "table",
    quiet: Quiet = False,
) -> None:
    """Estimate counts and durations with intervals, from a sample that you check.

    The first run finds the actions in all recordings, and shows windows of them, drawn at random,
    in the video check.mp4. Score these in the table check.csv. The same command then gives totals
    of all recordings, which are right although the model makes errors.
    """
    check_output_folder(output)
    paths = [path for path in map(Path, sources) if output.resolve() not in path.resolve().parents]
    options = {"check": check, "window": window, "seed": seed}
    from fewact.recordings.check import PLAN, CheckPlan

    if not (output / PLAN_FILE).exists():
        make_folder(output)
        events, classes, skipped = _events(model, paths, output, load, quiet=quiet)
        _prepare(output, paths, events, classes, options, quiet=quiet)
        exit_skipped(skipped)
        return
    plan = PLAN.model(output / PLAN_FILE, CheckPlan)
    _check_same(plan, options, paths, output)
    exit_skipped(_report(plan, output, scored, format))


def _check_same(
    plan: "CheckPlan", options: dict[str, Any], paths: Sequence[Path], output: Path
) -> None:
    """Refuse other options than those of the draw; say which recordings are new."""
    if plan.options != options:
        drawn = " ".join(f"--{name} {value}" for name, value in plan.options.items())
        raise OptionError(
            "the windows were drawn with other options",
            where=str(output),
            got=" ".join(f"--{name} {value}" for name, value in options.items()),
            expected=drawn,
            hint="Choose another folder with -o to draw again.",
        )
    names = {part.name for part in plan.recordings}
    for path in paths:
        if _name(path, output) not in names:
            say(f"Warning: not among the recordings that were drawn from: {printable(str(path))}")


def _name(path: Path, output: Path) -> str:
    from fewact.recordings.commands.outputs import recording_name

    return recording_name(path, output / EVENTS)


def _events(
    model: Path, paths: Sequence[Path], output: Path, load: dict[str, Any], *, quiet: bool
) -> tuple[Path, list[str], int]:
    """Return the file of the events, the classes, and how many recordings are skipped."""
    from fewact.recordings.formats import is_event_file, read_events

    if is_event_file(model):
        return model, sorted({str(event.label) for event in read_events(model).events}), 0
    from fewact import FewShotClassifier
    from fewact.recordings.commands.outputs import Recordings, finished_file, job_of
    from fewact.recordings.commands.watch import watch_many

    classifier, file = FewShotClassifier.load(model, **load), output / EVENTS
    skipped = 0
    if not file.exists() or finished_file(file).exists():
        recordings = Recordings(paths, file, job_of(model, load), lambda event: None)
        watch_many(recordings, classifier, {}, quiet=quiet)
        skipped = recordings.skipped
    return file, list(map(str, classifier.classes_)), skipped


def _prepare(
    output: Path,
    paths: Sequence[Path],
    events: Path,
    classes: list[str],
    options: dict[str, Any],
    *,
    quiet: bool,
) -> None:
    """Draw windows; write their video, the table to fill in, and what was drawn."""
    from fewact.recordings.check import blank_table, draw
    from fewact.recordings.check_video import Excerpt, starts, write_check_video
    from fewact.recordings.formats import read_events, timeline_or_none

    timelines = {path: timeline for path in paths if (timeline := timeline_or_none(path))}
    if not timelines:
        raise DataError("no recording can be read", got=", ".join(map(str, paths))[:200])
    durations = {_name(path, output): timeline.end for path, timeline in timelines.items()}
    plan = draw(durations, options["check"], options["window"], options["seed"])
    spans = [plan.span(one) for one in plan.checked]
    shown = starts([end - start for start, end in spans])
    plan = plan.model_copy(
        update={"classes": classes, "shown": shown, "events": _name(events, output)}
    )
    files = [list(timelines)[one.recording] for one in plan.checked]
    excerpts = [
        Excerpt(file, *span, at) for file, span, at in zip(files, spans, shown, strict=True)
    ]
    with progress("Writing", quiet=quiet) as show:
        write_check_video(output / VIDEO, excerpts, show)
    apart = any(event.subject for event in read_events(events).events)
    write_text(output / TABLE, blank_table(plan, VIDEO, apart=apart))
    write_text(output / PLAN_FILE, plan.model_dump_json())
    minutes = sum(end - start for start, end in spans) / 60
    print(f"Drawn: {len(spans)} of {plan.windows} windows, {minutes:.1f} minutes: {output / VIDEO}")
    print(f"Next: score them in {output / TABLE}, then run the same command again.")


def _report(plan: "CheckPlan", output: Path, scored: Path | None, format: Any) -> int:
    """Print the totals; return how many rows of the person are skipped."""
    from fewact.recordings.check import ScoredWindows, totals
    from fewact.recordings.commands.scored import are_apart
    from fewact.recordings.formats import find_recording, read_events
    from fewact.recordings.pages import totals_table

    table = read_events(scored or output / TABLE)
    person = ScoredWindows(plan, table, output / VIDEO, complete=scored is not None)
    for row in person.skipped:
        say(f"Warning: skipped: {row}")
    number = {
        find_recording(output, part.name).resolve(): i for i, part in enumerate(plan.recordings)
    }
    found: dict[int, list[Event]] = {}
    file = find_recording(output, plan.events)
    for event in read_events(file).events:
        position = number.get(find_recording(file.parent, event.recording).resolve())
        if position is not None:
            found.setdefault(position, []).append(event)
    sides = ([*chain(*side.values())] for side in (found, person.events))
    apart = are_apart(*sides)
    results = totals(plan, found, person, apart=apart)
    if format == "json":
        print_json([{"class": c, "measure": m, **asdict(t)} for c, m, t in results])
    else:
        print_result_tables([totals_table(results)], format)
    left = len(plan.checked) - person.checked
    also = f"; the last {left} that were drawn are not scored" if left else ""
    say(f"Checked: {person.checked} of {plan.windows} windows{also}.")
    labels = {str(event.label) for listed in person.events.values() for event in listed}
    if unknown := labels.difference(plan.classes):
        say(f"Warning: not classes of the model: {', '.join(sorted(unknown))}")
    if rare := {label for label, _, one in results if one.interval is None}:
        say(f"Too few of the windows have these for an interval: {', '.join(sorted(rare))}")
    return len(person.skipped)
