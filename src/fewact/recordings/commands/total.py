"""``fewact total``: totals of recordings with intervals, from a sample that a person checks."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import EventChoices, Load, Quiet, check_model, output_option
from fewact.cli.output import OutputFormat, print_json, print_result_tables
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder, make_folder
from fewact.core.errors import OptionError
from fewact.core.extras import check_extra

if TYPE_CHECKING:
    from fewact.recordings.check import CheckPlan, ScoredWindows
    from fewact.recordings.totals import Total


def _check_source(context: typer.Context, path: Path) -> Path:
    from fewact.recordings.formats import is_event_file

    return path if is_event_file(path) else check_model(context, path)


def _check_recordings(sources: list[str]) -> list[str]:
    from fewact.data.files import expand_paths

    return [str(path) for path in expand_paths(sources)]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How windows are drawn to be checked."""

    check: Annotated[
        str, typer.Option(metavar="PERCENT|N", help="How much you check: 2%, or 60 windows.")
    ] = "2%"
    window: Annotated[
        float, typer.Option(min=1, max=300, metavar="SECONDS", help="Duration of a window.")
    ] = 10.0
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the draw.")] = 0


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
    drawn: Draw,
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
    *,
    choices: EventChoices,
    scored_rater: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Person whose events in the file of --scored are counted.",
            rich_help_panel="Events",
        ),
    ] = None,
    format: OutputFormat = "table",
    quiet: Quiet = False,
) -> None:
    """Estimate counts and durations with intervals, from a sample that you check.

    The first run finds the actions in all recordings, and shows windows of them, drawn at random,
    in the video check.mp4. Score these in the table check.csv. The same command then gives totals
    of all recordings, which are right although the model makes errors. The choices of events are
    about EVENTS.
    """
    check_output_folder(output)
    from fewact.data.event_options import EventOptions
    from fewact.recordings.formats import is_event_file
    from fewact.recordings.result_tables import totals_table
    from fewact.recordings.study import CHECK_TABLE, CHECK_VIDEO, Study

    paths = [path for path in map(Path, sources) if output.resolve() not in path.resolve().parents]
    options = choices.options()
    if options != EventOptions() and not is_event_file(model):
        raise OptionError(
            "these options are about a file of events",
            where="--rater, --tier, --video, --fps",
            got=str(model),
            expected="EVENTS",
        )
    study = Study(output, paths, asdict(drawn), options)
    if not study.is_prepared:
        check_extra("the video of the drawn windows", "draw", "PIL")
        make_folder(output)
        events, classes, skipped = study.find(model, load, quiet=quiet)
        plan = study.prepare(events, classes, quiet=quiet)
        seconds = sum(end - start for start, end in map(plan.span, plan.checked))
        print(
            f"Drawn: {len(plan.checked)} of {plan.windows} windows, {seconds / 60:.1f} minutes: "
            f"{output / CHECK_VIDEO}"
        )
        print(f"Next: score them in {output / CHECK_TABLE}, then run the same command again.")
        exit_skipped(skipped)
        return
    plan = study.plan
    person, results = study.totals(plan, scored, EventOptions(rater=scored_rater))
    if format == "json":
        print_json([{"class": c, "measure": m, **asdict(t)} for c, m, t in results])
    else:
        print_result_tables([totals_table(results)], format)
    _say_limits(plan, person, results)
    exit_skipped(len(person.skipped))


def _say_limits(
    plan: "CheckPlan", person: "ScoredWindows", results: "list[tuple[str, str, Total]]"
) -> None:
    """Say how many windows are checked, and which classes are unknown or too rare."""
    unscored = len(plan.checked) - person.checked
    also = f"; the last {unscored} that were drawn are not scored" if unscored else ""
    say(f"Checked: {person.checked} of {plan.windows} windows{also}.")
    labels = {str(event.label) for listed in person.events.values() for event in listed}
    if unknown := labels.difference(plan.classes):
        say(f"Warning: not classes of the model: {', '.join(sorted(unknown))}")
    if rare := {label for label, _, total in results if total.interval is None}:
        say(f"Too few of the windows have these for an interval: {', '.join(sorted(rare))}")
