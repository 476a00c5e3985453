"""Accuracy against the number of episodes, as a table and as a picture."""

from collections.abc import Mapping, Sequence

from fewact.evaluation.stability import Point
from fewact.report.chart import Line, line_chart
from fewact.report.table import Table


def stability_table(found: Mapping[str, Sequence[Point]]) -> Table:
    """A row for each number of episodes of each result."""
    return Table(
        ("result", "first episodes", "accuracy"),
        tuple(
            (name, str(point.episodes), f"{point.accuracy:.2f} ± {point.ci95:.2f}")
            for name, points in found.items()
            for point in points
        ),
    )


def stability_chart(found: Mapping[str, Sequence[Point]]) -> str:
    """The same as an SVG, with the 95 % intervals as bands."""
    lines = [
        Line(
            name,
            [point.episodes for point in points],
            [point.accuracy for point in points],
            [point.ci95 for point in points],
        )
        for name, points in found.items()
    ]
    return line_chart(
        "Accuracy over the first episodes", lines, x="episodes", y="accuracy, %", scale="log"
    )
