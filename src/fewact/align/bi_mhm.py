"""Bidirectional mean Hausdorff metric: each part is matched with the nearest of the other set."""

from typing import Any, Literal

from fewact.align.alignment import Alignment, finite_costs
from fewact.core.array_api import Array, as_array, namespace, needs_gradient
from fewact.core.errors import check_choice


def bi_mhm(
    cost: Array,
    *,
    reduction: Literal["sum", "mean"] = "sum",
    bidirectional: bool = True,
    plan: bool = True,
) -> Alignment[Array]:
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
        OptionError: The reduction is unknown.

    >>> import numpy as np
    >>> bi_mhm(np.array([[1.0, 2.0], [3.0, 5.0]])).value
    array(7.)
    """
    check_choice(reduction, ("sum", "mean"), "reduction")
    costs = finite_costs(cost)
    matched = plan or needs_gradient(costs)
    value, matches = 0.0, 0.0
    for axis in (-1, -2) if bidirectional else (-1,):
        minima, nearest = _nearest(costs if axis == -1 else costs.mT, matched)
        factor = 1 / minima.shape[-1] if reduction == "mean" else 1.0
        value = value + factor * namespace(costs).sum(minima, axis=-1)
        if plan:
            matches = matches + factor * (nearest if axis == -1 else nearest.mT)
    return Alignment(as_array(value), matches if plan else None)


def _nearest(costs: Any, matched: bool) -> tuple[Any, Any]:
    """Return the smallest cost of each row (… m) and, with ``matched``, its mask (… m m')."""
    xp = namespace(costs)
    if not matched:
        return xp.min(costs, axis=-1), None
    *leading, m, columns = costs.shape
    index = xp.argmin(xp.reshape(costs, (-1, columns)), axis=-1)
    index = xp.reshape(index, (*leading, m, 1))
    mask = xp.astype(xp.arange(columns, device=costs.device) == index, costs.dtype)
    return xp.take_along_axis(costs, index, axis=-1)[..., 0], mask
