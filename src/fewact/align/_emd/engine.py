"""Choice of the solver for each device."""

import os
from functools import cache, partial
from typing import NamedTuple

from torch import Tensor

from fewact.align._emd import native, screening, simplex
from fewact.align._emd.problem import Problems, Solution
from fewact.core.errors import OptionError

VARIABLE = "FEWACT_EMD_ISA"
"""Environment variable: name of the solver for the CPU, instead of the fastest one."""

FLOAT64 = ("cpu", "cuda")
"""Devices with float64."""


class EngineInfo(NamedTuple):
    """Solver for tensors on the CPU.

    Args:
        name: "avx512", "avx2", "baseline", "neon" or "torch".
        why: Reason for the choice.
    """

    name: str
    why: str


@cache
def engine() -> EngineInfo:
    """Return the solver for tensors on the CPU, and the reason for the choice.

    Raises:
        OptionError: FEWACT_EMD_ISA names a solver that does not run here.
    """
    try:
        names = ["torch", *native.instruction_sets()]
        why = "the fastest that this machine can run"
    except OSError as error:
        names, why = ["torch"], str(error)
    requested = os.environ.get(VARIABLE)
    if not requested:
        return EngineInfo(names[-1], why)
    if requested not in names:
        raise OptionError(
            "unknown solver", where=VARIABLE, got=requested, expected=", ".join(names)
        )
    return EngineInfo(requested, f"{VARIABLE} names it")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems on the CPU; on their device if it has float64 and nothing is compiled here."""
    device, isa = problems.cost.device, _instruction_set()
    if isa is None:
        there = problems if device.type in FLOAT64 else _on_cpu(problems)
        value, flow, u, v, status = simplex.solve(there, plan=plan)
    else:
        value, flow, u, v, status = native.solve(
            _on_cpu(problems), isa=isa, threads=threads, plan=plan
        )
    return Solution(
        (value if device.type in FLOAT64 else value.to(u.dtype)).to(device),
        None if flow is None else flow.to(device),
        u.to(device),
        v.to(device),
        status,
    )


def nearest(problems: Problems, *, threads: int) -> tuple[Tensor, Tensor]:
    """Return the nearest class (…) of problems (… k), and the status (… k) of each problem.

    A GPU computes the bounds, and problems that they leave open are solved as by ``solve``.
    """
    device, isa = problems.cost.device, _instruction_set()
    there = problems if device.type in FLOAT64 else _on_cpu(problems)
    if isa is not None and there.cost.device.type == "cpu":
        index, status = native.nearest(there, isa=isa, threads=threads)
    else:
        index, status = screening.nearest(there, partial(solve, threads=threads, plan=False))
    return index.to(device), status


def _instruction_set() -> int | None:
    """Return the instruction set of the compiled solver, or None for the torch solver."""
    name = engine().name
    return None if name == "torch" else native.instruction_sets()[name]


def _on_cpu(problems: Problems) -> Problems:
    return Problems(*(part.cpu() for part in problems))
