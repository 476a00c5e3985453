"""Every module of the benchmarks can be imported: a name that the package lost fails at once."""

from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = [
    ".".join(path.relative_to(BENCHMARKS.parent).with_suffix("").parts)
    for path in sorted(BENCHMARKS.rglob("*.py"))
]

OPTIONAL = {"cv2", "scipy", "skimage", "sklearn"}
"""Packages that some benchmarks compare with, and that need not be installed."""


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_is_imported(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in OPTIONAL:
            raise
        pytest.skip(f"{name} needs {package}")
