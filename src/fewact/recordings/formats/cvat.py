"""Events of CVAT: tracks of ``CVAT for video``, each an event while it is in view."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fewact.data.times import VIDEO_RATE
from fewact.recordings.formats.account import Account
from fewact.recordings.formats.event import EVENTS, Row
from fewact.recordings.formats.markup import parse

SHAPES: Final = "box polygon polyline points ellipse cuboid skeleton mask"
MOST_DIGITS: Final = 15
CORNERS: Final = ("xtl", "ytl", "xbr", "ybr")


def is_cvat(path: Path, text: str) -> bool:
    """Whether a file has annotations of CVAT."""
    head = text[:4096]
    return "<annotations>" in head and ("<track " in text or "<image " in text or "<meta>" in head)


def read_cvat(path: Path, text: str) -> Iterator[Row]:
    """Yield an event for each part of a track that is not outside; frames are the video's own."""
    root = parse(path, text)
    account = Account(path)
    tags = [child.tag for child in root]
    account.check("document", tags, "version meta track image", strict=True)
    if root.find("image") is not None:
        EVENTS.refuse(path, 'images, not tracks: export the task as "CVAT for video 1.1"')
    recording = root.findtext("meta/source") or root.findtext("meta/task/source") or ""
    if root.find("meta/task/start_frame") is not None:
        account.ignore("task", "start_frame, frame_filter")
    step = _step(path, root.findtext("meta/task/frame_filter") or "")
    for track in root.iterfind("track"):
        account.check("track", track.attrib, "id label", "source group_id")
        for child in {child.tag for child in track}:
            if child not in SHAPES.split():
                EVENTS.refuse(path, f'the element "{child}" of a track is not understood')
        for attribute in track.iter("attribute"):
            account.ignore("attribute", attribute.get("name", ""))
        where = f'track {track.get("id")}, label "{track.get("label")}"'
        common = {"recording": recording, "label": track.get("label")}
        try:
            shown = list(_shown(track, step))
        except ValueError:
            yield where, {"fault": "a shape without a number of its frame"}
            continue
        for first, end, box in shown:
            yield where, {**common, "span": (first, end), "fps": VIDEO_RATE, **box}
    yield account.note()


def _step(path: Path, text: str) -> int:
    """Return the step of a task's frames, of ``step=3``."""
    value = text.removeprefix("step=")
    if value and not (value.isdecimal() and 0 < int(value[:9]) < 10**6):
        EVENTS.refuse(path, "the frame filter of the task is not understood", text[:40])
    return int(value or 1)


def _shown(track: ET.Element, step: int) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Yield first frame, end and box of each part of a track that is in view."""
    shapes = sorted(track, key=_frame)
    part: list[ET.Element] = []
    for shape in [*shapes, None]:
        if shape is not None and shape.get("outside") != "1":
            part.append(shape)
        elif part:
            first, last = _frame(part[0]), _frame(part[-1])
            end = last + step if shape is None else _frame(shape)
            yield first, end, _box(part)
            part = []


def _frame(shape: ET.Element) -> int:
    """Return the number of a shape's frame, or raise a ``ValueError``."""
    text = shape.get("frame", "")
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise ValueError
    return int(text)


def _box(shapes: list[ET.Element]) -> dict[str, float]:
    """Return the box around the boxes of a part; empty if they are other shapes."""
    boxes = [[float(s.get(c, "nan")) for c in CORNERS] for s in shapes if s.tag == "box"]
    if len(boxes) < len(shapes):
        return {}
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    return {"x": left, "y": top, "w": right - left, "h": bottom - top}
