"""Checks of costs and options that all aligners share."""

import torch
from torch import Tensor

from fewact.core.errors import AlignmentError, OptionError
from fewact.core.shapes import all_finite, check_tensor


def finite_costs(cost: Tensor, *, square: bool = False) -> Tensor:
    """Return checked costs, in float32 or float64.

    Args:
        cost: (… m m').
        square: Whether m and m' must be equal.

    Raises:
        ShapeError: There are no such two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite; ``index`` is the first such problem.
    """
    check_tensor(cost, "… m m" if square else "… m m'", "cost")
    cost = cost.to(torch.promote_types(cost.dtype, torch.float32))
    if not all_finite(cost.detach()):
        _refuse_first(cost)
    return cost


def _refuse_first(cost: Tensor) -> None:
    *index, row, column = (~cost.isfinite()).nonzero()[0].tolist()
    raise AlignmentError(
        "a cost is not finite",
        index=tuple(index),
        got=f"{cost[(*index, row, column)].item()} in row {row}, column {column}",
        expected="finite numbers",
    )


def check_smoothing(value: float) -> None:
    """Refuse a smoothing that is negative, or so small that costs divided by it overflow."""
    if not (value == 0 or 1e-9 <= value < float("inf")):
        raise OptionError(
            "invalid smoothing",
            where="smoothing",
            got=repr(value),
            expected="0 for the hard minimum, or a number from 1e-9",
        )


def check_reduction(reduction: str) -> None:
    """Refuse a reduction other than ``sum`` and ``mean``."""
    if reduction not in ("sum", "mean"):
        raise OptionError(
            "unknown reduction", where="reduction", got=repr(reduction), expected="sum or mean"
        )


def needs_gradient(cost: Tensor) -> bool:
    """Return whether autograd may request a gradient for the costs."""
    return cost.requires_grad and torch.is_grad_enabled()
