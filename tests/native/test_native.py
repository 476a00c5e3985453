"""The compiled code from outside: random problems at large, and what its objects define."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fewact.align._emd as native

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src/fewact/align"
COMPILER = os.environ.get("CXX", "c++")


@pytest.mark.slow
def test_random_problems_are_proved_optimal() -> None:
    try:
        native.library()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    command = [sys.executable, HERE / "fuzz.py", "--problems", "500", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name} float64" in done.stdout for name in native.instruction_sets())


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not (shutil.which(COMPILER) and shutil.which("nm")),
    reason="needs Linux, a compiler and nm",
)
@pytest.mark.parametrize(
    ("source", "function"),
    [("_emd/cpp/simplex.cpp", "solve"), ("_products/cpp/products.cpp", "multiply")],
)
def test_an_instruction_set_defines_nothing_outside_its_namespace(
    tmp_path: Path, source: str, function: str
) -> None:
    # What is defined in common could be compiled for AVX-512 and yet be linked for all machines.
    # Without optimisation nothing is inlined, so that all there is shows.
    compiled = tmp_path / "solver.o"
    flags = ["-std=c++17", "-O0", "-DISA=some_set", "-Wno-psabi"]
    subprocess.run([COMPILER, *flags, "-c", SOURCES / source, "-o", compiled], check=True)
    listed = subprocess.run(
        ["nm", "-C", "--defined-only", "--extern-only", compiled],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [line.split(maxsplit=2)[2] for line in listed.splitlines()]
    assert any(f"some_set::{function}" in name for name in names)
    foreign = [name for name in names if not re.match(r"(\w+ )?some_set::|DW\.ref\.", name)]
    assert not foreign
