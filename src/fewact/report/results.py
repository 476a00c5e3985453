"""Results, comparisons and leaderboards as tables."""

from collections.abc import Sequence
from dataclasses import replace

from fewact.episodes import Protocol
from fewact.evaluation.compare import SMALLEST_P, Comparison
from fewact.evaluation.leaderboard import Row
from fewact.evaluation.result import Result
from fewact.report.table import Table


def result_table(results: Sequence[Result]) -> Table:
    """Return a table of results; the last column has the remarks needed to read the accuracy."""
    return Table(
        ("method", "accuracy", "class interval", "episodes", "videos", "features", "remarks"),
        tuple(
            (
                one.setup.method.label,
                _with_half_width(one.accuracy, one.ci95),
                _interval(one.class_interval),
                episodes(one.setup.episodes.protocol),
                one.setup.videos.name,
                one.setup.features.name,
                "; ".join((*one.flags, *(["on test classes"] if one.final else []))) or "–",
            )
            for one in results
        ),
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
                names[one.first],
                names[one.second],
                _with_half_width(one.difference, one.ci95, "+.2f"),
                _interval(one.class_interval, "+.2f"),
                str(one.wins),
                str(one.losses),
                probability(one.p),
                probability(one.p_holm),
            )
            for one in comparisons
        ),
    )


def leaderboard_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table of comparable rows, and one of rows with other settings with the reason."""
    comparable = tuple(row for row in rows if not row.not_comparable)
    others = tuple(row for row in rows if row.not_comparable)
    header = (
        *("method", "year", "backbone", "ways", "shots", "accuracy", "list"),
        *("remarks", "source"),
    )
    tables = []
    if comparable:
        tables.append(Table(header, tuple(_cells(row) for row in comparable)))
    if others:
        tables.append(
            Table(
                header,
                tuple(_cells(row) for row in others),
                "Other settings: comparable neither with the table above nor with each other",
            )
        )
    return tables


def with_notes(tables: Sequence[Table]) -> tuple[list[Table], list[str]]:
    """Return tables with numbers in their last column, and the texts that these stand for.

    Sources are long: in the table they would leave no room for the other columns.
    """
    numbers: dict[str, int] = {}
    short = [
        replace(
            table,
            rows=tuple(
                (*row[:-1], f"[{numbers.setdefault(row[-1], len(numbers) + 1)}]")
                for row in table.rows
            ),
        )
        for table in tables
    ]
    return short, [f"[{number}] {text}" for text, number in numbers.items()]


def episodes(protocol: Protocol) -> str:
    """Return a short description of the episodes.

    >>> episodes(Protocol(count=2000, groups="shared"))
    '5-way 1-shot, 1 query, 2000 episodes, groups shared'
    """
    queries = "1 query" if protocol.queries == 1 else f"{protocol.queries} queries"
    groups = "" if protocol.groups == "none" else f", groups {protocol.groups}"
    return (
        f"{protocol.ways}-way {protocol.shots}-shot, {queries}, {protocol.count} episodes{groups}"
    )


def probability(p: float) -> str:
    """Return the text of a p-value with two digits.

    >>> probability(0.0312), probability(1e-12)
    ('0.031', '< 1e-11')
    """
    return f"{p:.2g}" if p > 10 * SMALLEST_P else f"< {10 * SMALLEST_P:.0e}"


def _cells(row: Row) -> tuple[str, ...]:
    remarks = ((row.not_comparable,) if row.not_comparable else ()) + row.flags
    return (
        ("▸ " if row.own else "") + row.method,
        row.year or "yours",
        row.backbone,
        str(row.ways),
        str(row.shots),
        f"{row.accuracy:.1f}" if row.ci95 is None else _with_half_width(row.accuracy, row.ci95),
        row.list,
        "; ".join(remarks) or "–",
        row.source,
    )


def _with_half_width(value: float, half_width: float, format: str = ".1f") -> str:
    return f"{value:{format}} ± {half_width:.2f}"


def _interval(interval: tuple[float, float] | None, format: str = ".1f") -> str:
    return "–" if interval is None else " to ".join(f"{end:{format}}" for end in interval)
