"""Line charts as self-contained SVG files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fewact.core import svg

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 56
TICKS = 6
LEGEND = 20
"""Height of a line of the legend."""

Numbers = Sequence[float]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: Name in the legend.
        x: Positions (n), ascending.
        y: Values (n).
        half: Half widths (n) of the band around the values; empty for no band.
    """

    name: str
    x: Numbers
    y: Numbers
    half: Numbers = ()


@dataclass(frozen=True)
class Panel:
    """Lines over common axes.

    Args:
        title: Title above the lines.
        lines: Lines, with at least one point in total.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        scale: Scale of the horizontal axis; ``log`` needs positive values.
    """

    title: str
    lines: Sequence[Line]
    x: str
    y: str
    scale: Literal["linear", "log"] = "linear"


def line_chart(*panels: Panel) -> str:
    """Draw panels below each other, as an SVG file for light and dark pages.

    Args:
        panels: At least one panel.
    """
    parts, height = [], 0.0
    for panel in panels:
        drawn = _panel(panel)
        parts.append(svg.element("g", *drawn, transform=f"translate(0 {height:g})"))
        height += HEIGHT + LEGEND * len(panel.lines)
    title = ", ".join(panel.title for panel in panels)
    return svg.document(WIDTH, height, parts, title=title, style=svg.STYLE)


def _panel(panel: Panel) -> list[str]:
    """Return lines, with bands for lines that have one, axes and a legend."""
    lines = panel.lines
    across = _Axis([value for line in lines for value in line.x], LEFT, WIDTH - RIGHT, panel.scale)
    values = [v + s * h for line in lines for v, h in _banded(line) for s in (-1, 1)]
    foot = HEIGHT - BOTTOM
    up = _Axis(values, foot, TOP, "linear")
    parts = [svg.text(LEFT, 24, panel.title, colour=None, size=16, weight=600)]
    for tick in up.ticks:
        parts.append(_grid(LEFT, up(tick), WIDTH - RIGHT, up(tick)))
        parts.append(_label(LEFT - 8, up(tick) + 4, f"{tick:g}", "end"))
    for tick in across.ticks:
        parts.append(_grid(across(tick), foot, across(tick), foot + 5))
        parts.append(_label(across(tick), foot + 20, f"{tick:,.10g}", "middle"))
    parts.append(_label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, panel.x, "middle"))
    turned = f"translate(16 {(TOP + foot) / 2:.1f}) rotate(-90)"
    parts.append(_label(0, 0, panel.y, "middle", transform=turned))
    for position, line in enumerate(lines):
        colour = svg.COLOURS[position % len(svg.COLOURS)]
        parts += _drawn(line, across, up, colour)
        # Below the chart: inside, a legend would lie across the lines.
        at = HEIGHT + LEGEND * (position + 0.5)
        parts.append(svg.line(LEFT, at - 4, LEFT + 20, at - 4, colour, stroke_width=3))
        parts.append(svg.text(LEFT + 28, at, line.name, colour=None))
    return parts


class _Axis:
    """Maps values to pixels."""

    def __init__(
        self, values: Numbers, first: float, last: float, scale: Literal["linear", "log"]
    ) -> None:
        self._log = scale == "log"
        low, high = min(values), max(values)
        if self._log:
            self.ticks = [10.0**k for k in range(math.floor(math.log10(high)) + 1) if 10**k >= low]
        else:
            step = _step(high - low)
            low, high = step * math.floor(low / step), step * math.ceil(high / step)
            high = high if high > low else low + step
            count = round((high - low) / step)
            self.ticks = [round(low + k * step, 10) for k in range(count + 1)]
        self._low, self._high = self._on(low), self._on(high)
        self._first, self._last = first, last

    def _on(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def __call__(self, value: float) -> float:
        fraction = (self._on(value) - self._low) / ((self._high - self._low) or 1.0)
        return self._first + fraction * (self._last - self._first)


def _step(span: float) -> float:
    """Return a round distance between ticks: 1, 2 or 5 times a power of ten."""
    rough = max(span, 1e-9) / TICKS
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= rough)


def _banded(line: Line) -> list[tuple[float, float]]:
    return list(zip(line.y, line.half or [0.0] * len(line.y), strict=True))


def _drawn(line: Line, across: _Axis, up: _Axis, colour: str) -> list[str]:
    parts = []
    if line.half:
        upper = [(across(x), up(v + h)) for x, (v, h) in zip(line.x, _banded(line), strict=True)]
        lower = [(across(x), up(v - h)) for x, (v, h) in zip(line.x, _banded(line), strict=True)]
        parts.append(svg.polygon([*upper, *reversed(lower)], colour, opacity=0.15))
    points = [(across(x), up(y)) for x, y in zip(line.x, line.y, strict=True)]
    parts.append(svg.polyline(points, colour))
    return parts


def _grid(x: float, y: float, to_x: float, to_y: float) -> str:
    return svg.element("line", x1=x, y1=y, x2=to_x, y2=to_y, class_="grid")


def _label(x: float, y: float, text: str, anchor: str, *, transform: str | None = None) -> str:
    return svg.text(x, y, text, colour=None, anchor=anchor, class_="label", transform=transform)
