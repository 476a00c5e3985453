"""Entropic transport by Sinkhorn's iterations."""

from typing import Any

import numpy as np

from fewact.align.alignment import Alignment, finite_costs, first_index, log_sum_exp
from fewact.core.array_api import Array, as_array, detached, namespace
from fewact.core.errors import AlignmentError, OptionError, ShapeError


def sinkhorn(
    cost: Array,
    a: Array | None = None,
    b: Array | None = None,
    *,
    regularisation: float = 0.05,
    iterations: int = 100,
    plan: bool = True,
) -> Alignment[Array]:
    """Compute the transport cost Σ_ij F_ij C_ij of the entropic optimum F (Cuturi 2013).

    F minimises Σ_ij F_ij C_ij + ε Σ_ij F_ij (log F_ij − 1) for row sums a and column sums b. Rows
    and columns are scaled in turn, in logarithms: column sums are exact, row sums approximate.
    Gradients go through the iterations.

    Args:
        cost: (… m m').
        a: (… m) weights of the rows, ≥ 0; by default 1/m each. Leading axes broadcast.
        b: (… m') weights of the columns, of the same total; by default 1/m' each.
        regularisation: ε > 0, in units of the cost: a small value is nearer to the exact optimum
            and converges more slowly.
        iterations: Number of scalings of both sides.
        plan: Whether to return the flow.

    Returns:
        ``value`` (…), at least the value of ``emd`` once converged; ``plan`` (… m m') the flow F,
        without a gradient.

    Raises:
        ShapeError: The shapes don't fit.
        AlignmentError: A cost is NaN or infinite, a weight is negative, or totals differ.
        OptionError: ``regularisation`` or ``iterations`` is not positive.

    >>> import numpy as np
    >>> round(float(sinkhorn(np.eye(2), regularisation=0.01).value), 6)
    0.0
    """
    _check_options(regularisation, iterations)
    costs = finite_costs(cost)
    xp = namespace(costs)
    log_a, log_b = _log_weights(costs, a, b)
    scores = costs / -float(regularisation)
    rows, columns = xp.zeros_like(log_a), xp.zeros_like(log_b)
    for _ in range(iterations):
        rows = log_a - log_sum_exp(scores + columns[..., None, :], -1)
        columns = log_b - log_sum_exp(scores + rows[..., :, None], -2)
    flow = xp.exp(scores + rows[..., :, None] + columns[..., None, :])
    value = as_array(xp.sum(flow * costs, axis=(-2, -1)))
    return Alignment(value, detached(flow) if plan else None)


def _check_options(regularisation: float, iterations: int) -> None:
    if not 1e-9 <= regularisation < float("inf"):
        raise OptionError(
            "invalid regularisation",
            where="regularisation",
            got=repr(regularisation),
            expected="a number from 1e-9",
        )
    if iterations < 1:
        raise OptionError(
            "invalid number of iterations",
            where="iterations",
            got=repr(iterations),
            expected="an integer from 1",
        )


def _log_weights(cost: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Return the logarithms of the checked weights, with the leading axes of the cost."""
    xp = namespace(cost)
    *leading, m, columns = cost.shape
    sides = []
    for weights, size, name in ((a, m, "a"), (b, columns, "b")):
        side = xp.full((size,), 1 / size, dtype=cost.dtype, device=cost.device)
        if weights is not None:
            side = xp.astype(weights, cost.dtype, copy=False)
        try:
            sides.append(xp.broadcast_to(side, (*leading, size)))
        except (ValueError, RuntimeError):
            raise ShapeError(
                "weights don't fit the costs",
                where=name,
                got=f"{tuple(side.shape)}",
                expected=f"({', '.join(map(str, (*leading, size)))}), or fewer leading axes",
            ) from None
    _check_weights(*map(detached, sides))
    # A weight of zero has no logarithm; the smallest positive number carries no flow either.
    smallest = float(xp.finfo(cost.dtype).smallest_normal)
    return xp.log(xp.clip(sides[0], smallest, None)), xp.log(xp.clip(sides[1], smallest, None))


def _check_weights(a: Any, b: Any) -> None:
    xp = namespace(a)
    totals = xp.sum(a, axis=-1), xp.sum(b, axis=-1)
    tolerance = 1e-5 if a.dtype == xp.float32 else 1e-9
    with np.errstate(invalid="ignore"):  # infinite totals
        bad = ~(xp.abs(totals[0] - totals[1]) <= tolerance * totals[0])
    bad = bad | xp.any(a < 0, axis=-1) | xp.any(b < 0, axis=-1) | ~(totals[0] > 0)
    if xp.any(bad):
        index = first_index(bad)
        raise AlignmentError(
            "the weights of the two sides do not match",
            index=index,
            got=f"totals {float(totals[0][index])} and {float(totals[1][index])}",
            expected="finite weights of 0 or more with the same total above 0",
        )
