"""Commands on a model: ``info``, ``test``, ``review``, ``explain``, ``map``; and ``match``."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Backbone,
    Dataset,
    Imports,
    Load,
    MethodOption,
    Model,
    Overwrite,
    PoseAsTaught,
    Poses,
    Quiet,
    check_dataset,
    check_output_files,
    check_training_clips,
    clips_with_joints,
    false_alarms,
    loaded,
    named_clips,
    output_option,
    parse_options,
)
from fewact.cli.output import ListOutputFormat, print_json, print_line, print_table, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import DataError
from fewact.core.extras import check_extra
from fewact.core.paths import similar_name
from fewact.core.text_table import csv_line, printable

if TYPE_CHECKING:
    from fewact.classifier import Example
    from fewact.classifier.explain import Explanation
    from fewact.classifier.measure import Tested
    from fewact.classifier.review import Review
    from fewact.data import FeatureClip, VideoClip

Page = Annotated[Path, output_option("FILE", "HTML file to write.", "a page", ".html", ".htm")]


def info(
    model: Model,
    clips: Annotated[
        bool, typer.Option("--clips", help="List the clips too, with their numbers.")
    ] = False,
    format: ListOutputFormat = "table",
) -> None:
    """Show the classes of a model, its accuracy, and how it was made.

    No backbone is loaded. In JSON, clips are always listed.
    """
    from fewact.classifier.info import clip_rows, model_info

    info = model_info(model)
    if format == "json":
        print_json(info.to_dict())
        return
    print_table(("class", "clips"), [(name, str(n)) for name, n in info.classes.items()])
    if clips:
        print()
        header, *rows = clip_rows(info.clips)
        print_table(header, rows)
    print()
    for line in (*info.held_out_accuracy, *info.none_of_these):  # as teach says them
        print(line)
    for name, value in _lines_of(info).items():
        print(f"{name}: {value}")


def _lines_of(info: Any) -> dict[str, str]:
    from fewact.core.bounded import size_text

    return {
        "Method": info.method,
        "Backbone": f"{info.backbone}, {info.precision}"
        + (f", frames of {info.size} pixels" if info.size else "")
        + f", weights {info.weights}",
        **({"Joints": info.joints_line} if info.joints else {}),
        "Thumbnails": "yes" if info.thumbnails else "no",
        "Size": size_text(info.bytes),
        "Former versions": f"{info.versions} (fewact undo)",
        "Saved with": f"fewact {info.fewact}",
    }


@with_specs
def measure_clips(
    model: Model,
    clips: Annotated[
        Path,
        typer.Argument(
            callback=check_training_clips,
            help="Labelled clips, as for `fewact teach`: a folder with one subfolder per class, a "
            "CSV table, or an .npz file of features. Clips in the subfolder none show no class.",
        ),
    ],
    load: Load,
    dataset: Dataset = None,
    false_alarms: Annotated[float | None, false_alarms("as in teaching.")] = None,
    poses: Poses = None,
    pose: PoseAsTaught = None,
    format: Annotated[
        Literal["table", "json", "csv"],
        typer.Option("--format", help="Format of the result; CSV has the confusions."),
    ] = "table",
    imports: Imports = None,
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled clips: accuracy with interval, confusions, each class.

    Clips that cannot be read are listed and skipped; the exit code is then 3.
    """
    labelled = clips if dataset is None else _rows(clips, dataset)
    from fewact.classifier.measure import measure
    from fewact.classifier.unknown import check_rate

    check_rate(false_alarms)
    classifier = loaded(model, load, pose)
    if false_alarms is not None:
        classifier.false_alarms = false_alarms
    with progress("Testing", quiet=quiet) as show:
        tested = measure(classifier, labelled, progress=show, joints=poses)
    for path, reason in tested.skipped:
        say(printable(f"Skipped: {path}: {reason}"))
    if tested.training_clips:
        say(
            "Warning: clips with the name of a training clip of the model: "
            f"{len(tested.training_clips)}, such as {tested.training_clips[0]}. Their answers say "
            "nothing about new clips."
        )
    if format == "json":
        print_json(tested.to_dict())
    elif format == "csv":
        print(csv_line(("true", *tested.labels)), end="")
        for label, row in zip(tested.labels, tested.confusion, strict=True):
            print(csv_line((label, *row)), end="")
    else:
        _print_measured(tested)
    exit_skipped(len(tested.skipped))


def _rows(file: Path, dataset: str) -> "list[FeatureClip]":
    """Return the labelled rows of a data set, and those of no class."""
    from fewact.data import is_features, labelled_features

    check_dataset(dataset, features=is_features(file))
    return [
        *labelled_features(file, dataset=dataset),
        *labelled_features(file, dataset=dataset, background=True),
    ]


def _print_measured(tested: "Tested") -> None:
    from fewact.classifier.measure import MISTAKE

    low, high = tested.interval
    chance = 100 / len(tested.classes)
    print(
        f"Accuracy: {tested.accuracy:.1f} % ({tested.right} of {tested.clips}); with other clips "
        f"{low} to {high} % (chance: {chance:.0f} %)"
    )
    if low <= chance:
        print("  This cannot be distinguished from guessing: more clips would show more")
    if tested.answered_none:
        print(f"Answered (none) although of a class: {tested.answered_none} of {tested.clips}")
    print()
    print_table(
        ("class", "clips", "right", "recall", "precision"),
        [
            (
                row["label"],
                str(row["clips"]),
                str(row["right"]),
                _cent(row["recall"]),
                _cent(row["precision"]),
            )
            for row in tested.each_class
        ],
    )
    print("\nRows: true class, columns: predicted class")
    print_table(
        ("", *(str(i) for i in range(1, len(tested.labels) + 1))),
        [
            (f"{i} {label}", *(str(count or "·") for count in row))
            for i, (label, row) in enumerate(
                zip(tested.labels, tested.confusion, strict=True), start=1
            )
        ],
    )
    if tested.mistakes:
        print("\nMistakes")
        print_table(
            MISTAKE,
            [(*names, f"{probability:.2f}") for *names, probability in tested.mistakes],
        )


def _cent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def review(
    model: Model,
    format: ListOutputFormat = "table",
    imports: Imports = None,
) -> None:
    """Find confused classes, wrong labels and duplicates in a model, and say what to record next.

    Only stored features are compared; no video is read.
    """
    from fewact import FewShotClassifier
    from fewact.classifier.review import review

    findings = review(FewShotClassifier.load(model, lazy=True))
    if format == "json":
        print_json(findings.to_dict())
    else:
        _print_review(findings)


def _print_review(findings: "Review") -> None:
    print(findings.accuracy_line)
    if findings.reviewed < findings.clips:
        print(f"Compared: {findings.reviewed} of {findings.clips} clips, spread over the classes.")
    if findings.confusions:
        print()
        print_table(
            ("class", "mistaken for", "clips", "cause"),
            [
                (
                    confusion.label,
                    confusion.mistaken_for,
                    f"{len(confusion.clips)} of {confusion.of}",
                    confusion.cause,
                )
                for confusion in findings.confusions
            ],
        )
    if findings.suspects:
        print(f"\n{findings.suspects_title}:")
        print_table(
            ("#", "clip", "label", "looks like"),
            [
                (str(suspect.number), suspect.clip, suspect.label, suspect.likely)
                for suspect in findings.suspects
            ],
        )
    print("\nNext:")
    for number, advice in enumerate(findings.advice, start=1):
        print_line(f"{number}. {advice.text}")


def _check_folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise DataError("no such folder", where=str(path), hint=similar_name(path))
    return path


def _check_clip(path: Path) -> Path:
    from fewact.data.files import check_one_clip
    from fewact.video.opening import check_readable

    check_one_clip(path)
    check_readable(path)
    return path


@with_specs
def explain(
    model: Model,
    video: Annotated[
        Path,
        typer.Argument(
            help="Video file, or an .npz file of the features of one clip.",
            callback=_check_clip,
        ),
    ],
    output: Page,
    load: Load,
    clips: Annotated[
        Path | None,
        typer.Option(
            callback=_check_folder,
            metavar="FOLDER",
            help="Folder of the training clips, to show their frames (default: the clips of the "
            "page of `fewact serve`, and the thumbnails of the model).",
        ),
    ] = None,
    poses: Poses = None,
    pose: PoseAsTaught = None,
    imports: Imports = None,
    overwrite: Overwrite = False,
) -> None:
    """Explain a prediction: the contributions to the class, and the matched frames.

    The page shows the most similar training clips, joined to the video by the alignment of the
    method that answered, and what each part of the score contributes.
    """
    check_output_files(output, overwrite=overwrite, inputs=[video])
    from fewact.data import Clip, VideoClip, is_features

    clip = _row(video) if is_features(video) else Clip(video)
    from fewact.classifier.explain import explain
    from fewact.core.atomic import write_text
    from fewact.report.explanation import explanation_page

    classifier = loaded(model, load, pose)
    origins = _origins(classifier.fitted_.clips, model, clips)
    read, *found = clips_with_joints(classifier, [clip, *origins.values()], poses)
    pairs = zip(origins, found, strict=True)
    at_hand = {title: origin for title, origin in pairs if isinstance(origin, VideoClip)}
    explanation = explain(classifier, read, at_hand)
    write_text(output, explanation_page(explanation))
    print_line(f"{explanation.clip}: {explanation.label}")
    for name, log_odds in explanation.contributions.items():
        print(f"  {name}: {log_odds:+.2f} for {explanation.best} against {explanation.rival}")
    _print_joints(explanation)
    print(f"Saved to {output}")


def _print_joints(explanation: "Explanation") -> None:
    """Print how the joints differ from those of the most similar training clip with joints."""
    from fewact.classifier.joint_differences import DIFFERENCE_HEADER

    for neighbour in explanation.neighbours:
        if neighbour.differences is not None:
            print_line(f"Joints against {neighbour.label}, {neighbour.clip}:")
            print_table(DIFFERENCE_HEADER, neighbour.differences.rows())
            return


def _row(file: Path) -> "FeatureClip":
    """Return the only clip of a file of features.

    Raises:
        DataError: The file has several clips, or cannot be read.
    """
    from fewact.data import read_features

    rows = read_features(file)
    if len(rows) > 1:
        raise DataError(
            "one clip is explained at a time",
            where=str(file),
            got=f"{len(rows)} clips",
            expected="features of one clip",
            hint="Save those of one clip: np.savez(FILE, features=features[:1]).",
        )
    return rows[0]


def _origins(
    examples: "Sequence[Example]", model: Path, folder: Path | None
) -> "dict[str, VideoClip]":
    """Return the training clips that are in a folder or in that of the page, by title."""
    from fewact.classifier.explain import stored_origins
    from fewact.classifier.history import work_folders
    from fewact.data import Clip

    of_page = stored_origins(examples, *work_folders(model))
    if folder is None:
        return of_page
    named = {
        example.title: Clip(folder / example.name, start=example.start, end=example.end)
        for example in examples
        if not Path(example.name).is_absolute()
        and ".." not in Path(example.name).parts
        and (folder / example.name).exists()
    }
    of_clips = stored_origins(examples, folder) | named
    if not of_clips:
        say(
            f"Warning: {folder} has none of the training clips, "
            f"which `fewact info {shlex.quote(str(model))} --clips` lists"
        )
    return of_page | of_clips


@with_specs
def clip_map(
    model: Model,
    output: Page,
    load: Load,
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO...",
            help="Video files, folders, or patterns such as 'day*/*.mp4', to draw with the "
            "training clips; or one .npz file of features.",
        ),
    ] = None,
    imports: Imports = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the clips of a model, the prototypes of its classes, and new videos as points.

    Clips that the method finds alike are neighbours, arranged by t-SNE of scikit-learn. Files that
    cannot be read are listed and skipped; the exit code is then 3.
    """
    check_extra("a map", "lab", "sklearn")
    check_output_files(output, overwrite=overwrite, inputs=videos or ())
    clips = named_clips(videos) if videos else ()
    from fewact import FewShotClassifier
    from fewact.classifier.clip_map import map_clips
    from fewact.core.atomic import write_text
    from fewact.report.explanation import map_page

    clip_map = map_clips(FewShotClassifier.load(model, **load), clips)
    write_text(output, map_page(clip_map))
    for point in clip_map.points:
        if point.kind == "video":
            print_line(f"{point.name}: {point.label}")
    print(f"Saved to {output}")
    for video in clip_map.skipped:
        say(f"Skipped: {video.error}")
    exit_skipped(len(clip_map.skipped))


@with_specs
def match(
    first: Annotated[Path, typer.Argument(help="Video file.", callback=_check_clip)],
    second: Annotated[Path, typer.Argument(help="Another video file.", callback=_check_clip)],
    output: Page,
    backbone: Backbone,
    aligner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Aligner; can be repeated (default: emd, diagonal, otam)."
        ),
    ] = None,
    option: MethodOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Show how aligners match two clips: windows, their weights, and the plan.

    The windows are those of the method a2m2, whose options --option sets.
    """
    check_output_files(output, overwrite=overwrite, inputs=[first, second])
    from fewact.classifier.match import match_clips
    from fewact.core.atomic import write_text
    from fewact.report.explanation import matched_page

    matches = match_clips(
        first,
        second,
        backbone.create(),
        aligner or ("emd", "diagonal", "otam"),
        parse_options(option or ()),
    )
    write_text(output, matched_page(matches))
    for name, (similarity, _) in matches.found.items():
        print(f"{name}: similarity {similarity:.3f}")
    print(f"Saved to {output}")
