"""Facts of a saved model, read without its backbone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fewact.classifier.calibration import accuracy_lines
from fewact.classifier.estimator import learned
from fewact.classifier.example import Example
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.prediction import NONE
from fewact.classifier.saved import history, model_folder
from fewact.classifier.saved.config import Config, owns
from fewact.classifier.saved.files import check_complete
from fewact.core.errors import ModelError
from fewact.core.paths import user_path
from fewact.data import BACKGROUND


@dataclass(frozen=True)
class ModelInfo:
    """What is in a saved model.

    Args:
        folder: Folder of the model.
        classes: Number of training clips of each class; ``(none)`` for clips of no class.
        clips: All clips, in the order of their numbers.
        right: Number of held-out training clips that were predicted correctly.
        held_out: Number of held-out training clips.
        accuracy: Accuracy on the held-out clips, in per cent; None if nothing was held out.
        interval: Accuracy to expect with other clips, in per cent; None if nothing was held out.
        held_out_accuracy: The same as sentences, with what it can say.
        temperature: Temperature that divides the method's logits.
        calibrated: Whether held-out clips decided the temperature.
        none_of_these: What is promised about clips of untaught actions, line by line.
        method: Name of the method.
        options: Options of the method.
        backbone: Name of the backbone.
        weights: Weights of the backbone.
        precision: Precision of the backbone.
        thumbnails: Whether the model has a small image of each clip.
        versions: Number of changes that can be undone.
        bytes: Size of the model without its former versions.
        fewact: Version of fewact that saved it.
        size: Requested height and width of frames; 0 means the network's own.
    """

    folder: str
    classes: dict[str, int]
    clips: tuple[Example, ...]
    right: int
    held_out: int
    accuracy: float | None
    interval: tuple[int, int] | None
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = asdict(self)
        found["clips"] = [{**asdict(one), "title": one.title} for one in self.clips]
        return found


def model_info(folder: str | Path) -> ModelInfo:
    """Return the facts of a saved model.

    Raises:
        ModelError: The model is missing, damaged, edited, or of another version.
    """
    named = user_path(folder, ModelError)
    path = named.resolve()
    config = model_folder.read_config(named)
    check_complete(path, config, named)
    return ModelInfo(
        folder=str(folder),
        classes=_classes(config),
        clips=config.examples,
        right=config.calibration.right,
        held_out=config.calibration.held_out,
        accuracy=config.calibration.accuracy,
        interval=config.calibration.interval,
        held_out_accuracy=tuple(
            map(str.strip, accuracy_lines(config.calibration, len(config.open_set.inside)))
        ),
        temperature=config.calibration.temperature,
        calibrated=config.calibration.source == "held-out clips",
        none_of_these=config.promises,
        method=config.method.name,
        options=dict(config.method.options),
        backbone=config.backbone.name,
        weights=config.backbone.weights,
        precision=config.backbone.precision,
        size=int(str(config.backbone.card.get("size", 0))),
        thumbnails=len(config.files) > 1,
        versions=len(history.versions(path)),
        bytes=sum(one.stat().st_size for one in path.iterdir() if owns(one.name)),
        fewact=config.fewact,
    )


def clip_rows(clips: Sequence[Example]) -> list[tuple[str, ...]]:
    """Return a table of clips, its header first; with faults if a clip has one."""
    rows: list[tuple[str, ...]] = [
        ("#", "class", "clip", "fault"),
        *((str(i), c.label, c.title, ", ".join(c.faults)) for i, c in enumerate(clips, start=1)),
    ]
    return rows if any(one.faults for one in clips) else [row[:-1] for row in rows]


def thumbnails(classifier: FewShotClassifier) -> dict[str, list[tuple[str, bytes]]]:
    """Return the title and the thumbnail of each clip that has one, by class as in ``ModelInfo``.

    Raises:
        ModelError: The classifier has learned nothing yet.
    """
    _, fitted = learned(classifier)
    found: dict[str, list[tuple[str, bytes]]] = {}
    for clip, origin in zip(fitted.everything.clips, fitted.everything.origins, strict=True):
        if isinstance(origin, bytes):
            label = NONE if clip.label == BACKGROUND else clip.label
            found.setdefault(label, []).append((clip.title, origin))
    return found


def _classes(config: Config) -> dict[str, int]:
    counts = Counter(clip.label for clip in config.examples)
    none = counts.pop(BACKGROUND, 0)
    return {**counts, **({NONE: none} if none else {})}
