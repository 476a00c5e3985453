"""``fewact evaluate``: the accuracy of a method over thousands of episodes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.command import SpecOptions, complete_methods, with_specs
from fewact.cli.options import (
    METHOD,
    Backbone,
    Imports,
    MethodOption,
    Overwrite,
    Quiet,
    check_method,
    check_output_files,
    output_option,
    parse_options,
)
from fewact.cli.output import OutputFormat, print_result_tables, progress
from fewact.cli.quality import Quality, backbone_of, check_quality
from fewact.cli.run import say
from fewact.core.atomic import check_output_folder
from fewact.core.errors import OptionError
from fewact.lab.commands.options import DATA, Text, check_data
from fewact.lab.evaluation.episodes import Protocol
from fewact.lab.evaluation.spec import (
    CameraSpec,
    ConditionSpec,
    DataSpec,
    EpisodeFile,
    EvaluationSpec,
    ReadingSpec,
)
from fewact.methods import QUALITIES

if TYPE_CHECKING:
    from fewact.lab.evaluation import Result


CHANGES = "Camera, condition and reading"
"""Heading of options that change the videos."""


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """Method and its options."""

    method: Annotated[
        str, typer.Argument(help=METHOD, callback=check_method, autocompletion=complete_methods)
    ]
    quality: Quality = "normal"
    option: MethodOption = None
    imports: Imports = None


@dataclass(frozen=True, kw_only=True)
class EvaluationSource:
    """Videos or features, and further sources of the same clips."""

    data: Annotated[str, typer.Option(metavar="DATA", help=DATA, callback=check_data)]
    details: Annotated[dict[str, Any], SpecOptions("Data", DataSpec, without=("source",))]
    further: Annotated[
        dict[str, Any],
        SpecOptions("Data", EvaluationSpec, only=("modalities", "modality_weights")),
    ]


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Episodes to draw, or a file of episodes."""

    protocol: Annotated[Protocol, SpecOptions("Episodes")]
    saved: Annotated[EpisodeFile | None, SpecOptions("Episodes")]
    localise: Annotated[
        bool,
        typer.Option(
            "--localise",
            help="Find the events of each class in untrimmed recordings: DATA is a file of scored "
            "events. Mean average precision at temporal IoUs of 0.3 to 0.7; --count 100 by "
            "default.",
            rich_help_panel="Episodes",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changes the videos."""

    camera: Annotated[CameraSpec | None, SpecOptions(CHANGES)]
    condition: Annotated[ConditionSpec | None, SpecOptions(CHANGES)]
    reading: Annotated[ReadingSpec, SpecOptions(CHANGES)]


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the evaluation runs, and where its result is saved."""

    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="'KEY=A,B ...'",
            help="Values of options; each combination is evaluated, on validation classes if the "
            "data have splits.",
            rich_help_panel="Method",
        ),
    ] = None
    leak: Annotated[dict[str, Any], SpecOptions("Method", EvaluationSpec, only=("allow_leak",))]
    output: Annotated[
        Path | None, output_option("PATH", "File for the result; folder for a sweep.")
    ] = None
    overwrite: Overwrite = False
    threads: Annotated[dict[str, Any], SpecOptions("Options", EvaluationSpec, only=("threads",))]


@dataclass(frozen=True, kw_only=True)
class Display:
    """What is shown of the result."""

    confusion: Annotated[
        bool,
        typer.Option(
            "--confusion", help="Show the accuracy of each class and the most confused pairs, too."
        ),
    ] = False
    format: OutputFormat = "table"
    quiet: Quiet = False


@with_specs
def evaluate(
    choice: MethodChoice,
    source: EvaluationSource,
    episodes: Episodes,
    changes: Changes,
    backbone: Backbone,
    text: Text,
    run: Run,
    display: Display,
) -> None:
    """Compute the accuracy of a method over many episodes.

    An interrupted command with an --output continues where it stopped when it is run again.
    Accuracies are in per cent.
    """
    from fewact.data import is_features

    grid = None if run.sweep is None else _grid(run.sweep)
    check_quality(choice.quality, choice.method, features=is_features(source.data))
    spec = EvaluationSpec(
        method=choice.method,
        options={**QUALITIES[choice.quality].options, **parse_options(choice.option or ())},
        data=DataSpec(source=source.data, **source.details),
        **source.further,
        episodes=episodes.saved or episodes.protocol,
        backbone=backbone_of(backbone, choice.quality),
        text=text,
        camera=changes.camera,
        condition=changes.condition,
        reading=changes.reading,
        **run.leak,
        **run.threads,
        output=run.output,
        overwrite=run.overwrite,
    )
    _check(spec, episodes, display)
    _check_output(spec, folder=grid is not None)
    if episodes.localise:
        _localise(spec, run, display)
        return
    _print(_evaluated(spec, grid, quiet=display.quiet), grid, display)


def _check(spec: EvaluationSpec, episodes: Episodes, display: Display) -> None:
    for name in spec.modalities:
        check_data(name)
    requested = episodes.protocol.requested
    faults = {
        ("--with-weights", "equal", "needs --with"): spec.modality_weights == "equal"
        and not spec.modalities,
        ("--episodes", f"also {', '.join(requested)}", "a file fixes number and size"): (
            episodes.saved is not None and bool(requested)
        ),
        ("--confusion", "--format json", "JSON has the class of each query already"): (
            display.confusion and display.format == "json"
        ),
    }
    for where, got, what in (fault for fault, holds in faults.items() if holds):
        raise OptionError(what, where=where, got=got)


def _check_output(spec: EvaluationSpec, *, folder: bool) -> None:
    if folder and spec.output is not None:
        check_output_folder(spec.output)
    elif not folder:
        inputs = [spec.data.source, *spec.modalities, spec.data.splits, spec.data.availability]
        saved = spec.episodes.file if isinstance(spec.episodes, EpisodeFile) else None
        # A result of the same evaluation is shown again; another one is refused when it is read.
        check_output_files(spec.output, overwrite=True, inputs=[*inputs, saved])


def _evaluated(
    spec: EvaluationSpec, grid: dict[str, list[Any]] | None, *, quiet: bool
) -> list["Result"]:
    from fewact.lab import evaluation

    with progress(spec.method, quiet=quiet) as show:

        def step(stage: str, done: int, total: int) -> None:
            show(done, total, stage)

        if grid is None:
            return [evaluation.evaluate(spec, progress=step)]
        return evaluation.sweep(spec, grid, progress=step)


def _localise(spec: EvaluationSpec, run: Run, display: Display) -> None:
    for option, is_set in (("--sweep", run.sweep), ("--confusion", display.confusion)):
        if is_set:
            raise OptionError("cannot be used with --localise", where=option)
    from fewact.lab import localise

    with progress(spec.method, quiet=display.quiet) as show:
        result = localise.evaluate(spec, show)
    if display.format == "json":
        print(localise.text(result), end="")
        return
    print_result_tables([localise.localisation_table(spec.method, result)], display.format)


def _grid(text: str) -> dict[str, list[Any]]:
    """Return the values of each option of "a=1,2 b=x,y"; commas in brackets do not separate.

    >>> _grid("a=1,[2,3] b=x")
    {'a': [1, [2, 3]], 'b': ['x']}
    """
    values: dict[str, list[Any]] = {}
    for part in text.split():
        key, equals, listed = part.partition("=")
        if not equals or not listed or key in values:
            raise OptionError(
                "appears twice" if key in values else "not a list of values",
                where="--sweep",
                got=part,
                expected="KEY=A,B KEY=A,B ...",
            )
        values[key] = [
            next(iter(parse_options([f"{key}={value}"]).values()))
            for value in re.split(r",(?![^\[]*\])", listed)
        ]
    if not values:
        raise OptionError("no values to sweep", where="--sweep", expected="KEY=A,B ...")
    return values


def _print(
    results: Sequence["Result"], grid: dict[str, list[Any]] | None, display: Display
) -> None:
    from fewact.lab.evaluation import to_text
    from fewact.lab.evaluation.pages import (
        confusion_tables,
        interval_notes,
        open_set_table,
        result_table,
    )

    if display.format == "json":
        texts = [to_text(result).rstrip("\n") for result in results]
        print(texts[0] if grid is None else "[\n" + ",\n".join(texts) + "\n]")
        return
    swept = tuple(grid or ())
    tables = [result_table(results, swept)]
    if any(result.open_set for result in results):
        names = [result.setup.method.label_with(swept) for result in results]
        tables.append(open_set_table(results, names))
    if display.confusion:
        tables += [table for result in results for table in confusion_tables(result)]
    print_result_tables(tables, display.format)
    if display.format == "table":
        for note in interval_notes(results):
            say(note)
