"""Charts: lines and bands at their positions, in panels."""

import xml.etree.ElementTree as ET

import pytest

from fewact.report.svg import Line, Panel, line_chart

SVG = "{http://www.w3.org/2000/svg}"


def points(element: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in element.get("points", "").split()]


@pytest.mark.parametrize(("scale", "middle"), [("linear", 9 / 99), ("log", 0.5)])
def test_positions_of_points(scale: str, middle: float) -> None:
    chart = line_chart(Panel("", [Line("", [1, 10, 100], [0, 5, 10])], "", "", scale))
    line = ET.fromstring(chart).find(f".//{SVG}polyline")
    assert line is not None
    (x0, y0), (x1, y1), (x2, y2) = points(line)
    assert (x1 - x0) / (x2 - x0) == pytest.approx(middle, abs=0.001)
    assert (y1 - y0) / (y2 - y0) == pytest.approx(0.5, abs=0.001)
    assert y2 < y0  # more is higher up


def test_width_and_position_of_a_band() -> None:
    root = ET.fromstring(line_chart(Panel("", [Line("", [0, 1], [50, 60], [5, 0])], "", "")))
    band, line = root.find(f".//{SVG}polygon"), root.find(f".//{SVG}polyline")
    assert band is not None
    assert line is not None
    (_, upper), _, _, (_, lower) = points(band)
    (_, first), (_, last) = points(line)
    assert upper - lower == pytest.approx(last - first, abs=0.2)
    assert all(0 <= y <= 400 for _, y in points(band))


@pytest.mark.parametrize("value", [0.0, 70.0, -3.5])
def test_a_single_point_can_be_drawn(value: float) -> None:
    ET.fromstring(line_chart(Panel("", [Line("one", [10], [value])], "", "", "log")))


def test_panels_are_below_each_other_and_have_a_dark_style() -> None:
    one = Panel("loss", [Line("loss", [0, 9], [4, 1])], "step", "loss")
    chart = line_chart(one, one)
    root = ET.fromstring(chart)
    places = [group.get("transform") for group in root.findall(f"{SVG}g")]
    assert places[0] == "translate(0 0)"
    assert places[1] != places[0]
    assert float(root.get("height", 0)) == 2 * float(
        ET.fromstring(line_chart(one)).get("height", 0)
    )
    assert "prefers-color-scheme: dark" in chart
