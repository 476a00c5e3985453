"""The figure: well-formed, self-contained, with the numbers that were passed."""

import base64
import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from fewact.cli.demo.comparison import Match
from fewact.cli.demo.figure import Caption, Grid, Strip, draw
from fewact.data import Clip
from fewact.video.writing import jpeg

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ("wave <hello>", "clap & bow")
WINDOWS = ((0, 1), (1, 2), (0, 2))
PLAN = [[1.0, 0.0, 0.0], [0.0, 0.25, 0.75], [0.0, 0.75, 0.25]]


def drawn(plan: list[list[float]] = PLAN) -> ET.Element:
    frame = np.full((30, 40, 3), 128, dtype=np.uint8)
    strip = Strip("a clip", [jpeg(frame)] * 2, (30, 40))
    clip = Clip(Path("a.mp4"), CLASSES[0])
    match = Match(clip, clip, 2, WINDOWS, plan)
    grids = [Grid("first: 50 %", [[3, 0], [17, 5]]), Grid("second", [[3, 0], [0, 22]])]
    caption = Caption("Heading", "facts", "note")
    return ET.fromstring(draw(caption, CLASSES, grids, (match, strip, strip)))


def texts(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_names_and_counts_are_shown() -> None:
    shown = texts(drawn())
    assert any("wave <hello>" in text for text in shown)
    assert any("clap & bow" in text for text in shown)
    for text in ("Heading", "facts", "note", "first: 50 %", "second", "17", "22", "1–2"):
        assert text in shown
    assert "0" not in shown


def test_everything_is_inside_the_figure() -> None:
    root = drawn()
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for rect in root.iter(f"{SVG}rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert 0 <= x <= x + float(rect.get("width", 0)) <= width
        assert 0 <= y <= y + float(rect.get("height", 0)) <= height
    for image in root.iter(f"{SVG}image"):
        assert float(image.get("y", 0)) + float(image.get("height", 0)) <= height
    assert all(0 <= float(text.get("y", 0)) <= height for text in root.iter(f"{SVG}text"))


def test_frames_are_embedded() -> None:
    links = [image.get("href", "") for image in drawn().iter(f"{SVG}image")]
    assert len(links) == 4
    for link in links:
        kind, _, data = link.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(data).startswith(b"\xff\xd8")


def ribbons(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left and right end of each ribbon at its top, then at its bottom."""
    found = []
    for path in root.iter(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?\d+\.\d", path.get("d", ""))]
        found.append((numbers[0], numbers[-2], numbers[6], numbers[8]))
    return found


def test_ribbons_are_as_wide_as_the_flow_and_do_not_overlap() -> None:
    drawn_ribbons = ribbons(drawn())
    flows = [flow for row in PLAN for flow in row if flow]
    assert len(drawn_ribbons) == len(flows)
    scale = drawn_ribbons[0][1] - drawn_ribbons[0][0]
    for (a, b, c, d), flow in zip(drawn_ribbons, flows, strict=True):
        assert b - a == pytest.approx(scale * flow, abs=0.11)
        assert d - c == pytest.approx(scale * flow, abs=0.11)
    for ends in ([r[:2] for r in drawn_ribbons], [r[2:] for r in drawn_ribbons]):
        in_order = sorted(ends)
        for (_, right), (left, _) in itertools.pairwise(in_order):
            assert right <= left + 0.11


def test_a_very_small_flow_is_not_drawn() -> None:
    assert len(ribbons(drawn([[1.0, 0.0, 0.0], [0.0, 0.999, 0.001], [0.0, 0.001, 0.999]]))) == 3


@pytest.mark.parametrize("n", [2, 8, 60])
def test_any_number_of_classes_without_a_match(n: int) -> None:
    counts = [[int(i == j) for j in range(n)] for i in range(n)]
    names = [f"class {'with a long name ' * i}" for i in range(n)]
    root = ET.fromstring(
        draw(Caption("", "", ""), names, [Grid("", counts), Grid("", counts)], None)
    )
    width = float(root.get("width", 0))
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("width", 0)) > 0
        assert float(rect.get("x", 0)) + float(rect.get("width", 0)) <= width
