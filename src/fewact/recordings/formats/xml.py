"""Events in XML: documents of ELAN, and instances of Sportscode and Nacsport."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

from fewact.core.errors import OutputError
from fewact.recordings.formats.event import EVENTS, Event, Row, by_recording

ELAN_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def is_elan(path: Path, text: str) -> bool:
    """Whether a file is a document of ELAN."""
    return path.suffix.lower() == ".eaf" or "<ANNOTATION_DOCUMENT" in text[:4096]


def is_sportscode(path: Path, text: str) -> bool:
    """Whether a file has instances of Sportscode or Nacsport."""
    return "<ALL_INSTANCES" in text


def _parse(path: Path, text: str) -> ET.Element:
    """Return the root of a document; entities, which could expand without limit, are refused."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        EVENTS.refuse(path, "the file declares a document type, which could expand without limit")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        EVENTS.refuse(path, f"not XML: {error}")


def read_elan(path: Path, text: str) -> Iterator[Row]:
    """Yield the annotations of all tiers; the class is the value, or the tier of an empty one."""
    root = _parse(path, text)
    header = root.find("HEADER")
    if header is not None and header.get("TIME_UNITS", "milliseconds") != "milliseconds":
        EVENTS.refuse(path, "times of this file are not in milliseconds")
    media = root.findall("HEADER/MEDIA_DESCRIPTOR")
    videos = [m for m in media if not m.get("MIME_TYPE", "video").startswith("audio")]
    recording, origin = "", 0.0
    if videos:
        url = videos[0].get("RELATIVE_MEDIA_URL") or videos[0].get("MEDIA_URL") or ""
        recording, origin = _path(url), _milliseconds(videos[0].get("TIME_ORIGIN")) or 0.0
    times = {
        s.get("TIME_SLOT_ID"): s.get("TIME_VALUE") for s in root.findall("TIME_ORDER/TIME_SLOT")
    }
    for tier in root.findall("TIER"):
        name = tier.get("TIER_ID", "")
        for annotation in tier.iterfind("ANNOTATION/*"):
            where = f'tier "{name}", annotation {annotation.get("ANNOTATION_ID")}'
            if annotation.tag != "ALIGNABLE_ANNOTATION":
                yield where, {"fault": "it has no times of its own"}
                continue
            slots = (annotation.get("TIME_SLOT_REF1"), annotation.get("TIME_SLOT_REF2"))
            start, end = (_milliseconds(times.get(slot)) for slot in slots)
            if start is None or end is None:
                yield where, {"fault": "its start or end is not aligned to the video"}
                continue
            yield (
                where,
                {
                    "label": (annotation.findtext("ANNOTATION_VALUE") or "").strip() or name,
                    "start": round(start + origin, 6),
                    "end": round(end + origin, 6),
                    "recording": recording,
                    "subject": tier.get("PARTICIPANT", ""),
                },
            )


def _milliseconds(text: str | None) -> float | None:
    try:
        return None if text is None else int(text) / 1000
    except ValueError:
        return None


def _path(url: str) -> str:
    """Return the path of a file's URL, as ELAN writes it on Windows or elsewhere."""
    named = urlparse(url).path if url.startswith("file:") else url
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
        slots += [(round(1000 * event.start), first), (round(1000 * event.end), last)]
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
    return _text(root)


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


def read_sportscode(path: Path, text: str) -> Iterator[Row]:
    """Yield the instances; the class is the code, the recording what a label ``video`` says."""
    for number, instance in enumerate(_parse(path, text).iterfind("ALL_INSTANCES/instance"), 1):
        labels = {
            label.findtext("group"): label.findtext("text") for label in instance.iter("label")
        }
        fields = {name: instance.findtext(name) for name in ("start", "end")}
        named = {"recording": labels.get("video"), "subject": labels.get("subject")}
        yield f"instance {number}", {"label": instance.findtext("code"), **fields, **named}


def write_sportscode(events: Sequence[Event], folder: Path) -> str:
    """Return instances; labels name the recording and the subject, if there are any."""
    root = ET.Element("file")
    instances = ET.SubElement(root, "ALL_INSTANCES")
    for number, event in enumerate(events, start=1):
        instance = ET.SubElement(instances, "instance")
        times = {"start": f"{event.start:.3f}", "end": f"{event.end:.3f}"}
        for name, value in {"ID": str(number), **times, "code": str(event.label)}.items():
            ET.SubElement(instance, name).text = value
        for group, value in (("video", event.recording), ("subject", event.subject)):
            if value:
                label = ET.SubElement(instance, "label")
                ET.SubElement(label, "group").text = group
                ET.SubElement(label, "text").text = value
    return _text(root)


def _text(root: ET.Element) -> str:
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"
