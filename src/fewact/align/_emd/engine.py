"""Which solver serves which tensors."""

from typing import NamedTuple

from fewact.align._emd import simplex
from fewact.align._emd.problem import Problems, Solution


class EngineInfo(NamedTuple):
    """The solver that serves tensors on the CPU.

    Args:
        name: "avx512", "avx2", "baseline", "neon" or "torch".
        why: Why this one.
    """

    name: str
    why: str


def engine() -> EngineInfo:
    """The solver that serves tensors on the CPU, and why it is this one."""
    return EngineInfo("torch", "the compiled solver is not built")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems with one leading axis, with the solver that serves their device."""
    device = problems.cost.device
    if device.type in ("cpu", "cuda"):
        return simplex.solve(problems, plan=plan)
    # Other devices may lack float64.
    here = Problems(*(part.cpu() for part in problems))
    found = solve(here, threads=threads, plan=plan)
    return Solution(
        found.value.to(here.cost.dtype).to(device),
        None if found.plan is None else found.plan.to(device),
        found.u.to(device),
        found.v.to(device),
        found.status,
    )
