"""Events in XML: instances of Sportscode, Hudl and Nacsport."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fewact.recordings.formats.account import Account
from fewact.recordings.formats.event import Event, Row
from fewact.recordings.formats.markup import local, parse, text_of

INSTANCE: Final = "id start end code label"
SPORTSCODE_IGNORED: Final = (
    "sort_order pos_x pos_y free_text r g b notes color colour instance_id created_at updated_at"
)
LABEL_GROUPS: Final = ("video", "subject")
"""Groups of labels that are read: the recording and the individual."""


def is_sportscode(path: Path, text: str) -> bool:
    """Whether a file has instances of Sportscode, Hudl or Nacsport."""
    return "<ALL_INSTANCES" in text


def read_sportscode(path: Path, text: str) -> Iterator[Row]:
    """Yield the instances; the class is the code, the recording what a label ``video`` says."""
    root, account = parse(path, text), Account(path)
    known = "ALL_INSTANCES"
    ignored = "session_info sort_info rows"
    account.check("file", map(_name, root), known.lower(), ignored, strict=True)
    for number, instance in enumerate(root.iterfind("ALL_INSTANCES/*"), 1):
        names = [_name(child) for child in instance]
        account.check("instance", names, INSTANCE, SPORTSCODE_IGNORED)
        twice = [name for name, n in Counter(names).items() if n > 1 and name != "label"]
        values = {_name(child): (child.text or "").strip() for child in instance}
        for label in instance.iter("label"):
            account.check("label", map(_name, label), "group text", "free_text", strict=True)
        labels = [(c.findtext("group"), c.findtext("text")) for c in instance.iter("label")]
        for group, _ in labels:
            if group not in LABEL_GROUPS:
                account.ignore("label", str(group))
        group_of = dict(labels)
        yield (
            f"instance {number}",
            {"fault": f"it has two values of {twice[0]}"}
            if twice
            else {"fault": "it has no times: no start, or no end"}
            if not (values.get("start") and values.get("end"))
            else {
                "label": values.get("code"),
                "start": values.get("start"),
                "end": values.get("end"),
                "recording": group_of.get("video"),
                "subject": group_of.get("subject"),
            },
        )
    yield account.note()


def _name(element: ET.Element) -> str:
    return local(element.tag).lower()


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
    return text_of(root)
