"""Differences of results on the same episodes, seed by seed or split by split."""

from collections.abc import Sequence

from fewact.evaluation import Comparison, Result, compare


def differences(better: Sequence[Result], worse: Sequence[Result]) -> list[Comparison]:
    """What the first have more, in pairs."""
    return [compare(both)[0] for both in zip(better, worse, strict=True)]


def listed(pairs: Sequence[Comparison], digits: int = 2) -> str:
    """Each difference with its interval."""
    return ", ".join(f"{one.difference:+.{digits}f} ± {one.ci95:.{digits}f}" for one in pairs)
