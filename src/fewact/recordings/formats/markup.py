"""Reader of XML: a document of limited size without a document type, and how one is written."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from fewact.recordings.formats.event import EVENTS

MOST_ELEMENTS: Final = 2_000_000
"""Largest number of elements of a document: each takes about 300 bytes of memory."""

MOST_ATTRIBUTES: Final = 4 * MOST_ELEMENTS
"""Largest number of attributes of a document."""


def parse(path: Path, text: str) -> ET.Element:
    """Return the root of a document, with names without their name spaces.

    Entities, which could expand without limit, are refused.

    Raises:
        DataError: The text is no XML, or has too many elements.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        EVENTS.refuse(path, "the file declares a document type, which could expand without limit")
    if text.count("<") - text.count("</") > MOST_ELEMENTS or text.count("=") > MOST_ATTRIBUTES:
        EVENTS.refuse(path, f"the file has more than {MOST_ELEMENTS} elements")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        EVENTS.refuse(path, f"not XML: {error}")


def local(tag: str) -> str:
    """Return the name of an element without its name space."""
    return tag.rpartition("}")[2]


def text_of(root: ET.Element) -> str:
    """Return the text of a document."""
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"
