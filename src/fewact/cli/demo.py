"""``fewact demo``: the main job on rendered clips, or on clips of the user."""

import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.options import Quiet, output_option
from fewact.cli.output import print_table, progress
from fewact.cli.run import exit_skipped, say, saying_warnings
from fewact.core.atomic import check_output_folder
from fewact.core.errors import DataError, ExtraError

if TYPE_CHECKING:
    from fewact.classifier import FewShotClassifier, Prediction
    from fewact.data import Clip

DEMO_METHOD = "fusion"
COMPARED_METHODS = {
    "a2m2": "a2m2 matches windows of frames, and their order counts little",
    "protonet": "protonet compares the mean of the frames, and their order does not count",
}
"""Methods to compare with, the first that is installed, and what each makes of the order."""

DEMO_TRAINING_CLIPS = 3
"""Clips of each class to teach."""

NEW_CLIPS = 4
"""Clips of each class to predict."""

DEMO_CLASSES = (
    "falls, then slides left",
    "slides left, then falls",
    "rises, then slides right",
    "slides right, then rises",
    "grows, falls, then slides right",
    "slides right, falls, then grows",
    "shrinks, rises, then slides left",
    "slides left, rises, then shrinks",
)
"""Classes of the benchmark ``motions``: pairs of the same motions in the opposite order."""

RENDERED_NOTE = (
    "The clips are rendered: pairs of the same motions in the opposite order; shapes, colours and "
    "backgrounds are random."
)
DEMO_ENTRIES = ("training", "new", "model")
"""Entries of the folder of a demo."""


def demo(
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with one subfolder of clips per class (default: rendered clips).",
        ),
    ] = None,
    output: Annotated[Path, output_option("FOLDER", "Folder for the results.")] = Path("demo"),
    quiet: Quiet = False,
) -> None:
    """Teach and predict on rendered clips, or on your own.

    The demo renders clips of eight actions, teaches three clips of each and predicts four others,
    by the default method and by a2m2 (by protonet where the lab is not installed), and saves a
    model.
    """
    from fewact.data import list_clips

    listed = None if clips is None else _hold_out(list_clips(clips), clips)
    _check_output(output)
    examples, new = _rendered(output, quiet=quiet) if listed is None else listed
    compared = _compared()
    tried = [_try(name, examples, new, quiet=quiet) for name in (DEMO_METHOD, compared)]
    default = tried[0]
    default.classifier.save(output / "model", thumbnails=False)
    count = len(default.classifier.classes_)
    print(f"{len(examples)} training clips of {count} classes, {len(new)} new clips.\n")
    chance = "chance", "", f"{100 / count:.3g} %"
    print_table(("method", "correct", "accuracy"), [*(one.row for one in tried), chance])
    if default.mistakes:
        print(f"\nMistakes of {DEMO_METHOD}")
        print_table(("clip", "predicted", "probability"), default.mistakes)
    if clips is None:
        order = f"{COMPARED_METHODS[compared]}; {DEMO_METHOD} compares frames in order."
        print(f"\n{RENDERED_NOTE} {order}")
    model, query = (shlex.quote(str(path)) for path in (output / "model", new[0].path))
    print(f"\nModel: {output / 'model'}. Try: fewact predict {model} {query}")
    if clips is None:
        print("Next: fewact demo --clips FOLDER -o mine, with one subfolder of clips per class")
    else:
        print("Next: fewact teach FOLDER -o MODEL, with all clips of each class")
    unread = len(new) - len(default.predictions)
    exit_skipped(len(default.classifier.fitted_.skipped) + unread)


@dataclass(frozen=True)
class Trial:
    """A method with training clips, and what it predicts of the clips that can be read."""

    name: str
    classifier: "FewShotClassifier"
    predictions: "list[tuple[Clip, Prediction]]"

    @property
    def mistakes(self) -> list[tuple[str, str, str]]:
        """Clip, predicted class and probability of each wrong prediction."""
        return [
            (f"{clip.label}/{clip.path.name}", str(answer.label), f"{answer.probability:.0%}")
            for clip, answer in self.predictions
            if answer.label != clip.label
        ]

    @property
    def row(self) -> tuple[str, str, str]:
        """Name, number and fraction of right predictions."""
        total = len(self.predictions)
        right = total - len(self.mistakes)
        return self.name, f"{right} of {total}", f"{100 * right / max(1, total):.0f} %"


def _compared() -> str:
    """Return the first of the methods to compare with that is installed."""
    from fewact import methods

    for name in COMPARED_METHODS:
        with suppress(ExtraError):
            methods.create(name)
            break
    return name


def _try(name: str, examples: "list[Clip]", new: "list[Clip]", *, quiet: bool) -> Trial:
    """Teach by a method, and predict."""
    from fewact import FewShotClassifier

    classifier = FewShotClassifier(method=name)
    with progress(f"Teaching {name}", quiet=quiet) as show, saying_warnings():
        classifier.fit(examples, progress=show)
    title = f"Predicting by {name}"
    return Trial(name, classifier, _predictions(classifier, new, title, quiet=quiet))


def _predictions(
    classifier: "FewShotClassifier", clips: "Sequence[Clip]", title: str, *, quiet: bool
) -> "list[tuple[Clip, Prediction]]":
    """Return the clips that can be read, with their predictions."""
    from fewact.classifier import Skipped

    predictions: list[tuple[Clip, Prediction]] = []
    with progress(title, quiet=quiet) as show:
        answers = zip(clips, classifier.predict_each(clips), strict=True)
        for done, (clip, answer) in enumerate(answers, start=1):
            if isinstance(answer, Skipped):
                say(f"Skipped: {answer.error}")
            else:
                predictions.append((clip, answer))
            show(done, len(clips))
    return predictions


def _check_output(folder: Path) -> None:
    """Refuse a folder that has other files than those of a demo."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names - set(DEMO_ENTRIES) or (folder.exists() and not folder.is_dir()):
        raise DataError(
            "the folder has other files" if names else "this is a file",
            where=str(folder),
            hint="Choose another folder with -o, or move this one away.",
        )
    check_output_folder(folder)


def _hold_out(clips: "Sequence[Clip]", folder: Path) -> "tuple[list[Clip], list[Clip]]":
    """Return up to three training clips of each class, and up to four others to predict."""
    from fewact.data import limit_per_class

    examples: list[Clip] = []
    for label, count in Counter(clip.label for clip in clips).items():
        of_class = [clip for clip in clips if clip.label == label]
        examples += limit_per_class(of_class, max(1, min(DEMO_TRAINING_CLIPS, count - 1)))
        if count == 1:
            say(f'The class "{label}" has only one clip: it is used for training, not predicted.')
    new = limit_per_class([clip for clip in clips if clip not in examples], NEW_CLIPS)
    if not new:
        raise DataError(
            "no clip is left to predict: each class has only one",
            where=str(folder),
            expected="a class with two or more clips",
        )
    return examples, new


def _rendered(folder: Path, *, quiet: bool) -> "tuple[list[Clip], list[Clip]]":
    """Render clips below ``training`` and ``new``; those of an earlier demo are used again."""
    from fewact.data import Clip
    from fewact.synthetic import motions
    from fewact.synthetic.benchmark import FPS
    from fewact.video import write_video

    benchmark = motions(videos=DEMO_TRAINING_CLIPS + NEW_CLIPS)
    numbers: Counter[str] = Counter()
    parts: dict[str, list[Clip]] = {"training": [], "new": []}
    videos = [video for video in benchmark.videos.videos if video.label in DEMO_CLASSES]
    with progress("Rendering", quiet=quiet) as show:
        for done, video in enumerate(videos, start=1):
            numbers[video.label] += 1
            number = numbers[video.label]
            part = "training" if number <= DEMO_TRAINING_CLIPS else "new"
            path = folder / part / video.label / f"{number}.mp4"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_video(path, benchmark.render(video.id), FPS)
            parts[part].append(Clip(path, video.label))
            show(done, len(videos))
    return parts["training"], parts["new"]
