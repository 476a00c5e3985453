"""``fewact evaluate``: the accuracy of a method over thousands of episodes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from fewact.cli import arguments, completion
from fewact.cli.data import DATA
from fewact.cli.option_groups import OptionGroup, SpecOptions, with_option_groups
from fewact.cli.options import (
    METHOD,
    Backbone,
    Imports,
    MethodOption,
    Overwrite,
    Quality,
    Quiet,
    Text,
    backbone_of,
    check_quality,
    method_options,
    parse_options,
)
from fewact.cli.output import OutputFormat, print_result_tables, progress
from fewact.cli.run import say
from fewact.core.atomic import check_output_folder
from fewact.core.errors import OptionError
from fewact.evaluation.episodes import Protocol
from fewact.evaluation.spec import (
    CameraSpec,
    ConditionSpec,
    DataSpec,
    EpisodeFile,
    EvaluationSpec,
    ReadingSpec,
)

if TYPE_CHECKING:
    from fewact.evaluation import Result


CHANGES = "Camera, condition and reading"
"""Heading of options that change the videos."""

ModalityWeights = Literal["support", "equal"]
"""How several sources of the same clips are weighted."""


@dataclass(frozen=True, kw_only=True)
class EvaluatedMethodOptions(OptionGroup):
    """Options of the method."""

    heading: ClassVar[str] = "Method"

    quality: Quality = "normal"
    option: MethodOption = None
    imports: Imports = None
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="'KEY=A,B ...'",
            help="Values of options; each combination is evaluated, on validation classes if the "
            "data have splits.",
        ),
    ] = None
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Allow training videos or classes of a trained method in the test; every result "
            "says so.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class SourceOptions(OptionGroup):
    """Further sources of the same clips."""

    heading: ClassVar[str] = "Data"

    modalities: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="DATA",
            help="Another source of the same clips, such as colour beside depth or a skeleton "
            "beside video: folder, table or .npz file with the same clip names. Repeat the option "
            "for more.",
            callback=arguments.modalities,
        ),
    ] = None
    modality_weights: Annotated[
        ModalityWeights,
        typer.Option(
            "--with-weights",
            metavar="RULE",
            help="Weights of the sources: support, decided by leave-one-out classification of the "
            "support videos, or equal.",
        ),
    ] = "support"


@dataclass(frozen=True, kw_only=True)
class ResultOptions(OptionGroup):
    """Options of the result and of the run."""

    heading: ClassVar[str] = "Output"

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File for the result; folder for a sweep.",
            callback=arguments.file_of_option,
        ),
    ] = None
    overwrite: Overwrite = False
    confusion: Annotated[
        bool,
        typer.Option(
            "--confusion", help="Show the accuracy of each class and the most confused pairs, too."
        ),
    ] = False
    format: OutputFormat = "table"
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of threads for scoring (default: all)."),
    ] = None
    quiet: Quiet = False


@with_option_groups
def evaluate(
    method: Annotated[
        str,
        typer.Argument(help=METHOD, callback=arguments.method, autocompletion=completion.methods),
    ],
    data: Annotated[str, typer.Option(metavar="DATA", help=DATA, callback=arguments.data)],
    options: EvaluatedMethodOptions,
    videos: Annotated[dict[str, Any], SpecOptions("Data", DataSpec, without=("source",))],
    sources: SourceOptions,
    episodes: Annotated[Protocol, SpecOptions("Episodes")],
    saved: Annotated[EpisodeFile | None, SpecOptions("Episodes")],
    camera: Annotated[CameraSpec | None, SpecOptions(CHANGES)],
    condition: Annotated[ConditionSpec | None, SpecOptions(CHANGES)],
    reading: Annotated[ReadingSpec, SpecOptions(CHANGES)],
    backbone: Backbone,
    text: Text,
    output: ResultOptions,
) -> None:
    """Compute the accuracy of a method over many episodes.

    An interrupted command with an --output continues where it stopped when it is run again.
    Accuracies are in per cent.
    """
    from fewact.data import is_features

    grid = None if options.sweep is None else _grid(options.sweep)
    check_quality(options.quality, method, features=is_features(data))
    changes = method_options(options.option, options.quality, method)
    _check(sources, episodes, saved, output)
    if grid is None:
        read = [data, *(sources.modalities or ()), None if saved is None else saved.file]
        read += [videos.get("splits"), videos.get("availability")]
        # A result of the same evaluation is shown again; another one is refused when it is read.
        arguments.output_files(output.output, overwrite=True, inputs=read)
    elif output.output is not None:
        check_output_folder(output.output)
    spec = EvaluationSpec(
        method=method,
        options=changes,
        data=DataSpec(source=data, **videos),
        modalities=tuple(sources.modalities or ()),
        modality_weights=sources.modality_weights,
        episodes=saved or episodes,
        backbone=backbone_of(backbone, options.quality, method),
        text=text,
        camera=camera,
        condition=condition,
        reading=reading,
        allow_leak=options.allow_leak,
        threads=output.threads,
        output=output.output,
        overwrite=output.overwrite,
    )
    _print(_evaluated(spec, grid, quiet=output.quiet), output, grid)


def _check(
    sources: SourceOptions, episodes: Protocol, saved: EpisodeFile | None, output: ResultOptions
) -> None:
    """Refuse options that do not fit each other."""
    if sources.modality_weights == "equal" and not sources.modalities:
        raise OptionError("needs --with", where="--with-weights", got="equal")
    if saved is not None and episodes.requested:
        raise OptionError(
            "a file of episodes fixes their number and size",
            where="--episodes",
            got=f"also {', '.join(episodes.requested)}",
        )
    if output.confusion and output.format == "json":
        raise OptionError(
            "JSON has the predicted class of each query already",
            where="--confusion",
            got="--format json",
            expected="another format",
        )


def _evaluated(
    spec: EvaluationSpec, grid: dict[str, list[Any]] | None, *, quiet: bool
) -> list["Result"]:
    from fewact import evaluation

    with progress(spec.method, quiet=quiet) as show:

        def step(stage: str, done: int, total: int) -> None:
            show(done, total, stage)

        if grid is None:
            return [evaluation.evaluate(spec, progress=step)]
        return evaluation.sweep(spec, grid, progress=step)


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
    results: Sequence["Result"], output: ResultOptions, grid: dict[str, list[Any]] | None
) -> None:
    from fewact.evaluation import to_text
    from fewact.report import confusion_tables, interval_notes, result_table

    format = output.format
    if format == "json":
        texts = [to_text(result).rstrip("\n") for result in results]
        print(texts[0] if grid is None else "[\n" + ",\n".join(texts) + "\n]")
        return
    tables = [result_table(results, tuple(grid or ()))]
    if output.confusion:
        tables += [table for result in results for table in confusion_tables(result)]
    print_result_tables(tables, format)
    for note in interval_notes(results):
        if format == "table":
            say(note)
