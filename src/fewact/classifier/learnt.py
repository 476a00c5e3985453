"""From taught clips to what queries are scored against, and from scores to a prediction."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewact.classifier.calibration import Calibration, calibrate
from fewact.classifier.named import NODE, Named, mix
from fewact.classifier.prediction import Prediction
from fewact.classifier.taught import Nodes, Taught
from fewact.data import AnyClip
from fewact.methods.base import Method
from fewact.store import Timing
from fewact.store.timing import Stage


@dataclass(frozen=True)
class Learnt:
    """All that a prediction needs; replaced as a whole, so that a failing call changes nothing.

    Args:
        taught: The clips.
        classes: Their classes, in natural order.
        calibration: From logits to probabilities.
        named: The names of the classes, where they may count.
        by_class: The method's state of the classes.
        by_clip: Its state where each taught clip is a class of its own.
    """

    taught: Taught
    classes: tuple[str, ...]
    calibration: Calibration
    named: Named | None
    by_class: Any
    by_clip: Any


@torch.inference_mode()
def learn(
    method: Method,
    taught: Taught,
    device: torch.device,
    calibration: Calibration | None = None,
    named: Named | None = None,
) -> Learnt:
    """What the method makes of the taught clips; calibrated on them unless that is given."""
    labels, classes = taught.labels.to(device), taught.classes
    nodes = {name: value.to(device) for name, value in taught.nodes.items()}
    if calibration is None:
        groups = [clip.group for clip in taught.clips]
        calibration = calibrate(method, nodes, labels, len(classes), groups, named)
    one = {name: value[None] for name, value in nodes.items()}  # (1 s …)
    every = torch.arange(len(labels), device=device)[None]
    return Learnt(
        taught,
        classes,
        calibration,
        named,
        method.support(one, labels[None], len(classes)),
        method.support(one, every, len(labels)),
    )


@torch.inference_mode()
def classify(
    method: Method, learnt: Learnt, clip: AnyClip, nodes: Nodes, timing: Timing | None = None
) -> Prediction:
    """Score one clip, alone, against the classes and against each taught clip."""
    query = {name: value[None] for name, value in nodes.items()}  # (1 1 …)
    with stage(timing, "alignment"):
        scored, pairs = method.score_and_pairs(learnt.by_class, query)
        evidence = _row(scored) / learnt.calibration.temperature  # (n)
        if learnt.named is not None and learnt.calibration.text_share:
            named = _row(learnt.named.logits(query[NODE]))
            evidence = mix(named, evidence, learnt.calibration.text_share)
        likeness = _row(method.score(learnt.by_clip, query) if pairs is None else pairs)  # (s)
    probabilities = evidence.softmax(-1).tolist()
    best = int(evidence.argmax())
    return Prediction(
        clip,
        learnt.classes[best],
        probabilities[best],
        dict(zip(learnt.classes, probabilities, strict=True)),
        learnt.taught.clips[int(likeness.argmax())].title,
    )


def _row(logits: Tensor) -> Tensor:
    return logits[0, 0].cpu().double()


def stage(timing: Timing | None, name: Stage) -> AbstractContextManager[None]:
    """Times a stage where that is wanted."""
    return nullcontext() if timing is None else timing.stage(name)
