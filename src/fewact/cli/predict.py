"""``fewact predict``: the class of each video, or of each row of features."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from fewact.cli.option_groups import OptionGroup, with_option_groups
from fewact.cli.options import TRIM, AutoMode, Dataset, FalseAlarms, LoadOptions, Model, Quiet
from fewact.cli.output import Columns, print_json, progress
from fewact.cli.run import exit_skipped, loading, say
from fewact.core.errors import OptionError
from fewact.core.text_table import csv_line, printable

if TYPE_CHECKING:
    from fewact.classifier import FewShotClassifier, Label, Prediction, Skipped
    from fewact.data import AnyClip
    from fewact.features.extract import Timing


def named_clips(arguments: Sequence[str], dataset: str | None = None) -> Sequence["AnyClip"]:
    """Return the clips, or the rows of features, that the arguments name.

    Args:
        arguments: Video files, folders and patterns, or one file of features.
        dataset: Dataset of the rows; None for all.

    Raises:
        DataError: The clips are not there, or the features cannot be read.
        OptionError: There is more than one file of features, or a dataset without one.
    """
    from fewact.data import Clip, expand_paths, is_features, read_features

    files = [name for name in arguments if is_features(name)]
    if files and len(arguments) > 1:
        raise OptionError("only one file of features at a time", got=", ".join(arguments))
    if files:
        return read_features(files[0], dataset=dataset)
    if dataset is not None:
        raise OptionError("needs a file of features", where="--dataset", got=dataset)
    return [Clip(path) for path in expand_paths(arguments)]


Format = Literal["table", "json", "jsonl", "csv"]
"""Output formats; all but ``json`` are written prediction by prediction."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions(OptionGroup):
    """Options that choose what is written about each clip."""

    heading: ClassVar[str] = "Output"

    format: Annotated[
        Format, typer.Option("--format", help="Format of the predictions on stdout.")
    ] = "table"
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Number of most probable classes to write (default: 1; in JSON: all).",
        ),
    ] = None
    timing: Annotated[
        bool, typer.Option("--timing", help="Write the time of each processing stage to stderr.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(OptionGroup):
    """Options that decide on the answer."""

    heading: ClassVar[str] = "Answer"

    false_alarms: FalseAlarms = None
    trim: Annotated[
        AutoMode | None,
        typer.Option(metavar="MODE", help=f"{TRIM}; off never does. Default: as in teaching."),
    ] = None
    sets: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Write a set of classes for each clip, so that the true one is in the set for "
            "this fraction of clips, such as 0.9. Default: the rate saved in the model; "
            "`fewact teach` saves none.",
        ),
    ] = None


@with_option_groups
def predict(
    model: Model,
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...",
            help="Video files, folders, or patterns such as 'day*/*.mp4'; or one .npz file of "
            "features.",
        ),
    ],
    output: OutputOptions,
    answers: AnswerOptions,
    load: LoadOptions,
    dataset: Dataset = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of each video, or (none).

    Predictions are written to stdout, everything else to stderr. Files that cannot be read are
    listed and skipped; the exit code is then 3.
    """
    if answers.sets is not None and not 0 < answers.sets < 1:
        raise OptionError(
            "not a rate", where="--sets", got=f"{answers.sets:g}", expected="such as 0.9"
        )
    clips = named_clips(videos, dataset)
    with loading():
        from fewact import FewShotClassifier
        from fewact.classifier.unknown import check_rate
        from fewact.data import FeatureClip
        from fewact.features.extract import Timing

        check_rate(answers.false_alarms)
        classifier = FewShotClassifier.load(model, **load.backbone)
    _apply(answers, classifier)
    if sys.stderr.isatty():
        for folder in _class_folders(videos, classifier.classes_.tolist()):
            say(
                f"{folder} has folders of the classes: "
                "fewact test MODEL FOLDER measures the accuracy"
            )
    clock = Timing()
    predictions, skipped = _predicted(classifier, clips, output, clock, quiet=quiet)
    milliseconds = _milliseconds(clock, len(predictions))
    if output.format == "json":
        document: dict[str, Any] = {
            "predictions": [_facts(prediction, output.top) for prediction in predictions],
            "skipped": [clip.to_dict() for clip in skipped],
        }
        print_json({**document, "timing": milliseconds} if output.timing else document)
    if output.timing:
        _print_timing(milliseconds)
    _say_doubtful(predictions, classifier)
    if skipped:
        what = "rows" if isinstance(clips[0], FeatureClip) else "videos"
        say(f"Skipped {len(skipped)} of {len(clips)} {what}.")
    exit_skipped(len(skipped))


def _apply(answers: AnswerOptions, classifier: "FewShotClassifier") -> None:
    """Set what the options change of a classifier, and say what follows from it."""
    from fewact.classifier.unknown import describe

    if answers.false_alarms is not None:
        classifier.false_alarms = answers.false_alarms
        for line in describe(classifier.open_set_, answers.false_alarms, classifier.none_clips_):
            say(line)
    if answers.trim is not None:
        classifier.trim = answers.trim
    if answers.sets is not None:
        classifier.sets = answers.sets
    rate = classifier.sets
    if rate is not None and not classifier.calibration_.set_threshold(rate):
        held = classifier.calibration_.held_out
        say(f"Sets have all classes: {held} held-out clips are too few for {rate:g}")


def _predicted(
    classifier: "FewShotClassifier",
    clips: Sequence["AnyClip"],
    output: OutputOptions,
    clock: "Timing",
    *,
    quiet: bool,
) -> "tuple[list[Prediction], list[Skipped]]":
    """Predict the clips, and write each prediction as soon as it is there."""
    from fewact.classifier import Skipped
    from fewact.classifier.prediction import display_name

    results = classifier.predict_each(clips, timing=clock)  # refuses before a header is written
    write = _writer(output, [display_name(clip) for clip in clips], classifier)
    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    with progress("Predicting", quiet=quiet or len(clips) == 1) as show:
        for done, result in enumerate(results, start=1):
            if isinstance(result, Skipped):
                say(f"Skipped: {result.error}")
                skipped.append(result)
            else:
                write(result)
                _say_remarks(result)
                predictions.append(result)
            show(done, len(clips))
    return predictions, skipped


def _say_remarks(prediction: "Prediction") -> None:
    name = printable(prediction.name)
    if prediction.active is not None:
        start, end = prediction.active
        say(f"Trimmed: {name}: only {start:.1f} to {end:.1f} s are used")
    for fault in prediction.faults:
        say(f"Warning: {name}: {fault}")


def _say_doubtful(predictions: Sequence["Prediction"], classifier: "FewShotClassifier") -> None:
    """Say how many clips seem to show no class, if nothing lets them be answered (none)."""
    from fewact.classifier.prediction import DOUBTFUL

    count = sum(prediction.doubtful for prediction in predictions)
    if not count or classifier.false_alarms is not None or classifier.open_set_.none:
        return
    seem = "seems" if count == 1 else "seem"
    say(
        f"{count} of {len(predictions)} {seem} to show none of the classes: known is below "
        f"{DOUBTFUL:g}. To have such clips answered (none), teach clips of other movements in "
        '"none" or request --false-alarms'
    )


def _class_folders(arguments: Sequence[str], classes: Iterable[object]) -> list[str]:
    """Return the folders that have subfolders of two or more classes."""
    return [
        name for name in arguments if sum(Path(name, str(label)).is_dir() for label in classes) > 1
    ]


def _ranked(prediction: "Prediction", top: int | None) -> "list[tuple[Label, float]]":
    """Return classes with their probabilities, the most probable first."""
    return sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])[:top]


def _facts(prediction: "Prediction", top: int | None) -> dict[str, Any]:
    return prediction.to_dict() | {"probabilities": dict(_ranked(prediction, top))}


def _writer(
    output: OutputOptions, paths: Sequence[str], classifier: "FewShotClassifier"
) -> Callable[["Prediction"], None]:
    """Return a function that writes one prediction; a header is written immediately."""
    if output.format == "table":
        return _table_writer(paths, classifier, output.top or 1)
    if output.format == "csv":
        top = min(output.top or 1, len(classifier.classes_))
        return _csv_writer(top, sets=classifier.sets is not None)
    if output.format == "jsonl":
        return lambda prediction: print(
            json.dumps(_facts(prediction, output.top), ensure_ascii=False), flush=True
        )
    return lambda prediction: None


def _table_writer(
    paths: Sequence[str], classifier: "FewShotClassifier", top: int
) -> Callable[["Prediction"], None]:
    from fewact.classifier import NONE

    classes = [str(name) for name in classifier.classes_]
    ranks = [f"#{rank}" for rank in range(2, min(top, len(classes)) + 1)]
    ranked = [[f"{name} 0.00" for name in classes] for _ in ranks]
    header = ["path", "label", "best", "probability", "known", *ranks, "nearest"]
    titles = []
    if classifier.sets is not None:
        header.append("set")
        titles = [[clip.title for clip in classifier.clips_]]
    columns = Columns(header, paths, [*classes, NONE], classes, [], [], *ranked, *titles)
    columns.print_header()

    def write(prediction: "Prediction") -> None:
        runners_up = [f"{name} {value:.2f}" for name, value in _ranked(prediction, top)[1:]]
        shares = f"{prediction.probability:.2f}", f"{prediction.known:.2f}"
        label_set = [", ".join(map(str, prediction.set))] if prediction.set else []
        columns.print(
            prediction.name,
            str(prediction.label),
            str(prediction.best),
            *shares,
            *runners_up,
            prediction.nearest,
            *label_set,
        )

    return write


def _csv_writer(top: int, *, sets: bool) -> Callable[["Prediction"], None]:
    def line(cells: Sequence[object]) -> None:
        print(csv_line(cells), end="", flush=True)

    ranks = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "probability")]
    label_set = ["set"] if sets else []
    line(("path", "label", "best", "probability", "known", "nearest", *ranks, *label_set))

    def write(prediction: "Prediction") -> None:
        runners_up = [cell for pair in _ranked(prediction, top)[1:] for cell in pair]
        label_set = ["|".join(map(str, prediction.set))] if prediction.set else []
        facts = (
            prediction.name,
            prediction.label,
            prediction.best,
            prediction.probability,
            prediction.known,
            prediction.nearest,
        )
        line((*facts, *runners_up, *label_set))

    return write


def _milliseconds(timing: "Timing", clips: int) -> dict[str, float]:
    """Return the time per clip of each stage, and the time after the backbone relative to it."""
    seconds = timing.seconds
    after = seconds["moments"] + seconds["alignment"]
    spent = {str(stage): 1000 * value / max(clips, 1) for stage, value in seconds.items()}
    if seconds["backbone"] == 0:
        return spent
    return {**spent, "after_backbone_fraction": after / seconds["backbone"]}


def _print_timing(milliseconds: Mapping[str, float]) -> None:
    stages = dict(milliseconds)
    fraction = stages.pop("after_backbone_fraction", None)
    say("Time per clip: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in stages.items()))
    if fraction is not None:
        say(f"The stages after the backbone take {fraction:.0%} of the backbone's time.")
