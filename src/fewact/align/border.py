"""What aligners check and say about the costs that they are given."""

import torch
from torch import Tensor

from fewact.errors import AlignmentError, OptionError
from fewact.shapes import check_shape


def finite_costs(cost: Tensor, *, square: bool = False) -> Tensor:
    """Costs that can be aligned, in float32 or float64.

    Args:
        cost: (… m m').
        square: Whether m and m' must be the same.

    Raises:
        ShapeError: There are no such two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite; ``index`` says in which problem first.
    """
    check_shape(cost, "… m m" if square else "… m m'", "cost")
    cost = cost.to(torch.promote_types(cost.dtype, torch.float32))
    # NaN wins in aminmax, so one pass without a temporary tells whether all is well.
    if cost.numel() and not torch.stack(torch.aminmax(cost.detach())).isfinite().all():
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


def check_smoothing(value: float, name: str) -> None:
    """Refuse a smoothing that is negative, or so small that costs divided by it overflow."""
    if not (value == 0 or 1e-9 <= value < float("inf")):
        raise OptionError(
            "no such smoothing",
            where=name,
            got=repr(value),
            expected="0 for the hard minimum, or a number from 1e-9",
        )


def check_reduction(reduction: str) -> None:
    """Refuse a reduction other than ``sum`` and ``mean``."""
    if reduction not in ("sum", "mean"):
        raise OptionError(
            "no such reduction", where="reduction", got=repr(reduction), expected="sum or mean"
        )


def wants_gradient(cost: Tensor) -> bool:
    """Whether a gradient for the costs may be asked for."""
    return cost.requires_grad and torch.is_grad_enabled()
