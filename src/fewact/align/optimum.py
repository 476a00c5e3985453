"""Turns a solver of a batch of problems into an aligner: splits the batch, adds the gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewact.align.checks import needs_gradient
from fewact.align.result import Alignment

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
