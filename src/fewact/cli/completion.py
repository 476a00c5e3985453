"""Names that the shell completes; no list of them imports torch."""

from collections.abc import Iterable


def methods(incomplete: str) -> list[str]:
    """Return the methods whose names begin so."""
    from fewact import methods

    return _beginning(incomplete, methods.names())


def backbones(incomplete: str) -> list[str]:
    """Return the backbones whose names begin so."""
    from fewact import backbones

    return _beginning(incomplete, (backbones.AUTO, *backbones.names()))


def benchmarks(incomplete: str) -> list[str]:
    """Return the benchmarks whose names begin so."""
    from fewact.data.benchmarks import benchmark_names

    return _beginning(incomplete, benchmark_names())


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
