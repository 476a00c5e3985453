"""Earth mover's distance and assignment: exact optima of the transport problem.

Minimise Σ_ij c_ij F_ij over F ≥ 0 with Σ_j F_ij = a_i and Σ_i F_ij = b_j. The dual problem is to
maximise Σ_i a_i u_i + Σ_j b_j v_j over u_i + v_j ≤ c_ij; equality holds where F_ij > 0.
"""

import math
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import fewact.align._emd as native
from fewact.align import simplex
from fewact.align.alignment import Alignment, finite_costs, first_index
from fewact.align.simplex import Problems, Solution, Status, totals_tolerance
from fewact.core.array_api import (
    Array,
    as_array,
    as_numpy,
    is_tensor,
    namespace,
    needs_gradient,
    thread_count,
    with_gradients,
)
from fewact.core.errors import AlignmentError, OptionError, ShapeError
from fewact.core.workers import thread_count as numpy_threads


@dataclass(frozen=True)
class EmdAlignment(Alignment[Array]):
    """An optimal transport and its duals.

    Args:
        value: (…) Σ_ij c_ij F_ij.
        plan: (… m m') an optimal flow F, with at most m + m' − 1 cells that are not zero.
        u: (… m) duals of the rows.
        v: (… m') duals of the columns. The duals u + t, v − t are optimal for every t.
    """

    u: Array
    v: Array


def emd(
    cost: Array, a: Array, b: Array, *, threads: int | None = None, plan: bool = True
) -> EmdAlignment[Array]:
    """Solve the transport problem exactly, batched over all leading axes (after DeepEMD).

    Differentiable once: the gradient of the value is the plan for ``cost``, u for ``a`` and v for
    ``b``. If the optimum is not unique, these are subgradients. The constant shift between u and v
    cancels if totals are fixed: compute ``a = m * w / w.sum()`` from raw weights.

    Args:
        cost: (… m m') float32 or float64, finite.
        a: (… m) weights of the rows, ≥ 0. Leading axes broadcast.
        b: (… m') weights of the columns, ≥ 0, of the same total, within a relative difference
            of 1e-9 (float32: 1e-5), which is removed by scaling.
        threads: Number of threads (default: OMP_NUM_THREADS or all cores for arrays,
            ``torch.get_num_threads()`` for tensors).
        plan: Whether to return the flow; without it there is no gradient for ``cost``.

    Returns:
        Results in the dtype of the costs, computed in float64. A node of weight zero carries no
        flow and has the largest feasible dual.

    Raises:
        AlignmentError: A problem cannot be solved; ``index`` is the first such problem.
        ShapeError: Shapes, dtypes or devices do not fit.
        OptionError: ``threads`` is not positive.

    >>> cost = np.array([[0.0, 2.0], [1.0, 1.0]])
    >>> emd(cost, np.array([1.0, 1.0]), np.array([0.5, 1.5])).value
    array(2.)
    """
    problems = _fit(cost, a, b)
    if not plan and needs_gradient(cost):
        raise AlignmentError(
            "the gradient of the cost is the plan", got="plan=False", expected="plan=True"
        )
    solution = solve(problems, threads=_threads(cost, threads), plan=plan)
    _refuse(solution.status, problems)
    value = namespace(cost).astype(solution.value, problems.cost.dtype, copy=False)
    gradients = solution.plan, solution.u, solution.v
    return EmdAlignment(with_gradients(value, problems, gradients), *gradients)


def _threads(cost: Any, requested: int | None) -> int:
    if requested is None:
        return thread_count(cost, numpy_threads)
    if requested < 1:
        raise OptionError(
            "threads is not positive", where="emd", got=str(requested), expected="≥ 1"
        )
    return requested


def hungarian(cost: Array, *, plan: bool = True) -> Alignment[Array]:
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

    >>> hungarian(np.array([[1.0, 2.0], [1.0, 4.0]])).value
    array(1.5)
    """
    costs = finite_costs(cost)
    xp = namespace(costs)
    sides = costs.shape[-2:]
    # Integer weights avoid rounding; for m = m' they are all 1.
    total = math.lcm(*sides)
    weights = (
        xp.full((size,), total // size, dtype=costs.dtype, device=costs.device) for size in sides
    )
    best = emd(costs, *weights, plan=plan or needs_gradient(costs))
    matches = best.plan / total if plan and best.plan is not None else None
    return Alignment(as_array(best.value / total), matches)


VARIABLE = "FEWACT_EMD_ISA"
"""Environment variable: name of the solver for the CPU, instead of the fastest one."""

FLOAT64 = ("cpu", "cuda")
"""Devices with float64."""

NOT_COMPILED = "numpy"
"""Name of the solver that is not compiled. It solves tensors by PyTorch's operations."""


@cache
def engine() -> tuple[str, str]:
    """Return the solver on the CPU, and the reason for the choice.

    It is "avx512", "avx2", "baseline", "neon" or "numpy".

    Raises:
        OptionError: FEWACT_EMD_ISA names a solver that does not run here.
    """
    try:
        names = [NOT_COMPILED, *native.instruction_sets()]
        why = "the fastest that this machine can run"
    except OSError as error:
        names, why = [NOT_COMPILED], str(error)
    requested = os.environ.get(VARIABLE)
    if not requested:
        return (names[-1], why)
    if requested not in names:
        raise OptionError(
            "unknown solver", where=VARIABLE, got=requested, expected=", ".join(names)
        )
    return (requested, f"{VARIABLE} names it")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems by the compiled solver on the CPU; without it, on a device with float64."""
    xp, device = namespace(problems.cost), problems.cost.device
    has_float64 = not is_tensor(problems.cost) or device.type in FLOAT64
    name, _ = engine()
    if name != NOT_COMPILED:
        isa = native.instruction_sets()[name]
        solution = native.solve(problems, isa=isa, threads=threads, plan=plan)
    elif has_float64:
        solution = simplex.solve(problems, plan=plan)
    else:
        movable = Problems(*(xp.asarray(as_numpy(part)) for part in problems))
        solution = simplex.solve(movable, plan=plan)
    value, flow, u, v, status = solution
    if not has_float64:
        value = xp.astype(value, u.dtype)
    if flow is not None:
        flow = xp.asarray(flow, device=device)
    value, u, v = (xp.asarray(part, device=device) for part in (value, u, v))
    return Solution(value, flow, u, v, status)


def _fit(cost: Any, a: Any, b: Any) -> Problems:
    """Return the problems with the same leading axes for costs and weights, after checks."""
    problems = Problems(cost, a, b)
    _check_types(problems)
    if cost.ndim < 2 or cost.shape[-2:] != a.shape[-1:] + b.shape[-1:]:
        raise _misfit(problems)
    n, m = cost.shape[-2:]
    if not cost.shape[:-2] == a.shape[:-1] == b.shape[:-1]:
        try:
            leading = np.broadcast_shapes(cost.shape[:-2], a.shape[:-1], b.shape[:-1])
        except ValueError:
            raise _misfit(problems) from None
        shapes = (*leading, n, m), (*leading, n), (*leading, m)
        problems = Problems(*map(namespace(cost).broadcast_to, problems, shapes))
    if n == 0 or m == 0:
        raise AlignmentError(
            "a side is empty",
            index=(0,) * (cost.ndim - 2),
            got=f"{n} rows and {m} columns",
            expected="at least one node on each side",
        )
    return problems


def _check_types(problems: Problems) -> None:
    cost, a, b = problems
    if not (
        all(is_tensor(part) for part in problems)
        or all(isinstance(part, np.ndarray) for part in problems)
    ):
        raise ShapeError(
            "cost and weights have different types",
            where="emd",
            got=", ".join(type(part).__name__ for part in problems),
            expected="three arrays of NumPy or three tensors",
        )
    xp = namespace(cost)
    if cost.dtype not in (xp.float32, xp.float64) or not cost.dtype == a.dtype == b.dtype:
        raise ShapeError(
            "the dtypes of cost and weights do not match",
            where="emd",
            got=", ".join(str(part.dtype) for part in problems),
            expected="all float32 or all float64",
        )
    if not cost.device == a.device == b.device:
        raise ShapeError(
            "cost and weights are on different devices",
            where="emd",
            got=f"{cost.device}, {a.device}, {b.device}",
        )


def _refuse(status: Any, problems: Problems) -> None:
    """Raise an ``AlignmentError`` that describes the first problem that could not be solved."""
    statuses = as_numpy(status)
    if not statuses.any():
        return
    index = first_index(statuses)
    first = Problems(*(as_numpy(part[index]) for part in problems))
    what, got, expected = _reason(Status(int(statuses[index])), first)
    raise AlignmentError(what, index=index, got=got, expected=expected)


def _reason(status: Status, problem: Problems) -> tuple[str, str, str]:
    """Return the error's what, got and expected."""
    totals = " and ".join(f"{side.sum(dtype=np.float64):.12g}" for side in (problem.a, problem.b))
    shape = f"a cost of shape {tuple(problem.cost.shape)}"
    match status:
        case Status.NOT_FINITE:
            bad = {name: x[~np.isfinite(x)] for name, x in problem._asdict().items()}
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
            return (
                "the weights of both sides have different totals",
                totals,
                f"totals that agree to {totals_tolerance(problem.cost):g} of the larger",
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
