"""From taught clips to what queries are scored against, and from scores to a prediction."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewact.classifier.calibration import Calibration, calibrate
from fewact.classifier.class_names import NODE, Named, mix
from fewact.classifier.examples import Examples, Nodes
from fewact.classifier.prediction import Prediction
from fewact.data import AnyClip
from fewact.features.timing import Stage, Timing
from fewact.methods.base import Method, score_and_pairs


@dataclass(frozen=True)
class Fitted:
    """All that a prediction needs; replaced as a whole, so that a failing call changes nothing.

    Args:
        examples: The clips.
        classes: Their classes, in natural order.
        calibration: From logits to probabilities.
        named: The names of the classes, where they may count.
        by_class: The method's state of the classes.
        by_clip: Its state where each taught clip is a class of its own.
    """

    examples: Examples
    classes: tuple[str, ...]
    calibration: Calibration
    named: Named | None
    by_class: Any
    by_clip: Any


@torch.inference_mode()
def fit_examples(
    method: Method,
    examples: Examples,
    device: torch.device,
    calibration: Calibration | None = None,
    named: Named | None = None,
) -> Fitted:
    """What the method makes of the taught clips; calibrated on them unless that is given."""
    labels, classes = examples.labels.to(device), examples.classes
    nodes = {name: value.to(device) for name, value in examples.nodes.items()}
    if calibration is None:
        groups = [clip.group for clip in examples.clips]
        calibration = calibrate(method, nodes, labels, len(classes), groups, named)
    one = {name: value[None] for name, value in nodes.items()}  # (1 s …)
    every = torch.arange(len(labels), device=device)[None]
    return Fitted(
        examples,
        classes,
        calibration,
        named,
        method.support(one, labels[None], len(classes)),
        method.support(one, every, len(labels)),
    )


@torch.inference_mode()
def classify(
    method: Method, fitted: Fitted, clip: AnyClip, nodes: Nodes, timing: Timing | None = None
) -> Prediction:
    """Score one clip, alone, against the classes and against each taught clip."""
    query = {name: value[None] for name, value in nodes.items()}  # (1 1 …)
    with stage(timing, "alignment"):
        scored, pairs = score_and_pairs(method, fitted.by_class, query)
        evidence = _row(scored) / fitted.calibration.temperature  # (n)
        if fitted.named is not None and fitted.calibration.text_weight:
            named = _row(fitted.named.logits(query[NODE]))
            evidence = mix(named, evidence, fitted.calibration.text_weight)
        likeness = _row(method.score(fitted.by_clip, query) if pairs is None else pairs)  # (s)
    probabilities = evidence.softmax(-1).tolist()
    best = int(evidence.argmax())
    return Prediction(
        clip,
        fitted.classes[best],
        probabilities[best],
        dict(zip(fitted.classes, probabilities, strict=True)),
        fitted.examples.clips[int(likeness.argmax())].title,
    )


def _row(logits: Tensor) -> Tensor:
    return logits[0, 0].cpu().double()


def stage(timing: Timing | None, name: Stage) -> AbstractContextManager[None]:
    """Times a stage where that is wanted."""
    return nullcontext() if timing is None else timing.stage(name)
