"""Facts of a saved model, read without its backbone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fewact.classifier.calibration import Calibration, accuracy_lines
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.file import ModelHeader, model_file, read_header
from fewact.classifier.history import versions
from fewact.classifier.names import NONE, Example
from fewact.classifier.unknown import OpenSet, describe
from fewact.core.options import OFF
from fewact.data.clips import BACKGROUND


@dataclass(frozen=True)
class ModelInfo:
    """What is in a saved model.

    Args:
        folder: Folder or file of the model.
        classes: Number of training clips of each class; ``(none)`` for clips of no class.
        clips: All clips, in the order of their numbers.
        right: Number of held-out training clips that were predicted correctly.
        held_out: Number of held-out training clips.
        accuracy: Accuracy on the held-out clips, in per cent; None if nothing was held out.
        interval: Accuracy to expect with other clips, in per cent; None if nothing was held out.
        in_short: Expected accuracy of the model, in one sentence for everybody.
        held_out_accuracy: The same facts as sentences.
        temperature: Temperature that divides the method's logits.
        calibrated: Whether held-out clips decided the temperature.
        none_of_these: Promises about clips of untaught actions, line by line.
        versions: Number of changes that can be undone.
        bytes: Size of the file of the model.
        fewact: Version of fewact that saved it.
        size: Requested height and width of frames; 0 means the network's own.
        joints: Layout of the joints that are compared beside the picture; empty if none are.
        pose: Name of the estimator of joints that the clips were taught with; ``off`` without one.
    """

    folder: str
    classes: dict[str, int]
    clips: tuple[Example, ...]
    right: int
    held_out: int
    accuracy: float | None
    interval: tuple[int, int] | None
    in_short: str
    held_out_accuracy: tuple[str, ...]
    temperature: float
    calibrated: bool
    none_of_these: tuple[str, ...]
    method: str
    options: dict[str, Any]
    backbone: str
    weights: str
    precision: str
    thumbnails: bool
    versions: int
    bytes: int
    fewact: str
    size: int = 0
    joints: str = ""
    pose: str = OFF

    @property
    def joints_line(self) -> str:
        """Which clips have joints, and which estimator found them; empty without joints."""
        return joints_line(self.joints, self.clips, self.pose)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        facts = asdict(self)
        facts["clips"] = [{**asdict(clip), "title": clip.title} for clip in self.clips]
        return facts


def joints_line(layout: str, clips: Sequence[Example], pose: str) -> str:
    """Return which clips have joints, and which estimator found them; empty without joints."""
    if not layout:
        return ""
    number = sum(clip.joints for clip in clips)
    return f"{number} of {len(clips)} clips ({layout})" + (
        "" if pose == OFF else f", estimated by {pose} where no file has them"
    )


def in_short(calibration: Calibration, scores: OpenSet, false_alarms: float | None = None) -> str:
    """Return what to expect of a classifier, in one sentence for everybody."""
    if calibration.interval is None:
        return "How well it recognises new clips is not known: each action needs a second clip."
    low, high = calibration.interval
    words = (
        f"{calibration.right} of {calibration.held_out} training clips were recognised by a model "
        "that had not seen them"
    )
    if lost := scores.decision(false_alarms).rejected(scores.known):
        words += f", but {lost} of {len(scores.known)} would be called none of the actions"
    if low <= 100 / len(scores.inside):
        return f"{words}. That may be guessing: more clips would show more."
    return f"{words}; expect {low} to {high} % of new clips."


def accuracy_and_promises(classifier: FewShotClassifier) -> tuple[list[str], list[str]]:
    """Return lines on the held-out accuracy, and on clips of untaught actions."""
    fitted = classifier.fitted_
    return (
        accuracy_lines(fitted.calibration, len(fitted.classes)),
        describe(fitted.open_set, classifier.false_alarms, fitted.none_clips),
    )


def model_info(folder: str | Path) -> ModelInfo:
    """Return the facts of a saved model."""
    file = model_file(folder)
    header = read_header(file)
    return ModelInfo(
        folder=str(folder),
        classes=_classes(header),
        clips=header.examples,
        right=header.calibration.right,
        held_out=header.calibration.held_out,
        accuracy=header.calibration.accuracy,
        interval=header.calibration.interval,
        in_short=in_short(header.calibration, header.open_set, header.false_alarms),
        held_out_accuracy=tuple(
            map(str.strip, accuracy_lines(header.calibration, len(header.open_set.inside)))
        ),
        temperature=header.calibration.temperature,
        calibrated=header.calibration.source == "held-out clips",
        none_of_these=header.promises,
        method=header.method.name,
        options=dict(header.method.options),
        backbone=header.backbone.spec.name,
        weights=header.backbone.spec.weights,
        precision=header.backbone.spec.precision,
        size=header.backbone.spec.size,
        thumbnails=header.thumbnails,
        versions=len(versions(file.parent)),
        bytes=file.stat().st_size,
        fewact=header.fewact,
        joints=str(header.method.options.get("joints", "")),
        pose=header.pose,
    )


def clip_rows(clips: Sequence[Example]) -> list[tuple[str, ...]]:
    """Return a table of clips, its header first; with faults if a clip has one."""
    rows: list[tuple[str, ...]] = [
        ("#", "class", "clip", "fault"),
        *((str(i), c.label, c.title, ", ".join(c.faults)) for i, c in enumerate(clips, start=1)),
    ]
    return rows if any(clip.faults for clip in clips) else [row[:-1] for row in rows]


def thumbnails(classifier: FewShotClassifier) -> dict[str, list[tuple[str, bytes]]]:
    """Return the title and the thumbnail of each clip that has one, by class as in the facts."""
    everything = classifier.fitted_.everything
    images: dict[str, list[tuple[str, bytes]]] = {}
    for clip, origin in zip(everything.clips, everything.origins, strict=True):
        if isinstance(origin, bytes):
            label = NONE if clip.label == BACKGROUND else clip.label
            images.setdefault(label, []).append((clip.title, origin))
    return images


def _classes(header: ModelHeader) -> dict[str, int]:
    counts = Counter(clip.label for clip in header.examples)
    none = counts.pop(BACKGROUND, 0)
    return {**counts, **({NONE: none} if none else {})}
