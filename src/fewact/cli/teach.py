"""``fewact teach``: from training clips, or their features, to a saved model."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from fewact.backbones import BackboneSpec
from fewact.cli import arguments, completion
from fewact.cli.option_groups import OptionGroup, with_option_groups
from fewact.cli.options import (
    METHOD,
    TRIM,
    AutoMode,
    Backbone,
    Dataset,
    FalseAlarmsOfTeaching,
    Imports,
    MethodOption,
    OverwriteModel,
    Quality,
    Quiet,
    backbone_of,
    check_quality,
    method_options,
)
from fewact.cli.output import print_line, print_table, progress
from fewact.cli.run import exit_skipped, saying_warnings
from fewact.core.atomic import check_output_folder
from fewact.core.errors import DataError, OptionError

if TYPE_CHECKING:
    from fewact import FewShotClassifier
    from fewact.data import AnyClip


TextMode = Literal["auto", "off", "on"]
"""Whether class names are used as text prompts."""


@dataclass(frozen=True, kw_only=True)
class MethodOptions(OptionGroup):
    """Options that choose the few-shot method."""

    heading: ClassVar[str] = "Method"

    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=METHOD,
            callback=arguments.method,
            autocompletion=completion.methods,
        ),
    ] = "auto"
    quality: Quality = "normal"
    option: MethodOption = None
    imports: Imports = None
    text: Annotated[
        TextMode,
        typer.Option(
            metavar="MODE",
            help="Use of class names as text prompts: off, on, or auto (on if they improve the "
            "prediction of held-out clips). Needs a backbone trained on image-text pairs.",
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class UnknownOptions(OptionGroup):
    """Options about clips that show none of the classes."""

    heading: ClassVar[str] = "None of the classes"

    false_alarms: FalseAlarmsOfTeaching = None


@dataclass(frozen=True, kw_only=True)
class ExampleOptions(OptionGroup):
    """Options that choose the training clips."""

    heading: ClassVar[str] = "Training clips"

    max_per_class: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Maximum number of training clips per class (default: all)."
        ),
    ] = None
    dataset: Dataset = None
    trim: Annotated[
        AutoMode,
        typer.Option(
            metavar="MODE",
            help=f"{TRIM}, and uses only what the clips of a class have in common if they are all "
            "too long; off never does.",
        ),
    ] = "auto"


@with_option_groups
def teach(
    clips: Annotated[
        Path,
        typer.Argument(
            help="Training clips: a folder with one subfolder per class, a CSV table with the "
            "columns path,label[,start,end], or an .npz file of features with a .tsv file of "
            "labels beside it. Clips in the subfolder none, or with this label, show none of the "
            "classes.",
            callback=arguments.training_clips,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the model.")
    ],
    examples: ExampleOptions,
    method: MethodOptions,
    backbone: Backbone,
    unknown: UnknownOptions,
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
    arguments.model_folder(output, overwrite=overwrite)
    from fewact.data import is_features

    features = is_features(clips)
    check_quality(method.quality, method.method, features=features)
    if features and thumbnails:
        raise OptionError("features have no thumbnails", where="--thumbnails")
    source = _source(clips, examples, features=features)
    from fewact.classifier.history import check_target

    check_target(output)
    classifier = _classifier(method, backbone, None if isinstance(source, Path) else source[0])
    classifier.false_alarms, classifier.trim = unknown.false_alarms, examples.trim
    with progress("Teaching", quiet=quiet) as show, saying_warnings():
        classifier.fit(source, progress=show)
    classifier.save(output, thumbnails=thumbnails, change="taught again")
    _print_summary(classifier)
    imports = [word for file in method.imports or () for word in ("--import", str(file))]
    words = shlex.join([str(output), "FEATURES.npz" if features else "VIDEO", *imports])
    print(f"Saved to {output}. Next: fewact predict {words}")
    exit_skipped(len(classifier.skipped_))


def _classifier(
    method: MethodOptions, backbone: BackboneSpec, clip: "AnyClip | None"
) -> "FewShotClassifier":
    """Return an untaught classifier; ``clip`` is one of those that were listed already."""
    from fewact import FewShotClassifier, methods
    from fewact.data import FeatureClip
    from fewact.evaluation.checkpoint import find_checkpoint

    options = method_options(method.option, method.quality, method.method)
    trained = find_checkpoint(method.method)
    if trained is None and clip is not None:
        options = {**_fitting(method.method, clip), **options}
    requested = backbone_of(backbone, method.quality, method.method)
    spec = requested.over(None if trained is None else trained.backbone)
    return FewShotClassifier(
        spec.name if isinstance(clip, FeatureClip) else spec.create(),
        methods.create(method.method, **options) if trained is None else trained.method(**options),
        spec.device,
        weights=spec.weights,
        precision=spec.precision,
        engine=spec.engine,
        text=method.text,
    )


def _source(clips: Path, examples: ExampleOptions, *, features: bool) -> "Path | Sequence[AnyClip]":
    """Return the path, or a list of clips if their number is limited.

    Raises:
        DataError: The path is one video.
        OptionError: A dataset is requested of videos.
    """
    from fewact import data

    if examples.dataset is not None and not features:
        raise OptionError("needs a file of features", where="--dataset", got=examples.dataset)
    if clips.is_file() and data.is_clip(clips):
        raise DataError(
            "this is one video",
            where=str(clips),
            expected="a folder with one subfolder of clips per class, a CSV table, "
            "or an .npz file of features",
        )
    limit, dataset = examples.max_per_class, examples.dataset
    listed: Sequence[AnyClip]
    none: Sequence[AnyClip]
    if features:
        listed = data.labelled_features(clips, dataset=dataset)
        none = data.labelled_features(clips, dataset=dataset, background=True)
    elif limit is None:
        return clips
    elif clips.is_file():
        listed, none = data.read_table(clips), data.read_table(clips, background=True)
    else:
        listed = data.list_clips(clips)
        none = [replace(clip, label=data.BACKGROUND) for clip in data.list_background(clips)]
    return [*(listed if limit is None else data.limit_per_class(listed, limit)), *none]


def _fitting(method: str, clip: "AnyClip") -> dict[str, int]:
    """Return options of a registered method that fit the size of precomputed features."""
    from fewact import methods
    from fewact.data import FeatureClip
    from fewact.features.sources import precomputed_card

    if not isinstance(clip, FeatureClip):
        return {}
    frames, width = clip.vectors.shape
    return methods.fitting(method, precomputed_card("", width), frames=frames)


def _print_summary(classifier: "FewShotClassifier") -> None:
    """Print the number of clips per class, the held-out accuracy and what is promised."""
    from fewact.classifier import NONE
    from fewact.classifier.calibration import accuracy_lines
    from fewact.classifier.unknown import describe

    clips = Counter(clip.label for clip in classifier.clips_)
    rows = [(label, str(count)) for label, count in clips.items()]
    if classifier.none_clips_:
        rows.append((NONE, str(len(classifier.none_clips_))))
    print_table(("class", "clips"), rows)
    print()
    for line in accuracy_lines(classifier.calibration_, len(classifier.classes_)):
        print(line)
    calibration = classifier.calibration_
    if calibration.interval is not None:
        print(f"Probabilities: calibrated on {calibration.held_out} held-out clips")
    else:
        print("Probabilities: not calibrated (too few clips)")
    promised = describe(classifier.open_set_, classifier.false_alarms, classifier.none_clips_)
    for line in (*promised, *classifier.findings_):
        print_line(line)
    if calibration.text_weight:
        print(f"Class names: {100 * calibration.text_weight:.0f} % of the score")
    if trimmed := sum(clip.active is not None for clip in classifier.clips_):
        print(f"Trimmed clips: {trimmed} (--trim off uses each clip in full)")
    if classifier.skipped_:
        print(f"Skipped clips: {len(classifier.skipped_)} (listed above)")
