"""Events of Label Studio: tasks in JSON, and the short exports JSON-MIN and CSV.

Frames are numbered from 1, at the rate of the labelling setup, which need not be the video's. The
rate is in the data of a task (``fps``, ``framerate``, ``frameRate``), or in the boxes of a video.
Annotations that were cancelled, and predictions, are left out and counted.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlparse

from fewact.core.errors import DataError, OutputError
from fewact.data.cells import header_line, number, table_rows
from fewact.data.files import VIDEO_SUFFIXES, find_recording, timeline_or_none
from fewact.recordings.formats.account import Account, counted, mapping, note
from fewact.recordings.formats.event import EVENTS, Event, Row, by_recording

RATE_NAME: Final = re.compile(r"fps|frame_?rate|frames_?per_?sec(ond)?", re.IGNORECASE)
LIKE_RATE: Final = re.compile(r"fps|rate$|per_?sec", re.IGNORECASE)

TASK_IGNORED: Final = (
    "file_upload meta created_at updated_at inner_id total_annotations cancelled_annotations "
    "total_predictions comment_count unresolved_comment_count last_comment_updated_at project "
    "updated_by comment_authors agreement overlap allow_skip is_labeled reviewers avg_lead_time "
    "draft_exists reviews_rejected annotators annotators_count completed_at storage_filename drafts"
)
ANNOTATION_IGNORED: Final = (
    "lead_time created_at updated_at draft_created_at ground_truth prediction result_count "
    "unique_id import_id last_action task project updated_by parent_prediction parent_annotation "
    "last_created_by bulk_created reviews created_username created_ago score model_version "
    "agreement history"
)
REGION_IGNORED: Final = (
    "original_length original_width original_height image_rotation score meta readonly hidden "
    "locked parentID source origin item_index"
)
VALUE_IGNORED: Final = "channel x y width height rotation text rating"


def is_tasks(path: Path, text: str) -> bool:
    """Whether a text has tasks of Label Studio, complete or as JSON-MIN."""
    if text.lstrip()[:1] != "[":
        return False
    content = EVENTS.parse(text, str(path))
    first = content[0] if content else None
    return isinstance(first, dict) and ("data" in first or _is_short(first))


def _is_short(record: Mapping[str, Any]) -> bool:
    return any(_regions(value) for value in record.values())


def _regions(value: Any) -> bool:
    """Whether a value of JSON-MIN is a list of regions of a timeline."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and bool({"ranges", "timelinelabels", "labels"} & first.keys())


def read_tasks(path: Path, text: str) -> Iterator[Row]:
    """Yield segments of the timeline, in frames, or of sound, in seconds; and tracks of boxes."""
    tasks = EVENTS.parse(text, str(path))
    if "data" not in tasks[0]:
        yield from _short(path, tasks)
        return
    account, left = Account(path), Counter[str]()
    for position, value in enumerate(tasks, start=1):
        task = mapping(path, value, f"task {position}")
        account.check("task", task, "id data annotations completions predictions", TASK_IGNORED)
        data = mapping(path, task.get("data"), f"the data of task {position}")
        recording, fps = _recording(data), _rate(path, data)
        name = f"task {task.get('id', position)}"
        predictions = task.get("predictions")  # or their ids
        left["prediction was"] += len(predictions) if isinstance(predictions, list) else 0
        annotations = task.get("annotations") or task.get("completions") or ()
        for number_, annotation in enumerate(_objects(path, annotations), start=1):
            known = "id result was_cancelled skipped completed_by"
            account.check("annotation", annotation, known, ANNOTATION_IGNORED)
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                left["cancelled annotation was"] += 1
                continue
            rater = _person(annotation.get("completed_by")) or str(number_)
            several = f", annotation {number_}" * (len(annotations) > 1)
            where = f"{name}{several}"
            regions = _objects(path, annotation.get("result") or ())
            common = {"recording": recording, "rater": rater}
            yield from _of_regions(account, where, regions, common, fps)
    for what, many in left.items():
        several = what.replace("was", "were").replace(" were", "s were")
        yield note(counted(many, f"{what} left out", f"{several} left out"))
    yield account.note()


def _objects(path: Path, values: Any) -> list[Mapping[str, Any]]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        EVENTS.refuse(path, "not tasks of Label Studio", str(values)[:40])
    return [mapping(path, value, "an entry") for value in values]


def _person(value: Any) -> str:
    """Return the name of a person: e-mail, user name or number."""
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("username") or value.get("id")
    return "" if value is None else str(value)


def _of_regions(
    account: Account,
    where: str,
    regions: Sequence[Mapping[str, Any]],
    common: Mapping[str, Any],
    fps: float | None,
) -> Iterator[Row]:
    named = [region.get("id") for region in regions if _has_times(region.get("value"))]
    timed = {id for id in named if isinstance(id, str)}
    for position, region in enumerate(regions, start=1):
        account.check("region", region, "id type value from_name to_name", REGION_IGNORED)
        value = region.get("value")
        place = f"{where}, region {position}"
        if not isinstance(value, Mapping):
            yield place, {"fault": "it has no value"}
        elif str(region.get("id")) in timed and not _has_times(value):
            account.ignore("region", "further values of a segment")
        else:
            for row in _of_value(account, value, fps):
                yield place, {**common, **row}


def _has_times(value: Any) -> bool:
    return isinstance(value, Mapping) and bool({"ranges", "start", "sequence"} & value.keys())


def _of_value(account: Account, value: Mapping[str, Any], fps: float | None) -> Iterator[Any]:
    """Yield the fields of each event of a region's value."""
    names = [name for name in value if name.endswith("labels") or name == "choices"]
    known = "ranges start end sequence framesCount duration"
    account.check("value", value, f"{known} {' '.join(names)}", VALUE_IGNORED)
    if not all(isinstance(value[name], list) for name in names):
        yield {"fault": f"no list of classes: {str([value[name] for name in names])[:60]}"}
        return
    labels = [label for name in names for label in value[name]]
    if len(labels) != 1:
        shown = ", ".join(map(str, labels))
        yield {"fault": f"it has several classes: {shown}"[:200] if labels else "it has no class"}
        return
    common = {"label": labels[0]}
    if value.get("sequence"):
        fps = fps or _rate_of_boxes(value)
        try:
            spans = list(_shown(value["sequence"]))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            yield {"fault": "key frames without numbers"}
            return
        for span in spans:
            yield common | {"span": span, "fps": fps}
    elif "ranges" in value:
        ranges = value["ranges"]
        if not isinstance(ranges, list) or not ranges:
            yield {"fault": f"no ranges of frames: {str(ranges)[:40]}"}
            return
        for span in ranges:
            yield common | _span(span, fps)
    elif "start" in value or "end" in value:
        yield common | {"start": value.get("start"), "end": value.get("end")}
    elif names == ["choices"]:
        yield common  # a class of the video, which says no time
    else:
        yield {"fault": "a region of a picture, which has no time"}


def _span(span: Any, fps: float | None) -> dict[str, Any]:
    try:
        first, last = int(span["start"]) - 1, int(span["end"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return {"fault": f"no range of frames: {str(span)[:60]}"}
    if first < 0 or last <= first:
        return {"fault": f"no range of frames: {first + 1} to {last}"}
    return {"span": (first, last), "fps": fps}


def _shown(sequence: Any) -> Iterator[tuple[int, int]]:
    """Yield the frames in which a box is shown: from a key frame to one that disables it."""
    keys = sorted((int(key["frame"]) - 1, bool(key.get("enabled", True))) for key in sequence)
    first = None
    for frame, enabled in keys:
        if enabled and first is None:
            first = frame
        elif not enabled and first is not None:
            yield first, frame + 1
            first = None
    if first is not None:
        yield first, keys[-1][0] + 1


def _rate_of_boxes(value: Mapping[str, Any]) -> float | None:
    frames, seconds = (number(str(value.get(name, ""))) for name in ("framesCount", "duration"))
    return frames / seconds if frames and seconds else None


def _rate(path: Path, data: Mapping[str, Any]) -> float | None:
    """Return the frame rate in a task's data; None if it has none."""
    named = [name for name in data if RATE_NAME.fullmatch(name)]
    others = [name for name in data if LIKE_RATE.search(name) and name not in named]
    rates = {number(str(data[name])) for name in named if data[name] not in (None, "")}
    if others or None in rates or len(rates) > 1 or any(r is not None and r <= 0 for r in rates):
        raise DataError(
            "the frame rate of a task is not understood",
            where=str(path),
            got=", ".join(f"{name}: {data[name]!r}"[:60] for name in (*named, *others)),
            expected="one of fps, framerate or frameRate, in frames per second",
        )
    return next(iter(rates), None)


def _recording(data: Mapping[str, Any]) -> str:
    """Return the file of a task: of ``video…`` or ``audio…``, or of another name with a video."""
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    named = [value for name, value in texts.items() if name.startswith(("video", "audio"))]
    others = [v for v in texts.values() if Path(_name(v)).suffix.lower() in VIDEO_SUFFIXES]
    return next((_name(value) for value in (*named, *others)), "")


def _short(path: Path, records: Sequence[Any]) -> Iterator[Row]:
    """Yield the events of JSON-MIN, or of rows of CSV: names of the data beside lists of regions.

    The annotator is the rater; a record without one counts as another rater's.
    """
    account = Account(path)
    known = "id annotator annotation_id"
    for position, value in enumerate(records, start=1):
        record = mapping(path, value, f"record {position}")
        lists = {name: value for name, value in record.items() if _regions(value)}
        names = [name for name in record if name not in lists and not RATE_NAME.fullmatch(name)]
        for name in names:
            if name not in known and record[name] != "" and not isinstance(record[name], str):
                account.check("record", [name], known, TASK_IGNORED + " lead_time")
        recording, fps = _recording(record), _rate(path, record)
        common = {"recording": recording, "rater": _person(record.get("annotator"))}
        for values in lists.values():
            for number_, region in enumerate(_objects(path, values), start=1):
                where = f"record {record.get('id', position)}, region {number_}"
                for row in _of_value(account, region, fps):
                    yield where, {**common, **row}
    yield account.note()


def is_table(path: Path, text: str) -> bool:
    """Whether a table is a CSV of Label Studio: cells with lists of regions in JSON."""
    return path.suffix.lower() in (".csv", ".tsv") and '"[{""' in text[:1_000_000]


def read_table(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of a CSV of Label Studio."""
    delimiter = "\t" if "\t" in header_line(text) else ","
    rows = [cells for _, cells in table_rows(path, text, delimiter)]
    names = rows[0] if rows else []
    records = [
        {name: _cell(path, cell) for name, cell in zip(names, cells, strict=False)}
        for cells in rows[1:]
    ]
    if not any(map(_is_short, records)):
        EVENTS.refuse(path, "the table has no segments of a timeline", ", ".join(names)[:80])
    yield from _short(path, records)


def _cell(path: Path, cell: str) -> Any:
    return EVENTS.parse(cell, str(path)) if cell.startswith("[{") else cell


def _name(url: str) -> str:
    """Return the file of a URL; an upload has a prefix that Label Studio gave it."""
    try:
        parts = urlparse(url)
    except ValueError:  # such as file://[x
        return url
    local = parse_qs(parts.query).get("d")
    if local:
        return local[0]
    name = unquote(parts.path)
    if "/upload/" in name:
        return re.sub(r"^[0-9a-f]{8}-", "", name.rpartition("/")[2])
    return name if "://" not in url else name.rpartition("/")[2]


def write_tasks(events: Sequence[Event], folder: Path) -> str:
    """Return tasks of Label Studio, whose times are frames.

    Raises:
        OutputError: The frame rate of a recording is not known.
    """
    tasks = []
    for number_, (recording, listed) in enumerate(by_recording(events).items(), start=1):
        info = timeline_or_none(find_recording(folder, recording))
        if info is None:
            raise OutputError(
                "times are in frames, but the recording cannot be read", got=recording
            )
        fps = info.fps
        regions = []
        for i, event in enumerate(listed):
            end = min(event.end, info.end)
            first = round(event.start * fps) + 1
            span = {"start": first, "end": max(first, round(end * fps))}
            value = {"ranges": [span], "timelinelabels": [str(event.label)]}
            names = {"from_name": "action", "to_name": "video", "type": "timelinelabels"}
            regions.append({"id": f"r{number_}-{i}", **names, "value": value})
        data = {"video": recording, "fps": fps}
        tasks.append({"id": number_, "data": data, "annotations": [{"result": regions}]})
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"
