"""The compiled solver of the transport problem; its source is in cpp/."""

import ctypes
import math
from functools import cache

import numpy as np

from fewact.align.simplex import Problems, Solution, pivot_limit
from fewact.core.array_api import as_numpy, in_order, namespace
from fewact.core.machine import load_library

EMD_VERSION = 1
"""Version of the library's interface."""

SUFFIX = {"float32": "f32", "float64": "f64"}
"""Suffix of the library's functions for each dtype."""


@cache
def library() -> ctypes.CDLL:
    """Load the library of the compiled solvers.

    Raises:
        OSError: The library is not built, is outdated, or cannot be loaded on this system.
    """
    loaded = load_library("fewact_emd", __path__, version=EMD_VERSION)
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
    cost, a, b = (in_order(as_numpy(part)) for part in problems)
    *leading, n, m = cost.shape
    value, status = np.empty(leading, np.float64), np.empty(leading, np.int32)
    flow = np.empty_like(cost) if plan else None
    u, v = np.empty_like(a), np.empty_like(b)
    outputs = [None if part is None else part.ctypes.data for part in (value, flow, u, v, status)]
    inputs = (*(part.ctypes.data for part in (cost, a, b)), pivot_limit(n, m))
    # The GIL is released meanwhile.
    function = getattr(library(), f"fewact_emd_solve_{SUFFIX[cost.dtype.name]}")
    function(isa, threads, math.prod(leading), n, m, *inputs, *outputs)
    xp = namespace(problems.cost)
    solved = (part if part is None else xp.asarray(part) for part in (value, flow, u, v, status))
    return Solution(*solved)
