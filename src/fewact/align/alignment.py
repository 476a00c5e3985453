"""Result of an aligner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewact.core.errors import AlignmentError, OptionError
from fewact.core.shapes import all_finite, check_tensor


@dataclass(frozen=True)
class Alignment:
    """How two sets of parts were matched, and at what cost.

    Args:
        value: (…) cost of the match: smaller is nearer.
        plan: (… m m') how the parts were matched: a flow, a soft path, an assignment. None with
            ``plan=False``.
    """

    value: Tensor
    plan: Tensor | None


def finite_costs(cost: Tensor, *, square: bool = False) -> Tensor:
    """Return checked costs, in float32 or float64.

    Args:
        cost: (… m m').
        square: Whether m and m' must be equal.
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


CELLS_PER_CHUNK = 2**18
"""Costs that a CPU solves at once: they fit its cache, and memory does not grow with the batch."""

Solver = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]
"""Costs (batch m m') and whether the plan is needed → values (batch) and plans (batch m m')."""


def solve_optimum(cost: Tensor, solve: Solver, *, plan: bool) -> Alignment:
    """Solve without autograd: the plan is the gradient, so the solver is not differentiated.

    Args:
        cost: (… m m'), finite, float32 or float64.
        solve: Solver that returns values and, as plan, ∂value/∂cost.
        plan: Whether to return the plan.

    Returns:
        ``value`` (…), which can be differentiated once; ``plan`` (… m m').
    """
    with_plan = plan or needs_gradient(cost)
    with torch.no_grad():
        flat = cost.detach().reshape(-1, *cost.shape[-2:])
        size = _chunk_size(flat)
        starts = range(0, max(1, len(flat)), size)
        chunks = [solve(flat[start : start + size], with_plan) for start in starts]
        value = torch.cat([chunk[0] for chunk in chunks]).view(cost.shape[:-2])
        paths = [chunk[1] for chunk in chunks if chunk[1] is not None]
        path = torch.cat(paths).view(cost.shape) if paths else None
    if path is not None and needs_gradient(cost):
        value = _Known.apply(cost, value, path)  # type: ignore[no-untyped-call]
    return Alignment(value, path if plan else None)


def _chunk_size(flat: Tensor) -> int:
    """Problems of (batch m m') per chunk; a device other than a CPU takes all at once."""
    if flat.device.type != "cpu":
        return max(1, len(flat))
    return max(1, CELLS_PER_CHUNK // (flat.shape[1] * flat.shape[2]))


class _Known(torch.autograd.Function):
    """A value whose gradient is known already."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.view_as(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grad[..., None, None] * gradient, None, None
