"""Entropic transport by Sinkhorn's iterations."""

import torch
from torch import Tensor

from fewact.align.border import finite_costs
from fewact.align.result import Alignment
from fewact.errors import AlignmentError, OptionError, ShapeError


def sinkhorn(
    cost: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    eps: float = 0.05,
    iterations: int = 100,
    plan: bool = True,
) -> Alignment:
    """Transport cost Σ_ij F_ij C_ij of the entropic optimum F (Cuturi 2013).

    F minimises Σ_ij F_ij C_ij + ε Σ_ij F_ij (log F_ij − 1) for row sums a and column sums b. It is
    approached by alternate scaling of rows and columns, in logarithms: column sums are exact, row
    sums as near as the iterations brought them. Gradients go through the iterations.

    Args:
        cost: (… m m').
        a: (… m) weights of the rows, ≥ 0; by default 1/m each. Leading axes broadcast.
        b: (… m') weights of the columns, of the same total; by default 1/m' each.
        eps: ε > 0, in units of the cost: small is near the exact optimum, and slow.
        iterations: Scalings of both sides.
        plan: Whether the flow is wanted.

    Returns:
        ``value`` (…), not below that of ``emd`` once converged; ``plan`` (… m m') the flow F,
        without a gradient.

    Raises:
        ShapeError: The shapes don't fit.
        AlignmentError: A cost is NaN or infinite, a weight is negative, or totals differ.
        OptionError: ``eps`` or ``iterations`` is not positive.

    >>> round(sinkhorn(torch.eye(2), eps=0.01).value.item(), 6)
    0.0
    """
    _check_options(eps, iterations)
    cost = finite_costs(cost)
    log_a, log_b = _log_weights(cost, a, b)
    scores = cost / -eps
    rows, columns = torch.zeros_like(log_a), torch.zeros_like(log_b)
    for _ in range(iterations):
        rows = log_a - (scores + columns[..., None, :]).logsumexp(-1)
        columns = log_b - (scores + rows[..., :, None]).logsumexp(-2)
    flow = (scores + rows[..., :, None] + columns[..., None, :]).exp()
    return Alignment((flow * cost).sum((-2, -1)), flow.detach() if plan else None)


def _check_options(eps: float, iterations: int) -> None:
    if not 1e-9 <= eps < float("inf"):
        raise OptionError("no such ε", where="eps", got=repr(eps), expected="a number from 1e-9")
    if iterations < 1:
        raise OptionError(
            "no such number of iterations",
            where="iterations",
            got=repr(iterations),
            expected="a whole number from 1",
        )


def _log_weights(cost: Tensor, a: Tensor | None, b: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logarithms of the weights (… m) and (… m'), checked, with the leading axes of the cost."""
    *leading, m, others = cost.shape
    sides = []
    for given, size, name in ((a, m, "a"), (b, others, "b")):
        side = cost.new_full((size,), 1 / size) if given is None else given.to(cost.dtype)
        try:
            sides.append(side.expand(*leading, size))
        except RuntimeError:
            raise ShapeError(
                "weights don't fit the costs",
                where=name,
                got=f"{tuple(side.shape)}",
                expected=f"({', '.join(map(str, (*leading, size)))}), or fewer leading axes",
            ) from None
    _check_weights(*sides)
    # A weight of zero has no logarithm; the least number that has one carries no flow either.
    least = torch.finfo(cost.dtype).tiny
    return sides[0].clamp_min(least).log(), sides[1].clamp_min(least).log()


def _check_weights(a: Tensor, b: Tensor) -> None:
    totals = a.detach().sum(-1), b.detach().sum(-1)
    tolerance = 1e-5 if a.dtype == torch.float32 else 1e-9
    bad = ~((totals[0] - totals[1]).abs() <= tolerance * totals[0])
    bad |= (a.detach() < 0).any(-1) | (b.detach() < 0).any(-1) | ~(totals[0] > 0)
    if bad.any():
        index = tuple(bad.nonzero()[0].tolist())
        raise AlignmentError(
            "these weights cannot be transported onto each other",
            index=index,
            got=f"totals {totals[0][index].item()} and {totals[1][index].item()}",
            expected="finite weights of 0 or more with the same total above 0",
        )
