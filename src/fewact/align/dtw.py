"""Dynamic time warping."""

import torch
from torch import Tensor

from fewact.align.alignment import Alignment, check_smoothing, finite_costs, solve_optimum


def warp(cost: Tensor, smoothing: float, plan: bool, diagonal: float = 1.0) -> Alignment:
    """Compute the cost of the best warping path, and how much of it runs through each cell.

    Args:
        cost: (… m m'), finite, float32 or float64.
        smoothing: λ of the soft minimum; 0 is the hard minimum.
        plan: Whether to return the path.
        diagonal: How often the cost of a cell counts that a diagonal step leads to.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost.
    """
    return solve_optimum(
        cost, lambda costs, with_path: _solve(costs, smoothing, with_path, diagonal), plan=plan
    )


def _solve(
    cost: Tensor, smoothing: float, with_path: bool, diagonal: float
) -> tuple[Tensor, Tensor | None]:
    """Values (batch) and, with ``with_path``, paths (batch m m') of costs (batch m m')."""
    soft, scale = smoothing > 0, -1 / smoothing if smoothing else -1.0
    best = torch.logaddexp if soft else torch.maximum
    batch, m, columns = cost.shape
    table = cost.new_full((m + columns + 1, m + 1, batch), -torch.inf)
    torch.mul(cost.permute(1, 2, 0), scale, out=_cells(table, m, columns))
    table[0, 0] = 0  # start of every path
    moves = torch.empty_like(table[2:, 1:])  # part of −γ/λ from the previous cells
    for k in range(2, len(table)):
        either = best(table[k - 1, 1:], table[k - 1, :-1])
        across = table[k - 2, :-1]
        if diagonal != 1:
            across = across + (diagonal - 1) * table[k, 1:]
        table[k, 1:] += best(either, across, out=moves[k - 2])
    value = table[-1, -1] / scale
    if not with_path:
        return value, None
    path = _path(table, moves, soft, diagonal)
    return value, _cells(path, m, columns).permute(2, 0, 1)


def _cells(table: Tensor, m: int, columns: int) -> Tensor:
    """Return the matrix (m m' batch) inside a table of diagonals (m+m'+1 m+1 batch), as a view."""
    diagonal, row, batch = table.stride()
    inner = table[2:, 1:]
    return inner.as_strided(
        (m, columns, table.shape[-1]), (diagonal + row, diagonal, batch), inner.storage_offset()
    )


def _path(table: Tensor, moves: Tensor, soft: bool, diagonal: float) -> Tensor:
    """How much of the path runs through each cell, as a table of diagonals."""
    beside, above, across = table[1:-1, 1:], table[1:-1, :-1], table[:-2, :-1]
    outside = moves == -torch.inf
    if diagonal != 1:
        cells = (table[2:, 1:] - moves).masked_fill(outside, 0)
        across = across + (diagonal - 1) * cells
    if soft:
        moves = moves.masked_fill(outside, 0)
        fractions = [(cells - moves).exp() for cells in (beside, above, across)]
    else:
        is_across = across >= torch.maximum(beside, above)
        is_beside = ~is_across & (beside >= above)
        fractions = [which.to(table) for which in (is_beside, ~is_across & ~is_beside, is_across)]
    path = torch.zeros_like(table)
    path[-1, -1] = 1
    for k in range(len(table) - 1, 1, -1):
        cells = path[k, 1:]
        path[k - 1, 1:].addcmul_(cells, fractions[0][k - 2])
        path[k - 1, :-1].addcmul_(cells, fractions[1][k - 2])
        path[k - 2, :-1].addcmul_(cells, fractions[2][k - 2])
    if diagonal != 1:
        path[2:, 1:] *= 1 + (diagonal - 1) * fractions[2]
    return path


def dtw(cost: Tensor, *, diagonal: float = 1.0, plan: bool = True) -> Alignment:
    """Find the cheapest warping path; its cost is the sum of its cells (Sakoe and Chiba 1978).

    A path runs from the first cell to the last; each step goes down, right or diagonally.

    Args:
        cost: (… m m').
        diagonal: How often the cost of a cell counts that a diagonal step leads to. With 2, the
            symmetric form, the costs of each path have the total weight m + m'.
        plan: Whether to return the path.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost: on the path 1, or ``diagonal`` after such a
        step; 0 elsewhere. A tie prefers the diagonal step.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.

    >>> import torch
    >>> dtw(torch.tensor([[1.0, 5.0, 5.0], [5.0, 1.0, 2.0]])).value
    tensor(4.)
    """
    return warp(finite_costs(cost), 0.0, plan, diagonal)


def soft_dtw(cost: Tensor, smoothing: float = 0.1, *, plan: bool = True) -> Alignment:
    """Compute the soft minimum −γ log Σ exp(−cost/γ) over all warping paths (Cuturi, Blondel 2017).

    Args:
        cost: (… m m').
        smoothing: γ ≥ 0; 0 is ``dtw``.
        plan: Whether to return the soft path.

    Returns:
        ``value`` (…), negative where many paths are cheap; ``plan`` (… m m'), ∂value/∂cost: the
        probability that the path runs through each cell.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: The smoothing is negative.

    >>> import torch
    >>> soft_dtw(torch.tensor([[2.0, 3.0]])).value
    tensor(5.)
    """
    check_smoothing(smoothing)
    return warp(finite_costs(cost), smoothing, plan)
