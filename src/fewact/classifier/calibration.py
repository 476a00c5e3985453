"""Honest probabilities: a temperature that the taught clips themselves ask for."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact.classifier.class_names import NODE, Named, mix
from fewact.classifier.examples import Nodes
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

SHARES = (0.25, 0.5, 0.75, 0.9)
"""Of the class names in the evidence, to choose from; 0.9 is the published one."""

WORTH = 1.0
"""What names must add to the log-likelihood of held-out clips: Akaike's price of a parameter."""

FLOATS_AT_ONCE = 2**24


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """Where the probabilities come from: p_visual = softmax(logits / temperature).

    Args:
        temperature: What the method's logits are divided by.
        source: ``held-out clips``, or ``method`` where too few could be held out.
        held_out: Taught clips that were held out, each scored by others than its group.
        accuracy: Of the held-out clips, in per cent; None where there are none.
        text_weight: Of the class names, where probabilities are in proportion to
            p_named^share · p_visual^(1−share).
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: Literal["held-out clips", "method"]
    held_out: Annotated[int, Field(ge=0)]
    accuracy: Annotated[float, Field(ge=0, le=100)] | None
    text_weight: Annotated[float, Field(ge=0, le=1)] = 0.0


def calibrate(
    method: Method,
    nodes: Nodes,
    labels: Tensor,
    n: int,
    groups: Sequence[str | None],
    named: Named | None = None,
) -> Calibration:
    """Fit the temperature on taught clips that are held out, one of each class at a time.

    The temperature T minimises −Σ log softmax(logits / T)[own class] + (log T − log T₀)² / 2σ²,
    where T₀ is the method's own. A few clips that are all right then pull T down a little; only
    many can pull it far, where without the prior a handful would make every later probability 1.

    One clip of *each* class is held out because a method may favour classes with more clips: with
    one clip held out of a single class, its own class would be the only smaller one.

    The share of class names is that of the greatest likelihood of the held-out clips. Where names
    need not count it is 0 unless they add ``WORTH`` to what the clips alone reach at any share, for
    to trust an overconfident method less is no merit of the names.

    Args:
        method: Scores the clips.
        nodes: Of the taught clips (s …).
        labels: (s) int64 in 0 … n−1.
        n: Number of classes.
        groups: Of each clip; None stands for a group of its own. No clip is scored by a support
            that has clips of its group.
        named: The names of the classes, if they may count.
    """
    folds = _folds(labels.tolist(), n, groups)
    own, held = method.temperature, sum(map(len, folds))
    always = named is not None and named.mode == "on"
    if not held:
        return Calibration(own, "method", 0, None, SHARES[-1] if always else 0.0)
    logits, order = _score(method, nodes, labels, n, folds)
    truth = labels[order].cpu()
    few = held < FEWEST
    temperature = own if few else fit_temperature(logits, truth, own)
    visual, share = logits / temperature, 0.0
    if named is not None:
        seen = named.logits(nodes[NODE][order]).cpu()  # (h n)
        if few:
            share = SHARES[-1] if always else 0.0
        else:
            share = _share(seen, visual, truth, needed=always)
        visual = mix(seen, visual, share)
    accuracy = 100 * (visual.argmax(-1) == truth).double().mean().item()
    return Calibration(temperature, "method" if few else "held-out clips", held, accuracy, share)


def _share(named: Tensor, visual: Tensor, truth: Tensor, *, needed: bool) -> float:
    """How much names count, by logits (h n) of held-out clips; ``needed`` is more than nothing."""

    def likelihood(logits: Tensor) -> float:
        return logits.log_softmax(-1).gather(1, truth[:, None]).sum().item()

    found = {share: likelihood(mix(named, visual, share)) for share in SHARES}
    best = max(SHARES, key=lambda share: found[share])
    alone = max(likelihood((1 - share) * visual) for share in (0.0, *SHARES))
    return best if needed or found[best] > alone + WORTH else 0.0


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
    """Logits (h n) float64 of the clips held out, and which they are (h), by the folds' sizes."""
    floats = sum(value[0].numel() for value in nodes.values())
    logits, order = [], []
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
            order.append(held.flatten())
    return torch.cat(logits), torch.cat(order)
