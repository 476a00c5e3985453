"""From a solver of a batch of problems to an aligner: pieces of the batch, and the gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewact.align.border import wants_gradient
from fewact.align.result import Alignment

CELLS_AT_ONCE = 2**18
"""Costs that a CPU works on at once: its cache holds them, and memory does not grow with b."""

Solver = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]
"""Costs (batch m m') and whether the plan is wanted → values (batch) and plans (batch m m')."""


def solve_optimum(cost: Tensor, solve: Solver, *, plan: bool) -> Alignment:
    """Solve without autograd; the plan is the gradient, so the solver is not differentiated.

    Args:
        cost: (… m m'), finite, float32 or float64.
        solve: Gives values and, as plan, ∂value/∂cost.
        plan: Whether the plan is wanted.

    Returns:
        ``value`` (…), which can be differentiated once; ``plan`` (… m m').
    """
    wanted = plan or wants_gradient(cost)
    with torch.no_grad():
        flat = cost.detach().reshape(-1, *cost.shape[-2:])
        at_once = _at_once(flat)
        starts = range(0, max(1, len(flat)), at_once)
        pieces = [solve(flat[start : start + at_once], wanted) for start in starts]
        value = torch.cat([piece[0] for piece in pieces]).view(cost.shape[:-2])
        paths = [piece[1] for piece in pieces if piece[1] is not None]
        path = torch.cat(paths).view(cost.shape) if paths else None
    if path is not None and wants_gradient(cost):
        value = _Known.apply(cost, value, path)  # type: ignore[no-untyped-call]
    return Alignment(value, path if plan else None)


def _at_once(flat: Tensor) -> int:
    """Problems of (batch m m') to solve in one piece; a device other than a CPU takes them all."""
    if flat.device.type != "cpu":
        return max(1, len(flat))
    return max(1, CELLS_AT_ONCE // (flat.shape[1] * flat.shape[2]))


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
