"""Accuracy as a function of the number of episodes, as a table and as a chart."""

from collections.abc import Mapping, Sequence

from fewact.core.chart import Line, Panel, line_chart
from fewact.evaluation.comparison import Point
from fewact.report.results import with_half_width
from fewact.report.table import Table


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
