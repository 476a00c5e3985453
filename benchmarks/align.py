"""Speed of the transport solver: against other solvers, through autograd, and in an episode.

    python -m benchmarks.align [--rounds 20] [--sizes 14x14,14x70,64x64,256x256]

The other solvers are POT, OpenCV and SciPy, from the extra "bench"; a missing one is skipped. One
run, one core: in every round each solver in turn gets the same fresh problems. A value is the
median processor time over the rounds, or the median wall time. Problems are cosine costs of
correlated descriptors, with weights from the mean of the other side.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewact.align._emd as native
from benchmarks.shared import cores
from fewact.align import simplex
from fewact.align.simplex import Problems
from fewact.align.transport import engine
from fewact.methods.common.temporal import normalised

Solve = Callable[[Problems], object]

PROBLEMS = 2000
"""Number of fresh problems for each solver and size."""

CELLS = {"NumPy": 1.5e6, "OpenCV": 8e6, "SciPy HiGHS": 1e5}
"""Maximum number of cost cells that the slowest solvers get in all rounds."""


def problems(count: int, n: int, m: int, seed: int) -> Problems:
    """Return problems with cosine costs of correlated descriptors and totals n, in float64."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((count, 1, 64))
    x = np.maximum(shared + 0.8 * rng.standard_normal((count, n, 64)), 0)
    y = np.maximum(0.5 * shared + 0.8 * rng.standard_normal((count, m, 64)), 0)
    return transport(x, y)


def transport(x: NDArray[np.float64], y: NDArray[np.float64]) -> Problems:
    """Return the transport problems of A²M²-Net between nodes x (… n d) and y (… m d), ≥ 0."""
    n = x.shape[-2]
    cost = 1 - normalised(x) @ normalised(y).mT  # (… n m)
    a = (x @ y.mean(-2)[..., None]).squeeze(-1) + 1e-3
    b = (y @ x.mean(-2)[..., None]).squeeze(-1) + 1e-3
    return Problems(cost, n * a / a.sum(-1, keepdims=True), n * b / b.sum(-1, keepdims=True))


def each(posed: Problems) -> Iterator[tuple[Any, Any, Any]]:
    """Yield cost and weights of each problem."""
    return zip(*posed, strict=True)


def ours() -> dict[str, Solve]:
    """Return the solvers of fewact: each instruction set, and NumPy."""
    found: dict[str, Solve] = {}
    for name, isa in reversed(native.instruction_sets().items()):
        found[name] = partial(native.solve, isa=isa, threads=1, plan=True)
    found["NumPy"] = simplex.solve
    return found


def pot() -> Solve:
    ot = importlib.import_module("ot")
    return lambda posed: [ot.emd2(a, b, cost) for cost, a, b in each(posed)]


def opencv() -> Solve:
    cv2 = importlib.import_module("cv2")

    def solve(posed: Problems) -> None:
        for cost, a, b in each(Problems(*(part.astype(np.float32) for part in posed))):
            cv2.EMD(a[:, None], b[:, None], cv2.DIST_USER, cost=cost)

    return solve


def highs() -> Solve:
    optimize = importlib.import_module("scipy.optimize")
    sparse = importlib.import_module("scipy.sparse")

    def solve(posed: Problems) -> None:
        n, m = posed.cost.shape[1:]
        rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
        columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
        equations = sparse.vstack([rows, columns]).tocsr()
        for cost, a, b in each(posed):
            optimize.linprog(cost.ravel(), A_eq=equations, b_eq=np.r_[a, b], method="highs")

    return solve


OTHERS = {"POT": pot, "OpenCV": opencv, "SciPy HiGHS": highs}


def timed(solve: Solve, posed: Problems, clock: Callable[[], float]) -> float:
    """Return the time that a solver takes by a clock."""
    start = clock()
    solve(posed)
    return clock() - start


def compare(n: int, m: int, rounds: int) -> dict[str, float]:
    """Return the microseconds per problem, by solver."""
    solvers = ours()
    for name, make in OTHERS.items():
        try:
            solvers[name] = make()
        except ImportError as missing:
            print(f"{name} is skipped: {missing}")
    both = max(native.instruction_sets().values(), default=0)
    wall: dict[str, Solve] = {
        "wall time": lambda p: native.solve(p, isa=both, threads=1, plan=True),
        "wall time, 2 threads": lambda p: native.solve(p, isa=both, threads=2, plan=True),
    }
    clocks = dict.fromkeys(solvers, time.thread_time) | dict.fromkeys(wall, time.perf_counter)
    solvers |= wall
    count = -(-PROBLEMS // rounds)
    times: dict[str, list[float]] = {name: [] for name in solvers}
    for turn in range(rounds):
        posed = problems(count, n, m, seed=turn)
        order = list(solvers)
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            affordable = CELLS.get(name, float("inf")) / (n * m * rounds)
            some = int(max(1, min(count, affordable)))
            part = Problems(*(x[:some] for x in posed))
            times[name].append(timed(solvers[name], part, clocks[name]) / some)
    return {name: 1e6 * statistics.median(found) for name, found in times.items()}


def table(sizes: list[tuple[int, int]], rounds: int) -> None:
    """Print the microseconds per problem, and the ratio to the default solver of fewact."""
    found = [compare(n, m, rounds) for n, m in sizes]
    best = engine()[0]
    print(f"\nµs per problem (ratio to {best})\n")
    print("| solver |" + "".join(f" {n}×{m} |" for n, m in sizes))
    print("|---|" + "---|" * len(sizes))
    for name in found[0]:
        cells = (f" {at[name]:.1f} ({at[name] / at[best]:.1f}×) |" for at in found)
        print(f"| {name} |" + "".join(cells))


def size(text: str) -> tuple[int, int]:
    """Return rows and columns of a size such as 14x70."""
    n, _, m = text.partition("x")
    return int(n), int(m)


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="number of rounds")
    parser.add_argument(
        "--sizes", default="14x14,14x70,64x64,256x256", help="sizes of the problems"
    )
    options = parser.parse_args()
    print("solver: {} ({})".format(*engine()))
    table([size(text) for text in options.sizes.split(",")], options.rounds)


if __name__ == "__main__":
    main()
