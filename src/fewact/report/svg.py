"""Elements of SVG drawings whose layout is ours: bars, ethograms, alignments with thumbnails.

Every function for an element returns its text; ``document`` joins elements to a file::

    parts = [svg.text(10, 20, "Accuracy"), svg.rectangle(10, 30, 200, 8, svg.COLOURS[0])]
    path.write_text(svg.document(220, 50, parts))
"""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

FONT = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK = "#1f2933"
GREY = "#66727f"
PALE = "#e3e7eb"
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
"""Style sheet of charts for light and dark pages. Elements with one of ``COLOURS`` have the class
``series``."""

_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

Points = Sequence[tuple[float, float]]
AttributeValue = str | float | None


def _escaped(text: str) -> str:
    r"""Return a text for an element or an attribute; forbidden characters become ``\x1b``."""
    return escape(_NOT_IN_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text))


def element(tag: str, *content: str, **attributes: AttributeValue) -> str:
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
    **attributes: AttributeValue,
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
    x: float, y: float, width: float, height: float, fill: str | None, **attributes: AttributeValue
) -> str:
    """Return a rectangle; ``attributes`` as in ``element``, such as ``rx=4``."""
    return element("rect", x=x, y=y, width=width, height=height, fill=fill, **attributes)


def line(
    x: float, y: float, to_x: float, to_y: float, stroke: str, **attributes: AttributeValue
) -> str:
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
