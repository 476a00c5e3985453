"""Interface to the compiled solver."""

import ctypes
from functools import cache

import torch
from torch import Tensor

import fewact.align._emd as package
from fewact.align._emd import Problems, Solution, pivot_limit
from fewact.core.machine import load_library

VERSION = 1
"""Version of the library's interface."""

SUFFIX = {torch.float32: "f32", torch.float64: "f64"}
"""Suffix of the library's functions for each dtype."""


@cache
def library() -> ctypes.CDLL:
    """Load the library of the compiled solvers.

    Raises:
        OSError: The library is not built, is outdated, or cannot be loaded on this system.
    """
    loaded = load_library("fewact_emd", package.__path__, version=VERSION)
    loaded.fewact_emd_isa.restype = ctypes.c_char_p
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    problems = [ctypes.c_int, ctypes.c_int, *[size] * 3, *[pointer] * 3, size]
    for suffix in SUFFIX.values():
        for name, outputs in (("solve", [pointer] * 5), ("nearest", [size, *[pointer] * 3])):
            function = getattr(loaded, f"fewact_emd_{name}_{suffix}")
            function.restype, function.argtypes = None, [*problems, *outputs]
    return loaded


@cache
def instruction_sets() -> dict[str, int]:
    """Return the solvers that run on this machine, by name; the fastest is last.

    Raises:
        OSError: The library is missing.
    """
    sets: dict[str, int] = {}
    isa = 0
    while (name := library().fewact_emd_isa(isa)) is not None:
        if name:
            sets[name.decode()] = isa
        isa += 1
    return sets


def solve(problems: Problems, *, isa: int, threads: int, plan: bool) -> Solution:
    """Solve problems on the CPU.

    Args:
        problems: Problems on the CPU.
        isa: Value of ``instruction_sets()``.
        threads: Number of threads.
        plan: Whether to return the flows.

    Returns:
        Solution; where ``status`` is not ``SOLVED``, the other entries are undefined.
    """
    problems = Problems(*(part.contiguous() for part in problems))
    leading = problems.cost.shape[:-2]
    value = torch.empty(leading, dtype=torch.float64)
    flow = torch.empty_like(problems.cost) if plan else None
    u, v = torch.empty_like(problems.a), torch.empty_like(problems.b)
    status = torch.empty(leading, dtype=torch.int32)
    pointers = [None if part is None else part.data_ptr() for part in (value, flow, u, v, status)]
    _call("solve", problems, isa, threads, *pointers)
    return Solution(value, flow, u, v, status)


def nearest(problems: Problems, *, isa: int, threads: int) -> tuple[Tensor, Tensor]:
    """Find the class of the smallest transport cost in each group.

    Args:
        problems: Groups (… k) of k classes, on the CPU.
        isa: Value of ``instruction_sets()``.
        threads: Number of threads.

    Returns:
        (…) int64 index of the nearest class, undefined in a group with a problem that could not be
        solved; and ``Status`` (… k).
    """
    problems = Problems(*(part.contiguous() for part in problems))
    *leading, classes = problems.cost.shape[:-2]
    index = torch.empty(leading, dtype=torch.int64)
    scratch = torch.empty(*leading, classes, dtype=torch.float64)
    status = torch.empty(*leading, classes, dtype=torch.int32)
    pointers = [part.data_ptr() for part in (index, scratch, status)]
    _call("nearest", problems, isa, threads, classes, *pointers)
    return index, status


def _call(name: str, problems: Problems, isa: int, threads: int, *outputs: int | None) -> None:
    """Call a function of the library; the GIL is released meanwhile."""
    cost, a, b = problems
    n, m = cost.shape[-2:]
    function = getattr(library(), f"fewact_emd_{name}_{SUFFIX[cost.dtype]}")
    inputs = (cost.data_ptr(), a.data_ptr(), b.data_ptr(), pivot_limit(n, m))
    function(isa, threads, cost.shape[:-2].numel(), n, m, *inputs, *outputs)
