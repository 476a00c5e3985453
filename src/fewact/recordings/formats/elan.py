"""Events of ELAN: annotations of all tiers, with times of their own or of a parent annotation."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlparse

from fewact.core.errors import OutputError
from fewact.recordings.formats.account import Account, counted, note
from fewact.recordings.formats.event import EVENTS, Event, Row, by_recording
from fewact.recordings.formats.markup import parse, text_of

ELAN_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

POINT_MILLISECONDS: Final = 1
"""Duration of a point event in ELAN, whose annotations must last."""

ELEMENTS: Final = "HEADER TIME_ORDER TIER CONTROLLED_VOCABULARY LINGUISTIC_TYPE"
IGNORED_ELEMENTS: Final = "LICENSE LOCALE LANGUAGE CONSTRAINT LEXICON_REF EXTERNAL_REF REF_LINK_SET"
HEADER_IGNORED: Final = "PROPERTY LINKED_FILE_DESCRIPTOR"
REFERENCES: Final = (
    "ANNOTATION_ID TIME_SLOT_REF1 TIME_SLOT_REF2 ANNOTATION_REF PREVIOUS_ANNOTATION CVE_REF"
)
TIER_IGNORED: Final = "DEFAULT_LOCALE EXT_REF LANG_REF"

Span = tuple[float, float]


def is_elan(path: Path, text: str) -> bool:
    """Whether a file is a document of ELAN."""
    return path.suffix.lower() == ".eaf" or "<ANNOTATION_DOCUMENT" in text[:4096]


@dataclass
class Document:
    """A document of ELAN while its tiers are read.

    Args:
        times: Milliseconds of each time slot; None for a slot that is not aligned.
        entries: Value of each entry of the controlled vocabularies, by its id.
        spans: Start and end of each annotation, in seconds; None if they are not known.
    """

    times: Mapping[str | None, str | None]
    entries: Mapping[str, str]
    spans: dict[str, Span | None] = field(default_factory=dict)


def read_elan(path: Path, text: str) -> Iterator[Row]:
    """Yield the annotations of all tiers; the class is the value, or the tier of an empty one.

    An annotation that refers to another has its time, or a part of it if several divide it. A tier
    that others refer to so gives times: its own values are left out, unless it is chosen.
    """
    root = parse(path, text)
    account = Account(path)
    account.check("document", _tags(root), ELEMENTS, IGNORED_ELEMENTS, strict=True)
    header = root.find("HEADER")
    if header is not None:
        account.check("header", _tags(header), "MEDIA_DESCRIPTOR", HEADER_IGNORED, strict=True)
    for order in root.findall("TIME_ORDER"):
        account.check("time order", _tags(order), "TIME_SLOT", strict=True)
    if header is not None and header.get("TIME_UNITS", "milliseconds") != "milliseconds":
        EVENTS.refuse(path, "times of this file are not in milliseconds")
    media = root.findall("HEADER/MEDIA_DESCRIPTOR")
    videos = [m for m in media if not m.get("MIME_TYPE", "video").startswith("audio")]
    recording, origin = "", 0.0
    if videos:
        recording, origin = _file(videos[0]), _milliseconds(videos[0].get("TIME_ORIGIN")) or 0.0
    if len(videos) > 1:
        others = ", ".join(map(_file, videos[1:]))
        yield note(f"times are of {recording}; other videos of the document: {others}"[:300])
    document = Document(_slots(path, root), dict(_vocabulary(path, root)))
    tiers = root.findall("TIER")
    for tier in tiers:
        account.check(
            "tier",
            tier.attrib,
            "TIER_ID PARTICIPANT ANNOTATOR PARENT_REF LINGUISTIC_TYPE_REF",
            TIER_IGNORED,
        )
        account.check("tier", _tags(tier), "ANNOTATION", strict=True)
        for annotation in tier:
            kinds = "ALIGNABLE_ANNOTATION REF_ANNOTATION"
            account.check("annotation", _tags(annotation), kinds, strict=True)
            if len(annotation) != 1:
                EVENTS.refuse(path, f"an annotation with {len(annotation)} values")
            account.check("value", _tags(annotation[0]), "ANNOTATION_VALUE", strict=True)
            account.check("annotation", annotation[0].attrib, REFERENCES, "EXT_REF SVG_REF")
    _set_spans(path, root, tiers, document)
    types = {
        t.get("LINGUISTIC_TYPE_ID"): t.get("CONSTRAINTS", "")
        for t in root.findall("LINGUISTIC_TYPE")
    }
    symbolic = [t for t in tiers if types.get(t.get("LINGUISTIC_TYPE_REF"), "").startswith("Symb")]
    givers = {tier.get("PARENT_REF"): tier.get("TIER_ID", "") for tier in symbolic if len(tier)}
    left = Counter[str]()
    for tier in tiers:
        name = tier.get("TIER_ID", "")
        common = {
            "recording": recording,
            "subject": tier.get("PARTICIPANT", ""),
            "rater": tier.get("ANNOTATOR", ""),
        }
        for annotation in tier.iterfind("ANNOTATION/*"):
            where = f'tier "{name}", annotation {annotation.get("ANNOTATION_ID")}'
            left[name] += name in givers
            tiers_of = {"tier": name, "gives_times": name in givers}
            yield where, {**common, **tiers_of, **_event(annotation, document, name, origin)}
    for name, number in left.items():
        values = counted(number, "value of its own is", "values of its own are")
        if values:
            yield note(f'tier "{name}" gives the times of "{givers[name]}": {values} left out')
    yield account.note()


def _tags(element: ET.Element) -> list[str]:
    return [child.tag for child in element]


def _event(
    annotation: ET.Element, document: Document, tier: str, origin: float
) -> dict[str, object]:
    """Return class and times of an annotation, or why it cannot be used."""
    span = document.spans.get(annotation.get("ANNOTATION_ID", ""))
    if span is None:
        return {"fault": "its start or end is not aligned to the video"}
    entry = annotation.get("CVE_REF", "")
    value = document.entries.get(entry, annotation.findtext("ANNOTATION_VALUE") or "").strip()
    if not value and entry:
        return {"fault": f"its value is an entry of a vocabulary that is not in the file: {entry}"}
    start, end = (round(time + origin, 6) for time in span)
    return {"label": value or tier, "start": start, "end": end}


def _slots(path: Path, root: ET.Element) -> dict[str | None, str | None]:
    slots = root.findall("TIME_ORDER/TIME_SLOT")
    times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in slots}
    if len(times) < len(slots):
        twice = Counter(slot.get("TIME_SLOT_ID") for slot in slots).most_common(1)[0][0]
        EVENTS.refuse(path, f"two time slots have the id {twice}")
    return times


def _vocabulary(path: Path, root: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield the id and the value of each entry, of its first language."""
    for entry in root.iterfind("CONTROLLED_VOCABULARY/CV_ENTRY_ML"):
        yield entry.get("CVE_ID", ""), entry.findtext("CVE_VALUE") or ""


def _set_spans(
    path: Path, root: ET.Element, tiers: Sequence[ET.Element], document: Document
) -> None:
    """Set the times of all annotations: of aligned ones, then of those that refer to them."""
    groups: dict[tuple[str, str], list[ET.Element]] = {}
    for tier in tiers:
        for annotation in tier.iterfind("ANNOTATION/*"):
            identity = annotation.get("ANNOTATION_ID", "")
            if identity in document.spans:
                EVENTS.refuse(path, f"two annotations have the id {identity}")
            document.spans[identity] = None
            if annotation.tag == "ALIGNABLE_ANNOTATION":
                slots = (annotation.get("TIME_SLOT_REF1"), annotation.get("TIME_SLOT_REF2"))
                start, end = (_milliseconds(document.times.get(slot)) for slot in slots)
                if start is not None and end is not None:
                    document.spans[identity] = start, end
            else:
                key = tier.get("TIER_ID", ""), annotation.get("ANNOTATION_REF", "")
                groups.setdefault(key, []).append(annotation)
    while ready := [key for key in groups if document.spans.get(key[1]) is not None]:
        for key in ready:  # a parent may be a child of another one
            _divide(document, groups.pop(key), key[1])


def _divide(document: Document, children: Sequence[ET.Element], parent: str) -> None:
    """Set the times of the children of an annotation: a part each, if one follows another."""
    start, end = document.spans[parent] or (0.0, 0.0)
    if not any(child.get("PREVIOUS_ANNOTATION") for child in children):
        document.spans |= {child.get("ANNOTATION_ID", ""): (start, end) for child in children}
        return
    after = {
        child.get("PREVIOUS_ANNOTATION", ""): child.get("ANNOTATION_ID", "") for child in children
    }
    width, identity = (end - start) / len(children), after.get("", "")
    for position in range(len(children)):
        document.spans[identity] = start + position * width, start + (position + 1) * width
        identity = after.get(identity, "")


def _milliseconds(text: str | None) -> float | None:
    """Return the seconds of milliseconds; None if they are none, or too many to be a time."""
    return int(text) / 1000 if text is not None and re.fullmatch(r"-?[0-9]{1,15}", text) else None


def _file(media: ET.Element) -> str:
    return _path(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or "")


def _path(url: str) -> str:
    """Return the path of a file's URL, as ELAN writes it on Windows or elsewhere."""
    try:
        named = urlparse(url).path if url.startswith("file:") else url
    except ValueError:  # such as file://[x
        named = url.removeprefix("file:").lstrip("/")
    path = unquote(named, errors="surrogateescape")  # the name may be no UTF-8
    return path[1:] if path[2:3] == ":" and path[:1] == "/" else path.removeprefix("./")


def write_elan(events: Sequence[Event], folder: Path) -> str:
    """Return a document of ELAN: a tier for each class and subject, more where events overlap.

    Raises:
        OutputError: The events belong to several recordings: ELAN would play them at once.
    """
    groups = by_recording(events)
    if len(groups) > 1:
        raise OutputError(
            "a document of ELAN has one recording",
            got=f"{len(groups)} recordings",
            hint="Write one .eaf file for each, or all into one .boris file or .csv table.",
        )
    root = ET.Element("ANNOTATION_DOCUMENT", AUTHOR="fewact", DATE="1970-01-01T00:00:00+00:00")
    root.attrib |= {"FORMAT": "3.0", "VERSION": "3.0", "xmlns:xsi": XSI}
    root.set("xsi:noNamespaceSchemaLocation", ELAN_SCHEMA)
    header = ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    for recording in filter(None, groups):
        path = Path(recording)
        url = (
            path.as_uri()
            if path.is_absolute()
            else f"./{quote(recording, errors='surrogateescape')}"
        )
        media = {"MEDIA_URL": url, "MIME_TYPE": "video/mp4", "RELATIVE_MEDIA_URL": url}
        ET.SubElement(header, "MEDIA_DESCRIPTOR", media)
    order = ET.SubElement(root, "TIME_ORDER")
    tiers: dict[str, tuple[ET.Element, float]] = {}
    slots: list[tuple[int, str]] = []
    for number, event in enumerate(sorted(events, key=lambda event: event.start)):
        name = f"{event.label}@{event.subject}" if event.subject else str(event.label)
        tier = _tier(root, tiers, name, event)
        first, last = f"ts{2 * number + 1}", f"ts{2 * number + 2}"
        start = round(1000 * event.start)
        end = max(round(1000 * event.end), start + POINT_MILLISECONDS)
        slots += [(start, first), (end, last)]
        refs = {"TIME_SLOT_REF1": first, "TIME_SLOT_REF2": last}
        annotation = ET.SubElement(
            ET.SubElement(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            {"ANNOTATION_ID": f"a{number + 1}", **refs},
        )
        ET.SubElement(annotation, "ANNOTATION_VALUE").text = str(event.label)
    for time, slot in sorted(slots, key=lambda slot: slot[0]):
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    type_ = {"LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"}
    ET.SubElement(root, "LINGUISTIC_TYPE", type_ | {"GRAPHIC_REFERENCES": "false"})
    return text_of(root)


def _tier(
    root: ET.Element, tiers: dict[str, tuple[ET.Element, float]], name: str, event: Event
) -> ET.Element:
    """Return the first tier of this name whose annotations end before the event starts."""
    number, title = 1, name
    while title in tiers and tiers[title][1] > event.start:
        number += 1
        title = f"{name} ({number})"
    if title not in tiers:
        who = {"PARTICIPANT": event.subject} if event.subject else {}
        attributes = {"TIER_ID": title, "LINGUISTIC_TYPE_REF": "default-lt", **who}
        tiers[title] = ET.SubElement(root, "TIER", attributes), 0.0
    tiers[title] = tiers[title][0], event.end
    return tiers[title][0]
