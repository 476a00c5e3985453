"""``fewact test``: how well a model predicts labelled clips."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewact.cli import early
from fewact.cli.option_groups import with_option_groups
from fewact.cli.options import Dataset, FalseAlarms, LoadOptions, Model, Quiet
from fewact.cli.output import print_json, print_table
from fewact.cli.progress import progress
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import OptionError
from fewact.core.text_table import csv_line, printable

if TYPE_CHECKING:
    from fewact.classifier.analysis.tested import Tested
    from fewact.data import FeatureClip


Format = Literal["table", "json", "csv"]
"""Format of the result."""


@with_option_groups
def measure_clips(
    model: Model,
    clips: Annotated[
        Path,
        typer.Argument(
            callback=early.training_clips,
            help="Labelled clips, as for `fewact teach`: a folder with one subfolder per class, a "
            "CSV table, or an .npz file of features. Clips in the subfolder none show no class.",
        ),
    ],
    load: LoadOptions,
    dataset: Dataset = None,
    false_alarms: FalseAlarms = None,
    format: Annotated[
        Format, typer.Option("--format", help="Format of the result; CSV has the confusions.")
    ] = "table",
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled clips: accuracy with interval, confusions, each class.

    Clips that cannot be read are listed and skipped; the exit code is then 3.
    """
    labelled = clips if dataset is None else _rows(clips, dataset)
    from fewact import FewShotClassifier
    from fewact.classifier.analysis.tested import measure
    from fewact.classifier.open_set import check_rate

    check_rate(false_alarms)
    classifier = FewShotClassifier.load(model, **load.backbone)
    if false_alarms is not None:
        classifier.false_alarms = false_alarms
    with progress("Testing", quiet=quiet) as show:
        found = measure(classifier, labelled, progress=show)
    for path, reason in found.skipped:
        say(printable(f"Skipped: {path}: {reason}"))
    if found.training_clips:
        say(
            "Warning: clips with the name of a training clip of the model: "
            f"{len(found.training_clips)}, such as {found.training_clips[0]}. Their answers say "
            "nothing about new clips."
        )
    if format == "json":
        print_json(found.to_dict())
    elif format == "csv":
        print(csv_line(("true", *found.labels)), end="")
        for label, row in zip(found.labels, found.confusion, strict=True):
            print(csv_line((label, *row)), end="")
    else:
        _print(found)
    exit_skipped(len(found.skipped))


def _rows(file: Path, dataset: str) -> "list[FeatureClip]":
    """Return the labelled rows of a data set, and those of no class."""
    from fewact.data import is_features, labelled_features

    if not is_features(file):
        raise OptionError("needs a file of features", where="--dataset", got=dataset)
    return [
        *labelled_features(file, dataset=dataset),
        *labelled_features(file, dataset=dataset, background=True),
    ]


def _print(found: "Tested") -> None:
    from fewact.classifier.analysis.tested import MISTAKE

    low, high = found.interval
    chance = 100 / len(found.classes)
    print(
        f"Accuracy: {found.accuracy:.1f} % ({found.right} of {found.clips}); with other clips "
        f"{low} to {high} % (chance: {chance:.0f} %)"
    )
    if low <= chance:
        print("  This cannot be distinguished from guessing: more clips would show more")
    if found.answered_none:
        print(f"Answered (none) although of a class: {found.answered_none} of {found.clips}")
    print()
    print_table(
        ("class", "clips", "right", "recall", "precision"),
        [
            (one.label, str(one.clips), str(one.right), _cent(one.recall), _cent(one.precision))
            for one in found.each_class
        ],
    )
    print("\nRows: true class, columns: predicted class")
    print_table(
        ("", *(str(i) for i in range(1, len(found.labels) + 1))),
        [
            (f"{i} {label}", *(str(count or "·") for count in row))
            for i, (label, row) in enumerate(
                zip(found.labels, found.confusion, strict=True), start=1
            )
        ],
    )
    if found.mistakes:
        print("\nMistakes")
        print_table(
            MISTAKE,
            [(*names, f"{probability:.2f}") for *names, probability in found.mistakes],
        )


def _cent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"
