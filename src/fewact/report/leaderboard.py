"""Leaderboards as tables: all columns for a file, one line for each method to read."""

from collections.abc import Sequence
from dataclasses import replace

from fewact.evaluation.published import Row
from fewact.report.results import with_half_width
from fewact.report.table import Table

COLUMNS = ("method", "year", "backbone", "ways", "shots", "accuracy", "list", "remarks", "source")
OTHER = "Other settings: comparable neither with the table above nor with each other"


def leaderboard_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table of comparable rows, and one of rows with other settings with the reason."""
    comparable = tuple(row for row in rows if not row.not_comparable)
    incomparable = tuple(row for row in rows if row.not_comparable)
    tables = []
    if comparable:
        tables.append(Table(COLUMNS, tuple(map(_cells, comparable))))
    if incomparable:
        tables.append(Table(COLUMNS, tuple(map(_cells, incomparable)), OTHER))
    return tables


def short_tables(rows: Sequence[Row], *, all_rows: bool = False) -> tuple[list[Table], list[str]]:
    """Return tables with one row for each method and setting, and notes on the rows.

    The accuracies of all episodes are in one row, and list, remarks and source in numbered notes:
    they would leave no room for the other columns.

    Args:
        rows: Rows of ``evaluation.leaderboard``.
        all_rows: Whether to list published rows of other settings; otherwise a note counts them.
    """
    numbers: dict[str, int] = {}
    comparable = [row for row in rows if not row.not_comparable]
    incomparable = [row for row in rows if row.not_comparable]
    listed = [row for row in incomparable if all_rows or row.own]
    tables = [_short(comparable, numbers)] if comparable else []
    if listed:
        tables.append(replace(_short(listed, numbers), title=OTHER))
    notes = [f"[{number}] {text}" for text, number in numbers.items()]
    if left_out := len(incomparable) - len(listed):
        count = f"{left_out} row{'s' if left_out > 1 else ''} of other settings"
        notes.append(f"Left out: {count}; list with --all")
    return tables, notes


def _short(rows: Sequence[Row], numbers: dict[str, int]) -> Table:
    """Return a table of accuracies by episodes; notes that are new get the next numbers."""
    kinds = sorted({(row.ways, row.shots) for row in rows})
    settings: list[dict[tuple[int, int], Row]] = []
    latest: dict[Row, dict[tuple[int, int], Row]] = {}
    for row in rows:
        kind = row.ways, row.shots
        without_kind = replace(row, ways=0, shots=0, accuracy=0.0, ci95=None, source="")
        by_kind = latest.get(without_kind)
        if by_kind is None or kind in by_kind:
            by_kind = latest[without_kind] = {}
            settings.append(by_kind)
        by_kind[kind] = row
    lines = []
    for by_kind in sorted(
        settings, key=lambda setting: [-setting[k].accuracy if k in setting else 0 for k in kinds]
    ):
        first = next(iter(by_kind.values()))
        note = "; ".join(
            filter(
                None,
                (
                    first.not_comparable,
                    *first.flags,
                    f"list {first.list}",
                    *dict.fromkeys(row.source for row in by_kind.values()),
                ),
            )
        )
        lines.append(
            (
                _name(first),
                first.year or "yours",
                first.backbone,
                *(_accuracy(by_kind[kind]) if kind in by_kind else "–" for kind in kinds),
                f"[{numbers.setdefault(note, len(numbers) + 1)}]",
            )
        )
    names = [f"{ways}-way {shots}-shot" for ways, shots in kinds]
    return Table(("method", "year", "backbone", *names, "note"), tuple(lines))


def _name(row: Row) -> str:
    return ("▸ " if row.own else "") + row.method


def _accuracy(row: Row) -> str:
    if row.ci95 is None and not row.own:
        return f"{row.accuracy:.1f}"
    return with_half_width(row.accuracy, row.ci95)


def _cells(row: Row) -> tuple[str, ...]:
    remarks = ((row.not_comparable,) if row.not_comparable else ()) + row.flags
    return (
        _name(row),
        row.year or "yours",
        row.backbone,
        str(row.ways),
        str(row.shots),
        _accuracy(row),
        row.list,
        "; ".join(remarks) or "–",
        row.source,
    )
