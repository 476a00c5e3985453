"""The transport problem, and its solver in plain torch: a batched primal simplex on any device.

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
from typing import NamedTuple

import torch
from torch import Tensor


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
        """Return the problems with other leading axes."""
        n, m = self.cost.shape[-2:]
        cost = self.cost.reshape(*leading, n, m)
        return Problems(cost, self.a.reshape(*leading, n), self.b.reshape(*leading, m))


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
    """Return a limit far above the number of pivots that any known problem needs."""
    return 20_000 + 200 * (n + m)


UNITS = 2.0**50
"""Number of integer units of a problem's mass: sums of integers below 2⁵³ are exact."""

OPTIMAL = 4e-15
"""Tolerance of a negative reduced cost, relative to max|cost|."""

CHUNK = 2**24
"""Size of the inverses of a chunk of problems, in numbers: 64 MiB."""


@torch.no_grad()
def solve(problems: Problems, *, plan: bool = True) -> Solution:
    """Solve problems exactly, on a device with float64.

    Where ``status`` is not ``SOLVED``, the other entries are undefined.
    """
    leading = problems.cost.shape[:-2]
    problems = problems.reshape(-1)
    cost, a, b = problems  # (B n m), (B n), (B m)
    count, n, m = cost.shape
    status = check(problems)  # (B)
    value = cost.new_zeros(count, dtype=torch.float64)
    flow = cost.new_zeros(cost.shape) if plan else None
    u, v = a.new_zeros(a.shape), b.new_zeros(b.shape)

    def keep(done: _Bases) -> None:
        flows = done.flows()  # (B n m)
        value[done.index] = (flows * done.cost).sum((-2, -1))
        u[done.index], v[done.index] = done.u.to(u), done.v.to(v)
        if flow is not None:
            flow[done.index] = flows.to(flow)

    size = max(1, CHUNK // (n + m) ** 2)
    for index in torch.split(torch.nonzero(status == Status.SOLVED)[:, 0], size):
        bases = _start(index, cost[index].double(), a[index].double(), b[index].double())
        status[_optimise(bases, keep)] = Status.PIVOT_LIMIT
    return Solution(
        value.view(leading),
        None if flow is None else flow.view(*leading, n, m),
        u.view(*leading, n),
        v.view(*leading, m),
        status.view(leading).cpu(),
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

    index: Tensor
    cost: Tensor
    a: Tensor
    b: Tensor
    cells: Tensor
    flow: Tensor
    inverse: Tensor
    u: Tensor
    v: Tensor

    def take(self, which: Tensor) -> "_Bases":
        """Return the problems of a mask (B)."""
        return _Bases(*(getattr(self, field.name)[which] for field in fields(self)))

    def price(self) -> tuple[Tensor, Tensor]:
        """Return the smallest reduced cost (B) of each problem and its cell (B)."""
        reduced = self.cost - self.u[:, :, None] - self.v[:, None]  # (B n m)
        smallest, cell = reduced.flatten(1).min(1)
        return smallest, cell

    def pivot(self, entering: Tensor, reduced: Tensor) -> None:
        """Let a cell (B) with a reduced cost (B) enter each basis, in place."""
        n, m = self.cost.shape[1:]
        at = torch.arange(len(entering), device=entering.device)
        i, j = entering // m, entering % m
        # Decrease of each basic flow per unit through the entering cell: −1, 0 or 1.
        taken = self.inverse[at, :, i] + torch.where(
            (j < m - 1)[:, None], self.inverse[at, :, (n + j).clamp_max(n + m - 2)], 0
        )  # (B R)
        # Ratio test: the flow that reaches zero first; the second mass breaks ties.
        available = torch.where(taken > 0, self.flow[:, :, 0], torch.inf)
        first = available == available.amin(1, keepdim=True)
        leaving = torch.where(first, self.flow[:, :, 1], torch.inf).argmin(1)  # (B)
        step = self.flow[at, leaving]  # (B 2)
        row = self.inverse[at, leaving]  # (B R)

        self.flow.sub_(taken[:, :, None] * step[:, None])
        self.flow[at, leaving] = step
        self.u.add_(reduced[:, None] * row[:, :n])
        self.v[:, :-1].add_(reduced[:, None] * row[:, n:])
        taken[at, leaving] -= 1
        self.inverse.addcmul_(taken[:, :, None], row[:, None], value=-1)
        self.cells[at, leaving] = entering

    def flows(self) -> Tensor:
        """Return the flows (B n m) of the original, unrounded weights."""
        sides = torch.cat([self.a, self.b[:, :-1]], 1)  # (B R)
        basic = (self.inverse.double() @ sides[:, :, None])[:, :, 0].clamp_min(0)  # (B R)
        flows = torch.zeros_like(self.cost).flatten(1).scatter_(1, self.cells, basic)
        # Rounding may leave a flow in an empty row or column.
        full = (self.a > 0)[:, :, None] & (self.b > 0)[:, None]
        return flows.view_as(self.cost) * full


def _optimise(bases: _Bases, keep: Callable[[_Bases], None]) -> Tensor:
    """Pivot, passing each optimal problem to ``keep``; return those that reach the pivot limit."""
    n, m = bases.cost.shape[1:]
    for _ in range(pivot_limit(n, m)):
        if not len(bases.index):
            break
        reduced, entering = bases.price()
        optimal = reduced >= -OPTIMAL * bases.cost.abs().amax((1, 2))
        if 2 * int(optimal.sum()) >= len(optimal):
            keep(bases.take(optimal))
            bases, reduced, entering = bases.take(~optimal), reduced[~optimal], entering[~optimal]
        # Optimal problems continue to pivot until they are half of all; they stay optimal, because
        # the entering cell has a reduced cost of zero.
        bases.pivot(entering, reduced)
    return bases.index


def _units(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (B n), (B m) as integer units and second masses: (B n 2), (B m 2)."""
    n, m = a.shape[1], b.shape[1]
    total = a.sum(1, keepdim=True)
    units_a, units_b = (a / total * UNITS).round(), (b / total * UNITS).round()
    # Both sides must have the same number of units: the largest column takes the difference.
    largest = units_b.argmax(1, keepdim=True)
    short = units_a.sum(1, keepdim=True) - units_b.sum(1, keepdim=True)
    units_b.scatter_add_(1, largest, short)
    # Second masses are m for a row and 1 for a column but the last: no set of rows then has the
    # mass of a set of columns, so no cell of any spanning tree can have a flow of (0, 0).
    second_a = torch.full_like(units_a, m)
    second_b = torch.ones_like(units_b)
    second_b[:, -1] = n * m - (m - 1)
    return torch.stack([units_a, second_a], -1), torch.stack([units_b, second_b], -1)


def _start(index: Tensor, cost: Tensor, a: Tensor, b: Tensor) -> _Bases:
    """Build a greedy first basis: the cheapest cell of the doubly centred cost first.

    A cell takes the smaller remaining weight of its row and column. The one of the two that is used
    up is struck out and becomes, with its subtree, a child of the other.
    """
    count, n, m = cost.shape
    b = b * (a.sum(1, keepdim=True) / b.sum(1, keepdim=True))
    at = torch.arange(count, device=cost.device)
    key = cost - cost.mean(1, keepdim=True) - cost.mean(2, keepdim=True)
    left_a, left_b = _units(a, b)
    sign = torch.ones(n + m, dtype=torch.float32, device=cost.device)
    sign[n:] = -1
    # Subtree of each node: the flow to its parent is the sum of the subtree's weights.
    below = torch.eye(n + m, dtype=torch.float32, device=cost.device)
    below = below.repeat(count, 1, 1)  # (B n+m n+m)
    rows_left = torch.full((count,), n, device=cost.device)
    columns_left = torch.full((count,), m, device=cost.device)
    cells, flow, inverse = [], [], []
    for _ in range(n + m - 1):
        cell = key.flatten(1).argmin(1)  # (B)
        i, j = cell // m, cell % m
        row, column = left_a[at, i], left_b[at, j]  # (B 2)
        smaller = (column[:, 0] < row[:, 0]) | (
            (column[:, 0] == row[:, 0]) & (column[:, 1] <= row[:, 1])
        )
        strike_column = (columns_left > 1) & ((rows_left == 1) | smaller)  # (B)
        step = torch.where(strike_column[:, None], column, row)
        left_a[at, i], left_b[at, j] = row - step, column - step
        key[at, i] = torch.where(strike_column[:, None], key[at, i], torch.inf)
        key[at, :, j] = torch.where(strike_column[:, None], torch.inf, key[at, :, j])
        columns_left -= strike_column.long()
        rows_left -= (~strike_column).long()

        struck = torch.where(strike_column, n + j, i)
        parent = torch.where(strike_column, i, n + j)
        subtree = below[at, struck]  # (B n+m)
        below[at, parent] += subtree
        cells.append(cell)
        flow.append(step)
        balance = subtree * sign * sign[struck][:, None]  # (B n+m): weights that flow up
        # The last column has no equation: it is minus the sum of all others.
        inverse.append(balance[:, :-1] + balance[:, -1:] * sign[:-1])
    inverse_basis = torch.stack(inverse, 1)  # (B R R)
    basis = torch.stack(cells, 1)  # (B R)
    cost_basis = cost.flatten(1).gather(1, basis)
    duals = (cost_basis[:, None] @ inverse_basis.double())[:, 0]  # (B R)
    return _Bases(
        index=index,
        cost=cost,
        a=a,
        b=b,
        cells=basis,
        flow=torch.stack(flow, 1),
        inverse=inverse_basis,
        u=duals[:, :n].clone(),
        v=torch.nn.functional.pad(duals[:, n:], (0, 1)),
    )
