"""Files of The Observer XT (.otx): coding schemes, which have behaviours but no events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fewact.data.files import first_few
from fewact.recordings.formats.event import EVENTS, Row
from fewact.recordings.formats.markup import local, parse

OBSERVATIONS: Final = ("OBS_OBSERVATION", "OBS_EVENT", "OBSERVATION", "EVENT")
"""Elements that an .otx file with events would have; templates have none."""


def is_otx(path: Path, text: str) -> bool:
    """Whether a file is written by The Observer XT."""
    return path.suffix.lower() == ".otx" or "<NXMLINTERCHANGE" in text[:4096]


def read_otx(path: Path, text: str) -> Iterator[Row]:
    """Refuse a template, and name its behaviours.

    Raises:
        DataError: Always; the events of The Observer are in the tables that it exports.
    """
    root = parse(path, text)
    names = [local(element.tag) for element in root.iter()]
    behaviours = [
        child.text or ""
        for element in root.iter()
        if local(element.tag) == "CDS_BEHAVIOR"
        for child in element
        if local(child.tag) == "CDS_ELE_NAME"
    ]
    scheme = "CDS_BEHAVIOR" in names and not any(name in OBSERVATIONS for name in names)
    what = (
        "a template of The Observer XT: a coding scheme without events"
        if scheme
        else "a file of The Observer XT, whose events are read from the tables that it exports"
    )
    EVENTS.refuse(path, what, f"behaviours: {first_few(behaviours)}" if behaviours else "")
    yield "", {}
