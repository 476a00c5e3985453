"""Events in JSON: fewact, ActivityNet, Create ML and Label Studio."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from fewact.core.errors import OutputError
from fewact.data.files import find_recording, timeline_or_none
from fewact.data.tables import SIDES
from fewact.recordings.formats.event import EVENT_COLUMNS, EVENTS, Event, Row, by_recording


def is_document(path: Path, text: str) -> bool:
    """Whether a text is JSON with the names of a known program."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    return _program(EVENTS.parse(text, str(path))) is not None


def read_document(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of a document; its names say which program wrote it."""
    content = EVENTS.parse(text, str(path))
    try:
        match _program(content):
            case "label studio":
                yield from _label_studio(path, content)
            case "create ml":
                yield from _fields(content, "row")
            case "activitynet":
                yield from _activitynet(content)
            case "fewact":
                for where, event in _fields(content["events"], "event"):
                    yield where, {"recording": content.get("source"), **event}
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        EVENTS.refuse(path, "not events of a known program")


def _program(content: Any) -> str | None:
    """Return the program that wrote a document; None for another document, such as a result."""
    if isinstance(content, dict):
        if "database" in content or "results" in content:
            return "activitynet"
        return "fewact" if "events" in content else None
    first = content[0] if content else {"label": ""}
    if not isinstance(first, dict):
        return None
    if "data" in first:
        return "label studio"
    return "create ml" if "label" in EVENT_COLUMNS.of([*first]) else None


def _fields(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        fields: dict[str, Any] = {EVENT_COLUMNS.column(name): value for name, value in row.items()}
        fields |= zip(SIDES, row.get("box") or (), strict=False)
        if row.get("frames"):
            fields["frames"] = tuple(map(int, row["frames"]))
        yield f"{name} {number}", fields


def _activitynet(content: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the annotations of the truth, or the results of a detector."""
    for video, entry in (content.get("database") or content["results"]).items():
        for number, row in enumerate(
            entry["annotations"] if isinstance(entry, Mapping) else entry, start=1
        ):
            start, end = row["segment"]
            fields = {"recording": video, "label": row["label"], "start": start, "end": end}
            yield f'video "{video}", segment {number}', fields | {"confidence": row.get("score")}


def write_activitynet(events: Sequence[Event], folder: Path) -> str:
    """Return detections if an event has a confidence, or truth."""
    detected = any(event.confidence is not None for event in events)
    videos: dict[str, Any] = {}
    for recording, listed in by_recording(events).items():
        rows = []
        for event in listed:
            times = [round(event.start, 3), round(event.end, 3)]
            score = {"score": event.confidence} if detected else {}
            rows.append({"label": str(event.label), **score, "segment": times})
        videos[recording] = rows if detected else {"subset": "training", "annotations": rows}
    named = {"results" if detected else "database": videos, "external_data": {}}
    return _text({"version": "VERSION 1.3", **named})


def write_createml(events: Sequence[Event], folder: Path) -> str:
    """Return the rows of Create ML."""
    rows = []
    for event in events:
        times = {"start": round(event.start, 3), "end": round(event.end, 3)}
        rows.append({"video": event.recording, "label": str(event.label), **times})
    return _text(rows)


def _label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield segments of the timeline, in frames from 1, or of sound, in seconds."""
    for task in tasks:
        data = task["data"]
        urls = [value for name, value in data.items() if name.startswith(("video", "audio"))]
        recording = _name(urls[0])
        regions = [r for a in (task.get("annotations") or ()) for r in a.get("result") or ()]
        for number, region in enumerate(regions, start=1):
            where, value = f"task {task.get('id', recording)}, region {number}", region["value"]
            names = value.get("timelinelabels") or value.get("labels") or [""]
            if len(names) > 1:
                yield where, {"fault": f"it has several classes: {', '.join(names)}"[:200]}
                continue
            spans = value.get("ranges") or ()
            if not spans:
                times = {"start": value.get("start"), "end": value.get("end")}
                yield where, {"recording": recording, "label": names[0], **times}
                continue
            info = timeline_or_none(find_recording(path.parent, recording))
            fps = float(data["fps"]) if data.get("fps") else info.fps if info else 0.0
            for span in spans:
                first, last = int(span["start"]) - 1, int(span["end"])
                if not fps:
                    yield where, {"fault": f"times are in frames, and {recording} cannot be read"}
                    continue
                times = {"start": round(first / fps, 6), "end": round(last / fps, 6)}
                yield where, {"recording": recording, "label": names[0], **times}


def _name(url: str) -> str:
    """Return the file of a URL; an upload has a prefix that Label Studio gave it."""
    local = parse_qs(urlparse(url).query).get("d")
    if local:
        return local[0]
    name = unquote(urlparse(url).path)
    if "/upload/" in name:
        return re.sub(r"^[0-9a-f]{8}-", "", name.rpartition("/")[2])
    return name if "://" not in url else name.rpartition("/")[2]


def write_label_studio(events: Sequence[Event], folder: Path) -> str:
    """Return tasks of Label Studio, whose times are frames.

    Raises:
        OutputError: The frame rate of a recording is not known.
    """
    tasks = []
    for number, (recording, listed) in enumerate(by_recording(events).items(), start=1):
        info = timeline_or_none(find_recording(folder, recording))
        if info is None:
            raise OutputError(
                "times are in frames, but the recording cannot be read", got=recording
            )
        fps = info.fps
        regions = []
        for i, event in enumerate(listed):
            span = {"start": round(event.start * fps) + 1, "end": round(event.end * fps)}
            value = {"ranges": [span], "timelinelabels": [str(event.label)]}
            names = {"from_name": "action", "to_name": "video", "type": "timelinelabels"}
            regions.append({"id": f"r{number}-{i}", **names, "value": value})
        data = {"video": recording, "fps": fps}
        tasks.append({"id": number, "data": data, "annotations": [{"result": regions}]})
    return _text(tasks)


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
