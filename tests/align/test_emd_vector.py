"""Problems with known answers, from ``vectors/emd.npz``."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from fewact.align.transport import emd


class Known(NamedTuple):
    """A problem, its optimal value, and its flow and duals where these are unique."""

    kind: str
    cost: Any
    a: Any
    b: Any
    value: float
    flow: Any | None
    u: Any | None
    v: Any | None


def read(z: dict[str, Any]) -> Iterator[Known]:
    for k, (n, m) in enumerate(zip(z["n"], z["m"], strict=True)):
        cells, rows, columns = (
            slice(*z[f"{name}_offset"][k : k + 2]) for name in ("cost", "a", "b")
        )
        unique = z["dual_unique"][k]
        yield Known(
            kind=str(z["kind"][k]),
            cost=z["cost"][cells].astype(np.float64).reshape(n, m),
            a=z["a"][rows],
            b=z["b"][columns],
            value=float(z["value"][k]),
            flow=z["flow"][cells].reshape(n, m) if z["flow_unique"][k] else None,
            u=z["u"][rows] if unique else None,
            v=z["v"][columns] if unique else None,
        )


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_emd_vector(vectors_npz: Callable[[str], dict[str, Any]], dtype: Any) -> None:
    by_shape: dict[tuple[int, ...], list[Known]] = {}
    for problem in read(vectors_npz("emd.npz")):
        # Costs near 1024 are meant for float64.
        if problem.kind != "offset_costs" or dtype is np.float64:
            by_shape.setdefault(problem.cost.shape, []).append(problem)
    for same in by_shape.values():
        cost, a, b = (
            np.stack([getattr(problem, name) for problem in same]).astype(dtype)
            for name in ("cost", "a", "b")
        )
        found = emd(cost, a, b)
        for k, problem in enumerate(same):
            parts = (found.value, found.plan, found.u, found.v)
            compare(problem, *(np.asarray(part, dtype=np.float64)[k] for part in parts), dtype)


def compare(problem: Known, value: Any, plan: Any, u: Any, v: Any, dtype: Any) -> None:
    tolerance = 1e-9 if dtype is np.float64 else 1e-5
    scale, mass = float(np.abs(problem.cost).max()), float(problem.a.sum())

    def close(got: Any, expected: Any, size: float, what: str) -> None:
        np.testing.assert_allclose(
            got, expected, rtol=0, atol=tolerance * size, err_msg=f"{what} of {problem.kind}"
        )

    close(value, problem.value, scale * mass, "value")
    close(plan.sum(1), problem.a, mass, "row sums")
    close(plan.sum(0), problem.b, mass, "column sums")
    assert plan.min() >= 0
    if problem.flow is not None:
        close(plan, problem.flow, mass, "flow")
    if problem.u is not None:
        shift = (u * problem.a).sum() / mass
        close(u - shift, problem.u, scale, "u")
        close(v + shift, problem.v, scale, "v")
