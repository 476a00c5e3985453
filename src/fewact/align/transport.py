"""Earth mover's distance and assignment: exact optima of the transport problem.

Minimise Σ_ij c_ij F_ij over F ≥ 0 with Σ_j F_ij = a_i and Σ_i F_ij = b_j. The dual problem is to
maximise Σ_i a_i u_i + Σ_j b_j v_j over u_i + v_j ≤ c_ij; equality holds where F_ij > 0.
"""

import math
import os
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fewact.align._emd import (
    Problems,
    Solution,
    as_tensors,
    fit,
    native,
    refuse,
    simplex,
)
from fewact.align.alignment import Alignment, finite_costs, needs_gradient
from fewact.core.errors import AlignmentError, OptionError, ShapeError

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
    solution = solve(problems, threads=_threads(threads), plan=plan)
    refuse(solution.status, problems)
    value: Any = solution.value.to(problems.cost.dtype)
    parts = [value, solution.plan, solution.u, solution.v]
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


def hungarian(cost: Tensor, *, plan: bool = True) -> Alignment:
    """Find the best one-to-one matching; its cost is the mean over the matched pairs.

    For m = m' this is min over permutations π of (1/m) Σ_i C(i, π(i)). For m ≠ m' each row has the
    weight 1/m and each column 1/m', and parts are matched fractionally. Both are the Earth Mover's
    Distance with uniform weights of total 1, and are solved exactly as such.

    Args:
        cost: (… m m').
        plan: Whether to return the matches.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost, with rows summing to 1/m and columns to
        1/m'; for m = m' a permutation divided by m. A tie goes to one of the optima.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.

    >>> hungarian(torch.tensor([[1.0, 2.0], [1.0, 4.0]])).value
    tensor(1.5000)
    """
    cost = finite_costs(cost)
    rows, columns = cost.shape[-2:]
    # Integer weights avoid rounding; for m = m' they are all 1.
    total = math.lcm(rows, columns)
    best = emd(
        cost,
        cost.new_full((rows,), total // rows),
        cost.new_full((columns,), total // columns),
        plan=plan or needs_gradient(cost),
    )
    matches = best.plan / total if plan and best.plan is not None else None
    return Alignment(best.value / total, matches)


VARIABLE = "FEWACT_EMD_ISA"
"""Environment variable: name of the solver for the CPU, instead of the fastest one."""

FLOAT64 = ("cpu", "cuda")
"""Devices with float64."""


class EngineInfo(NamedTuple):
    """Solver for tensors on the CPU.

    Args:
        name: "avx512", "avx2", "baseline", "neon" or "torch".
        why: Reason for the choice.
    """

    name: str
    why: str


@cache
def engine() -> EngineInfo:
    """Return the solver for tensors on the CPU, and the reason for the choice.

    Raises:
        OptionError: FEWACT_EMD_ISA names a solver that does not run here.
    """
    try:
        names = ["torch", *native.instruction_sets()]
        why = "the fastest that this machine can run"
    except OSError as error:
        names, why = ["torch"], str(error)
    requested = os.environ.get(VARIABLE)
    if not requested:
        return EngineInfo(names[-1], why)
    if requested not in names:
        raise OptionError(
            "unknown solver", where=VARIABLE, got=requested, expected=", ".join(names)
        )
    return EngineInfo(requested, f"{VARIABLE} names it")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems on the CPU; on their device if it has float64 and nothing is compiled here."""
    device, isa = problems.cost.device, _instruction_set()
    if isa is None:
        movable = problems if device.type in FLOAT64 else _on_cpu(problems)
        value, flow, u, v, status = simplex.solve(movable, plan=plan)
    else:
        value, flow, u, v, status = native.solve(
            _on_cpu(problems), isa=isa, threads=threads, plan=plan
        )
    return Solution(
        (value if device.type in FLOAT64 else value.to(u.dtype)).to(device),
        None if flow is None else flow.to(device),
        u.to(device),
        v.to(device),
        status,
    )


def nearest(problems: Problems, *, threads: int) -> tuple[Tensor, Tensor]:
    """Return the nearest class (…) of problems (… k), and the status (… k) of each problem.

    A GPU computes the bounds, and problems that they leave open are solved as by ``solve``.
    """
    device, isa = problems.cost.device, _instruction_set()
    movable = problems if device.type in FLOAT64 else _on_cpu(problems)
    if isa is not None and movable.cost.device.type == "cpu":
        index, status = native.nearest(movable, isa=isa, threads=threads)
    else:
        index, status = simplex.nearest(movable, partial(solve, threads=threads, plan=False))
    return index.to(device), status


def _instruction_set() -> int | None:
    """Return the instruction set of the compiled solver, or None for the torch solver."""
    name = engine().name
    return None if name == "torch" else native.instruction_sets()[name]


def _on_cpu(problems: Problems) -> Problems:
    return Problems(*(part.cpu() for part in problems))
