"""Diagonal matching: part i with part i."""

from typing import Literal

import torch
from torch import Tensor

from fewact.align.alignment import Alignment, check_reduction, finite_costs


def diagonal(
    cost: Tensor, *, reduction: Literal["mean", "sum"] = "mean", plan: bool = True
) -> Alignment:
    """Match each part with the part of the same index.

    Args:
        cost: (… m m).
        reduction: ``mean`` or ``sum`` over the parts.
        plan: Whether to return the matches.

    Returns:
        ``value`` (…); ``plan`` (… m m), ∂value/∂cost: the identity, divided by m for the mean.

    Raises:
        ShapeError: The costs are not square.
        AlignmentError: A cost is NaN or infinite.
        OptionError: The reduction is unknown.

    >>> diagonal(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).value
    tensor(2.)
    """
    check_reduction(reduction)
    cost = finite_costs(cost, square=True)
    matched = cost.diagonal(dim1=-2, dim2=-1)  # (… m)
    m = matched.shape[-1]
    factor = 1 / m if reduction == "mean" else 1.0
    identity = factor * torch.eye(m, dtype=cost.dtype, device=cost.device) if plan else None
    return Alignment(
        factor * matched.sum(-1), None if identity is None else identity.expand(cost.shape)
    )
