"""Fuzzer of documents of events: fields are changed, not bytes; rows in = rows out + rows named.

A document of a program is drawn, and its fields are renamed, removed, repeated, emptied or given
other types. It must be read right or refused: no event is lost in silence, none gets other times,
and none becomes the whole recording.
"""

import copy
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from fewact.core.errors import UserError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, read_events
from fewact.recordings.formats.boris import write_project
from fewact.recordings.formats.documents import write_activitynet, write_createml
from fewact.recordings.formats.elan import write_elan
from fewact.recordings.formats.xml import write_sportscode
from tests.fuzz.report import Report, in_folder

FPS = 25.0
NAMES = (
    "Start",
    "start_time",
    "t0",
    "begin",
    "ende",
    "label ",
    "Label",
    "fps",
    "frames",
    "subject",
    "note",
    "x",
    "был",
    "timelinelabels",
    "segment",
    "",
)
VALUES: tuple[Any, ...] = (
    None,
    "",
    "soon",
    -1,
    1e999,
    10**30,
    True,
    [],
    {},
    [1],
    "1e400",
    "٣",
    "1:75",
    {"a": 1},
    "\x07",
    0.5,
)


def as_text(content: Any) -> str:
    """Return the text of content."""
    if isinstance(content, ET.Element):
        return ET.tostring(content, "unicode")
    return json.dumps(content, ensure_ascii=False)


class Drawn(NamedTuple):
    """A document that was drawn.

    Args:
        suffix: Extension of its file.
        content: JSON content, or the root of XML.
        count: Number of events in content that was changed; raises a ``TypeError`` where rows are
            not events.
        text: Returns the text of content.
        has_ends: Whether events have ends; without, all are point events.
    """

    suffix: str
    content: Any
    count: Callable[[Any], int]
    text: Callable[[Any], str] = as_text
    has_ends: bool = True


def run(seed: int, seconds: float | None = None, count: int | None = None) -> Report:
    """Read documents."""
    return in_folder(attempt, seed, seconds, count)


def attempt(random: Random, folder: Path, name: str, report: Report) -> None:
    """Write a document, changed or not, read it, and compare."""
    events = [event(random, i) for i in range(random.randint(1, 6))]
    kind = random.choice(sorted(DRAW))
    drawn = DRAW[kind](random, events)
    content = copy.deepcopy(drawn.content)
    changes = [change(content, random) for _ in range(random.choice((0, 1, 1, 1, 2, 4)))]
    path = folder / f"e{drawn.suffix}"
    path.write_text(drawn.text(content), encoding="utf-8")
    what = f"{name} {kind} {changes}"
    try:
        read = read_events(path, EventOptions(fps=FPS))
    except UserError as error:
        report.outcomes["refused"] += 1
        if not changes:
            report.defects.append(f"{what}: {str(error)[:300]}")
        return
    except Exception as error:
        report.defects.append(f"{what}: {type(error).__name__}: {error}"[:400])
        return
    report.outcomes["read" if changes else "read whole"] += 1
    left = sum(int(n) for n in re.findall(r": (\d+) values? of its own", " ".join(read.notes)))
    left += sum(int(n) for n in re.findall(r"(\d+) intervals? without text", " ".join(read.notes)))
    try:
        number = drawn.count(content)
    except (AttributeError, LookupError, TypeError):  # it became a document of another program
        number = len(read.rows) + len(read.skipped) + left
    is_named = "further values of a segment" in " ".join(read.notes) or (
        not read.rows and bool(read.skipped)
    )
    if len(read.rows) + len(read.skipped) + left != number and not is_named:
        rows = f"{len(read.rows)} read, {len(read.skipped)} named, {left} left out of {number}"
        report.defects.append(f"{what}: {rows}")
    times = {(round(e.start, 2), round(e.end if drawn.has_ends else e.start, 2)) for e in events}
    values = any(text.startswith("value") or "<box>" in text for text in changes)
    for found in read.events:
        if not math.isfinite(found.end):
            report.defects.append(f"{what}: the whole recording: {found}")
        elif not values and (round(found.start, 2), round(found.end, 2)) not in times:
            report.defects.append(f"{what}: other times: {found}")
    if not changes and len(read.events) != len(events):
        report.defects.append(f"{what}: {len(read.events)} of {len(events)} events")


def event(random: Random, number: int) -> Event:
    """Draw an event whose times are frames; its class shows which one it is."""
    start = random.randint(0, 5000) / FPS
    length = random.choice((1, 5, 50, 500)) / FPS
    return Event(f"c{number % 3}", start, start + length, recording="a.mp4")


def praat(random: Random, events: list[Event]) -> Drawn:
    tiers = [
        {
            "class": "IntervalTier",
            "name": label,
            "xmin": 0,
            "xmax": 300,
            "size": sum(e.label == label for e in events),
            "items": [
                {"xmin": e.start, "xmax": e.end, "text": e.label}
                for e in events
                if e.label == label
            ],
        }
        for label in sorted({str(e.label) for e in events})
    ]
    content = {"xmin": 0, "xmax": 300, "size": len(tiers), "tiers": tiers}

    def values(content: Any) -> Iterator[tuple[str, Any]]:
        for name, value in content.items() if isinstance(content, dict) else ():
            if name in ("tiers", "items") and isinstance(value, list):
                for item in value:
                    yield from values(item)
            else:
                yield name, value
            if name == "xmax" and "tiers" in content:
                yield "tiers? <exists>", None

    def quoted(value: Any) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else '"{}"'.format(str(value).replace('"', '""'))

    def text(content: Any) -> str:
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
        for name, value in values(content):
            lines.append(name if value is None else f"{name} = {quoted(value)}")
        return "\n".join(lines)

    return Drawn(
        ".TextGrid",
        content,
        lambda c: sum(isinstance(i, dict) for t in c["tiers"] for i in t["items"]),
        text,
    )


def datavyu(random: Random, events: list[Event]) -> Drawn:
    def clock(seconds: float) -> str:
        minutes, left = divmod(round(1000 * seconds), 60_000)
        return f"00:{minutes:02}:{left // 1000:02}:{left % 1000:03}"

    content = [
        [f"look{i} (NOMINAL,true,)", *([clock(e.start), clock(e.end), e.label] for e in part)]
        for i, part in enumerate((events[::2], events[1::2]))
    ]

    def text(content: Any) -> str:
        rows = [row for column in content for row in (column if is_list(column) else [column])]
        lines = [",".join(map(str, row)) if is_list(row) else str(row) for row in rows]
        return "\n".join(["#4", *lines])

    def count(content: Any) -> int:
        lines = text(content).split("\n")[1:]
        return sum(bool(line.strip()) and "(NOMINAL" not in line for line in lines)

    return Drawn(".csv", content, count, text)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def ava(random: Random, events: list[Event]) -> Drawn:
    content = [
        ["a", f"{e.start:g}", "0.1", "0.2", "0.5", "0.75", str(e.label)[1:], str(i)]
        for i, e in enumerate(events)
    ]

    def text(content: Any) -> str:
        return "".join(
            (",".join(map(str, row)) if is_list(row) else str(row)) + "\n" for row in content
        )

    return Drawn(
        ".csv", content, lambda c: len(text(c).replace(" ", "").split()), text, has_ends=False
    )


def label_studio(random: Random, events: list[Event]) -> Drawn:
    regions = [
        {
            "id": f"r{i}",
            "type": "timelinelabels",
            "value": {
                "ranges": [{"start": round(e.start * FPS) + 1, "end": round(e.end * FPS)}],
                "timelinelabels": [e.label],
            },
        }
        for i, e in enumerate(events)
    ]
    task = {"id": 1, "data": {"video": "a.mp4"}, "annotations": [{"id": 1, "result": regions}]}
    if random.random() < 0.5:
        task["predictions"] = []

    def count(content: Any) -> int:
        annotations = [a for t in content for a in (t.get("annotations") or ())]
        own = [a for a in annotations if not a.get("was_cancelled") and not a.get("skipped")]
        regions = [r for a in own for r in a.get("result") or ()]
        return sum(spans(r.get("value")) for r in regions)

    return Drawn(".json", [task], count)


def spans(value: Any) -> int:
    """Number of rows of a region: one for each range, or one."""
    if not isinstance(value, dict):
        return 1
    names = [name for name in value if name.endswith("labels") or name == "choices"]
    if not all(isinstance(value[name], list) for name in names):
        return 1
    labels = [label for name in names for label in value[name]]
    ranges = value.get("ranges")
    several = len(labels) == 1 and isinstance(ranges, list) and not value.get("sequence")
    return max(len(ranges), 1) if several and isinstance(ranges, list) else 1


def createml(random: Random, events: list[Event]) -> Drawn:
    return Drawn(".json", json.loads(write_createml(events, Path())), len)


def fewact(random: Random, events: list[Event]) -> Drawn:
    content = {"source": "a.mp4", "events": [e.to_dict() for e in events]}
    return Drawn(".json", content, lambda c: len(c["events"]))


def activitynet(random: Random, events: list[Event]) -> Drawn:
    def count(content: Any) -> int:
        entries = (content.get("database") or content["results"]).values()
        return sum(len(e["annotations"] if isinstance(e, dict) else e) for e in entries)

    return Drawn(".json", json.loads(write_activitynet(events, Path())), count)


def via(random: Random, events: list[Event]) -> Drawn:
    content = {
        "project": {"vid_list": ["1"]},
        "config": {},
        "attribute": {"1": {"aname": "a", "options": {}}},
        "file": {"1": {"fname": "a.mp4"}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {
            f"1_{i}": {"vid": "1", "flg": 0, "z": [e.start, e.end], "xy": [], "av": {"1": e.label}}
            for i, e in enumerate(events)
        },
    }
    return Drawn(".json", content, lambda c: len(c["metadata"]))


def longomatch(random: Random, events: list[Event]) -> Drawn:
    content = {
        "$id": "1",
        "$type": "LongoMatch.Core.Store.Project, LongoMatch.Core",
        "Timeline": [
            {
                "$type": "LongoMatch.Core.Store.TimelineEvent, LongoMatch.Core",
                "EventType": {"Name": e.label},
                "Players": [{"$id": f"p{i}", "Name": "anna"} if i == 0 else {"$ref": "p0"}],
                "Start": round(1000 * e.start),
                "Stop": round(1000 * e.end),
            }
            for i, e in enumerate(events)
        ],
    }
    return Drawn(".lgm", content, lambda c: len(c["Timeline"]))


def elan(random: Random, events: list[Event]) -> Drawn:
    root = ET.fromstring(write_elan(events, Path()))
    if random.random() < 0.5:  # a tier whose annotations refer to those of another one
        first = root.find("TIER")
        assert first is not None
        for annotation in list(first):
            aligned = annotation[0]
            slots = {aligned.get(f"TIME_SLOT_REF{i}") for i in (1, 2)}
            assert len(slots) == 2
        for other in root.findall("TIER"):
            name = other.get("TIER_ID", "")
            child = ET.Element("TIER", TIER_ID=f"of {name}", PARENT_REF=name)
            child.set("LINGUISTIC_TYPE_REF", "symbolic")
            for annotation in other:
                reference = ET.SubElement(
                    ET.SubElement(child, "ANNOTATION"),
                    "REF_ANNOTATION",
                    ANNOTATION_ID=f"of {annotation[0].get('ANNOTATION_ID')}",
                    ANNOTATION_REF=str(annotation[0].get("ANNOTATION_ID")),
                )
                ET.SubElement(reference, "ANNOTATION_VALUE").text = "child"
            root.append(child)
        type_ = {"LINGUISTIC_TYPE_ID": "symbolic", "CONSTRAINTS": "Symbolic_Association"}
        ET.SubElement(root, "LINGUISTIC_TYPE", type_)
    return Drawn(".eaf", root, lambda r: sum(1 for t in r.findall("TIER") for _ in t))


def sportscode(random: Random, events: list[Event]) -> Drawn:
    root = ET.fromstring(write_sportscode(events, Path()))
    return Drawn(".xml", root, lambda r: sum(1 for a in r.findall("ALL_INSTANCES") for _ in a))


def uncounted(content: Any) -> int:
    raise TypeError


def boris(random: Random, events: list[Event]) -> Drawn:
    named = [replace(e, label=f"c{i}") for i, e in enumerate(events)]  # else they are joined
    return Drawn(".boris", json.loads(write_project(named, Path())), uncounted)


def short(random: Random, events: list[Event]) -> Drawn:
    (task,) = label_studio(random, events).content
    regions = [region["value"] for region in task["annotations"][0]["result"]]
    record = {"video": "a.mp4", "id": 1, "tl": regions, "annotator": 1, "annotation_id": 1}
    return Drawn(".json", [record], uncounted)


def cvat(random: Random, events: list[Event]) -> Drawn:
    root = ET.Element("annotations")
    ET.SubElement(ET.SubElement(root, "meta"), "source").text = "a.mp4"
    for i, e in enumerate(events):
        track = ET.SubElement(root, "track", id=str(i), label=str(e.label))
        for time, outside in ((e.start, "0"), (e.end, "1")):
            sides = dict.fromkeys(("xtl", "ytl"), "1") | dict.fromkeys(("xbr", "ybr"), "9")
            frame = str(round(time * FPS))
            ET.SubElement(track, "box", {"frame": frame, "outside": outside, **sides})
    return Drawn(".xml", root, uncounted)


DRAW: dict[str, Callable[[Random, list[Event]], Drawn]] = {
    "activitynet": activitynet,
    "ava": ava,
    "boris": boris,
    "createml": createml,
    "cvat": cvat,
    "datavyu": datavyu,
    "elan": elan,
    "fewact": fewact,
    "label studio": label_studio,
    "longomatch": longomatch,
    "praat": praat,
    "short": short,
    "sportscode": sportscode,
    "via": via,
}


def change(content: Any, random: Random) -> str:
    """Change a field of a document; return what was done."""
    if isinstance(content, ET.Element):
        return change_element(content, random)
    places = [*containers(content)]
    place = random.choice(places)
    if isinstance(place, dict) and place:
        key = random.choice(sorted(place))
        match random.choice(("rename", "remove", "value", "add")):
            case "rename":
                new = random.choice((*NAMES, key.upper(), f"{key}_", f"{key}2"))
                changed = {new if name == key else name: value for name, value in place.items()}
                place.clear()
                place.update(changed)
                return f"renamed {key!r} to {new!r}"
            case "remove":
                del place[key]
                return f"removed {key!r}"
            case "value":
                place[key] = copy.deepcopy(random.choice(VALUES))
                return f"value of {key!r}: {str(place[key])[:30]}"
        new = random.choice(NAMES)
        place.setdefault(new, copy.deepcopy(random.choice(VALUES)))
        return f"value added: {new!r}"
    if isinstance(place, list) and place:
        at = random.randrange(len(place))
        match random.choice(("repeat", "remove", "value")):
            case "repeat":
                place.insert(at, copy.deepcopy(place[at]))
                return "value repeated"
            case "remove":
                del place[at]
                return "value removed"
        place[at] = copy.deepcopy(random.choice(VALUES))
        return f"value of an entry: {str(place[at])[:30]}"
    return "nothing"


def containers(content: Any) -> Iterator[Any]:
    """Yield the objects and lists of a document."""
    yield content
    for child in content.values() if isinstance(content, dict) else content:
        if isinstance(child, dict | list):
            yield from containers(child)


def change_element(root: ET.Element, random: Random) -> str:
    """Change an element of a document; return what was done."""
    parents = [one for one in root.iter() if len(one)]
    if not parents:
        return "nothing"
    parent = random.choice(parents)
    at = random.randrange(len(parent))
    child = parent[at]
    match random.choice(("rename", "remove", "repeat", "attribute", "text", "add")):
        case "rename":
            old = child.tag
            child.tag = random.choice((f"{old}2", old.lower(), "start", "note", "code"))
            return f"renamed <{old}> to <{child.tag}>"
        case "remove":
            parent.remove(child)
            return f"removed <{child.tag}>"
        case "repeat":
            parent.insert(at, copy.deepcopy(child))
            return f"repeated <{child.tag}>"
        case "attribute" if child.attrib:
            name = random.choice(sorted(child.attrib))
            value = child.attrib.pop(name)
            if random.random() < 0.5:
                child.set(f"{name}2", value)
            else:
                child.set(name, random.choice(("", "x", "9" * 400, "-5")))
            return f"value of {name} of <{child.tag}>"
        case "add":
            ET.SubElement(parent, random.choice(("start", "note", "TIMING"))).text = "3"
            return f"value added to <{parent.tag}>"
    child.text = random.choice(("", "x", "9" * 400, "-5", "1,5"))
    return f"value of <{child.tag}>: {child.text[:20]}"
