"""Self-contained SVG files: their elements, and line charts.

Every function for an element returns its text; ``document`` joins elements to a file::

    parts = [svg.text(10, 20, "Accuracy"), svg.rectangle(10, 30, 200, 8, svg.COLOURS[0])]
    path.write_text(svg.document(220, 50, parts))
"""

import base64
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

FONT = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, GREY, PALE = "#1f2933", "#66727f", "#e3e7eb"
COLOURS = ("#2563a8", "#d9662b", "#2a9d6f", "#a8487f", "#8a6d1d", "#5b4bb7", "#7a7f87")
"""Colours of series, distinguishable from each other on white."""

STYLE = f"""
.ground {{ fill: #ffffff; }} text {{ fill: {INK}; }} .label {{ fill: {GREY}; }}
.grid {{ stroke: {PALE}; }} .pale {{ fill: {PALE}; }}
@media (prefers-color-scheme: dark) {{
  .ground {{ fill: #14181d; }} text {{ fill: #e6e9ec; }} .label {{ fill: #a3adb8; }}
  .grid {{ stroke: #2f3740; }} .pale {{ fill: #2f3740; }}
  polyline, line:not(.grid), .series {{ filter: brightness(1.5); }}
}}
"""
"""Style sheet of charts for light and dark pages. What has one of ``COLOURS`` is ``series``."""

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 56
TICKS = 6
LEGEND = 20
"""Height of a line of the legend."""

Numbers = Sequence[float]

_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

Points = Sequence[tuple[float, float]]
Value = str | float | None


def _escaped(text: str) -> str:
    r"""Return a text for an element or an attribute; what XML does not allow becomes ``\x1b``."""
    return escape(_NOT_IN_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text))


def element(tag: str, *content: str, **attributes: Value) -> str:
    """Return an element.

    Args:
        tag: Name of the element.
        content: Text of its children.
        attributes: Attributes. Underscores stand for hyphens, a trailing underscore is dropped
            (``class_``), and attributes with the value None are left out.

    >>> element("rect", width=3.0, stroke_width=0.25, class_="frame", fill=None)
    '<rect width="3" stroke-width="0.25" class="frame"/>'
    """
    listed = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escaped(_value(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(content)
    return f"<{tag}{listed}>{inner}</{tag}>" if inner else f"<{tag}{listed}/>"


def document(
    width: float, height: float, parts: Iterable[str], *, title: str = "", style: str = ""
) -> str:
    """Return an SVG file of a size in pixels, with a title for screen readers.

    The background is white, or that of the class ``ground`` of the style sheet. Elements are in the
    order from back to front.
    """
    size = {"width": width, "height": height}
    head = [element("title", _escaped(title))] if title else []
    head += [element("style", style)] if style else []
    head.append(element("rect", **size, class_="ground", fill=None if style else "#ffffff"))
    body = "\n".join(("", *head, *parts, ""))
    return (
        element(
            "svg",
            body,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {_value(width)} {_value(height)}",
            **size,
            role="img",
            font_family=FONT,
            font_size=13,
        )
        + "\n"
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float | None = None,
    colour: str | None = INK,
    anchor: str | None = None,
    weight: int | None = None,
    **attributes: Value,
) -> str:
    """Return a line of text whose baseline is at y and whose anchor is at x, in pixels.

    The anchor is ``start``, ``middle`` or ``end``; without a size or a colour, those of the
    document and of the style sheet are used. ``attributes`` as in ``element``.
    """
    return element(
        "text",
        _escaped(words),
        x=x,
        y=y,
        font_size=size,
        fill=colour,
        text_anchor=anchor,
        font_weight=weight,
        **attributes,
    )


def rectangle(
    x: float, y: float, width: float, height: float, fill: str | None, **attributes: Value
) -> str:
    """Return a rectangle; ``attributes`` as in ``element``, such as ``rx=4``."""
    return element("rect", x=x, y=y, width=width, height=height, fill=fill, **attributes)


def line(x: float, y: float, to_x: float, to_y: float, stroke: str, **attributes: Value) -> str:
    """Return a straight line."""
    return element("line", x1=x, y1=y, x2=to_x, y2=to_y, stroke=stroke, **attributes)


def polyline(points: Points, stroke: str) -> str:
    """Return a line through points."""
    return element("polyline", points=_points(points), fill="none", stroke=stroke, stroke_width=2.0)


def polygon(points: Points, fill: str, *, opacity: float = 1.0) -> str:
    """Return a filled area."""
    return element("polygon", points=_points(points), fill=fill, fill_opacity=opacity)


def image(x: float, y: float, width: float, height: float, jpeg: bytes) -> str:
    """Return an embedded JPEG file."""
    data = base64.b64encode(jpeg).decode()
    return element(
        "image", x=x, y=y, width=width, height=height, href=f"data:image/jpeg;base64,{data}"
    )


def _points(points: Points) -> str:
    return " ".join(f"{_value(x)},{_value(y)}" for x, y in points)


def _value(value: str | float) -> str:
    """Return a number with at most two decimals, a text unchanged."""
    if isinstance(value, str):
        return value
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0: no negative zero


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
    """Draw panels below each other, as an SVG file for light and dark pages."""
    parts, height = [], 0.0
    for panel in panels:
        drawn = _panel(panel)
        parts.append(element("g", *drawn, transform=f"translate(0 {height:g})"))
        height += HEIGHT + LEGEND * len(panel.lines)
    title = ", ".join(panel.title for panel in panels)
    return document(WIDTH, height, parts, title=title, style=STYLE)


def _panel(panel: Panel) -> list[str]:
    """Return lines, with bands for lines that have one, axes and a legend."""
    lines = panel.lines
    across = _Axis(
        [value for series in lines for value in series.x], LEFT, WIDTH - RIGHT, panel.scale
    )
    values = [v + s * h for series in lines for v, h in _banded(series) for s in (-1, 1)]
    foot = HEIGHT - BOTTOM
    up = _Axis(values, foot, TOP, "linear")
    parts = [text(LEFT, 24, panel.title, colour=None, size=16, weight=600)]
    for tick in up.ticks:
        parts.append(_grid(LEFT, up(tick), WIDTH - RIGHT, up(tick)))
        parts.append(_label(LEFT - 8, up(tick) + 4, f"{tick:g}", "end"))
    for tick in across.ticks:
        parts.append(_grid(across(tick), foot, across(tick), foot + 5))
        parts.append(_label(across(tick), foot + 20, f"{tick:,.10g}", "middle"))
    parts.append(_label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, panel.x, "middle"))
    turned = f"translate(16 {(TOP + foot) / 2:.1f}) rotate(-90)"
    parts.append(_label(0, 0, panel.y, "middle", transform=turned))
    for position, series in enumerate(lines):
        colour = COLOURS[position % len(COLOURS)]
        parts += _drawn(series, across, up, colour)
        # Below the chart: inside, a legend would lie across the lines.
        at = HEIGHT + LEGEND * (position + 0.5)
        parts.append(line(LEFT, at - 4, LEFT + 20, at - 4, colour, stroke_width=3))
        parts.append(text(LEFT + 28, at, series.name, colour=None))
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


def _banded(series: Line) -> list[tuple[float, float]]:
    return list(zip(series.y, series.half or [0.0] * len(series.y), strict=True))


def _drawn(series: Line, across: _Axis, up: _Axis, colour: str) -> list[str]:
    parts = []
    if series.half:
        upper = [
            (across(x), up(v + h)) for x, (v, h) in zip(series.x, _banded(series), strict=True)
        ]
        lower = [
            (across(x), up(v - h)) for x, (v, h) in zip(series.x, _banded(series), strict=True)
        ]
        parts.append(polygon([*upper, *reversed(lower)], colour, opacity=0.15))
    points = [(across(x), up(y)) for x, y in zip(series.x, series.y, strict=True)]
    parts.append(polyline(points, colour))
    return parts


def _grid(x: float, y: float, to_x: float, to_y: float) -> str:
    return element("line", x1=x, y1=y, x2=to_x, y2=to_y, class_="grid")


def _label(x: float, y: float, words: str, anchor: str, *, transform: str | None = None) -> str:
    return text(x, y, words, colour=None, anchor=anchor, class_="label", transform=transform)
