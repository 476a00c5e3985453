"""``fewact predict``: which class each video, or each row of features, shows."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.episodes import Dataset
from fewact.cli.options import Device, Quiet
from fewact.cli.output import Columns, print_json
from fewact.cli.progress import progress
from fewact.cli.run import exit_skipped, say
from fewact.errors import OptionError

if TYPE_CHECKING:
    from fewact.classifier import Prediction
    from fewact.data import AnyClip
    from fewact.features.timing import Timing


class Format(StrEnum):
    """How predictions are written; all but ``json`` come one by one."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def predict(
    model: Annotated[Path, typer.Argument(help="A folder that `fewact teach` has saved.")],
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...",
            help="Files, folders, or patterns such as 'day*/*.mp4'; or one .npz file of features.",
        ),
    ],
    format: Annotated[Format, typer.Option("--format", help="For people, or for programs.")] = (
        Format.TABLE
    ),
    dataset: Dataset = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show the K best classes.")] = None,
    timing: Annotated[
        bool, typer.Option("--timing", help="Tell on stderr where the time went.")
    ] = False,
    device: Device = "auto",
    weights: Annotated[
        str | None, typer.Option(help="Where the backbone's weights are, if they were moved.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Tell which class each video, or row of features, shows.

    Results go to stdout, all else to stderr. What cannot be read is listed and skipped; the exit
    code is then 3.
    """
    from fewact import FewShotClassifier
    from fewact.classifier import Skipped
    from fewact.classifier.prediction import called
    from fewact.data import FeatureClip
    from fewact.features.timing import Timing

    clips = _read(videos, dataset)
    names = [called(clip) for clip in clips]
    classifier = FewShotClassifier.load(model, device=device, weights=weights)
    clock = Timing()
    results = classifier.predict_each(clips, timing=clock)
    write = _writer(format, names, classifier.classes_, top)
    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    with progress("Predicting", quiet=quiet) as show:
        for done, result in enumerate(results, start=1):
            if isinstance(result, Skipped):
                say(f"Skipped: {result.error}")
                skipped.append(result)
            else:
                write(result)
                predictions.append(result)
            show(done, len(clips))
    milliseconds = _milliseconds(clock, len(predictions))
    if format is Format.JSON:
        document: dict[str, Any] = {
            "predictions": [_facts(prediction, top) for prediction in predictions],
            "skipped": [{"path": one.name, "reason": one.reason} for one in skipped],
        }
        print_json({**document, "timing": milliseconds} if timing else document)
    if timing:
        _print_timing(milliseconds)
    if skipped:
        what = "rows" if isinstance(clips[0], FeatureClip) else "videos"
        say(f"Skipped {len(skipped)} of {len(clips)} {what}.")
    exit_skipped(len(skipped))


def _read(given: Sequence[str], dataset: str | None) -> Sequence["AnyClip"]:
    """What is to be looked at."""
    from fewact.data import Clip, expand_paths, is_features, read_features

    files = [name for name in given if is_features(name)]
    if files and len(given) > 1:
        raise OptionError("one file of features is read at a time", got=", ".join(given))
    if files:
        return read_features(files[0], dataset=dataset)
    if dataset is not None:
        raise OptionError("is for a file of features", where="--dataset", got=dataset)
    return [Clip(path) for path in expand_paths(given)]


def _ranked(prediction: "Prediction", top: int | None) -> list[tuple[str, float]]:
    """Classes with their probabilities, the most probable first."""
    found = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    return found[:top]


def _facts(prediction: "Prediction", top: int | None) -> dict[str, Any]:
    return {
        "path": prediction.name,
        "label": prediction.label,
        "probability": prediction.probability,
        "probabilities": dict(_ranked(prediction, top)),
        "nearest": prediction.nearest,
    }


def _writer(
    format: Format, paths: Sequence[str], classes: Sequence[str], top: int | None
) -> Callable[["Prediction"], None]:
    """What writes a prediction as soon as it is there; a header is written at once."""
    if format is Format.TABLE:
        return _table_writer(paths, classes, top or 1)
    if format is Format.CSV:
        return _csv_writer(min(top or 1, len(classes)))
    if format is Format.JSONL:
        return lambda one: print(json.dumps(_facts(one, top), ensure_ascii=False), flush=True)
    return lambda one: None


def _table_writer(
    paths: Sequence[str], classes: Sequence[str], top: int
) -> Callable[["Prediction"], None]:
    more = [f"#{place}" for place in range(2, min(top, len(classes)) + 1)]
    others = [[f"{name} 0.00" for name in classes] for _ in more]
    columns = Columns(
        ("path", "label", "probability", *more, "nearest"), paths, classes, [], *others
    )
    columns.print_header()

    def write(one: "Prediction") -> None:
        rest = [f"{name} {value:.2f}" for name, value in _ranked(one, top)[1:]]
        columns.print(one.name, one.label, f"{one.probability:.2f}", *rest, one.nearest)

    return write


def _csv_writer(top: int) -> Callable[["Prediction"], None]:
    def line(cells: Sequence[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        print(text.getvalue(), end="", flush=True)

    more = [f"{name}_{place}" for place in range(2, top + 1) for name in ("label", "probability")]
    line(("path", "label", "probability", "nearest", *more))

    def write(one: "Prediction") -> None:
        rest = [cell for pair in _ranked(one, top)[1:] for cell in pair]
        line((one.name, one.label, one.probability, one.nearest, *rest))

    return write


def _milliseconds(timing: "Timing", clips: int) -> dict[str, float]:
    """Time of each stage a clip; where a backbone ran, what comes after relative to it."""
    seconds = timing.seconds
    after = seconds["moments"] + seconds["alignment"]
    spent = {str(stage): 1000 * value / max(clips, 1) for stage, value in seconds.items()}
    if seconds["backbone"] == 0:
        return spent
    return {**spent, "after_backbone_share": after / seconds["backbone"]}


def _print_timing(milliseconds: Mapping[str, float]) -> None:
    stages = dict(milliseconds)
    share = stages.pop("after_backbone_share", None)
    say("Time of a clip: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in stages.items()))
    if share is not None:
        say(f"All after the backbone takes {share:.0%} of the backbone's time.")
