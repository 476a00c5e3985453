"""Hold training clips out, one of each class at a time, and score them by the others."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.classifier.examples import Nodes
from fewact.methods.base import Method, rows

MAX_HELD_OUT = 40
"""Number of held-out clips at which no more are added: they would cost more than they improve."""

FLOATS_AT_ONCE, CLIPS_AT_ONCE = 2**24, 64


def folds_of(
    labels: Sequence[int], n: int, groups: Sequence[str | None], most: int = MAX_HELD_OUT
) -> list[list[int]]:
    """Return lists of clips to hold out together: one group of each class per fold.

    Each class keeps at least one clip. A group with clips of several classes is held out of all of
    these classes in the same fold.

    Args:
        labels: Class of each clip in 0 … n−1.
        n: Number of classes.
        groups: Group of each clip; a clip with None is a group by itself.
        most: Number of held-out clips at which no fold is added.
    """
    group = [i if name is None else name for i, name in enumerate(groups)]
    of_class: list[dict[int | str, None]] = [{} for _ in range(n)]  # groups, in the clips' order
    classes_of: dict[int | str, set[int]] = {}
    for one, label in zip(group, labels, strict=True):
        of_class[label][one] = None
        classes_of.setdefault(one, set()).add(label)
    folds: list[list[int]] = []
    used: set[int | str] = set()
    while sum(map(len, folds)) < most:
        out: set[int | str] = set()
        left = [len(own) for own in of_class]  # groups that are not held out
        for c, own in enumerate(of_class):
            if left[c] < len(own):
                continue
            for candidate in own:
                if candidate not in used and all(left[k] > 1 for k in classes_of[candidate]):
                    out.add(candidate)
                    used.add(candidate)
                    for k in classes_of[candidate]:
                        left[k] -= 1
                    break
        if not out:
            break
        folds.append([i for i, g in enumerate(group) if g in out])
    return folds


@torch.inference_mode()
def score_held_out(
    method: Method, nodes: Nodes, labels: Tensor, n: int, folds: list[list[int]]
) -> tuple[Tensor, Tensor]:
    """Return logits (h n) float64 of the held-out clips and their positions (h), by fold size."""
    floats = sum(value[0].numel() for value in nodes.values())
    logits, order = [], []
    for size in sorted({len(fold) for fold in folds}):
        alike = [fold for fold in folds if len(fold) == size]
        at_once = max(1, FLOATS_AT_ONCE // (floats * len(labels)))
        for begin in range(0, len(alike), at_once):
            held = torch.tensor(alike[begin : begin + at_once], device=labels.device)  # (b q)
            logits.append(_score(method, nodes, labels, n, held).flatten(0, 1).cpu().double())
            order.append(held.flatten())
    return torch.cat(logits), torch.cat(order)


def _score(method: Method, nodes: Nodes, labels: Tensor, n: int, held: Tensor) -> Tensor:
    """Return logits (b q n) of the clips held out in each of b folds.

    A function of its own, so that one copy of the other clips is in memory at a time.
    """
    kept = torch.ones(len(held), len(labels), dtype=torch.bool, device=labels.device)
    kept = kept.scatter(1, held, False).nonzero()[:, 1].reshape(len(held), -1)  # (b s)
    state = method.support(rows(nodes, kept), labels[kept], n)  # of nodes (b s …)
    scored = [method.score(state, rows(nodes, some)) for some in held.split(CLIPS_AT_ONCE, 1)]
    return torch.cat(scored, 1)
