"""``fewact teach``: from training clips, or their features, to a saved model."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import complete_methods, with_specs
from fewact.cli.options import (
    METHOD,
    TRAINING_CLIPS,
    TRIM,
    AutoMode,
    Backbone,
    Dataset,
    Imports,
    MethodOption,
    OverwriteModel,
    Poses,
    Quiet,
    Subject,
    TeachingChoices,
    check_dataset,
    check_method,
    check_model_folder,
    check_training_clips,
    false_alarms,
    output_option,
    parse_options,
    pose_option,
)
from fewact.cli.output import print_line, print_table, progress
from fewact.cli.quality import Quality, backbone_of, check_quality
from fewact.cli.run import say, saying_warnings
from fewact.core.atomic import check_output_folder
from fewact.core.errors import DataError, OptionError, SkippedWarning, warn
from fewact.core.extras import import_lab
from fewact.core.options import OFF
from fewact.methods import QUALITIES
from fewact.networks import BackboneSpec

if TYPE_CHECKING:
    from fewact import FewShotClassifier
    from fewact.data import AnyClip
    from fewact.data.event_options import EventOptions


TextMode = Literal["auto", "off", "on"]
"""Whether class names are used as text prompts."""


@with_specs
def teach(
    clips: Annotated[
        Path,
        typer.Argument(
            help="Training clips: a folder with one subfolder per class, a CSV table with the "
            "columns path,label[,start,end,box], events scored in BORIS, ELAN or another program, "
            "or an .npz file of features with a .tsv file of labels beside it. Clips in the "
            "subfolder none, or with this label, show none of the classes.",
            callback=check_training_clips,
        ),
    ],
    output: Annotated[Path, output_option("FOLDER", "Folder for the model.")],
    *,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=METHOD,
            callback=check_method,
            autocompletion=complete_methods,
            rich_help_panel="Method",
        ),
    ] = "auto",
    quality: Quality = "normal",
    option: MethodOption = None,
    imports: Imports = None,
    text: Annotated[
        TextMode,
        typer.Option(
            metavar="MODE",
            help="Use of class names as text prompts: off, on, or auto (on if they improve the "
            "prediction of held-out clips). Needs a backbone trained on image-text pairs.",
            rich_help_panel="Method",
        ),
    ] = "auto",
    backbone: Backbone,
    max_per_class: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Maximum number of training clips per class (default: all)."
        ),
    ] = None,
    choices: TeachingChoices,
    subject: Subject = None,
    dataset: Dataset = None,
    trim: Annotated[
        AutoMode,
        typer.Option(
            metavar="MODE",
            help=f"{TRIM}, and uses only what the clips of a class have in common if they are all "
            "too long; off never does.",
        ),
    ] = "auto",
    false_alarms: Annotated[
        float | None,
        false_alarms(
            "0.1 with clips of no class; without them, a threshold that rejects about a tenth of "
            "other people's clips of the classes."
        ),
    ] = None,
    poses: Poses = None,
    pose: Annotated[str, pose_option("off.")] = OFF,
    overwrite: OverwriteModel = False,
    thumbnails: Annotated[
        bool,
        typer.Option("--thumbnails", help="Store a small image of each clip in the model."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Teach a classifier from a few clips of each class.

    Clips that cannot be read are listed and skipped; the exit code is then 3.
    """
    check_output_folder(output, replaced=True)
    check_model_folder(output, overwrite=overwrite)
    from fewact.data import is_features

    features = is_features(clips)
    check_quality(quality, method, features=features)
    if features and (poses is not None or pose != OFF):
        raise OptionError("features have no picture beside them", where="--poses, --pose")
    if features and thumbnails:
        raise OptionError("features have no thumbnails", where="--thumbnails")
    check_dataset(dataset, features=features)
    if subject is not None and (not features or clips.suffix == ".npz"):
        raise OptionError("needs files of poses", where="--subject", got=str(clips))
    source = _source(clips, dataset, max_per_class, choices.options(), subject)
    from fewact.classifier.history import check_target

    check_target(output)
    if poses is None and not isinstance(source, Path):
        from fewact.data.poses.beside import with_file_beside

        source = [*map(with_file_beside, source)]
    options = {**QUALITIES[quality].options, **parse_options(option or ())}
    sample = None if isinstance(source, Path) else source[0]
    classifier = classifier_of(method, options, backbone_of(backbone, quality), text, sample)
    classifier.false_alarms, classifier.trim, classifier.pose = false_alarms, trim, pose
    with progress("Teaching", quiet=quiet) as show, saying_warnings():
        classifier.fit(source, joints=poses, progress=show)
    classifier.save(output, thumbnails=thumbnails, change="taught again")
    _print_summary(classifier)
    import_words = [word for file in imports or () for word in ("--import", str(file))]
    new = "VIDEO" if not features else "FEATURES.npz" if clips.suffix == ".npz" else "POSES"
    words = shlex.join([str(output), new, *import_words])
    print(f"Saved to {output}. Next: fewact predict {words}")


def _source(
    path: Path,
    dataset: str | None,
    limit: int | None,
    options: "EventOptions",
    subject: str | None,
) -> "Path | Sequence[AnyClip]":
    """Return the training clips; skipped rows are named in warnings."""
    from fewact import data

    events = not data.is_features(path) and data.is_event_file(path)
    chosen = [f"--{name}" for name, value in asdict(options).items() if value is not None]
    if chosen and not events:
        raise OptionError("needs scored events", where=", ".join(chosen), got=str(path))
    if data.is_features(path):
        return _features(path, dataset, limit, subject)
    if not events:
        return _clips(path, limit)
    clips, skipped = data.event_clips(path, options)
    for row in skipped:
        warn(f"skipped: {row}", SkippedWarning)
    classes = [clip for clip in clips if not data.is_background(clip.label or "")]
    none = [clip for clip in clips if data.is_background(clip.label or "")]
    if options.only is not None:
        number = sum(clip.label != options.only for clip in clips)
        say(f"{options.only} against the rest: {number} clips of other events show none of it")
    return [*(classes if limit is None else data.limit_per_class(classes, limit)), *none]


def classifier_of(
    method: str,
    options: dict[str, Any],
    backbone: BackboneSpec,
    text: TextMode,
    clip: "AnyClip | None",
) -> "FewShotClassifier":
    """Return a classifier to fit; ``clip`` is one of those that were listed already."""
    from fewact import FewShotClassifier, methods
    from fewact.data import FeatureClip

    trained = None if method in ("auto", *methods.names()) else _trained(method)
    spec = backbone.over(None if trained is None else trained.backbone)
    return FewShotClassifier(
        spec.name if isinstance(clip, FeatureClip) else spec.create(),
        method if trained is None else trained.method(**options),
        spec.device,
        weights=spec.weights,
        precision=spec.precision,
        engine=spec.engine,
        options=options if trained is None else None,
        text=text,
    )


def _trained(folder: str) -> Any:
    """Return the trained method of a folder; None if the folder has none."""
    return import_lab("a trained method", "fewact.lab.evaluation.checkpoint").find_checkpoint(
        folder
    )


def _features(
    file: Path, dataset: str | None, limit: int | None, subject: str | None
) -> "Sequence[AnyClip]":
    """Return the rows of a file of features, those of no class last."""
    from fewact import data

    listed = data.labelled_features(file, dataset=dataset, subject=subject)
    none = data.labelled_features(file, dataset=dataset, background=True, subject=subject)
    return [*(listed if limit is None else data.limit_per_class(listed, limit)), *none]


def _clips(path: Path, limit: int | None) -> "Path | Sequence[AnyClip]":
    """Return the path of training clips, or a list of them if their number is limited."""
    from fewact import data

    if path.is_file() and data.is_clip(path):
        raise DataError("this is one video", where=str(path), expected=TRAINING_CLIPS)
    if limit is None:
        return path
    if data.is_table(path) and not path.is_dir():
        listed, none = data.read_table(path), data.read_table(path, background=True)
    else:
        listed = data.list_clips(path)
        none = [replace(clip, label=data.BACKGROUND) for clip in data.list_background(path)]
    return [*data.limit_per_class(listed, limit), *none]


def _print_joints(classifier: "FewShotClassifier") -> None:
    """Print how many clips have joints, and which estimator found them."""
    from fewact.classifier.info import joints_line
    from fewact.classifier.pipeline import pose_name

    fitted = classifier.fitted_
    if line := joints_line(fitted.pipeline.joints, fitted.all_clips, pose_name(fitted.pipeline)):
        print(f"Joints: {line}")


def _print_summary(classifier: "FewShotClassifier") -> None:
    """Print the number of clips per class, the held-out accuracy and what is promised."""
    from fewact.classifier import NONE
    from fewact.classifier.info import accuracy_and_promises

    clips = Counter(clip.label for clip in classifier.fitted_.clips)
    rows = [(label, str(count)) for label, count in clips.items()]
    if classifier.fitted_.none_clips:
        rows.append((NONE, str(len(classifier.fitted_.none_clips))))
    print_table(("class", "clips"), rows)
    print()
    accuracy, promised = accuracy_and_promises(classifier)
    for line in accuracy:
        print(line)
    calibration = classifier.fitted_.calibration
    if calibration.interval is not None:
        print(f"Probabilities: calibrated on {calibration.held_out} held-out clips")
    else:
        print("Probabilities: not calibrated (too few clips)")
    for line in (*promised, *classifier.fitted_.findings):
        print_line(line)
    if calibration.text_weight:
        print(f"Class names: {100 * calibration.text_weight:.0f} % of the score")
    _print_joints(classifier)
    if trimmed := sum(clip.active is not None for clip in classifier.fitted_.clips):
        print(f"Trimmed clips: {trimmed} (--trim off uses each clip in full)")
    if classifier.fitted_.skipped:
        print(f"Skipped clips: {len(classifier.fitted_.skipped)} (listed above)")
