"""SVG elements: well-formed, escaped, with the numbers that were passed."""

import xml.etree.ElementTree as ET

import pytest

from fewact.report import svg

SVG = "{http://www.w3.org/2000/svg}"


def test_a_document_has_its_size_title_and_parts() -> None:
    parts = [svg.text(1, 2, "a < b & c"), svg.rectangle(1, 2, 3, 4, "#fff", rx=0.25)]
    text = svg.document(120, 60.5, parts, title="<x>")
    assert text.startswith("<svg ")
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert (root.get("viewBox"), root.get("width"), root.get("height")) == (
        "0 0 120 60.5",
        "120",
        "60.5",
    )
    title = root.find(f"{SVG}title")
    words = root.find(f"{SVG}text")
    ground, rectangle = root.findall(f"{SVG}rect")
    assert title is not None
    assert title.text == "<x>"
    assert words is not None
    assert words.text == "a < b & c"
    assert ground.attrib == {"width": "120", "height": "60.5", "class": "ground", "fill": "#ffffff"}
    assert rectangle.attrib == {
        **{"x": "1", "y": "2", "width": "3", "height": "4"},
        **{"fill": "#fff", "rx": "0.25"},
    }


def test_attributes_are_escaped_renamed_and_left_out() -> None:
    made = svg.element("path", class_='a"b', stroke_width=1.005, fill=None, d="M0 0")
    assert made == '<path class="a&quot;b" stroke-width="1" d="M0 0"/>'


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (100.0, "100"), (0.126, "0.13"), (-0.001, "0"), (-2.5, "-2.5")]
)
def test_numbers_have_at_most_two_decimals(value: float, text: str) -> None:
    assert svg.element("a", x=value) == f'<a x="{text}"/>'


def test_characters_that_xml_does_not_allow_are_shown_as_escapes() -> None:
    words = "wave\x0b \x1b \ud800 \ufffe <ä>"
    content = svg.document(9, 9, [svg.text(1, 1, words, class_="a\x00")], title="\x07")
    found = ET.fromstring(content.encode())
    assert [one.text for one in found.iter() if one.tag.endswith("text")] == [
        r"wave\x0b \x1b \ud800 \ufffe <ä>"
    ]
