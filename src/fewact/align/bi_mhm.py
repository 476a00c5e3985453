"""Bidirectional mean Hausdorff metric: each part is matched with the nearest of the other set."""

from typing import Literal

import torch
from torch import Tensor

from fewact.align.alignment import Alignment, check_reduction, finite_costs


def bi_mhm(
    cost: Tensor,
    *,
    reduction: Literal["sum", "mean"] = "sum",
    bidirectional: bool = True,
    plan: bool = True,
) -> Alignment:
    """Match each part with the nearest of the other set, in both directions (HyRSM).

    D = Σ_i min_j C(i, j) + Σ_j min_i C(i, j); the mean form divides the first sum by m and the
    second by m'. The order of the parts has no effect.

    Args:
        cost: (… m m').
        reduction: ``sum``, as in the public code, or ``mean``, as in the paper's name.
        bidirectional: Whether to add the second sum.
        plan: Whether to return the matches.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost. A tie goes to one of the nearest.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: The reduction is unknown.

    >>> bi_mhm(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).value
    tensor(7.)
    """
    check_reduction(reduction)
    cost = finite_costs(cost)
    dims = (-1, -2) if bidirectional else (-1,)
    matches = torch.zeros_like(cost, requires_grad=False) if plan else None
    value = cost.new_zeros(())
    for dim in dims:
        nearest = cost.min(dim)
        factor = 1 / nearest.values.shape[-1] if reduction == "mean" else 1.0
        value = value + factor * nearest.values.sum(-1)
        if matches is not None:
            ones = torch.full_like(cost.detach(), factor)
            matches.scatter_add_(dim, nearest.indices.unsqueeze(dim), ones)
    return Alignment(value, matches)
