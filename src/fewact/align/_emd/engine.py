"""Choice of the solver for each device."""

import os
from functools import cache
from typing import NamedTuple

from torch import Tensor

from fewact.align._emd import native, screening, simplex
from fewact.align._emd.problem import Problems, Solution
from fewact.errors import OptionError

VARIABLE = "FEWACT_EMD_ISA"
"""Environment variable: name of the solver for the CPU, instead of the fastest one."""

FLOAT64 = ("cpu", "cuda")
"""Devices with float64; problems on other devices are moved to the CPU and back."""


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
    """Solve problems with the solver for their device."""
    device = problems.cost.device
    if device.type in FLOAT64:
        return _solve_there(problems, threads, plan)
    value, flow, u, v, status = _solve_there(_on_cpu(problems), threads, plan)
    return Solution(
        value.to(u.dtype).to(device),
        None if flow is None else flow.to(device),
        u.to(device),
        v.to(device),
        status,
    )


def nearest(problems: Problems, *, threads: int) -> tuple[Tensor, Tensor]:
    """Return the nearest class (…) of problems (… k), and the status (… k) of each problem."""
    device = problems.cost.device
    if device.type in FLOAT64:
        return _nearest_there(problems, threads)
    index, status = _nearest_there(_on_cpu(problems), threads)
    return index.to(device), status


def _solve_there(problems: Problems, threads: int, plan: bool) -> Solution:
    """Run ``solve`` on a device with float64."""
    isa = _instruction_set(problems)
    if isa is None:
        return simplex.solve(problems, plan=plan)
    return native.solve(problems, isa=isa, threads=threads, plan=plan)


def _nearest_there(problems: Problems, threads: int) -> tuple[Tensor, Tensor]:
    """Run ``nearest`` on a device with float64."""
    isa = _instruction_set(problems)
    if isa is None:
        return screening.nearest(problems, simplex.solve)
    return native.nearest(problems, isa=isa, threads=threads)


def _instruction_set(problems: Problems) -> int | None:
    """Return the instruction set of the compiled solver, or None for the torch solver."""
    if problems.cost.device.type != "cpu" or engine().name == "torch":
        return None
    return native.instruction_sets()[engine().name]


def _on_cpu(problems: Problems) -> Problems:
    return Problems(*(part.cpu() for part in problems))
