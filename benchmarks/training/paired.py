"""Differences of results on the same episodes, seed by seed or split by split."""

from collections.abc import Sequence

from fewact.evaluation import Comparison, Result, compare


def differences(better: Sequence[Result], worse: Sequence[Result]) -> list[Comparison]:
    """Return the paired differences of results."""
    return [compare(both)[0] for both in zip(better, worse, strict=True)]


def listed(pairs: Sequence[Comparison], digits: int = 2) -> str:
    """Return each difference with its interval, as text."""
    return ", ".join(f"{one.difference:+.{digits}f} ± {one.ci95:.{digits}f}" for one in pairs)
