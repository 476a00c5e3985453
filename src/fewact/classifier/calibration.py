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
"""Clips that are held out at most: more would sharpen the temperature less than they cost."""

FEWEST = 5
"""With fewer clips held out, the method's own temperature stands."""

WIDTH = math.log(2)
"""Standard deviation of the prior on the temperature's logarithm."""

FLOATS_AT_ONCE = 2**24


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """Where the probabilities come from: softmax(logits / temperature).

    Args:
        temperature: What the method's logits are divided by.
        source: ``held-out clips``, or ``method`` where too few could be held out.
        held_out: Taught clips that were held out, each scored by a support without it.
        accuracy: Of the held-out clips, in per cent; None where there are none.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: Literal["held-out clips", "method"]
    held_out: Annotated[int, Field(ge=0)]
    accuracy: Annotated[float, Field(ge=0, le=100)] | None


def calibrate(
    method: Method, nodes: Nodes, labels: Tensor, n: int, groups: Sequence[str | None]
) -> Calibration:
    """Fit the temperature on taught clips, each scored by a support without it and its group.

    The temperature T minimises −Σ log softmax(logits / T)[own class] + (log T − log T₀)² / 2σ²,
    where T₀ is the method's own and σ = log 2: on another data set half or twice T₀ is nothing
    unusual. A few clips that are all right then pull T down a little; only many can pull it far,
    where without the prior a handful would make every later probability 1.

    Args:
        method: Scores the clips.
        nodes: Of the taught clips (s …).
        labels: (s) int64 in 0 … n−1.
        n: Number of classes.
        groups: Of each clip; None stands for a group of its own.
    """
    held = _held_out(labels, n, groups)
    own = method.temperature
    if not held:
        return Calibration(own, "method", 0, None)
    logits, truth = _leave_out(method, nodes, labels, n, held)
    accuracy = 100 * (logits.argmax(-1) == truth).double().mean().item()
    if len(held) < FEWEST:
        return Calibration(own, "method", len(held), accuracy)
    return Calibration(fit_temperature(logits, truth, own), "held-out clips", len(held), accuracy)


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


def _held_out(labels: Tensor, n: int, groups: Sequence[str | None]) -> list[tuple[int, list[int]]]:
    """Clips to hold out, evenly over the classes, each with the clips that then support.

    A clip whose group is all that a class has cannot be held out.
    """
    eligible: list[list[tuple[int, list[int]]]] = [[] for _ in range(n)]
    for i, group in enumerate(groups):
        rest = [j for j in range(len(groups)) if j != i and (group is None or groups[j] != group)]
        if len(set(labels[rest].tolist())) == n:
            eligible[int(labels[i])].append((i, rest))
    quota = [0] * n
    for _ in range(MOST):
        room = [c for c in range(n) if quota[c] < len(eligible[c])]
        if room:
            quota[min(room, key=quota.__getitem__)] += 1
    return [
        own[k * len(own) // quota[c]] for c, own in enumerate(eligible) for k in range(quota[c])
    ]


@torch.inference_mode()
def _leave_out(
    method: Method, nodes: Nodes, labels: Tensor, n: int, held: list[tuple[int, list[int]]]
) -> tuple[Tensor, Tensor]:
    """Logits (h n) float64 and classes (h) of the clips held out, many episodes in one call."""
    floats = sum(value[0].numel() for value in nodes.values())
    logits = torch.empty(len(held), n, dtype=torch.float64)
    sizes = {len(rest) for _, rest in held}
    for size in sizes:
        alike = [place for place, (_, rest) in enumerate(held) if len(rest) == size]
        at_once = max(1, FLOATS_AT_ONCE // (floats * size))
        for begin in range(0, len(alike), at_once):
            places = alike[begin : begin + at_once]
            queries = torch.tensor([held[place][0] for place in places])[:, None]  # (b 1)
            support = torch.tensor([held[place][1] for place in places])  # (b s)
            state = method.support(
                {name: value[support.to(value.device)] for name, value in nodes.items()},
                labels[support],
                n,
            )
            query = {name: value[queries.to(value.device)] for name, value in nodes.items()}
            logits[places] = method.score(state, query)[:, 0].double().cpu()
    return logits, labels[torch.tensor([i for i, _ in held])]
