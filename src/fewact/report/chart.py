"""Lines over a number, as a self-contained SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 56
INK, GREY, PALE = "#1f2933", "#66727f", "#e3e7eb"
COLOURS = ("#2563a8", "#d9662b", "#2a9d6f", "#a8487f", "#8a6d1d", "#5b4bb7", "#7a7f87")
FONT = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
TICKS = 6

Numbers = Sequence[float]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: For the legend.
        x: (n) places, ascending.
        y: (n) values.
        half: (n) half widths of the band around them; empty for none.
    """

    name: str
    x: Numbers
    y: Numbers
    half: Numbers = ()


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    scale: Literal["linear", "log"] = "linear",
) -> str:
    """Draw lines, each with a band around it where it has one.

    Args:
        title: Above the chart.
        lines: At least one point in all.
        x: What the numbers below are.
        y: What those on the left are.
        scale: Of x; for ``log`` all are positive.
    """
    across = _Axis([value for line in lines for value in line.x], LEFT, WIDTH - RIGHT, scale)
    values = [v + s * h for line in lines for v, h in _banded(line) for s in (-1, 1)]
    foot = HEIGHT - BOTTOM
    up = _Axis(values, foot, TOP, "linear")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="{FONT}" font-size="13" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    for tick in up.ticks:
        parts.append(_rule(LEFT, up(tick), WIDTH - RIGHT, up(tick)))
        parts.append(_text(LEFT - 8, up(tick) + 4, f"{tick:g}", "end"))
    for tick in across.ticks:
        parts.append(_rule(across(tick), foot, across(tick), foot + 5))
        parts.append(_text(across(tick), foot + 20, f"{tick:,.10g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x, "middle"))
    parts.append(
        f'<text transform="translate(16 {(TOP + foot) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle" fill="{GREY}">{escape(y)}</text>'
    )
    for place, line in enumerate(lines):
        colour = COLOURS[place % len(COLOURS)]
        parts += _drawn(line, across, up, colour)
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 16 + 18 * place}" text-anchor="end" '
            f'fill="{colour}" font-weight="600">{escape(line.name)}</text>'
        )
    return "\n".join((*parts, "</svg>")) + "\n"


class _Axis:
    """From values to places on the picture."""

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
        share = (self._on(value) - self._low) / ((self._high - self._low) or 1.0)
        return self._first + share * (self._last - self._first)


def _step(span: float) -> float:
    """A round distance between ticks: 1, 2 or 5 times a power of ten."""
    rough = max(span, 1e-9) / TICKS
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= rough)


def _banded(line: Line) -> list[tuple[float, float]]:
    return list(zip(line.y, line.half or [0.0] * len(line.y), strict=True))


def _drawn(line: Line, across: _Axis, up: _Axis, colour: str) -> list[str]:
    places = [across(value) for value in line.x]
    parts = []
    if line.half:
        upper = [up(value + half) for value, half in _banded(line)]
        lower = [up(value - half) for value, half in _banded(line)]
        points = _points([*places, *reversed(places)], [*upper, *reversed(lower)])
        parts.append(f'<polygon points="{points}" fill="{colour}" opacity="0.15"/>')
    points = _points(places, [up(value) for value in line.y])
    parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return parts


def _points(across: Numbers, up: Numbers) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{PALE}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{GREY}">{escape(text)}</text>'
