"""Fit a method to the training clips, and predict the class of one query clip."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewact.classifier.calibration import Calibration, calibrate
from fewact.classifier.class_names import IMAGE_EMBEDDING, ClassNames, combine
from fewact.classifier.examples import Examples, Nodes
from fewact.classifier.prediction import Prediction
from fewact.data import AnyClip
from fewact.features.timing import Stage, Timing
from fewact.methods.base import Method, score_and_pairs


@dataclass(frozen=True)
class Fitted:
    """Everything that a prediction needs. It is replaced completely: a failed call changes nothing.

    Args:
        examples: Training clips.
        classes: Class names, in natural order.
        calibration: Conversion of logits into probabilities.
        class_names: Embedded class names; None if they are not used.
        by_class: State of the method for the classes.
        by_clip: State of the method in which each training clip is a class by itself.
    """

    examples: Examples
    classes: tuple[str, ...]
    calibration: Calibration
    class_names: ClassNames | None
    by_class: Any
    by_clip: Any


@torch.inference_mode()
def fit_examples(
    method: Method,
    examples: Examples,
    device: torch.device,
    calibration: Calibration | None = None,
    class_names: ClassNames | None = None,
) -> Fitted:
    """Compute the method's state of the training clips; fit the calibration unless it is given."""
    labels, classes = examples.labels.to(device), examples.classes
    nodes = {name: value.to(device) for name, value in examples.nodes.items()}
    if calibration is None:
        groups = [clip.group for clip in examples.clips]
        calibration = calibrate(method, nodes, labels, len(classes), groups, class_names)
    one = {name: value[None] for name, value in nodes.items()}  # (1 s …)
    every = torch.arange(len(labels), device=device)[None]
    return Fitted(
        examples,
        classes,
        calibration,
        class_names,
        method.support(one, labels[None], len(classes)),
        method.support(one, every, len(labels)),
    )


@torch.inference_mode()
def classify(
    method: Method, fitted: Fitted, clip: AnyClip, nodes: Nodes, timing: Timing | None = None
) -> Prediction:
    """Predict the class of one clip, and find the most similar training clip."""
    query = {name: value[None] for name, value in nodes.items()}  # (1 1 …)
    with stage(timing, "alignment"):
        scored, pairs = score_and_pairs(method, fitted.by_class, query)
        logits = _row(scored) / fitted.calibration.temperature  # (n)
        if fitted.class_names is not None and fitted.calibration.text_weight:
            text = _row(fitted.class_names.logits(query[IMAGE_EMBEDDING]))
            logits = combine(text, logits, fitted.calibration.text_weight)
        similarity = _row(method.score(fitted.by_clip, query) if pairs is None else pairs)  # (s)
    probabilities = logits.softmax(-1).tolist()
    best = int(logits.argmax())
    return Prediction(
        clip,
        fitted.classes[best],
        probabilities[best],
        dict(zip(fitted.classes, probabilities, strict=True)),
        fitted.examples.clips[int(similarity.argmax())].title,
    )


def _row(logits: Tensor) -> Tensor:
    return logits[0, 0].cpu().double()


def stage(timing: Timing | None, name: Stage) -> AbstractContextManager[None]:
    """Measure the time of a stage, if a timing is given."""
    return nullcontext() if timing is None else timing.stage(name)
