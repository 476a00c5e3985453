"""Input and output of the solvers, and checks of the input."""

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
