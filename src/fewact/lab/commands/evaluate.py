"""``fewact evaluate``: the accuracy of a method over thousands of episodes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    command_of,
)
from fewact.methods import QUALITIES

if TYPE_CHECKING:
    from fewact.lab.evaluation import Result
    from fewact.report import TableFormat


CHANGES = "Camera, condition and reading"
"""Heading of options that change the videos."""

LOCALISED = 100
"""Default number of episodes in which recordings are watched."""

ModalityWeights = Literal["support", "equal"]
"""How several sources of the same clips are weighted."""


def _check_modalities(names: list[str] | None) -> list[str] | None:
    for name in names or ():
        check_data(name)
    return names


@with_specs
def evaluate(
    method: Annotated[
        str, typer.Argument(help=METHOD, callback=check_method, autocompletion=complete_methods)
    ],
    data: Annotated[str, typer.Option(metavar="DATA", help=DATA, callback=check_data)],
    *,
    quality: Quality = "normal",
    option: MethodOption = None,
    imports: Imports = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="'KEY=A,B ...'",
            help="Values of options; each combination is evaluated, on validation classes if the "
            "data have splits.",
            rich_help_panel="Method",
        ),
    ] = None,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Allow training videos or classes of a trained method in the test; every result "
            "says so.",
            rich_help_panel="Method",
        ),
    ] = False,
    videos: Annotated[dict[str, Any], SpecOptions("Data", DataSpec, without=("source",))],
    modalities: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="DATA",
            help="Another source of the same clips, such as colour beside depth or a skeleton "
            "beside video: folder, table or .npz file with the same clip names. Repeat the option "
            "for more.",
            callback=_check_modalities,
            rich_help_panel="Data",
        ),
    ] = None,
    modality_weights: Annotated[
        ModalityWeights,
        typer.Option(
            "--with-weights",
            metavar="RULE",
            help="Weights of the sources: support, decided by leave-one-out classification of the "
            "support videos, or equal.",
            rich_help_panel="Data",
        ),
    ] = "support",
    episodes: Annotated[Protocol, SpecOptions("Episodes")],
    saved: Annotated[EpisodeFile | None, SpecOptions("Episodes")],
    localise: Annotated[
        bool,
        typer.Option(
            "--localise",
            help="Find the events of each class in untrimmed recordings: DATA is a file of scored "
            "events. Mean average precision at temporal IoUs of 0.3 to 0.7; --count 100 by "
            "default.",
            rich_help_panel="Episodes",
        ),
    ] = False,
    camera: Annotated[CameraSpec | None, SpecOptions(CHANGES)],
    condition: Annotated[ConditionSpec | None, SpecOptions(CHANGES)],
    reading: Annotated[ReadingSpec, SpecOptions(CHANGES)],
    backbone: Backbone,
    text: Text,
    output: Annotated[
        Path | None, output_option("PATH", "File for the result; folder for a sweep.")
    ] = None,
    overwrite: Overwrite = False,
    confusion: Annotated[
        bool,
        typer.Option(
            "--confusion", help="Show the accuracy of each class and the most confused pairs, too."
        ),
    ] = False,
    format: OutputFormat = "table",
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of threads for scoring (default: all)."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compute the accuracy of a method over many episodes.

    An interrupted command with an --output continues where it stopped when it is run again.
    Accuracies are in per cent.
    """
    from fewact.data import is_features

    grid = None if sweep is None else _grid(sweep)
    check_quality(quality, method, features=is_features(data))
    faults = {
        ("--with-weights", "equal", "needs --with"): modality_weights == "equal" and not modalities,
        ("--episodes", f"also {', '.join(episodes.requested)}", "a file fixes number and size"): (
            saved is not None and bool(episodes.requested)
        ),
        ("--confusion", "--format json", "JSON has the class of each query already"): (
            confusion and format == "json"
        ),
    }
    for where, got, what in (fault for fault, holds in faults.items() if holds):
        raise OptionError(what, where=where, got=got)
    inputs = [data, *(modalities or ()), videos.get("splits"), videos.get("availability")]
    _check_output(output, [*inputs, None if saved is None else saved.file], folder=grid is not None)
    spec = EvaluationSpec(
        method=method,
        options={**QUALITIES[quality].options, **parse_options(option or ())},
        data=DataSpec(source=data, **videos),
        modalities=tuple(modalities or ()),
        modality_weights=modality_weights,
        episodes=saved or episodes,
        backbone=backbone_of(backbone, quality),
        text=text,
        camera=camera,
        condition=condition,
        reading=reading,
        allow_leak=allow_leak,
        threads=threads,
        output=output,
        overwrite=overwrite,
    )
    if localise:
        open_set = not saved and episodes.open_set > 0
        refused = {"sweep": sweep is not None, "confusion": confusion, "open-set": open_set}
        _localise(spec, format, refused, quiet=quiet)
        return
    results = _evaluated(spec, grid, quiet=quiet)
    if format == "json":
        _print_json(results, grid)
    else:
        _print(results, format, tuple(grid or ()), confusion=confusion)


def _check_output(
    output: Path | None, inputs: Sequence[str | Path | None], *, folder: bool
) -> None:
    if folder and output is not None:
        check_output_folder(output)
    elif not folder:
        # A result of the same evaluation is shown again; another one is refused when it is read.
        check_output_files(output, overwrite=True, inputs=inputs)


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


def _localise(
    spec: EvaluationSpec, format: OutputFormat, refused: dict[str, bool], *, quiet: bool
) -> None:
    """Print the mean average precision of a method that watches recordings."""
    plain = EvaluationSpec(method=spec.method, data=DataSpec(source=spec.data.source))
    kept = {"method", "options", "episodes", "backbone", "output", "overwrite"}
    data = spec.data.model_copy(update={"split": None})
    compared = spec.model_copy(update={"data": data})
    for name in sorted(EvaluationSpec.model_fields.keys() - kept):
        refused[name.replace("modalities", "with")] = getattr(compared, name) != getattr(
            plain, name
        )
    for name in (name for name, is_set in refused.items() if is_set):
        raise OptionError("cannot be used with --localise", where=f"--{name.replace('_', '-')}")
    from fewact.cli.teach import classifier_of
    from fewact.lab import localise as few_shot
    from fewact.lab.evaluation.episodes import draw, load
    from fewact.lab.evaluation.run import open_videos

    source = spec.data.model_copy(update={"split": "all"})
    split = None if spec.data.split == "all" else spec.data.split
    events = few_shot.segments(open_videos(source)[0], split)
    if isinstance(spec.episodes, EpisodeFile):
        drawn = load(spec.episodes.file)
    else:
        size = {"count": LOCALISED, **spec.episodes.requested, "groups": "shared"}
        drawn = draw(events, Protocol(**size))
    fresh = few_shot.Localisation(command=f"{command_of(spec)} --localise", sha256=drawn.digest)
    result = few_shot.begun(spec.output, fresh, overwrite=spec.overwrite)
    classifier = classifier_of(spec.method, spec.options, spec.backbone, "off", None)
    with progress(spec.method, quiet=quiet) as show:

        def done(result: few_shot.Localisation) -> None:
            if spec.output is not None:
                few_shot.save(spec.output, result)
            show(len(result.per_episode), drawn.protocol.count)

        few_shot.localise(classifier, events, drawn, result, done)
    if format == "json":
        print(few_shot.text(result), end="")
    else:
        print_result_tables([few_shot.localisation_table(spec.method, result)], format)


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


def _print_json(results: Sequence["Result"], grid: dict[str, list[Any]] | None) -> None:
    from fewact.lab.evaluation import to_text

    texts = [to_text(result).rstrip("\n") for result in results]
    print(texts[0] if grid is None else "[\n" + ",\n".join(texts) + "\n]")


def _print(
    results: Sequence["Result"], format: "TableFormat", swept: Sequence[str], *, confusion: bool
) -> None:
    from fewact.lab.evaluation.pages import (
        confusion_tables,
        interval_notes,
        open_set_table,
        result_table,
    )

    tables = [result_table(results, swept)]
    if any(result.open_set for result in results):
        names = [result.setup.method.label_with(swept) for result in results]
        tables.append(open_set_table(results, names))
    if confusion:
        tables += [table for result in results for table in confusion_tables(result)]
    print_result_tables(tables, format)
    if format == "table":
        for note in interval_notes(results):
            say(note)
