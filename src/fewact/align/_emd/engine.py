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

FLOAT64 = ("cpu", "cuda")
"""Devices that are known to have float64; from others problems are moved to the CPU and back."""


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
            "there is no such solver here", where=VARIABLE, got=wanted, expected=", ".join(names)
        )
    return EngineInfo(wanted, f"{VARIABLE} names it")


def solve(problems: Problems, *, threads: int, plan: bool) -> Solution:
    """Solve problems with the solver that serves their device."""
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
    """The nearest class (…) of problems (… k), and the status (… k) of each problem."""
    device = problems.cost.device
    if device.type in FLOAT64:
        return _nearest_there(problems, threads)
    index, status = _nearest_there(_on_cpu(problems), threads)
    return index.to(device), status


def _solve_there(problems: Problems, threads: int, plan: bool) -> Solution:
    """``solve`` on a device that has float64."""
    isa = _instruction_set(problems)
    if isa is None:
        return simplex.solve(problems, plan=plan)
    return native.solve(problems, isa=isa, threads=threads, plan=plan)


def _nearest_there(problems: Problems, threads: int) -> tuple[Tensor, Tensor]:
    """``nearest`` on a device that has float64."""
    isa = _instruction_set(problems)
    if isa is None:
        return screening.nearest(problems, simplex.solve)
    return native.nearest(problems, isa=isa, threads=threads)


def _instruction_set(problems: Problems) -> int | None:
    """That of the compiled solver, or None where torch's serves."""
    if problems.cost.device.type != "cpu" or engine().name == "torch":
        return None
    return native.instruction_sets()[engine().name]


def _on_cpu(problems: Problems) -> Problems:
    return Problems(*(part.cpu() for part in problems))
