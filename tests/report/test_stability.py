"""Accuracy as a function of the number of episodes: table and chart."""

import xml.etree.ElementTree as ET

from fewact.evaluation.comparison import Point
from fewact.report import stability_chart, stability_table

SVG = "{http://www.w3.org/2000/svg}"
FOUND = {"a.json": [Point(10, 60.0, 9.5), Point(100, 55.5, 3.25)], "<b>": [Point(10, 20.0, 0.0)]}


def test_table() -> None:
    assert stability_table(FOUND).rows == (
        ("a.json", "10", "60.00 ± 9.50"),
        ("a.json", "100", "55.50 ± 3.25"),
        ("<b>", "10", "20.00 ± 0.00"),
    )


def test_chart_has_a_line_and_a_band_for_each_result() -> None:
    root = ET.fromstring(stability_chart(FOUND))
    assert len(root.findall(f".//{SVG}polyline")) == len(root.findall(f".//{SVG}polygon")) == 2
    texts = [text.text for text in root.findall(f".//{SVG}text")]
    assert {"a.json", "<b>", "10", "100", "episodes", "accuracy, %"} <= set(texts)
