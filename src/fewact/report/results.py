"""Results and comparisons as tables."""

from collections.abc import Sequence

from fewact.evaluation.comparison import SMALLEST_P, Comparison
from fewact.evaluation.episodes import Protocol
from fewact.evaluation.result import Result
from fewact.report.table import Table

INTERVALS = (
    "± is the 95 % interval over episodes: how precisely the accuracy on these classes is known. "
    "The class interval is an interval over classes: where the mean over other classes of the same "
    "type is to be expected."
)
WITHOUT = (
    "± is the 95 % interval over episodes: how precisely the accuracy on these classes is known. "
    "It does not cover other classes. There is no class interval, because a class is in every "
    "episode."
)
ONE = "One episode has no interval: it does not say how precisely the accuracy is known."


def interval_notes(results: Sequence[Result]) -> tuple[str, ...]:
    """Return what the intervals of a table of these results mean."""
    return tuple(dict.fromkeys(map(_interval_note, results)))


def _interval_note(result: Result) -> str:
    if result.ci95 is None:
        return ONE
    return WITHOUT if result.class_interval is None else INTERVALS


def result_table(results: Sequence[Result], swept: Sequence[str] = ()) -> Table:
    """Return a table of results; the last column has the remarks needed to read the accuracy.

    Args:
        results: Results, a row for each.
        swept: Options whose values are shown in every row; a default is marked.
    """
    return Table(
        ("method", "accuracy", "class interval", "episodes", "videos", "features", "remarks"),
        tuple(
            (
                result.setup.method.label_with(swept),
                with_half_width(result.accuracy, result.ci95),
                _interval(result.class_interval),
                episodes(result.setup.episodes.protocol),
                result.setup.videos.name,
                result.setup.features.name,
                "; ".join((*result.flags, *(["on test classes"] if result.final else []))) or "–",
            )
            for result in results
        ),
        copied_names=False,
    )


def named(name: str, result: Result) -> str:
    """Return the name of a result in a table; it says so if the method is not trained."""
    return name if result.setup.method.trained else f"{name} (not trained)"


def comparison_table(comparisons: Sequence[Comparison], names: Sequence[str]) -> Table:
    """Return a table of paired differences, first − second, in percentage points."""
    return Table(
        (
            *("first", "second", "difference", "class interval"),
            *("wins", "losses", "p", "p (Holm)"),
        ),
        tuple(
            (
                names[comparison.first],
                names[comparison.second],
                with_half_width(comparison.difference, comparison.ci95, "+.2f"),
                _interval(comparison.class_interval, "+.2f"),
                str(comparison.wins),
                str(comparison.losses),
                probability(comparison.p),
                probability(comparison.p_holm),
            )
            for comparison in comparisons
        ),
    )


def episodes(protocol: Protocol) -> str:
    """Return a short description of the episodes.

    >>> episodes(Protocol(count=2000, groups="shared"))
    '5-way 1-shot, 1 query, 2000 episodes, groups shared'
    """
    queries = "1 query" if protocol.queries == 1 else f"{protocol.queries} queries"
    groups = "" if protocol.groups == "none" else f", groups {protocol.groups}"
    count = "1 episode" if protocol.count == 1 else f"{protocol.count} episodes"
    return f"{protocol.ways}-way {protocol.shots}-shot, {queries}, {count}{groups}"


def probability(p: float) -> str:
    """Return the text of a p-value with two digits.

    >>> probability(0.0312), probability(1e-12)
    ('0.031', '< 1e-11')
    """
    return f"{p:.2g}" if p > 10 * SMALLEST_P else f"< {10 * SMALLEST_P:.0e}"


def with_half_width(value: float, half_width: float | None, format: str = ".1f") -> str:
    """Return the text of a value with half of its interval, a dash if it is not known.

    >>> with_half_width(50, 1.5), with_half_width(50, None)
    ('50.0 ± 1.50', '50.0 ± –')
    """
    return f"{value:{format}} ± {'–' if half_width is None else f'{half_width:.2f}'}"


def _interval(interval: tuple[float, float] | None, format: str = ".1f") -> str:
    return "–" if interval is None else " to ".join(f"{end:{format}}" for end in interval)
