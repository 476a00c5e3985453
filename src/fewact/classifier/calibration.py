"""Honest probabilities: a temperature that the taught clips themselves ask for."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact.classifier.taught import Nodes
from fewact.methods.base import Method

MOST = 40
"""No more are held out once there are so many: they would cost more than they tell."""

FEWEST = 5
"""With fewer clips held out, the method's own temperature stands."""

WIDTH = math.log(1.5)
"""Standard deviation of the prior on the temperature's logarithm.

The best temperatures of one method on three data sets of real clips, with two to five classes and
shots, lay within a factor of 1.5 of their middle.
"""

FLOATS_AT_ONCE = 2**24


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """Where the probabilities come from: softmax(logits / temperature).

    Args:
        temperature: What the method's logits are divided by.
        source: ``held-out clips``, or ``method`` where too few could be held out.
        held_out: Taught clips that were held out, each scored by others than its group.
        accuracy: Of the held-out clips, in per cent; None where there are none.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: Literal["held-out clips", "method"]
    held_out: Annotated[int, Field(ge=0)]
    accuracy: Annotated[float, Field(ge=0, le=100)] | None


def calibrate(
    method: Method, nodes: Nodes, labels: Tensor, n: int, groups: Sequence[str | None]
) -> Calibration:
    """Fit the temperature on taught clips that are held out, one of each class at a time.

    The temperature T minimises −Σ log softmax(logits / T)[own class] + (log T − log T₀)² / 2σ²,
    where T₀ is the method's own. A few clips that are all right then pull T down a little; only
    many can pull it far, where without the prior a handful would make every later probability 1.

    One clip of *each* class is held out because a method may favour classes with more clips: with
    one clip held out of a single class, its own class would be the only smaller one.

    Args:
        method: Scores the clips.
        nodes: Of the taught clips (s …).
        labels: (s) int64 in 0 … n−1.
        n: Number of classes.
        groups: Of each clip; None stands for a group of its own. No clip is scored by a support
            that has clips of its group.
    """
    folds = _folds(labels.tolist(), n, groups)
    own, held = method.temperature, sum(map(len, folds))
    if not held:
        return Calibration(own, "method", 0, None)
    logits, truth = _score(method, nodes, labels, n, folds)
    accuracy = 100 * (logits.argmax(-1) == truth).double().mean().item()
    if held < FEWEST:
        return Calibration(own, "method", held, accuracy)
    return Calibration(fit_temperature(logits, truth, own), "held-out clips", held, accuracy)


def fit_temperature(logits: Tensor, truth: Tensor, own: float) -> float:
    """The temperature of ``calibrate``'s equation, to 1 %.

    The sum need not have a single minimum, so the whole range is looked at.

    Args:
        logits: (h n) float64 of the held-out clips.
        truth: (h) their classes.
        own: The method's temperature T₀.

    Returns:
        A temperature between own / 64 and own · 64.
    """
    steps = torch.linspace(-1, 1, 833, dtype=torch.float64) * math.log(64)  # (g)
    scaled = logits / (own * steps.exp())[:, None, None]  # (g h n)
    right = scaled.gather(-1, truth.expand(len(steps), -1)[..., None])[..., 0]  # (g h)
    loss = (scaled.logsumexp(-1) - right).sum(-1) + steps**2 / (2 * WIDTH**2)  # (g)
    return own * math.exp(steps[loss.argmin()].item())


def _folds(labels: Sequence[int], n: int, groups: Sequence[str | None]) -> list[list[int]]:
    """Clips to hold out together: a group of each class, as long as every class keeps a clip.

    A group with clips of several classes is held out of all of them at once.
    """
    group = [i if name is None else name for i, name in enumerate(groups)]
    of_class = [[g for g, label in zip(group, labels, strict=True) if label == c] for c in range(n)]
    folds: list[list[int]] = []
    used: set[int | str] = set()
    while sum(map(len, folds)) < MOST:
        out: set[int | str] = set()
        for own in of_class:
            if out.intersection(own):
                continue
            for candidate in own:
                if candidate not in used and all(set(o) - out - {candidate} for o in of_class):
                    out.add(candidate)
                    used.add(candidate)
                    break
        if not out:
            break
        folds.append([i for i, g in enumerate(group) if g in out])
    return folds


@torch.inference_mode()
def _score(
    method: Method, nodes: Nodes, labels: Tensor, n: int, folds: list[list[int]]
) -> tuple[Tensor, Tensor]:
    """Logits (h n) float64 and classes (h) of the clips held out, folds of one size together."""
    floats = sum(value[0].numel() for value in nodes.values())
    logits, truth = [], []
    for size in sorted({len(fold) for fold in folds}):
        alike = [fold for fold in folds if len(fold) == size]
        at_once = max(1, FLOATS_AT_ONCE // (floats * len(labels)))
        for begin in range(0, len(alike), at_once):
            held = torch.tensor(alike[begin : begin + at_once], device=labels.device)  # (b q)
            kept = torch.ones(len(held), len(labels), dtype=torch.bool, device=labels.device)
            kept = kept.scatter(1, held, False).nonzero()[:, 1].reshape(len(held), -1)  # (b s)
            support = {name: value[kept] for name, value in nodes.items()}  # (b s …)
            state = method.support(support, labels[kept], n)
            scored = method.score(state, {name: value[held] for name, value in nodes.items()})
            logits.append(scored.flatten(0, 1).double().cpu())
            truth.append(labels[held].flatten().cpu())
    return torch.cat(logits), torch.cat(truth)
