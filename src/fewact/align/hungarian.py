"""Optimal assignment, and its fractional form where the sets differ in size."""

import math

from torch import Tensor

from fewact.align.checks import finite_costs, needs_gradient
from fewact.align.emd import emd
from fewact.align.result import Alignment


def hungarian(cost: Tensor, *, plan: bool = True) -> Alignment:
    """Find the best one-to-one matching; its cost is the mean over the matched pairs.

    For m = m' this is min over permutations π of (1/m) Σ_i C(i, π(i)). For m ≠ m' each row has the
    weight 1/m and each column 1/m', and parts are matched fractionally. Both are the Earth Mover's
    Distance with uniform weights of total 1, and are solved exactly as such.

    Args:
        cost: (… m m').
        plan: Whether to return the matches.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost, with rows summing to 1/m and columns to
        1/m'; for m = m' a permutation divided by m. A tie goes to one of the optima.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.

    >>> import torch
    >>> hungarian(torch.tensor([[1.0, 2.0], [1.0, 4.0]])).value
    tensor(1.5000)
    """
    cost = finite_costs(cost)
    rows, columns = cost.shape[-2:]
    # Integer weights avoid rounding; for m = m' they are all 1.
    total = math.lcm(rows, columns)
    best = emd(
        cost,
        cost.new_full((rows,), total // rows),
        cost.new_full((columns,), total // columns),
        plan=plan or needs_gradient(cost),
    )
    matches = best.plan / total if plan and best.plan is not None else None
    return Alignment(best.value / total, matches)
