"""The table by which ``otam`` computes its value, as a whole."""

import torch
from torch import Tensor

from fewact.align.otam import _columns, _table


@torch.no_grad()
def accumulator(cost: Tensor, smoothing: float) -> Tensor:
    """Return the table γ of one direction, with its two free columns: (… t u) → (… t u+2)."""
    scale = -1 / smoothing if smoothing else -1.0
    best = torch.logaddexp if smoothing else torch.maximum
    table = _table(_columns([cost.reshape(-1, *cost.shape[-2:])], scale), smoothing > 0)
    before = table[-1]
    last = [before[0]]
    for i in range(1, len(before)):
        last.append(best(best(before[i - 1], last[-1]), before[i]))
    free = torch.stack(last)[None]
    table = torch.cat([torch.zeros_like(free), table, free]) / scale  # (u+2 t batch)
    return table.permute(2, 1, 0).reshape(*cost.shape[:-1], -1)
