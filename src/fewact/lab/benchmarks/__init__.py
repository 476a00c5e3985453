"""Published benchmarks: facts, lists of videos, and leaks between data and weights."""

from fewact.lab.benchmarks.benchmarks import (
    ActionClass,
    Benchmark,
    benchmark,
    benchmark_names,
    variants,
)
from fewact.lab.benchmarks.leak import Leak, find_leak, refuse_leaks
from fewact.lab.benchmarks.videos import (
    Availability,
    ClassCount,
    check_benchmark,
    load_benchmark,
)

__all__ = [
    "ActionClass",
    "Availability",
    "Benchmark",
    "ClassCount",
    "Leak",
    "benchmark",
    "benchmark_names",
    "check_benchmark",
    "find_leak",
    "load_benchmark",
    "refuse_leaks",
    "variants",
]
