"""Bidirectional mean Hausdorff metric: each part looks for its nearest in the other set."""

from typing import Literal

import torch
from torch import Tensor

from fewact.align.border import check_reduction, finite_costs
from fewact.align.result import Alignment


def bi_mhm(
    cost: Tensor,
    *,
    reduction: Literal["sum", "mean"] = "sum",
    both: bool = True,
    plan: bool = True,
) -> Alignment:
    """Cost of each part to the nearest of the other set, in both directions (HyRSM).

    D = Σ_i min_j C(i, j) + Σ_j min_i C(i, j); the mean form divides the first sum by m and the
    second by m'. Blind to order.

    Args:
        cost: (… m m').
        reduction: ``sum``, as the public code has it, or ``mean``, as the paper's name has it.
        both: Without it, only rows look for their nearest column.
        plan: Whether the matches are wanted.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost. A tie goes to one of the nearest.

    Raises:
        ShapeError: The costs lack two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: There is no such reduction.

    >>> bi_mhm(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).value
    tensor(7.)
    """
    check_reduction(reduction)
    cost = finite_costs(cost)
    directions = (-1, -2) if both else (-1,)
    matches = torch.zeros_like(cost, requires_grad=False) if plan else None
    value = cost.new_zeros(())
    for dim in directions:
        nearest = cost.min(dim)
        share = 1 / nearest.values.shape[-1] if reduction == "mean" else 1.0
        value = value + share * nearest.values.sum(-1)
        if matches is not None:
            ones = torch.full_like(cost.detach(), share)
            matches.scatter_add_(dim, nearest.indices.unsqueeze(dim), ones)
    return Alignment(value, matches)
