"""Earth mover's distance and assignment: exact optima of the transport problem.

Minimise Σ_ij c_ij F_ij over F ≥ 0 with Σ_j F_ij = a_i and Σ_i F_ij = b_j. The dual problem is to
maximise Σ_i a_i u_i + Σ_j b_j v_j over u_i + v_j ≤ c_ij; equality holds where F_ij > 0.
"""

import math
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

import fewact.align._emd as native
from fewact.align import simplex
from fewact.align.alignment import Alignment, finite_costs, needs_gradient
from fewact.align.simplex import TOTALS_TOLERANCE, Problems, Solution, Status
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
    tensors, arrays = _as_tensors(cost, a, b)
    problems = _fit(tensors)
    if not plan and problems.cost.requires_grad and torch.is_grad_enabled():
        raise AlignmentError(
            "the gradient of the cost is the plan", got="plan=False", expected="plan=True"
        )
    solution = solve(problems, threads=_threads(threads), plan=plan)
    _refuse(solution.status, problems)
    value: Any = solution.value.to(problems.cost.dtype)
    parts = [value, solution.plan, solution.u, solution.v]
    if torch.is_grad_enabled() and any(part.requires_grad for part in problems):
        parts[0] = _Value.apply(*problems, *parts)  # type: ignore[no-untyped-call]
    if arrays:
        parts = [part if part is None else part.numpy() for part in parts]
    return EmdAlignment(*parts)


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


@cache
def engine() -> tuple[str, str]:
    """Return the solver for tensors on the CPU, and the reason for the choice.

    It is "avx512", "avx2", "baseline", "neon" or "torch".

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
        return (names[-1], why)
    if requested not in names:
        raise OptionError(
            "unknown solver", where=VARIABLE, got=requested, expected=", ".join(names)
        )
    return (requested, f"{VARIABLE} names it")


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


def _instruction_set() -> int | None:
    """Return the instruction set of the compiled solver, or None for the torch solver."""
    name, _ = engine()
    return None if name == "torch" else native.instruction_sets()[name]


def _on_cpu(problems: Problems) -> Problems:
    return Problems(*(part.cpu() for part in problems))


def _as_tensors(cost: Any, a: Any, b: Any) -> tuple[Problems, bool]:
    """Return the input as tensors, and whether it was arrays."""
    inputs = (cost, a, b)
    if all(isinstance(part, Tensor) for part in inputs):
        return Problems(*inputs), False
    if not all(isinstance(part, np.ndarray) for part in inputs):
        raise ShapeError(
            "cost and weights have different types",
            where="emd",
            got=", ".join(type(part).__name__ for part in inputs),
            expected="three torch tensors or three NumPy arrays",
        )
    if not all(part.dtype in (np.float32, np.float64) for part in inputs):
        raise _wrong_dtype(*inputs)
    # torch refuses arrays with negative strides and warns about read-only ones.
    arrays = [np.ascontiguousarray(part) for part in inputs]
    tensors = (torch.from_numpy(x if x.flags.writeable else x.copy()) for x in arrays)
    return Problems(*tensors), True


def _fit(problems: Problems) -> Problems:
    """Return the problems with the same leading axes for costs and weights, after checks."""
    cost, a, b = problems
    if cost.ndim < 2 or cost.shape[-2:] != a.shape[-1:] + b.shape[-1:]:
        raise _misfit(problems)
    n, m = cost.shape[-2:]
    if not cost.shape[:-2] == a.shape[:-1] == b.shape[:-1]:
        try:
            leading = np.broadcast_shapes(cost.shape[:-2], a.shape[:-1], b.shape[:-1])
        except ValueError:
            raise _misfit(problems) from None
        cost, a, b = cost.expand(*leading, n, m), a.expand(*leading, n), b.expand(*leading, m)
    if n == 0 or m == 0:
        raise AlignmentError(
            "a side is empty",
            index=(0,) * (cost.ndim - 2),
            got=f"{n} rows and {m} columns",
            expected="at least one node on each side",
        )
    if cost.dtype not in TOTALS_TOLERANCE or not cost.dtype == a.dtype == b.dtype:
        raise _wrong_dtype(*problems)
    if not cost.device == a.device == b.device:
        raise ShapeError(
            "cost and weights are on different devices",
            where="emd",
            got=f"{cost.device}, {a.device}, {b.device}",
        )
    return Problems(cost, a, b)


def _refuse(status: Tensor, problems: Problems) -> None:
    """Raise an ``AlignmentError`` that describes the first problem that could not be solved."""
    if not status.any():
        return
    status = status.reshape(problems.cost.shape[:-2])
    index = tuple(status.nonzero()[0].tolist())
    first = Problems(*(part[index].detach().cpu() for part in problems))
    what, got, expected = _reason(Status(int(status[index])), first)
    raise AlignmentError(what, index=index, got=got, expected=expected)


def _reason(status: Status, problem: Problems) -> tuple[str, str, str]:
    """Return the error's what, got and expected."""
    totals = " and ".join(f"{side.double().sum():.12g}" for side in (problem.a, problem.b))
    shape = f"a cost of shape {tuple(problem.cost.shape)}"
    match status:
        case Status.NOT_FINITE:
            bad = {name: x[~x.isfinite()] for name, x in problem._asdict().items()}
            got = ", ".join(f"{x[0]:g} in {name}" for name, x in bad.items() if len(x))
            return (
                "a cost or weight is not finite",
                got or "a sum that overflows float64",
                "finite numbers",
            )
        case Status.NEGATIVE_WEIGHT:
            smallest = {"a": problem.a.min(), "b": problem.b.min()}
            got = ", ".join(f"{x:g} in {name}" for name, x in smallest.items() if x < 0)
            return "a weight is negative", got, "weights of 0 and above"
        case Status.ZERO_TOTAL:
            return "the weights of a side are all zero", f"totals {totals}", "positive totals"
        case Status.TOTALS_DIFFER:
            tolerance = TOTALS_TOLERANCE[problem.cost.dtype]
            return (
                "the weights of both sides have different totals",
                totals,
                f"totals that agree to {tolerance:g} of the larger",
            )
        case Status.PIVOT_LIMIT:
            return "the pivot limit was reached before the optimum", shape, ""
        case _:
            return "there is not enough memory", shape, ""


def _misfit(problems: Problems) -> ShapeError:
    cost, a, b = (tuple(part.shape) for part in problems)
    return ShapeError(
        "the shapes of cost and weights do not match",
        where="emd",
        got=f"cost {cost}, a {a}, b {b}",
        expected="cost (… m m'), a (… m), b (… m'), with leading axes that broadcast",
    )


def _wrong_dtype(*inputs: Any) -> ShapeError:
    return ShapeError(
        "the dtypes of cost and weights do not match",
        where="emd",
        got=", ".join(str(part.dtype) for part in inputs),
        expected="all float32 or all float64",
    )
