"""The solvers behind ``fewact.align.emd``: a compiled one and its plain torch form."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fewact.core.errors import AlignmentError, ShapeError


class Status(IntEnum):
    """Outcome for one problem; the compiled solver uses the same numbers."""

    SOLVED = 0
    NOT_FINITE = 1
    NEGATIVE_WEIGHT = 2
    ZERO_TOTAL = 3
    TOTALS_DIFFER = 4
    PIVOT_LIMIT = 5
    NO_MEMORY = 6


class Problems(NamedTuple):
    """Transport problems of one size, dtype and device.

    Args:
        cost: (… n m) float32 or float64.
        a: (… n) weights of the rows.
        b: (… m) weights of the columns.
    """

    cost: Tensor
    a: Tensor
    b: Tensor

    def reshape(self, *leading: int) -> "Problems":
        """The same problems with other leading axes."""
        return Problems(
            self.cost.reshape(*leading, *self.cost.shape[-2:]),
            self.a.reshape(*leading, self.a.shape[-1]),
            self.b.reshape(*leading, self.b.shape[-1]),
        )


class Solution(NamedTuple):
    """Solved problems.

    Args:
        value: (…) float64 optimal costs.
        plan: (… n m) flows in the cost's dtype, or None if not requested.
        u: (… n) duals of the rows, in the cost's dtype.
        v: (… m) duals of the columns, in the cost's dtype.
        status: (…) int32 on the CPU, values of ``Status``.
    """

    value: Tensor
    plan: Tensor | None
    u: Tensor
    v: Tensor
    status: Tensor


TOTALS_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
"""Largest allowed difference of the two totals, relative to the larger one."""


def check(problems: Problems) -> Tensor:
    """Return the ``Status`` (…) int32 of each problem before it is solved."""
    cost, a, b = problems
    tolerance = TOTALS_TOLERANCE[cost.dtype]
    total_a, total_b = a.double().sum(-1), b.double().sum(-1)  # (…)
    # The sum is NaN or infinite where a part of it is, or where the costs are so large that the
    # solvers would overflow.
    cells = cost.shape[-2] * cost.shape[-1]
    finite = (8 * cells * cost.double().abs().amax((-2, -1)) + total_a + total_b).isfinite()  # (…)
    unequal = (total_a - total_b).abs() > tolerance * torch.maximum(total_a, total_b)
    status = torch.zeros_like(total_a, dtype=torch.int32)
    # The last condition that holds is reported.
    status[unequal] = Status.TOTALS_DIFFER
    status[(total_a <= 0) | (total_b <= 0)] = Status.ZERO_TOTAL
    status[(a < 0).any(-1) | (b < 0).any(-1)] = Status.NEGATIVE_WEIGHT
    status[~finite] = Status.NOT_FINITE
    return status


def pivot_limit(n: int, m: int) -> int:
    """Return the limit on pivots, far above the number that any known problem needs."""
    return 20_000 + 200 * (n + m)


def as_tensors(cost: Any, a: Any, b: Any) -> tuple[Problems, bool]:
    """Return the input as tensors, and whether it was arrays.

    Raises:
        ShapeError: The input mixes tensors and arrays, or the arrays have another dtype.
    """
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


def fit(problems: Problems) -> Problems:
    """Return the problems with the same leading axes and dtype for costs and weights.

    Raises:
        AlignmentError: A side is empty.
        ShapeError: Shapes, dtypes or devices do not match.
    """
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


def refuse(status: Tensor, problems: Problems) -> None:
    """Raise an error if a problem of the batch could not be solved.

    Args:
        status: One ``Status`` for each problem, in order.
        problems: Problems with any leading axes.

    Raises:
        AlignmentError: A status is not ``SOLVED``; the error describes the first such problem.
    """
    if not status.any():
        return
    status = status.reshape(problems.cost.shape[:-2])
    index = tuple(status.nonzero()[0].tolist())
    first = Problems(*(part[index].detach().cpu() for part in problems))
    what, got, expected = _reason(Status(int(status[index])), first)
    raise AlignmentError(what, index=index, got=got, expected=expected)


def _reason(status: Status, problem: Problems) -> tuple[str, str, str]:
    """Return the parts of the error message: what, got, expected."""
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
