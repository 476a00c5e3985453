"""Charts: lines and bands at their positions, in panels."""

import re
import xml.etree.ElementTree as ET

import pytest

from fewact.lab.charts import Line, Panel, line_chart

SVG = "{http://www.w3.org/2000/svg}"


def points(element: ET.Element) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", element.get("d", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def drawn_line(chart: str, points_count: int) -> list[tuple[float, float]]:
    """Return the points of the first line that is not an axis, a grid line or a legend."""
    paths = ET.fromstring(chart).findall(f".//{SVG}path")
    return next(
        points(path)
        for path in paths
        if path.get("clip-path") and len(points(path)) == points_count
    )


@pytest.mark.parametrize(("scale", "middle"), [("linear", 9 / 99), ("log", 0.5)])
def test_positions_of_points(scale: str, middle: float) -> None:
    chart = line_chart(Panel("", [Line("", [1, 10, 100], [0, 5, 10])], "", "", scale))
    (x0, y0), (x1, y1), (x2, y2) = drawn_line(chart, 3)
    assert (x1 - x0) / (x2 - x0) == pytest.approx(middle, abs=0.001)
    assert (y1 - y0) / (y2 - y0) == pytest.approx(0.5, abs=0.001)
    assert y2 < y0  # more is higher up


@pytest.mark.parametrize("value", [0.0, 70.0, -3.5])
def test_a_single_point_can_be_drawn(value: float) -> None:
    ET.fromstring(line_chart(Panel("", [Line("one", [10], [value])], "", "", "log")))


def test_names_stay_text_and_equal_charts_have_equal_bytes() -> None:
    panel = Panel("loss <1>", [Line("π & more", [0, 9], [4, 1], [1, 1])], "step", "loss")
    chart = line_chart(panel, panel)
    text = "".join(ET.fromstring(chart).itertext())
    assert text.count("loss <1>") == 2
    assert "π & more" in text
    assert chart == line_chart(panel, panel)
