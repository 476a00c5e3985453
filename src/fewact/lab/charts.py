"""Line charts as SVG files, by Matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

import numpy as np

PANEL_WIDTH = 7.2
PANEL_HEIGHT = 4.0  # inches

BAND_OPACITY = 0.15
MATPLOTLIB_SETTINGS: Any = {
    "svg.hashsalt": "fewact",
    "svg.fonttype": "none",
    "axes.grid": True,
    "font.size": 10,
}
"""Settings of Matplotlib: equal charts have equal bytes, and their text stays text."""

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
    """Draw panels below each other, as an SVG file."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(MATPLOTLIB_SETTINGS):
        figure = Figure(figsize=(PANEL_WIDTH, PANEL_HEIGHT * len(panels)), layout="constrained")
        for panel, axes in zip(panels, figure.subplots(len(panels), squeeze=False), strict=True):
            _draw(panel, axes[0])
        file = StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]  # without the declaration, so that a page can hold it


def _draw(panel: Panel, axes: Any) -> None:
    for line in panel.lines:
        (drawn,) = axes.plot(line.x, line.y, label=line.name)
        if line.half:
            low, high = np.subtract(line.y, line.half), np.add(line.y, line.half)
            axes.fill_between(line.x, low, high, color=drawn.get_color(), alpha=BAND_OPACITY)
    axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y, xscale=panel.scale)
    # Below the chart: inside, a legend would lie across the lines.
    if any(line.name for line in panel.lines):
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), frameon=False)
