"""Diagonal matching: part i with part i."""

from typing import Literal

from fewact.align.alignment import Alignment, finite_costs
from fewact.core.array_api import Array, as_array, namespace
from fewact.core.errors import check_choice


def diagonal(
    cost: Array, *, reduction: Literal["mean", "sum"] = "mean", plan: bool = True
) -> Alignment[Array]:
    """Match each part with the part of the same index.

    Args:
        cost: (… m m).
        reduction: ``mean`` or ``sum`` over the parts.
        plan: Whether to return the matches.

    Returns:
        ``value`` (…); ``plan`` (… m m), ∂value/∂cost: the identity, divided by m for the mean.

    Raises:
        ShapeError: The costs are not square.
        OptionError: The reduction is unknown.

    >>> import numpy as np
    >>> diagonal(np.array([[1.0, 0.0], [0.0, 3.0]])).value
    array(2.)
    """
    check_choice(reduction, ("mean", "sum"), "reduction")
    costs = finite_costs(cost, square=True)
    xp = namespace(costs)
    matched = xp.linalg.diagonal(costs)  # (… m)
    m = matched.shape[-1]
    factor = 1 / m if reduction == "mean" else 1.0
    value = as_array(factor * xp.sum(matched, axis=-1))
    if not plan:
        return Alignment(value, None)
    identity = factor * xp.eye(m, dtype=costs.dtype, device=costs.device)
    return Alignment(value, xp.broadcast_to(identity, costs.shape))
