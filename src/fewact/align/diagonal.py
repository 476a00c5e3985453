"""Diagonal matching: part i with part i."""

from typing import Literal

import torch
from torch import Tensor

from fewact.align.border import check_reduction, finite_costs
from fewact.align.result import Alignment


def diagonal(
    cost: Tensor, *, reduction: Literal["mean", "sum"] = "mean", plan: bool = True
) -> Alignment:
    """Cost of each part with the part of the same number.

    Args:
        cost: (… m m).
        reduction: ``mean`` or ``sum`` over the parts.
        plan: Whether the matches are wanted.

    Returns:
        ``value`` (…); ``plan`` (… m m), ∂value/∂cost: the identity, divided by m for the mean.

    Raises:
        ShapeError: The costs are not square.
        AlignmentError: A cost is NaN or infinite.
        OptionError: There is no such reduction.

    >>> diagonal(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).value
    tensor(2.)
    """
    check_reduction(reduction)
    cost = finite_costs(cost, square=True)
    matched = cost.diagonal(dim1=-2, dim2=-1)  # (… m)
    m = matched.shape[-1]
    share = 1 / m if reduction == "mean" else 1.0
    identity = share * torch.eye(m, dtype=cost.dtype, device=cost.device) if plan else None
    return Alignment(
        share * matched.sum(-1), None if identity is None else identity.expand(cost.shape)
    )
