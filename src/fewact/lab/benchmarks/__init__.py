"""Labelled videos to evaluate on: published benchmarks, lists of the user, leaks into weights."""

from fewact.lab.benchmarks.benchmarks import (
    ActionClass,
    Benchmark,
    benchmark,
    benchmark_names,
    variants,
)
from fewact.lab.benchmarks.feature_dataset import FeatureDataset
from fewact.lab.benchmarks.leak import Leak, find_leak, refuse_leaks
from fewact.lab.benchmarks.user_lists import list_folder, list_table
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
    "FeatureDataset",
    "Leak",
    "benchmark",
    "benchmark_names",
    "check_benchmark",
    "find_leak",
    "list_folder",
    "list_table",
    "load_benchmark",
    "refuse_leaks",
    "variants",
]
