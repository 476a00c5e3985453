"""The transport problem, and its solver by the array API: a batched primal simplex on any device.

A basis of the transportation problem is a spanning tree of its n + m nodes, with R = n + m − 1
cells. The basis matrix (the equations of all rows and of all columns but the last) has an inverse
with entries −1, 0 and 1 only. The inverse is stored, and a pivot is an exact rank-one update of it.

The masses are rounded to integer units, so that ties between flows are exact. A second,
infinitesimal mass breaks these ties (Orden's perturbation): no flow is ever zero in both, every
pivot decreases the cost, and the simplex cannot cycle.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from fewact.core.array_api import as_numpy, namespace, without_gradient


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

    cost: Any
    a: Any
    b: Any

    def reshape(self, *leading: int) -> "Problems":
        """Return the problems with other leading axes."""
        n, m = self.cost.shape[-2:]
        cost = self.cost.reshape((*leading, n, m))
        return Problems(cost, self.a.reshape((*leading, n)), self.b.reshape((*leading, m)))


class Solution(NamedTuple):
    """Solved problems.

    Args:
        value: (…) float64 optimal costs.
        plan: (… n m) flows in the cost's dtype, or None if not requested.
        u: (… n) duals of the rows, in the cost's dtype.
        v: (… m) duals of the columns, in the cost's dtype.
        status: (…) int32 on the CPU, values of ``Status``.
    """

    value: Any
    plan: Any
    u: Any
    v: Any
    status: Any


def totals_tolerance(cost: Any) -> float:
    """Return the largest allowed difference of the two totals, relative to the larger one."""
    return 1e-5 if cost.dtype == namespace(cost).float32 else 1e-9


def check(problems: Problems) -> Any:
    """Return the ``Status`` (…) int32 of each problem before it is solved."""
    xp = namespace(problems.cost)
    cost, a, b = (xp.astype(part, xp.float64) for part in problems)
    total_a, total_b = xp.sum(a, axis=-1), xp.sum(b, axis=-1)  # (…)
    # The sum is NaN or infinite if a summand is, or if the solvers would overflow.
    cells = cost.shape[-2] * cost.shape[-1]
    with np.errstate(over="ignore", invalid="ignore"):
        size = 8 * cells * xp.max(xp.abs(cost), axis=(-2, -1)) + total_a + total_b  # (…)
        larger = xp.maximum(total_a, total_b)
        unequal = xp.abs(total_a - total_b) > totals_tolerance(problems.cost) * larger
    negative = xp.any(a < 0, axis=-1) | xp.any(b < 0, axis=-1)
    status = xp.zeros_like(size, dtype=xp.int32)
    # The last condition that holds is reported.
    for mask, outcome in (
        (unequal, Status.TOTALS_DIFFER),
        ((total_a <= 0) | (total_b <= 0), Status.ZERO_TOTAL),
        (negative, Status.NEGATIVE_WEIGHT),
        (~xp.isfinite(size), Status.NOT_FINITE),
    ):
        status = xp.where(mask, int(outcome), status)
    return xp.astype(status, xp.int32)


def pivot_limit(n: int, m: int) -> int:
    """Return a limit far above the number of pivots that any known problem needs."""
    return 20_000 + 200 * (n + m)


UNITS = 2.0**50
"""Number of integer units of a problem's mass: sums of integers below 2⁵³ are exact."""

OPTIMAL = 4e-15
"""Tolerance of a negative reduced cost, relative to max|cost|."""

CHUNK = 2**24
"""Size of the inverses of a chunk of problems, in numbers: 64 MiB."""


def solve(problems: Problems, *, plan: bool = True) -> Solution:
    """Solve problems exactly, on a device with float64.

    Where ``status`` is not ``SOLVED``, the other entries are undefined.
    """
    with without_gradient(problems.cost):
        return _solve(problems, plan)


def _solve(problems: Problems, plan: bool) -> Solution:
    xp = namespace(problems.cost)
    *leading, n, m = problems.cost.shape
    problems = problems.reshape(-1)
    cost, a, b = problems  # (B n m), (B n), (B m)
    status = check(problems)  # (B)
    value = xp.zeros_like(status, dtype=xp.float64)
    flow = xp.zeros_like(cost) if plan else None
    u, v = xp.zeros_like(a), xp.zeros_like(b)

    def keep(done: _Bases) -> None:
        flows = done.flows()  # (B n m)
        value[done.index] = xp.sum(flows * done.cost, axis=(-2, -1))
        u[done.index] = xp.astype(done.u, u.dtype)
        v[done.index] = xp.astype(done.v, v.dtype)
        if flow is not None:
            flow[done.index] = xp.astype(flows, flow.dtype)

    size = max(1, CHUNK // (n + m) ** 2)
    (solvable,) = xp.nonzero(status == Status.SOLVED)
    for start in range(0, solvable.shape[0], size):
        index = solvable[start : start + size]
        bases = _start(index, *(xp.astype(part[index], xp.float64) for part in problems))
        status[_optimise(bases, keep)] = int(Status.PIVOT_LIMIT)
    return Solution(
        xp.reshape(value, leading),
        None if flow is None else xp.reshape(flow, (*leading, n, m)),
        xp.reshape(u, (*leading, n)),
        xp.reshape(v, (*leading, m)),
        xp.asarray(as_numpy(xp.reshape(status, leading))),
    )


@dataclass(frozen=True)
class _Bases:
    """Bases of B problems, with the quantities that a pivot updates.

    Args:
        index: (B) index of the problem.
        cost: (B n m).
        a: (B n) weights of the rows.
        b: (B m) weights of the columns, of the same total.
        cells: (B R) cell i·m + j of each basic variable.
        flow: (B R 2) units that flow through each cell, and the infinitesimal mass.
        inverse: (B R R) float32 inverse of the basis matrix, by cell and equation.
        u: (B n) duals of the rows.
        v: (B m) duals of the columns; the last is 0.
    """

    index: Any
    cost: Any
    a: Any
    b: Any
    cells: Any
    flow: Any
    inverse: Any
    u: Any
    v: Any

    def take(self, mask: Any) -> "_Bases":
        """Return the problems of a mask (B)."""
        return _Bases(*(getattr(self, field.name)[mask] for field in fields(self)))

    def price(self) -> tuple[Any, Any]:
        """Return the smallest reduced cost (B) of each problem and its cell (B)."""
        xp = namespace(self.cost)
        reduced = self.cost - self.u[:, :, None] - self.v[:, None]  # (B n m)
        reduced = xp.reshape(reduced, (reduced.shape[0], -1))
        cell = xp.argmin(reduced, axis=1, keepdims=True)
        return xp.take_along_axis(reduced, cell, axis=1)[:, 0], cell[:, 0]

    def pivot(self, entering: Any, reduced: Any) -> None:
        """Let a cell (B) with a reduced cost (B) enter each basis, in place."""
        xp = namespace(self.cost)
        count, n, m = self.cost.shape
        at = xp.arange(count, device=entering.device)
        i, j = entering // m, entering % m
        # Decrease of each basic flow per unit through the entering cell: −1, 0 or 1.
        column = self.inverse[at, :, xp.clip(n + j, None, n + m - 2)]
        taken = self.inverse[at, :, i] + xp.where((j < m - 1)[:, None], column, 0.0)  # (B R)
        # Ratio test: the flow that reaches zero first; the second mass breaks ties.
        available = xp.where(taken > 0, self.flow[:, :, 0], xp.inf)
        first = available == xp.min(available, axis=1, keepdims=True)
        leaving = xp.argmin(xp.where(first, self.flow[:, :, 1], xp.inf), axis=1)  # (B)
        step = self.flow[at, leaving]  # (B 2)
        row = self.inverse[at, leaving]  # (B R)

        flow, inverse, u, v = self.flow, self.inverse, self.u, self.v[:, :-1]
        flow -= taken[:, :, None] * step[:, None]
        flow[at, leaving] = step
        u += reduced[:, None] * row[:, :n]
        v += reduced[:, None] * row[:, n:]
        taken[at, leaving] -= 1
        inverse -= taken[:, :, None] * row[:, None]
        self.cells[at, leaving] = entering

    def flows(self) -> Any:
        """Return the flows (B n m) of the original, unrounded weights."""
        xp = namespace(self.cost)
        count, n, m = self.cost.shape
        sides = xp.concat([self.a, self.b[:, :-1]], axis=1)  # (B R)
        basic = (xp.astype(self.inverse, xp.float64) @ sides[:, :, None])[:, :, 0]  # (B R)
        flows = xp.zeros_like(xp.reshape(self.cost, (count, n * m)))
        flows[xp.arange(count, device=flows.device)[:, None], self.cells] = xp.clip(basic, 0, None)
        # Rounding may leave a flow in an empty row or column.
        full = (self.a > 0)[:, :, None] & (self.b > 0)[:, None]
        return xp.reshape(flows, self.cost.shape) * full


def _optimise(bases: _Bases, keep: Callable[[_Bases], None]) -> Any:
    """Pivot and pass each optimal problem to ``keep``; return the indices of unsolved problems."""
    xp = namespace(bases.cost)
    n, m = bases.cost.shape[1:]
    for _ in range(pivot_limit(n, m)):
        if not bases.index.shape[0]:
            break
        reduced, entering = bases.price()
        optimal = reduced >= -OPTIMAL * xp.max(xp.abs(bases.cost), axis=(1, 2))
        if 2 * int(xp.count_nonzero(optimal)) >= optimal.shape[0]:
            keep(bases.take(optimal))
            bases, reduced, entering = bases.take(~optimal), reduced[~optimal], entering[~optimal]
        # Optimal problems continue to pivot until they are half of all; they stay optimal, because
        # the entering cell has a reduced cost of zero.
        bases.pivot(entering, reduced)
    return bases.index


def _units(a: Any, b: Any) -> tuple[Any, Any]:
    """Return weights (B n), (B m) as integer units and second masses: (B n 2), (B m 2)."""
    xp = namespace(a)
    (count, n), m = a.shape, b.shape[1]
    total = xp.sum(a, axis=1, keepdims=True)
    units_a, units_b = xp.round(a / total * UNITS), xp.round(b / total * UNITS)
    # Both sides must have the same number of units: the largest column takes the difference.
    largest = xp.argmax(units_b, axis=1)
    short = xp.sum(units_a, axis=1) - xp.sum(units_b, axis=1)
    units_b[xp.arange(count, device=a.device), largest] += short
    # Second masses are m for a row and 1 for a column but the last: no set of rows then has the
    # mass of a set of columns, so no cell of any spanning tree can have a flow of (0, 0).
    second_a = xp.full_like(units_a, m)
    second_b = xp.ones_like(units_b)
    second_b[:, -1] = n * m - (m - 1)
    return xp.stack([units_a, second_a], axis=-1), xp.stack([units_b, second_b], axis=-1)


def _start(index: Any, cost: Any, a: Any, b: Any) -> _Bases:
    """Build a greedy first basis: the cheapest cell of the doubly centred cost first.

    A cell takes the smaller remaining weight of its row and column. The side with that weight is
    struck out. It becomes a child of the other side, with its subtree.
    """
    xp = namespace(cost)
    count, n, m = cost.shape
    b = b * (xp.sum(a, axis=1, keepdims=True) / xp.sum(b, axis=1, keepdims=True))
    at = xp.arange(count, device=cost.device)
    key = cost - xp.mean(cost, axis=1, keepdims=True) - xp.mean(cost, axis=2, keepdims=True)
    left_a, left_b = _units(a, b)
    sign = xp.ones(n + m, dtype=xp.float32, device=cost.device)
    sign[n:] = -1
    # Subtree of each node: the flow to its parent is the sum of the subtree's weights.
    below = xp.zeros((count, n + m, n + m), dtype=xp.float32, device=cost.device)
    below += xp.eye(n + m, dtype=xp.float32, device=cost.device)
    rows_left, columns_left = xp.full_like(at, n), xp.full_like(at, m)
    cells, flow, inverse = [], [], []
    for _ in range(n + m - 1):
        cell = xp.argmin(xp.reshape(key, (count, n * m)), axis=1)  # (B)
        i, j = cell // m, cell % m
        row, column = left_a[at, i], left_b[at, j]  # (B 2)
        smaller = (column[:, 0] < row[:, 0]) | (
            (column[:, 0] == row[:, 0]) & (column[:, 1] <= row[:, 1])
        )
        strike_column = (columns_left > 1) & ((rows_left == 1) | smaller)  # (B)
        strike = strike_column[:, None]
        step = xp.where(strike, column, row)
        left_a[at, i], left_b[at, j] = row - step, column - step
        key[at, i] = xp.where(strike, key[at, i], xp.inf)
        key[at, :, j] = xp.where(strike, xp.inf, key[at, :, j])
        columns_left -= xp.astype(strike_column, columns_left.dtype)
        rows_left -= xp.astype(~strike_column, rows_left.dtype)

        struck = xp.where(strike_column, n + j, i)
        parent = xp.where(strike_column, i, n + j)
        subtree = below[at, struck]  # (B n+m)
        below[at, parent] += subtree
        cells.append(cell)
        flow.append(step)
        balance = subtree * sign * sign[struck][:, None]  # (B n+m): weights that flow up
        # The last column has no equation: it is minus the sum of all others.
        inverse.append(balance[:, :-1] + balance[:, -1:] * sign[:-1])
    inverse_basis = xp.stack(inverse, axis=1)  # (B R R)
    basis = xp.stack(cells, axis=1)  # (B R)
    cost_basis = xp.take_along_axis(xp.reshape(cost, (count, n * m)), basis, axis=1)
    duals = (cost_basis[:, None] @ xp.astype(inverse_basis, xp.float64))[:, 0]  # (B R)
    v = xp.zeros((count, m), dtype=xp.float64, device=cost.device)
    v[:, :-1] = duals[:, n:]
    return _Bases(
        index=index,
        cost=cost,
        a=a,
        b=b,
        cells=basis,
        flow=xp.stack(flow, axis=1),
        inverse=inverse_basis,
        u=xp.asarray(duals[:, :n], copy=True),
        v=v,
    )
