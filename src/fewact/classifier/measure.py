"""Measure a classifier on labelled clips: accuracy with interval, confusions, each class."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from fewact.classifier.calibration import wilson_interval
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.inputs import LabelledSource, labelled
from fewact.classifier.names import NONE, Example
from fewact.classifier.prediction import Prediction, Skipped
from fewact.core.errors import DataError
from fewact.data.clips import BACKGROUND, AnyClip
from fewact.data.columns import plain
from fewact.data.files import first_few

MISTAKE = "path", "true", "predicted", "best", "probability"
"""Columns of the wrong predictions."""


@dataclass(frozen=True)
class Tested:
    """Result of a test.

    Args:
        classes: Classes of the model.
        labels: Labels in the confusion table, a row and a column each: the classes, then ``(none)``
            if any clip has or got it.
        confusion: Number of clips, a row for each true label, a column for each predicted one.
        right: Number of clips of the classes that were predicted correctly.
        clips: Number of clips of the classes.
        interval: Accuracy to expect with other clips, in per cent: Wilson's 95 % interval.
        answered_none: Number of clips of the classes that were answered ``(none)``.
        mistakes: Wrong predictions: path, true label, predicted label, most probable class (the
            predicted label may be ``(none)`` instead), and its probability.
        training_clips: Paths of clips that may be training clips, and then say nothing: a training
            clip has the same file name, segment and class, and is the nearest one. Clips of no
            class are never the nearest; their durations must be equal.
        skipped: Clips that could not be read, with the reason.
    """

    classes: tuple[str, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    right: int
    clips: int
    interval: tuple[int, int]
    answered_none: int
    mistakes: tuple[tuple[str, str, str, str, float], ...]
    training_clips: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def accuracy(self) -> float:
        """Fraction of the clips of the classes that were predicted correctly, in per cent."""
        return 100 * self.right / self.clips

    @property
    def each_class(self) -> list[dict[str, Any]]:
        """How clips of each label of the confusion table were predicted, recall and precision in %.

        ``predicted`` is the number of clips of any class that were predicted as this one.
        """
        figures = []
        for i, (label, row) in enumerate(zip(self.labels, self.confusion, strict=True)):
            clips, right = sum(row), row[i]
            predicted = sum(of_label[i] for of_label in self.confusion)
            figures.append(
                {
                    "label": label,
                    "clips": clips,
                    "right": right,
                    "predicted": predicted,
                    "recall": 100 * right / clips if clips else None,
                    "precision": 100 * right / predicted if predicted else None,
                }
            )
        return figures

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        mistakes = [dict(zip(MISTAKE, row, strict=True)) for row in self.mistakes]
        skipped = [{"path": path, "reason": reason} for path, reason in self.skipped]
        lists = {"each_class": self.each_class, "mistakes": mistakes, "skipped": skipped}
        return {**asdict(self), "accuracy": self.accuracy, **lists}


def _spelt_like(labels: Sequence[str], classes: Sequence[str]) -> str:
    """Return which class each label is probably meant to be; empty if none is similar.

    >>> _spelt_like(["playing_guitar"], ["playing guitar", "abseiling"])
    '"playing_guitar" is spelt like the class "playing guitar": rename one of them.'
    """
    class_of = {plain(name): name for name in classes}
    found = {
        label: class_of[near[0]]
        for label in labels
        if (near := difflib.get_close_matches(plain(label), class_of, n=1, cutoff=0.8))
    }
    pairs = first_few(
        f'"{label}" is spelt like the class "{name}"' for label, name in found.items()
    )
    return f"{pairs}: rename one of them." if found else ""


def measure(
    classifier: FewShotClassifier,
    clips: LabelledSource,
    labels: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    joints: str | Path | None = None,
) -> Tested:
    """Predict labelled clips and count; labels, progress and joints are as for ``fit``.

    Clips of no class are right if they are answered ``(none)``; they are in the confusion table,
    not in the accuracy.
    """
    tested = labelled(clips, labels, joints=joints)
    classes = classifier.fitted_.classes
    names = [_name(clip.label) for clip, _ in tested]
    if strange := [name for name in dict.fromkeys(names) if name not in (*classes, NONE)]:
        raise DataError(
            "the model does not have these classes",
            got=", ".join(strange),
            expected=", ".join(classes),
            hint=_spelt_like(strange, classes)
            or 'Put clips of other actions into the folder "none".',
        )
    examples: defaultdict[str, list[Example]] = defaultdict(list)
    for example in classifier.fitted_.all_clips:
        examples[PurePath(example.name).name].append(example)
    pairs: list[tuple[str, str]] = []
    mistakes, training, skipped = [], [], []
    answers = classifier.predict_each([clip for clip, _ in tested])
    for done, (truth, (clip, file), answered) in enumerate(
        zip(names, tested, answers, strict=True), start=1
    ):
        if isinstance(answered, Skipped):
            skipped.append((answered.name, answered.reason))
        else:
            answer = str(answered.label)
            pairs.append((truth, answer))
            if answer != truth:
                mistakes.append(
                    (answered.name, truth, answer, str(answered.best), answered.probability)
                )
            if any(_is_equal(one, clip, answered) for one in examples[PurePath(file).name]):
                training.append(answered.name)
        if progress is not None:
            progress(done, len(tested))
    inside = [(truth, answer) for truth, answer in pairs if truth != NONE]
    if not inside:
        raise DataError("no clip of the classes can be read", got=f"{len(skipped)} skipped")
    right = sum(truth == answer for truth, answer in inside)
    none = any(NONE in pair for pair in pairs)
    rows = (*classes, NONE) if none else classes
    return Tested(
        classes,
        rows,
        tuple(tuple(pairs.count((truth, answer)) for answer in rows) for truth in rows),
        right,
        len(inside),
        wilson_interval(right, len(inside)),
        sum(answer == NONE for _, answer in inside),
        tuple(mistakes),
        tuple(training),
        tuple(skipped),
    )


def _is_equal(example: Example, clip: AnyClip, prediction: Prediction) -> bool:
    """Return whether a clip seems to be a training clip of the same file name."""
    if (example.label, example.start, example.end) != (clip.label, clip.start, clip.end):
        return False
    if example.label != BACKGROUND:
        return prediction.nearest == example.title
    # Where another part of the clip was used than in teaching, the name alone counts.
    return prediction.duration == example.duration or prediction.active != example.active


def _name(label: str | None) -> str:
    return NONE if label == BACKGROUND else str(label)
