"""Dynamic time warping."""

from typing import Any

import numpy as np

from fewact.align.alignment import (
    Alignment,
    check_smoothing,
    finite_costs,
    larger_of,
    solve_optimum,
)
from fewact.core.array_api import Array, namespace


def warp(cost: Any, smoothing: float, plan: bool, diagonal: float = 1.0) -> Alignment[Any]:
    """Compute the cost of the best warping path, and how much of it runs through each cell.

    Args:
        cost: (… m m'), finite, float32 or float64.
        smoothing: λ of the soft minimum; 0 is the hard minimum.
        plan: Whether to return the path.
        diagonal: Weight of a cell's cost after a diagonal step.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost.
    """
    return solve_optimum(
        cost,
        lambda costs, with_path: _solve(costs, float(smoothing), with_path, float(diagonal)),
        plan=plan,
    )


def _solve(cost: Any, smoothing: float, with_path: bool, diagonal: float) -> tuple[Any, Any]:
    """Values (batch) and, with ``with_path``, paths (batch m m') of costs (batch m m')."""
    xp = namespace(cost)
    soft, scale = smoothing > 0, -1 / smoothing if smoothing else -1.0
    best = larger_of(cost, soft=soft)
    table, steps = _tables(cost, -xp.inf)
    xp.multiply(xp.permute_dims(cost, (1, 2, 0)), scale, out=table[1:, 1:])
    table[0, 0] = 0  # start of every path
    moves = xp.empty_like(steps[2:, 1:])  # part of −γ/λ from the previous cells
    with np.errstate(invalid="ignore"):  # −∞ − (−∞), where no path runs
        for k in range(2, steps.shape[0]):
            either = best(steps[k - 1, 1:], steps[k - 1, :-1], out=xp.empty_like(moves[k - 2]))
            across = steps[k - 2, :-1]
            if diagonal != 1:
                across = across + (diagonal - 1) * steps[k, 1:]
            steps[k, 1:] += best(either, across, out=moves[k - 2])
    value = steps[-1, -1] / scale
    return value, _path(cost, steps, moves, soft, diagonal) if with_path else None


def _tables(cost: Any, fill: float) -> tuple[Any, Any]:
    """Return a table (m+1 m'+1 batch) and its anti-diagonals (m+m'+1 m+1 batch), in one memory.

    The table's rows are padded to m + m' + 2 numbers. Read with one number less per row, the same
    memory has the anti-diagonals as columns.
    """
    xp = namespace(cost)
    batch, m, columns = cost.shape
    rows, width = m + 1, m + columns + 2
    memory = xp.full((rows * width, batch), fill, dtype=cost.dtype, device=cost.device)
    table = xp.reshape(memory, (rows, width, batch))[:, : columns + 1]
    diagonals = xp.reshape(memory[:-rows], (rows, width - 1, batch))
    return table, xp.permute_dims(diagonals, (1, 0, 2))


def _path(cost: Any, steps: Any, moves: Any, soft: bool, diagonal: float) -> Any:
    """How much of the path runs through each cell: (batch m m')."""
    xp = namespace(steps)
    beside, above, across = steps[1:-1, 1:], steps[1:-1, :-1], steps[:-2, :-1]
    outside = moves == -xp.inf
    moves = xp.where(outside, 0.0, moves)
    if diagonal != 1:
        across = across + (diagonal - 1) * xp.where(outside, 0.0, steps[2:, 1:] - moves)
    if soft:
        fractions = [xp.exp(cells - moves) for cells in (beside, above, across)]
    else:
        is_across = across >= xp.maximum(beside, above)
        is_beside = ~is_across & (beside >= above)
        chosen = (is_beside, ~is_across & ~is_beside, is_across)
        fractions = [xp.astype(mask, cost.dtype) for mask in chosen]
    table, path = _tables(cost, 0.0)
    path[-1, -1] = 1
    for k in range(path.shape[0] - 1, 1, -1):
        cells = path[k, 1:]
        path[k - 1, 1:] += cells * fractions[0][k - 2]
        path[k - 1, :-1] += cells * fractions[1][k - 2]
        path[k - 2, :-1] += cells * fractions[2][k - 2]
    if diagonal != 1:
        path[2:, 1:] *= 1 + (diagonal - 1) * fractions[2]
    return xp.permute_dims(table[1:, 1:], (2, 0, 1))


def dtw(cost: Array, *, diagonal: float = 1.0, plan: bool = True) -> Alignment[Array]:
    """Find the cheapest warping path; its cost is the sum of its cells (Sakoe and Chiba 1978).

    A path runs from the first cell to the last; each step goes down, right or diagonally.

    Args:
        cost: (… m m').
        diagonal: Weight of a cell's cost after a diagonal step. With 2, the symmetric form, the
            weights along each path add up to m + m'.
        plan: Whether to return the path.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost: 1 on the path, ``diagonal`` after a diagonal
        step, 0 elsewhere. A tie prefers the diagonal step.

    >>> import numpy as np
    >>> dtw(np.array([[1.0, 5.0, 5.0], [5.0, 1.0, 2.0]])).value
    array(4.)
    """
    return warp(finite_costs(cost), 0.0, plan, diagonal)


def soft_dtw(cost: Array, smoothing: float = 0.1, *, plan: bool = True) -> Alignment[Array]:
    """Compute the soft minimum −γ log Σ exp(−cost/γ) over all warping paths (Cuturi, Blondel 2017).

    Args:
        cost: (… m m').
        smoothing: γ ≥ 0; 0 is ``dtw``.
        plan: Whether to return the soft path.

    Returns:
        ``value`` (…), negative where many paths are cheap; ``plan`` (… m m'), ∂value/∂cost: the
        probability that the path runs through each cell.

    Raises:
        OptionError: The smoothing is negative.

    >>> import numpy as np
    >>> soft_dtw(np.array([[2.0, 3.0]])).value
    array(5.)
    """
    check_smoothing(smoothing)
    return warp(finite_costs(cost), smoothing, plan)
