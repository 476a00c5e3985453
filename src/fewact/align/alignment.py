"""Result of an aligner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import (
    Array,
    all_finite,
    as_numpy,
    check_array,
    is_tensor,
    namespace,
    needs_gradient,
    on_cpu,
    widened,
    with_gradients,
    without_gradient,
)
from fewact.core.errors import AlignmentError, OptionError


@dataclass(frozen=True)
class Alignment(Generic[Array]):
    """How two sets of parts were matched, and at what cost.

    Args:
        value: (…) cost of the match: smaller is nearer.
        plan: (… m m') how the parts were matched: a flow, a soft path, an assignment. None with
            ``plan=False``.
    """

    value: Array
    plan: Array | None


def finite_costs(cost: Any, *, square: bool = False) -> Any:
    """Return checked costs, in float32 or float64.

    Args:
        cost: (… m m').
        square: Whether m and m' must be equal.
    """
    check_array(cost, "… m m" if square else "… m m'", "cost")
    cost = widened(cost)
    if not all_finite(cost):
        _refuse_first(cost)
    return cost


def first_index(mask: Any) -> tuple[int, ...]:
    """Return the index of the first true entry of a mask."""
    return tuple(map(int, np.argwhere(as_numpy(mask))[0]))


def _refuse_first(cost: Any) -> None:
    *index, row, column = first_index(~namespace(cost).isfinite(cost))
    raise AlignmentError(
        "a cost is not finite",
        index=tuple(index),
        got=f"{float(cost[(*index, row, column)])} in row {row}, column {column}",
        expected="finite numbers",
    )


def check_smoothing(value: float) -> None:
    """Refuse a smoothing that is negative, or so small that costs divided by it overflow."""
    if not (value == 0 or 1e-9 <= value < float("inf")):
        raise OptionError(
            "invalid smoothing",
            where="smoothing",
            got=repr(value),
            expected="0 for the hard minimum, or a number from 1e-9",
        )


CELLS_PER_CHUNK = 2**18
"""Costs that a CPU solves at once: they fit its cache, and memory does not grow with the batch."""

Solver = Callable[[Any, bool], tuple[Any, Any]]
"""Costs (batch m m') and whether the plan is needed → values (batch) and plans (batch m m')."""


def solve_optimum(cost: Any, solve: Solver, *, plan: bool) -> Alignment[Any]:
    """Solve without autograd: the plan is the gradient, so the solver is not differentiated.

    Args:
        cost: (… m m'), finite, float32 or float64.
        solve: Solver that returns values and, as plan, ∂value/∂cost.
        plan: Whether to return the plan.

    Returns:
        ``value`` (…), which can be differentiated once; ``plan`` (… m m').
    """
    xp = namespace(cost)
    with_plan = plan or needs_gradient(cost)
    with without_gradient(cost):
        flat = xp.reshape(cost, (-1, *cost.shape[-2:]))
        size = _chunk_size(flat)
        starts = range(0, max(1, flat.shape[0]), size)
        chunks = [solve(flat[start : start + size], with_plan) for start in starts]
        value = xp.reshape(xp.concat([values for values, _ in chunks]), cost.shape[:-2])
        path = None
        if with_plan:
            path = xp.reshape(xp.concat([paths for _, paths in chunks]), cost.shape)
    return Alignment(with_gradients(value, (cost,), (path,)), path if plan else None)


def _chunk_size(flat: Any) -> int:
    """Problems of (batch m m') per chunk; a device other than a CPU takes all at once."""
    batch, rows, columns = flat.shape
    return max(1, CELLS_PER_CHUNK // int(rows * columns) if on_cpu(flat) else int(batch))


def larger_of(cost: Any, *, soft: bool) -> Callable[..., Any]:
    """Return the function max(x, y), or log(exp x + exp y) for ``soft``, with argument ``out``."""
    if not soft:
        return namespace(cost).maximum  # type: ignore[no-any-return]
    return namespace(cost).logaddexp if is_tensor(cost) else _log_add_exp


NOTHING = -104.0
"""Logarithm of a number that is zero in float32; it replaces −∞ − (−∞), too."""


def _log_add_exp(first: NDArray[Any], second: NDArray[Any], *, out: NDArray[Any]) -> NDArray[Any]:
    """Do what NumPy's logaddexp does in a tenth of its time: it has no vector instructions."""
    below = np.minimum(first, second)
    below -= np.maximum(first, second, out=out)
    np.exp(np.fmax(below, NOTHING, out=below), out=below)
    below += 1
    out += np.log(below, out=below)
    return out


def log_sum_exp(x: Any, axis: int) -> Any:
    """Return log Σ exp x along an axis."""
    if is_tensor(x):
        return namespace(x).logsumexp(x, axis)  # its gradient takes one step
    largest = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - largest), axis=axis)) + np.squeeze(largest, axis=axis)
