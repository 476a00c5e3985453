"""Events of the VGG Image Annotator 3: its projects, in JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewact.recordings.formats.account import Account, mapping
from fewact.recordings.formats.event import EVENTS, Row


def is_project(path: Path, text: str) -> bool:
    """Whether a text is a project of VIA 3."""
    if text.lstrip()[:1] != "{" or '"metadata"' not in text or '"vid_list"' not in text:
        return False
    content = EVENTS.parse(text, str(path))
    return isinstance(content, dict) and {"project", "metadata", "file", "view"} <= content.keys()


def read_project(path: Path, text: str) -> Iterator[Row]:
    """Yield the segments of a project; regions of a frame are named and left out."""
    project = EVENTS.parse(text, str(path))
    account = Account(path)
    known = "project config attribute file metadata view"
    account.check("project", project, known, strict=True)
    attributes = mapping(path, project.get("attribute") or {}, "attribute")
    views = mapping(path, project["view"], "view")
    files = mapping(path, project["file"], "file")
    for name, value in mapping(path, project["metadata"], "metadata").items():
        segment = mapping(path, value, "a segment")
        account.check("segment", segment, "vid z xy av", "flg")
        where = f'segment "{name}"'
        try:
            first = views[str(segment["vid"])]["fid_list"][0]
            recording = str(files[str(first)]["fname"])
            labels = [_option(attributes, *pair) for pair in segment["av"].items()]
            times = list(segment["z"])
        except (LookupError, TypeError, AttributeError):
            yield where, {"fault": "not a segment of VIA"}
            continue
        if segment.get("xy"):
            yield where, {"fault": "a region of a frame"}
        elif len(labels) != 1:
            several = f"it has several attributes: {', '.join(labels)}"[:200]
            yield where, {"fault": several if labels else "it has no class"}
        elif not 1 <= len(times) <= 2:
            yield where, {"fault": f"no start and end: {str(times)[:40]}"}
        else:
            label, start = labels[0], times[0]
            end = times[1] if len(times) == 2 else None
            yield where, {"recording": recording, "label": label, "start": start, "end": end}
    yield account.note()


def _option(attributes: Mapping[str, Any], name: str, value: Any) -> str:
    """Return the name of an attribute's option; for a text attribute, the value."""
    options = (attributes.get(name) or {}).get("options") or {}
    return str(options.get(str(value), value))
