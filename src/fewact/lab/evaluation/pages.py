"""Results, comparisons, confusions and leaderboards as tables and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fewact.lab.charts import Line, Panel, line_chart
from fewact.lab.evaluation.comparison import (
    SMALLEST_P,
    Comparison,
    Confusion,
    PairAccuracy,
    Point,
    confusion,
)
from fewact.lab.evaluation.episodes import Protocol
from fewact.lab.evaluation.published import Row
from fewact.lab.evaluation.result import Result
from fewact.report import svg
from fewact.report.table import Table

INTERVALS = (
    "± is the 95 % interval over episodes: how precisely the accuracy on these classes is known. "
    "The class interval is an interval over classes: where the mean over other classes of the same "
    "type is to be expected."
)
WITHOUT_CLASS_INTERVAL = (
    "± is the 95 % interval over episodes: how precisely the accuracy on these classes is known. "
    "It does not cover other classes. There is no class interval, because a class is in every "
    "episode."
)
ONE_EPISODE = "One episode has no interval: it does not say how precisely the accuracy is known."


def validation_table(results: Sequence[Result], names: Sequence[str]) -> Table:
    """Return a table of accuracies on the validation episodes and on the test."""
    return Table(
        ("result", "validation", "accuracy"),
        tuple(
            (name, _validation(result), with_half_width(result.accuracy, result.ci95))
            for name, result in zip(names, results, strict=True)
        ),
        "Validation, which selected the weights, beside the test",
    )


def _validation(result: Result) -> str:
    accuracy = result.setup.method.validation
    return "–" if accuracy is None else f"{accuracy:.1f}"


OPEN_SET = {"auroc": "AUROC", "oscr": "OSCR", "fpr95": "FPR at 95 % TPR"}
"""Measures of an open set in tables."""


def interval_notes(results: Sequence[Result]) -> tuple[str, ...]:
    """Return what the intervals of a table of these results mean."""
    notes = (
        ONE_EPISODE
        if result.ci95 is None
        else WITHOUT_CLASS_INTERVAL
        if result.class_interval is None
        else INTERVALS
        for result in results
    )
    return tuple(dict.fromkeys(notes))


def result_table(results: Sequence[Result], swept: Sequence[str] = ()) -> Table:
    """Return a table of results; the last column has the remarks needed to read the accuracy.

    The values of swept options are shown in every row; a default is marked. A trained method also
    has its accuracy on the validation episodes, which selected its weights.
    """
    trained = any(result.setup.method.validation is not None for result in results)
    columns = ("class interval", "episodes", "videos", "features", "remarks")
    return Table(
        ("method", "accuracy", *(["validation"] if trained else []), *columns),
        tuple(
            (
                result.setup.method.label_with(swept),
                with_half_width(result.accuracy, result.ci95),
                *([_validation(result)] if trained else []),
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


def open_set_table(results: Sequence[Result], names: Sequence[str] = ()) -> Table:
    """Return a table, by score, of the rejection of queries whose class is outside the episode."""
    names = names or [result.setup.method.label for result in results]
    return Table(
        ("method", "score", *OPEN_SET.values()),
        tuple(
            (name, score, *(with_half_width(m.mean, m.ci95) for m in map(means.get, OPEN_SET) if m))
            for name, result in zip(names, results, strict=True)
            for score, means in result.open_set.items()
        ),
        "Queries of other classes, rejected by a score",
    )


def open_set_differences(comparisons: Sequence[Comparison], names: Sequence[str]) -> Table:
    """Return a table of paired differences of the measures of open sets, first − second."""
    return Table(
        ("first", "second", "score", *OPEN_SET.values()),
        tuple(
            (
                *(names[comparison.first], names[comparison.second], score),
                *(with_half_width(*measures[measure], "+.2f") for measure in OPEN_SET),
            )
            for comparison in comparisons
            for score, measures in comparison.open_set.items()
        ),
        "Differences in the rejection of other classes",
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
    if protocol.unknown:
        queries = f"{queries} and {protocol.unknown} of other classes"
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


def stability_table(curves: Mapping[str, Sequence[Point]]) -> Table:
    """Return a table with a row for each number of episodes of each result."""
    return Table(
        ("result", "episodes", "accuracy"),
        tuple(
            (name, str(point.episodes), with_half_width(point.accuracy, point.ci95, ".2f"))
            for name, points in curves.items()
            for point in points
        ),
    )


def stability_chart(curves: Mapping[str, Sequence[Point]]) -> str:
    """Return a chart as SVG, with 95 % intervals as bands."""
    lines = [
        Line(
            name,
            [point.episodes for point in points],
            [point.accuracy for point in points],
            [point.ci95 or 0.0 for point in points],
        )
        for name, points in curves.items()
    ]
    return line_chart(
        Panel("Accuracy over the first episodes", lines, "episodes", "accuracy, %", "log")
    )


PAIRS = 10
"""Default number of confused pairs."""

LARGEST_NAME = 40
"""Largest number of letters of a class name in the chart of confusions."""

CHART_SIDE = 560.0
CHART_TOP = 56.0
CHART_GAP = 8.0
SMALLEST_ROW = 7.0
LARGEST_ROW = 26.0  # pixels


def confusion_tables(result: Result, pairs: int = PAIRS) -> list[Table]:
    """Return the accuracy of each class, the lowest first, with the class it is taken for most.

    A second table has the pairs of classes that are confused most often, at most ``pairs``.
    """
    confusions = confusion(result)
    taken_for = {label: _most(row, confusions) for row, label in enumerate(confusions.classes)}
    classes = tuple(
        (label, f"{of_class.accuracy:.1f}", str(of_class.queries), taken_for[label])
        for label, of_class in sorted(result.per_class.items(), key=lambda item: item[1].accuracy)
    )
    confused = tuple(
        (pair.first, pair.second, f"{pair.confused:.1f}", str(pair.queries))
        for pair in confusions.most_confused(pairs)
    )
    return [
        Table(
            ("class", "accuracy", "queries", "most often taken for"),
            classes,
            f"Classes: {result.setup.method.label}",
        ),
        Table(("class", "class", "confused, %", "queries"), confused, "Most confused pairs"),
    ]


def pair_accuracy_table(names: Sequence[str], accuracies: Sequence[PairAccuracy]) -> Table:
    """Return a table of accuracies on the pairs that the first result confuses, a row for each."""
    rows = tuple(
        (name, with_half_width(accuracy.accuracy, accuracy.ci95), str(accuracy.queries))
        for name, accuracy in zip(names, accuracies, strict=True)
    )
    title = f"Accuracy on the pairs that {names[0]} confuses most in the other half of the episodes"
    return Table(("result", "accuracy", "queries"), rows, title)


def confusion_chart(confusions: Confusion, title: str) -> str:
    """Draw the rates as a table of colours: an SVG file for light and dark pages.

    A row is a true class, a column a predicted class. The colour is the fraction of the queries of
    the row, in episodes with both classes, that got the class of the column.
    """
    n, rates = len(confusions.classes), confusions.rates
    cell = min(max(CHART_SIDE / n, SMALLEST_ROW), LARGEST_ROW)
    size = min(13.0, 0.8 * cell)
    short = [
        name if len(name) <= LARGEST_NAME else f"{name[:LARGEST_NAME]}…"
        for name in confusions.classes
    ]
    margin = (
        0.56 * size * max(len(f"{i}  {name}") for i, name in enumerate(short, 1)) + 2 * CHART_GAP
    )
    parts = [svg.text(CHART_GAP, 24, title, colour=None, size=16, weight=600)]
    squares, colours = [], []
    for i, name in enumerate(short):
        middle = CHART_TOP + (i + 0.5) * cell
        across = margin + (i + 0.5) * cell
        for x, y, words, height, anchor in (
            (margin - CHART_GAP, middle + 0.35 * size, f"{name}  {i + 1}", size, "end"),
            (across, CHART_TOP - CHART_GAP, str(i + 1), 0.7 * size, "middle"),
        ):
            parts.append(svg.text(x, y, words, colour=None, size=height, anchor=anchor))
        for j, rate in enumerate(rates[i].tolist()):
            colour = svg.COLOURS[0] if i == j else svg.COLOURS[1]
            square = (margin + j * cell + 0.5, CHART_TOP + i * cell + 0.5, cell - 1, cell - 1)
            squares.append(svg.rectangle(*square, None))
            if rate > 0:
                colours.append(svg.rectangle(*square, colour, fill_opacity=min(rate, 1.0)))
    for drawn, of in ((squares, "pale"), (colours, "series")):
        parts.append(svg.element("g", *drawn, class_=of))
    bottom = CHART_TOP + n * cell
    legend = "rows: true class; columns: predicted class; full colour: every query"
    parts.append(svg.text(CHART_GAP, bottom + 24, legend, colour=None, size=12, class_="label"))
    width = max(margin + n * cell + CHART_GAP, 480.0)
    return svg.document(round(width), round(bottom + 40), parts, title=title, style=svg.STYLE)


def _most(row: int, confusions: Confusion) -> str:
    """Return the class for which queries of a class are taken most often."""
    rates = confusions.rates[row].copy()
    rates[row] = 0
    column = int(rates.argmax())
    return (
        f"{confusions.classes[column]}, {100 * rates[column]:.1f} %" if rates[column] > 0 else "–"
    )


LEADERBOARD_COLUMNS = (
    "method",
    "year",
    "backbone",
    "ways",
    "shots",
    "accuracy",
    "list",
    "remarks",
    "source",
)
OTHER_SETTINGS = "Other settings: comparable neither with the table above nor with each other"


def leaderboard_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table of comparable rows, and one of rows with other settings with the reason."""
    comparable = tuple(row for row in rows if not row.not_comparable)
    incomparable = tuple(row for row in rows if row.not_comparable)
    tables = []
    if comparable:
        tables.append(Table(LEADERBOARD_COLUMNS, tuple(map(_cells, comparable))))
    if incomparable:
        tables.append(Table(LEADERBOARD_COLUMNS, tuple(map(_cells, incomparable)), OTHER_SETTINGS))
    return tables


def short_tables(rows: Sequence[Row], *, all_rows: bool = False) -> tuple[list[Table], list[str]]:
    """Return tables with one row for each method and setting, and notes on the rows.

    A row has the accuracies of all sizes of episodes. List, remarks and source are in numbered
    notes: they would leave no width for the other columns. Published rows of other settings are
    listed with ``all_rows``; otherwise a note counts them.
    """
    numbers: dict[str, int] = {}
    comparable = [row for row in rows if not row.not_comparable]
    incomparable = [row for row in rows if row.not_comparable]
    listed = [row for row in incomparable if all_rows or row.own]
    tables = [_short(comparable, numbers)] if comparable else []
    if listed:
        tables.append(replace(_short(listed, numbers), title=OTHER_SETTINGS))
    notes = [f"[{number}] {text}" for text, number in numbers.items()]
    if left_out := len(incomparable) - len(listed):
        count = f"{left_out} row{'s' if left_out > 1 else ''} of other settings"
        notes.append(f"Left out: {count}; list with --all")
    return tables, notes


def _short(rows: Sequence[Row], numbers: dict[str, int]) -> Table:
    """Return a table of accuracies by episodes; notes that are new get the next numbers."""
    sizes = sorted({(row.ways, row.shots) for row in rows})
    settings: list[dict[tuple[int, int], Row]] = []
    latest: dict[Row, dict[tuple[int, int], Row]] = {}
    for row in rows:
        size = row.ways, row.shots
        setting = replace(row, ways=0, shots=0, accuracy=0.0, ci95=None, source="")
        by_size = latest.get(setting)
        if by_size is None or size in by_size:
            by_size = latest[setting] = {}
            settings.append(by_size)
        by_size[size] = row
    settings.sort(key=lambda by_size: [-by_size[s].accuracy if s in by_size else 0 for s in sizes])
    lines = []
    for by_size in settings:
        first = next(iter(by_size.values()))
        sources = dict.fromkeys(row.source for row in by_size.values())
        remarks = (first.not_comparable, *first.flags, f"list {first.list}", *sources)
        note = "; ".join(filter(None, remarks))
        lines.append(
            (
                _name(first),
                first.year or "yours",
                first.backbone,
                *(_accuracy(by_size[size]) if size in by_size else "–" for size in sizes),
                f"[{numbers.setdefault(note, len(numbers) + 1)}]",
            )
        )
    names = [f"{ways}-way {shots}-shot" for ways, shots in sizes]
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
