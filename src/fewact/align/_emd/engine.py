"""Which solver serves which tensors."""

import os
from functools import cache
from typing import NamedTuple

from torch import Tensor

from fewact.align._emd import native, screening, simplex
from fewact.align._emd.problem import Problems, Solution
from fewact.errors import OptionError

VARIABLE = "FEWACT_EMD_ISA"
"""Names the solver to use on the CPU, instead of the fastest."""


class EngineInfo(NamedTuple):
    """The solver that serves tensors on the CPU.

    Args:
        name: "avx512", "avx2", "baseline", "neon" or "torch".
        why: Why this one.
    """

    name: str
    why: str


@cache
def engine() -> EngineInfo:
    """The solver that serves tensors on the CPU, and why it is this one.

    Raises:
        OptionError: FEWACT_EMD_ISA names none that runs here.
    """
    try:
        names = ["torch", *native.instruction_sets()]
        why = "the fastest that this machine can run"
    except OSError as error:
        names, why = ["torch"], str(error)
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return EngineInfo(names[-1], why)
    if wanted not in names:
        raise OptionError(
            "there is no such solver here", where=VARIABLE, got=wanted, accepted=", ".join(names)
        )
    return EngineInfo(wanted, f"{VARIABLE} names it")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems with the solver that serves their device."""
    device = problems.cost.device
    if device.type not in ("cpu", "cuda"):  # others may lack float64
        here = Problems(*(part.cpu() for part in problems))
        found = solve(here, threads=threads, plan=plan)
        return Solution(
            found.value.to(here.cost.dtype).to(device),
            None if found.plan is None else found.plan.to(device),
            found.u.to(device),
            found.v.to(device),
            found.status,
        )
    if device.type == "cuda" or engine().name == "torch":
        return simplex.solve(problems, plan=plan)
    isa = native.instruction_sets()[engine().name]
    return native.solve(problems, isa=isa, threads=threads, plan=plan)


def nearest(problems: Problems, *, threads: int) -> tuple[Tensor, Tensor]:
    """The nearest class (…) of problems (… k), and the status (… k) of each problem."""
    if problems.cost.device.type == "cpu" and engine().name != "torch":
        isa = native.instruction_sets()[engine().name]
        return native.nearest(problems, isa=isa, threads=threads)
    return screening.nearest(problems, lambda some: solve(some, threads=threads, plan=False))
