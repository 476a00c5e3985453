"""Earth mover's distance: the exact optimum of the transport problem, with its duals.

Minimise Σ_ij c_ij F_ij over F ≥ 0 with Σ_j F_ij = a_i and Σ_i F_ij = b_j. The dual problem is to
maximise Σ_i a_i u_i + Σ_j b_j v_j over u_i + v_j ≤ c_ij; equality holds where F_ij > 0.
"""

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewact.align._emd.checks import as_tensors, fit, refuse
from fewact.align._emd.engine import EngineInfo, engine, nearest, solve
from fewact.align._emd.problem import Problems
from fewact.align.result import Alignment
from fewact.core.errors import AlignmentError, OptionError, ShapeError

__all__ = ["EmdAlignment", "EngineInfo", "emd", "emd_argmin", "engine"]

Array = TypeVar("Array", Tensor, np.ndarray[Any, Any])


@dataclass(frozen=True)
class EmdAlignment(Alignment):
    """An optimal transport and its duals.

    Args:
        value: (…) Σ_ij c_ij F_ij.
        plan: (… m m') an optimal flow F, with at most m + m' − 1 cells that are not zero.
        u: (… m) duals of the rows.
        v: (… m') duals of the columns. Duals u + t, v − t are as good for any t; t is unspecified.
    """

    u: Tensor
    v: Tensor


def emd(
    cost: Array, a: Array, b: Array, *, threads: int | None = None, plan: bool = True
) -> EmdAlignment:
    """Solve the transport problem exactly, batched over all leading axes (after DeepEMD).

    Differentiable once: the gradients of the value are the plan for ``cost``, u for ``a`` and v for
    ``b``; subgradients where the optimum is not unique. The constant shift between u and v
    cancels where totals are fixed: compute ``a = m * w / w.sum()`` from raw weights in torch.

    Args:
        cost: (… m m') float32 or float64, finite: a torch tensor or a NumPy array.
        a: (… m) weights of the rows, ≥ 0. Leading axes broadcast.
        b: (… m') weights of the columns, ≥ 0, of the same total, within a relative difference
            of 1e-9 (float32: 1e-5), which is removed by scaling.
        threads: Number of threads (default: ``torch.get_num_threads()``).
        plan: Whether to return the flow; without it there is no gradient for ``cost``.

    Returns:
        Tensors for tensors, arrays for arrays, computed in float64 whatever the dtype. A node of
        weight zero carries no flow; its dual is the largest feasible one.

    Raises:
        AlignmentError: A problem cannot be solved; ``index`` is the first such problem.
        ShapeError: Shapes, dtypes or devices do not fit.
        OptionError: ``threads`` is not positive.

    >>> cost = torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    >>> emd(cost, torch.tensor([1.0, 1.0]), torch.tensor([0.5, 1.5])).value
    tensor(2.)
    """
    tensors, arrays = as_tensors(cost, a, b)
    problems = fit(tensors)
    if not plan and problems.cost.requires_grad and torch.is_grad_enabled():
        raise AlignmentError(
            "the gradient of the cost is the plan", got="plan=False", expected="plan=True"
        )
    found = solve(problems, threads=_threads(threads), plan=plan)
    refuse(found.status, problems)
    value: Any = found.value.to(problems.cost.dtype)
    parts = [value, found.plan, found.u, found.v]
    if torch.is_grad_enabled() and any(part.requires_grad for part in problems):
        parts[0] = _Value.apply(*problems, *parts)  # type: ignore[no-untyped-call]
    if arrays:
        parts = [part if part is None else part.numpy() for part in parts]
    return EmdAlignment(*parts)


def emd_argmin(cost: Array, a: Array, b: Array, *, threads: int | None = None) -> Array:
    """Find the class of the smallest ``emd`` without solving classes that cannot win.

    Feasible duals bound a value from below: classes are solved in the order of their bounds until
    the next bound is above the best value. The result is the argmin of ``emd(cost, a, b).value`` in
    float64.

    Args:
        cost: (… n m m') costs against each of n classes, as for ``emd``.
        a: (… n m) weights of the rows. Leading axes broadcast.
        b: (… n m') weights of the columns.
        threads: As for ``emd``.

    Returns:
        (…) int64 index of the nearest class; of several equally near ones, the first.

    Raises:
        AlignmentError: A problem cannot be solved; ``index`` is the first such problem.
        ShapeError: Shapes, dtypes or devices do not fit.
        OptionError: ``threads`` is not positive.
    """
    tensors, arrays = as_tensors(cost, a, b)
    problems = fit(Problems(*(part.detach() for part in tensors)))
    if problems.cost.ndim < 3 or problems.cost.shape[-3] == 0:
        raise ShapeError(
            "there is no class axis",
            where="emd_argmin",
            got=f"cost {tuple(cost.shape)}",
            expected="cost (… n m m') with n of 1 or more",
        )
    index, status = nearest(problems, threads=_threads(threads))
    refuse(status, problems)
    return cast(Array, index.numpy() if arrays else index)


class _Value(torch.autograd.Function):
    """Values of solved problems; the gradients are the plan and the duals."""

    @staticmethod
    def forward(
        ctx: Any,
        cost: Tensor,
        a: Tensor,
        b: Tensor,
        value: Tensor,
        plan: Tensor | None,
        u: Tensor,
        v: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(plan, u, v)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan, u, v = ctx.saved_tensors
        cost_needed, a_needed, b_needed = ctx.needs_input_grad[:3]
        per_node = grad.unsqueeze(-1)
        return (
            per_node.unsqueeze(-1) * plan if cost_needed else None,
            per_node * u if a_needed else None,
            per_node * v if b_needed else None,
            *[None] * 4,
        )


def _threads(requested: int | None) -> int:
    """Return the requested number of threads, or torch's."""
    if requested is None:
        return torch.get_num_threads()
    if requested < 1:
        raise OptionError(
            "threads is not positive", where="emd", got=str(requested), expected="≥ 1"
        )
    return requested
