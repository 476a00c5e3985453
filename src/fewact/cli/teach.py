"""``fewact teach``: from clips, or features of theirs, to a saved model."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.episodes import Dataset
from fewact.cli.options import Backbone, Device, Precision, Quiet, Weights
from fewact.cli.output import print_table
from fewact.cli.progress import progress
from fewact.cli.run import exit_skipped
from fewact.cli.trained import METHOD, backbone_of, find, make
from fewact.errors import DataError, ModelError, OptionError

if TYPE_CHECKING:
    from fewact import FewShotClassifier
    from fewact.data import FeatureClip


class NamesCount(StrEnum):
    """Whether class names count."""

    AUTO = "auto"
    OFF = "off"
    ON = "on"


def teach(
    context: typer.Context,
    clips: Annotated[
        Path,
        typer.Argument(
            help="A folder that holds a folder of clips for each class, "
            "a CSV file with the columns path,label[,start,end], "
            "or an .npz file of features with a .tsv file of labels beside it."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to save the model in.")],
    max_per_class: Annotated[
        int | None, typer.Option(min=1, help="Teach at most so many clips of a class.")
    ] = None,
    dataset: Dataset = None,
    method: Annotated[str, typer.Option(help=METHOD)] = "auto",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the method; can be repeated."),
    ] = None,
    backbone: Backbone = "auto",
    weights: Weights = "default",
    device: Device = "auto",
    precision: Precision = "auto",
    text: Annotated[
        NamesCount,
        typer.Option(
            help="Whether class names count, with a backbone that was trained with texts: where "
            "held-out clips say that it helps, never, or always."
        ),
    ] = NamesCount.AUTO,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model that is there.")
    ] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Keep a small picture of each clip in the model.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Teach classes from a few clips of each, or their features."""
    options = parse_options(option or ())
    from fewact import FewShotClassifier, data
    from fewact.classifier.model_folder import check_target

    trained = find(method)

    # What would be refused in the end is refused before the work.
    if check_target(output) and not overwrite:
        raise ModelError(
            "there is a model already",
            where=str(output),
            hint="Replace it with --overwrite, or save elsewhere.",
        )
    features = data.is_features(clips)
    if features and pictures:
        raise OptionError("of features there are none", where="--pictures")
    if dataset is not None and not features:
        raise OptionError("is for a file of features", where="--dataset", got=dataset)
    if not clips.exists() or (clips.is_file() and data.is_clip(clips)):
        raise DataError(
            "this is one video" if clips.exists() else "there is no such folder or table",
            where=str(clips),
            expected="a folder that holds a folder of clips for each class, a CSV table, "
            "or an .npz file of features",
        )
    source: Path | Sequence[data.AnyClip] = clips
    if features:
        rows = data.labelled_features(clips, dataset=dataset)
        source = rows if max_per_class is None else data.limit_per_class(rows, max_per_class)
        fitting = _fitting(method, rows[0]) if trained is None else {}
        options = {**fitting, **options}
    elif max_per_class is not None:
        listed = data.read_table(clips) if clips.is_file() else data.list_clips(clips)
        source = data.limit_per_class(listed, max_per_class)
    backbone, weights, precision, _ = backbone_of(context, trained)
    made = make(method, trained, options)
    classifier = FewShotClassifier(
        backbone, made, device, weights=weights, precision=precision, text=text.value
    )
    with progress("Teaching", quiet=quiet) as show:
        classifier.fit(source, progress=show)
    classifier.save(output, pictures=pictures)
    print_summary(classifier, output, "FEATURES.npz" if features else "VIDEO")
    exit_skipped(len(classifier.skipped_))


def _fitting(method: str, clip: "FeatureClip") -> dict[str, int]:
    """Options of a named method that suit the features, where it has them."""
    from fewact import methods
    from fewact.features.precomputed import precomputed_card

    frames, width = clip.vectors.shape
    return methods.fitting(method, precomputed_card("", width), frames=frames)


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE texts: values as JSON has them, lists also without brackets, else as text.

    Raises:
        OptionError: One has no "=", or a key comes twice.

    >>> parse_options(["frames=8", "lengths=1,2", "tap=middle"])
    {'frames': 8, 'lengths': [1, 2], 'tap': 'middle'}
    """
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise OptionError("not an option", where="--option", got=text, expected="KEY=VALUE")
        if key in options:
            raise OptionError(f'"{key}" is given twice', where="--option", got=text)
        options[key] = _value(value.strip())
    return options


def _value(text: str) -> Any:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text


def print_summary(classifier: "FewShotClassifier", output: Path, new: str = "VIDEO") -> None:
    """Say what was taught, how good it is by what can be told so far, and what comes next."""
    clips = Counter(clip.label for clip in classifier.clips_)
    print_table(("class", "clips"), [(label, str(count)) for label, count in clips.items()])
    print()
    calibration = classifier.calibration_
    if calibration.accuracy is not None:
        print(
            f"Held-out accuracy: {calibration.accuracy:.0f} % of {calibration.held_out} taught "
            f"clips, each predicted from the others (chance {100 / len(clips):.0f} %)"
        )
    else:
        print("Held-out accuracy: not known; it takes two clips of a class")
    if calibration.source == "method":
        print("Probabilities: on the method's own scale; too few clips to fit them")
    else:
        print(f"Probabilities: fitted on {calibration.held_out} held-out clips")
    if calibration.text_share:
        print(f"Class names: {100 * calibration.text_share:.0f} % of the evidence")
    if classifier.skipped_:
        print(f"Skipped: {len(classifier.skipped_)} clips that cannot be read, listed above")
    place = shlex.quote(str(output))
    print(f"Saved to {output}. Next: fewact predict {place} {new}")
