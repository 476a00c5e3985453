"""Entropic transport by Sinkhorn's iterations."""

import torch
from torch import Tensor

from fewact.align.alignment import Alignment, finite_costs
from fewact.core.errors import AlignmentError, OptionError, ShapeError


def sinkhorn(
    cost: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    regularisation: float = 0.05,
    iterations: int = 100,
    plan: bool = True,
) -> Alignment:
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

    >>> round(sinkhorn(torch.eye(2), regularisation=0.01).value.item(), 6)
    0.0
    """
    _check_options(regularisation, iterations)
    cost = finite_costs(cost)
    log_a, log_b = _log_weights(cost, a, b)
    scores = cost / -regularisation
    rows, columns = torch.zeros_like(log_a), torch.zeros_like(log_b)
    for _ in range(iterations):
        rows = log_a - (scores + columns[..., None, :]).logsumexp(-1)
        columns = log_b - (scores + rows[..., :, None]).logsumexp(-2)
    flow = (scores + rows[..., :, None] + columns[..., None, :]).exp()
    return Alignment((flow * cost).sum((-2, -1)), flow.detach() if plan else None)


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


def _log_weights(cost: Tensor, a: Tensor | None, b: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the logarithms of the checked weights, with the leading axes of the cost."""
    *leading, m, columns = cost.shape
    sides = []
    for weights, size, name in ((a, m, "a"), (b, columns, "b")):
        side = cost.new_full((size,), 1 / size) if weights is None else weights.to(cost.dtype)
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
    # A weight of zero has no logarithm; the smallest positive number carries no flow either.
    smallest = torch.finfo(cost.dtype).tiny
    return sides[0].clamp_min(smallest).log(), sides[1].clamp_min(smallest).log()


def _check_weights(a: Tensor, b: Tensor) -> None:
    totals = a.detach().sum(-1), b.detach().sum(-1)
    tolerance = 1e-5 if a.dtype == torch.float32 else 1e-9
    bad = ~((totals[0] - totals[1]).abs() <= tolerance * totals[0])
    bad |= (a.detach() < 0).any(-1) | (b.detach() < 0).any(-1) | ~(totals[0] > 0)
    if bad.any():
        index = tuple(bad.nonzero()[0].tolist())
        raise AlignmentError(
            "the weights of the two sides do not match",
            index=index,
            got=f"totals {totals[0][index].item()} and {totals[1][index].item()}",
            expected="finite weights of 0 or more with the same total above 0",
        )
