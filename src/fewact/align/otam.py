"""OTAM: the soft cost of the best order-preserving alignment, free at both ends.

Cao et al., "Few-Shot Video Classification via Temporal Alignment", CVPR 2020, in the form of its
public reimplementations. Rows are frames of the query, columns of the support, with one free column
added on each side. With smin(a…) = −λ log Σ exp(−a/λ) and costs C (t u):

    First row and column: γ(0, j) = C(0, 1) + … + C(0, j) and γ(i, 0) = 0.

    Columns 2 … u: γ(i, j) = C(i, j) + smin(γ(i−1, j−1), γ(i, j−1)).

    Column 1, and u+1 with C = 0: γ(i, j) = C(i, j) + smin(γ(i−1, j−1), γ(i−1, j), γ(i, j−1)).

The value is γ(t−1, u+1). Only columns 1 and u+1 have vertical moves, so one vector operation
computes each column between them. Column u+1 is a log-sum-exp over column u, because its cost is
zero. The code stores −γ/λ, so that smin is a log-sum-exp. The batch is the last axis, so that
memory is read in order.
"""

import math
from typing import Any

import numpy as np

from fewact.align.alignment import (
    Alignment,
    check_smoothing,
    finite_costs,
    larger_of,
    log_sum_exp,
    solve_optimum,
)
from fewact.core.array_api import Array, is_tensor, namespace


def otam(
    cost: Array, smoothing: float = 0.5, *, bidirectional: bool = True, plan: bool = True
) -> Alignment[Array]:
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
        OptionError: The smoothing is negative.

    >>> import numpy as np
    >>> otam(np.array([[1.0, 2.0]]), bidirectional=False).value
    array(3.)
    """
    check_smoothing(smoothing)
    return solve_optimum(
        finite_costs(cost),
        lambda costs, with_path: _solve(costs, float(smoothing), bidirectional, with_path),
        plan=plan,
    )


def _solve(cost: Any, smoothing: float, bidirectional: bool, with_path: bool) -> tuple[Any, Any]:
    """Values (batch) and, with ``with_path``, paths (batch t u) of costs (batch t u)."""
    xp = namespace(cost)
    soft, scale = smoothing > 0, -1 / smoothing if smoothing else -1.0
    directions = [cost, cost.mT] if bidirectional else [cost]
    groups = [[direction] for direction in directions]
    if cost.shape[1] == cost.shape[2]:
        groups = [directions]
    value = 0.0
    paths: list[Any] = []
    for together in groups:
        scores = _columns(together, scale)  # (u t directions·batch)
        total, path = _finish(_table(scores, soft), soft, with_path)
        value = value + xp.sum(xp.reshape(total, (len(together), -1)), axis=0)
        if path is not None:
            shape = (*scores.shape[:2], len(together), -1)
            paths += xp.unstack(xp.reshape(path, shape), axis=2)
    if not paths:
        return value / scale, None
    # The second direction stored the transposed costs column by column: its axes are in order.
    order = (2, 1, 0), (2, 0, 1)
    turned = [xp.permute_dims(path, axes) for path, axes in zip(paths, order, strict=False)]
    return value / scale, sum(turned[1:], start=turned[0])


def _columns(directions: list[Any], scale: float) -> Any:
    """Scaled costs of all directions, column by column: (batch t u) → (u t directions·batch)."""
    xp = namespace(directions[0])
    batch, t, u = directions[0].shape
    scores = xp.empty(
        (u, t, len(directions) * batch), dtype=directions[0].dtype, device=directions[0].device
    )
    for number, cost in enumerate(directions):
        columns = scores[:, :, number * batch : (number + 1) * batch]
        xp.multiply(xp.permute_dims(cost, (2, 1, 0)), scale, out=columns)
    return scores


def _table(scores: Any, soft: bool) -> Any:
    """−γ/λ of columns 1 … u (u t batch)."""
    xp = namespace(scores)
    best = larger_of(scores, soft=soft)
    table = xp.empty_like(scores)
    table[:, 0] = xp.cumulative_sum(scores[:, 0], axis=0)
    # In column 1 two of the three moves come from the free column, where γ is 0.
    start = xp.full_like(scores[0, 0], math.log(2) if soft else 0.0)
    cells, cell_scores = xp.unstack(table[0]), xp.unstack(scores[0])
    for i in range(1, len(cells)):
        cell = best(cells[i - 1], start, out=cells[i])
        cell += cell_scores[i]
    upper, lower = xp.unstack(table[:, :-1]), xp.unstack(table[:, 1:])
    lower_scores = xp.unstack(scores[:, 1:])
    for j in range(1, len(lower)):
        column = best(upper[j - 1], lower[j - 1], out=lower[j])
        column += lower_scores[j]
    return table


def _finish(table: Any, soft: bool, with_path: bool) -> tuple[Any, Any]:
    """Total (batch) over the ends of a path and, with ``with_path``, the paths (u t batch).

    In the last free column, two paths leave each row but the last.
    """
    xp = namespace(table)
    u, t, _ = table.shape
    ends = xp.asarray(table[-1], copy=True)  # (t batch)
    if soft:
        ends[:-1] += math.log(2)
    total = log_sum_exp(ends, 0) if soft else xp.max(ends, axis=0)
    if not with_path:
        return total, None
    path = xp.empty_like(table)
    if soft:
        path[-1] = xp.exp(ends - total)
        stay = _logistic(table[:-1, 1:] - table[:-1, :-1])  # (u−1 t−1 batch)
        down = _logistic(table[0, :-1] - math.log(2))  # (t−1 batch)
    else:
        rows = xp.arange(t, device=table.device)[:, None]
        path[-1] = xp.astype(rows == xp.argmax(ends, axis=0), table.dtype)
        stay = xp.astype(table[:-1, 1:] >= table[:-1, :-1], table.dtype)
        down = xp.astype(table[0, :-1] > 0, table.dtype)
    for j in range(u - 1, 0, -1):
        stayed = xp.multiply(stay[j - 1], path[j, 1:], out=path[j - 1, 1:])
        moved = path[j, 1:] - stayed
        path[j - 1, 0] = path[j, 0]
        path[j - 1, :-1] += moved
    for i in range(t - 1, 0, -1):
        path[0, i - 1] += path[0, i] * down[i - 1]
    return total, path


def _logistic(x: Any) -> Any:
    """1 / (1 + exp(−x))."""
    if is_tensor(x):
        return namespace(x).sigmoid(x)
    return (np.tanh(x / 2) + 1) / 2  # no exponential overflows
