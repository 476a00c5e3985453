"""Find the nearest of several classes in plain torch, without solving classes that cannot win."""

from collections.abc import Callable

import torch
from torch import Tensor

from fewact.align._emd.problem import Problems, Solution, check

MARGIN = 1e-9
"""Safety margin of a bound over the best value, relative to max|cost| and the mass."""


def nearest(problems: Problems, solve: Callable[[Problems], Solution]) -> tuple[Tensor, Tensor]:
    """Find the class of the smallest transport cost in each group.

    Args:
        problems: Groups (… k) of k classes.
        solve: Solver of problems.

    Returns:
        (…) int64 index of the nearest class, undefined in a group with a problem that could not be
        solved; and ``Status`` (… k).
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
    group = torch.arange(len(cost), device=cost.device)  # groups that are still open
    for rank in range(cost.shape[1]):
        chosen = order[group, rank]
        can_win = bound[group, chosen] <= value[group].amin(1)
        group, chosen = group[can_win], chosen[can_win]
        if not len(group):
            break
        candidates = Problems(*(part[group, chosen] for part in problems))
        found = solve(candidates)
        status[group.cpu(), chosen.cpu()] = found.status
        value[group, chosen] = found.value
    return value.argmin(1).view(leading), status


def lower_bound(problems: Problems) -> Tensor:
    """Compute a lower bound (…) float64 of each value, from two pairs of feasible duals.

    A pair has the minima of the cost on one side and the minima of the rest on the other.
    """
    cost, a, b = (part.double() for part in problems)
    columns, rows = cost.amin(-2), cost.amin(-1)  # (… m), (… n)
    rows_left = (cost - columns[..., None, :]).amin(-1)
    columns_left = (cost - rows[..., None]).amin(-2)
    return torch.maximum(
        (columns * b).sum(-1) + (rows_left * a).sum(-1),
        (rows * a).sum(-1) + (columns_left * b).sum(-1),
    )
