"""OTAM: the soft cost of the best order-preserving alignment, free at both ends.

Cao et al., "Few-Shot Video Classification via Temporal Alignment", CVPR 2020, in the form of its
public reimplementations. Rows are frames of the query, columns of the support, with one free column
added on each side. With smin(a…) = −λ log Σ exp(−a/λ) and costs C (t u):

    γ(0, j) = C(0, 1) + … + C(0, j),  γ(i, 0) = 0
    γ(i, j) = C(i, j) + smin(γ(i−1, j−1), γ(i, j−1))                  columns 2 … u
    γ(i, j) = C(i, j) + smin(γ(i−1, j−1), γ(i−1, j), γ(i, j−1))       column 1, and u+1 with C = 0

The value is γ(t−1, u+1). Only columns 1 and u+1 have vertical moves, so each column between them is
computed from the previous one in one vector operation; column u+1 costs nothing and is a sum over
column u. The code stores −γ/λ, so that smin is a log-sum-exp. The batch is the last axis, so that
memory is read in order.
"""

import math

import torch
from torch import Tensor

from fewact.align.alignment import Alignment, check_smoothing, finite_costs, solve_optimum


def otam(
    cost: Tensor, smoothing: float = 0.5, *, bidirectional: bool = True, plan: bool = True
) -> Alignment:
    """Compute the soft cost of the best ordered alignment of two videos' frames (OTAM).

    Args:
        cost: (… t u), rows are frames of the query.
        smoothing: λ ≥ 0 of the soft minimum; 0 is the hard minimum.
        bidirectional: Whether to add the value of the transposed costs, which makes the cost
            symmetric.
        plan: Whether to return the soft path.

    Returns:
        ``value`` (…), which is negative where many paths are cheap; ``plan`` (… t u), ∂value/∂cost:
        the probability that the path runs through each cell, summed over both directions.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: The smoothing is negative.

    >>> otam(torch.tensor([[1.0, 2.0]]), bidirectional=False).value
    tensor(3.)
    """
    check_smoothing(smoothing)
    return solve_optimum(
        finite_costs(cost),
        lambda costs, with_path: _solve(costs, smoothing, bidirectional, with_path),
        plan=plan,
    )


def _solve(
    cost: Tensor, smoothing: float, bidirectional: bool, with_path: bool
) -> tuple[Tensor, Tensor | None]:
    """Values (batch) and, with ``with_path``, paths (batch t u) of costs (batch t u)."""
    scale = -1 / smoothing if smoothing else -1.0
    directions = [cost, cost.mT] if bidirectional else [cost]
    groups = [_columns(direction, scale) for direction in directions]  # (u t batch)
    batch, together = len(cost), 1
    if cost.shape[1] == cost.shape[2]:
        groups, together = [torch.cat(groups, -1)], len(directions)
    totals: list[Tensor] = []
    paths: list[Tensor] = []
    for scores in groups:
        total, path = _finish(_table(scores, smoothing > 0), smoothing > 0, with_path)
        totals += total.view(together, batch).unbind()
        if path is not None:
            paths += path.view(*scores.shape[:2], together, batch).unbind(2)
    value = torch.stack(totals).sum(0) / scale
    if not paths:
        return value, None
    # The second direction stored the transposed costs column by column: its axes are in order.
    forward, *backward = paths
    return value, forward.permute(2, 1, 0) + sum(
        transposed.permute(2, 0, 1) for transposed in backward
    )


def _columns(cost: Tensor, scale: float) -> Tensor:
    """Scaled costs, column by column: (batch t u) → (u t batch)."""
    columns = cost.permute(2, 1, 0)
    return torch.mul(columns, scale, out=cost.new_empty(columns.shape))


def _table(scores: Tensor, soft: bool) -> Tensor:
    """−γ/λ of columns 1 … u (u t batch)."""
    best = torch.logaddexp if soft else torch.maximum
    table = torch.empty_like(scores)
    torch.cumsum(scores[:, 0], 0, out=table[:, 0])
    # In column 1 two of the three moves come from the free column, where γ is 0.
    start = scores.new_full((1,), math.log(2) if soft else 0.0)
    cells, cell_scores = table[0].unbind(0), scores[0].unbind(0)
    for i in range(1, len(cells)):
        best(cells[i - 1], start, out=cells[i]).add_(cell_scores[i])
    upper, lower = table[:, :-1].unbind(0), table[:, 1:].unbind(0)
    lower_scores = scores[:, 1:].unbind(0)
    for j in range(1, len(lower)):
        best(upper[j - 1], lower[j - 1], out=lower[j]).add_(lower_scores[j])
    return table


def _finish(table: Tensor, soft: bool, with_path: bool) -> tuple[Tensor, Tensor | None]:
    """Total (batch) over the ends of a path and, with ``with_path``, the paths (u t batch).

    In the last free column, two paths leave each row but the last.
    """
    u, t, _ = table.shape
    if soft:
        ends = table[-1].clone()
        ends[:-1] += math.log(2)
        total = ends.logsumexp(0)
    else:
        total, row = table[-1].max(0)
    if not with_path:
        return total, None
    path = torch.empty_like(table)
    if soft:
        path[-1] = (ends - total).exp()
        stay = (table[:-1, 1:] - table[:-1, :-1]).sigmoid()  # (u−1 t−1 batch)
        down = (table[0, :-1] - math.log(2)).sigmoid()  # (t−1 batch)
    else:
        path[-1] = 0
        path[-1].scatter_(0, row[None], 1)
        stay = (table[:-1, 1:] >= table[:-1, :-1]).to(table)
        down = (table[0, :-1] > 0).to(table)
    for j in range(u - 1, 0, -1):
        stayed = torch.mul(stay[j - 1], path[j, 1:], out=path[j - 1, 1:])
        moved = path[j, 1:] - stayed
        path[j - 1, 0] = path[j, 0]
        path[j - 1, :-1] += moved
    for i in range(t - 1, 0, -1):
        path[0, i - 1].addcmul_(path[0, i], down[i - 1])
    return total, path
