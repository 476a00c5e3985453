"""The compiled solver of the transport problem; its source is in cpp/."""

import ctypes
from functools import cache

import torch

from fewact.align.simplex import Problems, Solution, pivot_limit
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
    loaded = load_library("fewact_emd", __path__, version=VERSION)
    loaded.fewact_emd_isa.restype = ctypes.c_char_p
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    problems = [ctypes.c_int, ctypes.c_int, *[size] * 3, *[pointer] * 3, size]
    for suffix in SUFFIX.values():
        function = getattr(loaded, f"fewact_emd_solve_{suffix}")
        function.restype, function.argtypes = None, [*problems, *[pointer] * 5]
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
    """Solve problems on the CPU; ``isa`` is a value of ``instruction_sets()``.

    Where ``status`` is not ``SOLVED``, the other entries are undefined.
    """
    problems = Problems(*(part.contiguous() for part in problems))
    leading = problems.cost.shape[:-2]
    value = torch.empty(leading, dtype=torch.float64)
    flow = torch.empty_like(problems.cost) if plan else None
    u, v = torch.empty_like(problems.a), torch.empty_like(problems.b)
    status = torch.empty(leading, dtype=torch.int32)
    outputs = [None if part is None else part.data_ptr() for part in (value, flow, u, v, status)]
    cost, a, b = problems
    n, m = cost.shape[-2:]
    inputs = (cost.data_ptr(), a.data_ptr(), b.data_ptr(), pivot_limit(n, m))
    # The GIL is released meanwhile.
    function = getattr(library(), f"fewact_emd_solve_{SUFFIX[cost.dtype]}")
    function(isa, threads, leading.numel(), n, m, *inputs, *outputs)
    return Solution(value, flow, u, v, status)
