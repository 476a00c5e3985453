"""Fuzzers: files, kills and the compiled solver, each with seeds.

A fuzzer is a module of this package with the function

    run(seed: int, seconds: float | None, count: int | None) -> Report

which tries cases until ``count`` of them or for ``seconds``; the same seed and number give the same
case. A test runs a few cases of fixed seeds; ``make fuzz MINUTES=60`` runs all of them for long.
A case that found a defect stays as a test of its own.
"""

from tests.fuzz.report import Report, cases

__all__ = ["Report", "cases"]
