"""The nearest of several classes in plain torch, without solving those that cannot be it."""

from collections.abc import Callable

import torch
from torch import Tensor

from fewact.align._emd.problem import Problems, Solution, check

MARGIN = 1e-9
"""How far above the best value, relative to max|cost| and the mass, a bound must be to count."""


def nearest(problems: Problems, solve: Callable[[Problems], Solution]) -> tuple[Tensor, Tensor]:
    """The class of the least transport cost of each group.

    Args:
        problems: (… k) of them: groups of k classes.
        solve: Solves problems.

    Returns:
        (…) int64 index of the nearest class; and (… k) of ``Status``: a group with a problem that
        could not be solved has no nearest class.
    """
    leading, classes = problems.cost.shape[:-3], problems.cost.shape[-3]
    problems = problems.reshape(-1, classes)  # (G k)
    cost, a, _ = problems
    status = check(problems).cpu()  # (G k)
    if status.any():
        return cost.new_zeros(leading, dtype=torch.int64), status
    bound = lower_bound(problems)  # (G k)
    margin = MARGIN * cost.abs().amax((1, 2, 3)).double() * a.sum(-1).amax(1)  # (G)
    bound = bound - margin[:, None]
    order = bound.argsort(1)
    value = torch.full_like(bound, torch.inf)
    group = torch.arange(len(cost), device=cost.device)  # those still open
    for place in range(cost.shape[1]):
        chosen = order[group, place]
        can_win = bound[group, chosen] <= value[group].amin(1)
        group, chosen = group[can_win], chosen[can_win]
        if not len(group):
            break
        these = Problems(*(part[group, chosen] for part in problems))
        found = solve(these)
        status[group.cpu(), chosen.cpu()] = found.status
        value[group, chosen] = found.value
    return value.argmin(1).view(leading), status


def lower_bound(problems: Problems) -> Tensor:
    """What two pairs of feasible duals prove of each value: (…) float64.

    Each pair gives one side the minima of the cost and the other the minima of what is left.
    """
    cost, a, b = (part.double() for part in problems)
    columns, rows = cost.amin(-2), cost.amin(-1)  # (… m), (… n)
    rows_left = (cost - columns[..., None, :]).amin(-1)
    columns_left = (cost - rows[..., None]).amin(-2)
    return torch.maximum(
        (columns * b).sum(-1) + (rows_left * a).sum(-1),
        (rows * a).sum(-1) + (columns_left * b).sum(-1),
    )
