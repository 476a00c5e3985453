"""``fewact predict``: the class of each video, or of each row of features."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    TRIM,
    AutoMode,
    Boxes,
    Dataset,
    Imports,
    Load,
    Model,
    PoseAsTaught,
    Poses,
    Quiet,
    Regions,
    Subject,
    clips_with_joints,
    false_alarms,
    loaded,
    named_clips,
)
from fewact.cli.output import Columns, print_json, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import OptionError
from fewact.core.text_table import csv_line, printable, printed_json

if TYPE_CHECKING:
    from fewact.classifier.few_shot import FewShotClassifier
    from fewact.classifier.names import Label
    from fewact.classifier.prediction import Prediction, Skipped
    from fewact.data.clips import AnyClip
    from fewact.features.extract import Timing

Format = Literal["table", "json", "jsonl", "csv"]
"""Output formats; all but ``json`` are written prediction by prediction."""


@with_specs
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
    *,
    format: Annotated[
        Format,
        typer.Option(
            "--format", help="Format of the predictions on stdout.", rich_help_panel="Output"
        ),
    ] = "table",
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Number of most probable classes to write (default: 1; in JSON: all).",
            rich_help_panel="Output",
        ),
    ] = None,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing",
            help="Write the time of each processing stage to stderr.",
            rich_help_panel="Output",
        ),
    ] = False,
    false_alarms: Annotated[float | None, false_alarms("as in teaching.", "Answer")] = None,
    trim: Annotated[
        AutoMode | None,
        typer.Option(
            metavar="MODE",
            help=f"{TRIM}; off never does. Default: as in teaching.",
            rich_help_panel="Answer",
        ),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Write a set of classes for each clip, so that the true one is in the set for "
            "this fraction of clips, such as 0.9. Default: the rate saved in the model; "
            "`fewact teach` saves none.",
            rich_help_panel="Answer",
        ),
    ] = None,
    regions: Regions = False,
    boxes: Boxes = None,
    subject: Subject = None,
    poses: Poses = None,
    pose: PoseAsTaught = None,
    load: Load,
    imports: Imports = None,
    dataset: Dataset = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of each video, or (none).

    Predictions are written to stdout, everything else to stderr. Files that cannot be read are
    listed and skipped; the exit code is then 3.
    """
    clips = named_clips(videos, dataset, subject)
    if boxes is not None and boxes.is_file() and len(clips) != 1:
        raise OptionError(
            "boxes are of one video", where="--boxes", got=f"{len(clips)} videos", expected="1"
        )
    by_subject = regions or boxes is not None
    from fewact.classifier.calibration import check_set_rate
    from fewact.classifier.unknown import check_rate
    from fewact.data.clips import FeatureClip
    from fewact.features.extract import Timing

    check_rate(false_alarms)
    check_set_rate(sets)
    classifier = loaded(model, load, pose)
    if trim is not None:
        classifier.trim = trim
    _choose_answers(classifier, false_alarms, sets)
    clips = clips_with_joints(classifier, clips, poses)
    if sys.stderr.isatty():
        for folder in _class_folders(videos, classifier.classes_.tolist()):
            say(
                f"{folder} has folders of the classes: "
                "fewact test MODEL FOLDER measures the accuracy"
            )
    clock = Timing()
    # They refuse before a header is written.
    if by_subject:
        people: Any = importlib.import_module("fewact.recordings.people")
        results = people.predict_regions(classifier, clips, boxes=boxes, timing=clock)
    else:
        results = classifier.predict_each(clips, timing=clock)
    write = _writer(format, top, clips, classifier, by_subject=by_subject)
    predictions, skipped = _written(results, None if by_subject else len(clips), write, quiet=quiet)
    milliseconds = _milliseconds(clock, len(predictions))
    if format == "json":
        document: dict[str, Any] = {
            "predictions": [_facts(prediction, top) for prediction in predictions],
            "skipped": [clip.to_dict() for clip in skipped],
        }
        print_json({**document, "timing": milliseconds} if timing else document)
    if timing:
        _print_timing(milliseconds)
    if skipped:
        what = "rows" if isinstance(clips[0], FeatureClip) else "videos"
        say(f"Skipped {len(skipped)} of {len(clips)} {what}.")
    exit_skipped(len(skipped))


def _choose_answers(
    classifier: "FewShotClassifier", false_alarms: float | None, sets: float | None
) -> None:
    """Set what decides on answers, and say what follows from it."""
    from fewact.classifier.unknown import describe

    if false_alarms is not None:
        classifier.false_alarms = false_alarms
        for line in describe(
            classifier.fitted_.open_set, false_alarms, classifier.fitted_.none_clips
        ):
            say(line)
    if sets is not None:
        classifier.sets = sets
    rate, calibration = classifier.sets, classifier.fitted_.calibration
    if rate is not None and not calibration.set_threshold(rate):
        held = calibration.held_out
        say(f"Sets have all classes: {held} held-out clips are too few for {rate:g}")


def _written(
    results: "Iterable[Prediction | Skipped]",
    total: int | None,
    write: Callable[["Prediction"], None],
    *,
    quiet: bool,
) -> "tuple[list[Prediction], list[Skipped]]":
    """Write each prediction as soon as it is there, and return all of them.

    The total is not known of subjects.
    """
    from fewact.classifier.prediction import Skipped

    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    with progress("Predicting", quiet=quiet or total in (1, None)) as show:
        for done, result in enumerate(results, start=1):
            if isinstance(result, Skipped):
                say(f"Skipped: {result.error}")
                skipped.append(result)
            else:
                write(result)
                _say_remarks(result)
                predictions.append(result)
            show(done, total or done)
    return predictions, skipped


def _say_remarks(prediction: "Prediction") -> None:
    name = printable(prediction.name)
    if prediction.active is not None:
        start, end = prediction.active
        say(f"Trimmed: {name}: only {start:.1f} to {end:.1f} s are used")
    for fault in prediction.faults:
        say(f"Warning: {name}: {fault}")
    if prediction.movers > 1:
        say(f"{name}: {prediction.movers} things move in it: --regions answers for each")


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


def _box(prediction: "Prediction") -> str:
    """Return left, top, width and height as text, such as "12,30 80x120"."""
    if prediction.box is None:
        return ""
    x, y, width, height = map(round, prediction.box)
    return f"{x},{y} {width}x{height}"


def _writer(
    format: Format,
    top: int | None,
    clips: Sequence["AnyClip"],
    classifier: "FewShotClassifier",
    *,
    by_subject: bool = False,
) -> Callable[["Prediction"], None]:
    """Return a function that writes one prediction; a header is written immediately."""
    if format == "table":
        paths = [clip.display_name for clip in clips]
        return _table_writer(paths, classifier, top or 1, by_subject=by_subject)
    if format == "csv":
        ranks = min(top or 1, len(classifier.classes_))
        return _csv_writer(ranks, sets=classifier.sets is not None, by_subject=by_subject)
    if format == "jsonl":
        return lambda prediction: print(printed_json(_facts(prediction, top)), flush=True)
    return lambda prediction: None


def _table_writer(
    paths: Sequence[str], classifier: "FewShotClassifier", top: int, *, by_subject: bool
) -> Callable[["Prediction"], None]:
    from fewact.classifier.names import NONE

    classes = [str(name) for name in classifier.classes_]
    ranks = [f"#{rank}" for rank in range(2, min(top, len(classes)) + 1)]
    ranked = [[f"{name} 0.00" for name in classes] for _ in ranks]
    subject = ["subject", "box"] if by_subject else []
    header = ["path", *subject, "label", "best", "probability", "known", *ranks, "nearest"]
    titles = []
    if classifier.sets is not None:
        header.append("set")
        titles = [[clip.title for clip in classifier.fitted_.clips]]
    widest_of_subject = [["99"], ["1000,1000 1000x1000"]] if by_subject else []
    of_class = [[*classes, NONE], classes, [], []]
    columns = Columns(header, paths, *widest_of_subject, *of_class, *ranked, *titles)
    columns.print_header()

    def write(prediction: "Prediction") -> None:
        runners_up = [f"{name} {value:.2f}" for name, value in _ranked(prediction, top)[1:]]
        shares = f"{prediction.probability:.2f}", f"{prediction.known:.2f}"
        label_set = [", ".join(map(str, prediction.set))] if prediction.set else []
        where = [prediction.subject, _box(prediction)] if by_subject else []
        columns.print(
            prediction.name,
            *where,
            str(prediction.label),
            str(prediction.best),
            *shares,
            *runners_up,
            prediction.nearest,
            *label_set,
        )

    return write


def _csv_writer(top: int, *, sets: bool, by_subject: bool) -> Callable[["Prediction"], None]:
    def line(cells: Sequence[object]) -> None:
        print(csv_line(cells), end="", flush=True)

    ranks = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "probability")]
    label_set = ["set"] if sets else []
    subject = ("subject", "x", "y", "w", "h") if by_subject else ()
    columns = ("path", *subject, "label", "best", "probability", "known", "nearest")
    line((*columns, *ranks, *label_set))

    def write(prediction: "Prediction") -> None:
        runners_up = [cell for pair in _ranked(prediction, top)[1:] for cell in pair]
        label_set = ["|".join(map(str, prediction.set))] if prediction.set else []
        box = [f"{side:.1f}" for side in prediction.box] if prediction.box else [""] * 4
        facts = (
            prediction.name,
            *((prediction.subject, *box) if by_subject else ()),
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
