"""Random transport problems, proved optimal by their own duals; also under the sanitizers.

    python tests/native/fuzz.py --problems 2000000
    python tests/native/fuzz.py --problems 20000 --sanitize   # needs a C++ compiler: $CXX or c++

Each solver of this machine solves the same problems. Costs have ties, repeated rows, distances or
log-normal tails; weights have zeros, ties, a floor or log-normal tails.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fewact.align._emd as native
from fewact.align.simplex import Problems

SOURCES = Path(__file__).parents[2] / "src/fewact/align/_emd/cpp"
FLAGS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512vl"],
}
"""Compiler's flags of the instruction sets, as in CMakeLists.txt."""

BATCH = 200

Draw = np.random.Generator


def costs(draw: Draw, n: int, m: int) -> Any:
    """Costs (BATCH n m) of a random kind."""
    shape = (BATCH, n, m)
    kinds: list[Callable[[], Any]] = [
        lambda: draw.random(shape),
        lambda: draw.integers(0, draw.integers(1, 7), shape).astype(float),
        lambda: draw.standard_normal(shape) ** 3,
        lambda: np.repeat(draw.random((BATCH, 1, m)), n, 1),
        lambda: np.abs(np.arange(n)[:, None] - np.arange(m)) * np.ones(shape),
        lambda: np.exp(3 * draw.standard_normal(shape)),
        lambda: -draw.random((BATCH, n, 1)) * draw.random((BATCH, 1, m)),
        lambda: draw.random(shape).astype(np.float16).astype(float) + 1024,
    ]
    return kinds[draw.integers(len(kinds))]()


def weights(draw: Draw, k: int, total: float) -> Any:
    """Weights (BATCH k) of a random kind."""
    shape = (BATCH, k)
    some = np.eye(k)[draw.integers(0, k, BATCH)]  # so that none is all zero
    kinds: list[Callable[[], Any]] = [
        lambda: draw.random(shape),
        lambda: np.ones(shape),
        lambda: np.exp(8 * draw.standard_normal(shape)),
        lambda: draw.integers(0, 3, shape) + some,
        lambda: np.maximum(draw.standard_normal(shape), 0) + 1e-3,
        lambda: some + 0.0,
    ]
    drawn = kinds[draw.integers(len(kinds))]()
    return drawn * (total / drawn.sum(1, keepdims=True))


def problems(draw: Draw) -> Problems:
    """A batch of problems of one random size from 1 to 90."""
    largest = 90 if draw.random() < 0.25 else 24
    n, m = (int(k) for k in draw.integers(1, largest + 1, 2))
    scale = 10.0 ** draw.integers(-6, 7, 2)
    cost = costs(draw, n, m) * scale[0]
    return Problems(cost, weights(draw, n, scale[1]), weights(draw, m, scale[1]))


def faults(given: Problems, isa: int, threads: int) -> dict[str, float]:
    """How far solutions are from optimal, by kind of fault, relative to cost and mass."""
    found = native.solve(given, isa=isa, threads=threads, plan=True)
    assert found.plan is not None
    if found.status.any():
        return {"status": float(found.status.max())}
    cost, a, b = (part.astype(np.float64) for part in given)
    flow, u, v = (part.astype(np.float64) for part in (found.plan, found.u, found.v))
    size, mass = np.maximum(np.abs(cost).max((1, 2)), 1e-300), a.sum(1)
    b = b * (mass / b.sum(1))[:, None]
    slack = (cost - u[:, :, None] - v[:, None]) / size[:, None, None]
    share = flow / mass[:, None, None]
    dual = (u * a).sum(1) + (v * b).sum(1)
    rows = np.abs(share.sum(2) - a / mass[:, None])
    columns = np.abs(share.sum(1) - b / mass[:, None])
    return {
        "gap": float((np.abs(found.value - dual) / (size * mass)).max()),
        "value": float(np.abs(((flow * cost).sum((1, 2)) - found.value) / (size * mass)).max()),
        "infeasible dual": float(-slack.min()),
        "loose dual": float(max(slack.min(1).max(), slack.min(2).max())),
        "not complementary": float((share * slack).max()),
        "marginals": float(max(rows.max(), columns.max())),
        "negative flow": float(-share.min()),
        "flow of empty nodes": float((share * ((a == 0)[:, :, None] | (b == 0)[:, None])).max()),
        "cells too many": float((flow > 0).sum((1, 2)).max() - sum(cost.shape[1:]) + 1),
    }


def fuzz(count: int, seed: int) -> int:
    """Solve that many problems with each solver in each precision; the exit code."""
    worst: dict[str, dict[str, float]] = {}
    for batch in range(-(-count // BATCH)):
        given = problems(np.random.default_rng([seed, batch]))
        for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
            here = Problems(*(part.astype(dtype) for part in given))
            for name, isa in native.instruction_sets().items():
                kept = worst.setdefault(f"{name} {dtype}", {})
                for fault, size in faults(here, isa, threads=1 + batch % 2).items():
                    kept[fault] = max(kept.get(fault, 0.0), size)
                    if not size <= tolerance:
                        print(f"{name}: {fault} {size:.1e}, seed {seed}, batch {batch}, {dtype}")
                        return 1
    for name, sizes in worst.items():
        listed = ", ".join(f"{fault} {size:.1e}" for fault, size in sizes.items() if size)
        print(f"{name}: {count} problems, worst relative {listed}")
    return 0


def build(folder: Path) -> None:
    """The library with sanitizers, and with all the checks of the compiler's vectors."""
    compiler = [os.environ.get("CXX", "c++"), "-std=c++17", "-O1", "-g1", "-fPIC", "-Wno-psabi"]
    compiler += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    on_x86 = platform.machine() in ("x86_64", "AMD64")
    isas = FLAGS if on_x86 else {"baseline": []}
    for name, flags in isas.items():
        source = ["-c", SOURCES / "simplex.cpp", "-o", folder / f"{name}.o"]
        subprocess.run([*compiler, *flags, f"-DISA={name}", *source], check=True)
    x86 = ["-DFEWACT_X86"] if on_x86 else []
    objects = [folder / f"{name}.o" for name in isas]
    out = ["-shared", "-pthread", "-o", folder / "fewact_emd.so"]
    subprocess.run([*compiler, *x86, SOURCES / "library.cpp", *objects, *out], check=True)


def sanitized(arguments: list[str]) -> int:
    """Run this script again in a process that holds the sanitizers and the library built so."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        compiler = os.environ.get("CXX", "c++")
        asan, cxx = (
            subprocess.run(
                [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("libasan.so", "libstdc++.so")
        )
        environment = os.environ | {
            "LD_PRELOAD": f"{asan} {cxx}",
            "ASAN_OPTIONS": "detect_leaks=0",  # Python leaks on purpose at exit
        }
        command = [sys.executable, __file__, *arguments, "--library", folder]
        return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--library", help="folder of a library to use instead of the installed one")
    given = parser.parse_args()
    if given.sanitize:
        return sanitized(["--problems", str(given.problems), "--seed", str(given.seed)])
    if given.library:
        native.__path__.insert(0, given.library)
    return fuzz(given.problems, given.seed)


if __name__ == "__main__":
    sys.exit(main())
