"""Events of BORIS: its projects, and how the rows of its tables are events.

Times of an observation count over its media files, which are played one after the other, from its
time offset on.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from fewact.data.files import find_recording, timeline_or_none
from fewact.recordings.formats.account import Account, note
from fewact.recordings.formats.event import EVENTS, Event, Row, by_recording
from fewact.recordings.formats.pairs import Timed, paired

MEDIA_ROUNDING = 0.002
"""Seconds by which an event may reach beyond its media file, whose length is rounded."""


OBSERVATION: Final = "events type file media_info media_creation_date_as_offset time_offset"
OBSERVATION_IGNORED: Final = (
    "date description independent_variables visualize_spectrogram visualize_waveform "
    "close_behaviors_between_videos scan_sampling_time start_from_current_time "
    "start_from_current_epoch_time observation_time_interval plot_data directories_list "
    "use_exif_date time_lapse image_display_duration no_focal_subject"
)


@dataclass(frozen=True)
class Media:
    """Media files of an observation.

    Args:
        files: Files of the first player, in order.
        starts: Time of the observation at which each begins, in seconds.
        ends: Time at which each ends; empty for one file of unknown length.
        offset: Time offset of the observation, in seconds.
        fault: Why its events cannot be used; empty if they can.
    """

    files: tuple[str, ...]
    starts: tuple[float, ...] = (0.0,)
    ends: tuple[float, ...] = ()
    offset: float = 0.0
    fault: str = ""

    @staticmethod
    def in_a_row(files: Sequence[str], lengths: Sequence[float | None], offset: float) -> "Media":
        """Return files that are played one after the other."""
        known_lengths = [length for length in lengths if length is not None]
        if len(known_lengths) < len(files):
            return Media(tuple(files), fault="the lengths of the media files are missing")
        ends = tuple(accumulate(known_lengths))
        return Media(tuple(files), (0.0, *ends[:-1]), ends, offset)

    def event(self, start: Any, end: Any) -> dict[str, Any]:
        """Return recording, start and end of an event at times of the observation."""
        if self.fault:
            return {"fault": self.fault}
        try:
            begin, stop = float(start) - self.offset, float(end) - self.offset
        except (TypeError, ValueError):
            return {"fault": f"not a time: {start!r} to {end!r}"}
        if not self.ends:
            return {"recording": self.files[0], "start": begin, "end": stop}
        for file, first, last in zip(self.files, self.starts, self.ends, strict=True):
            if first <= begin < last:
                if stop > last + MEDIA_ROUNDING and len(self.files) > 1:
                    return {"fault": f"it goes on in the file after {file}"}
                times = {"start": round(begin - first, 6), "end": round(stop - first, 6)}
                return {"recording": file, **times}
        return {"fault": f"there is no media file at {begin:g} s"}


def placed(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an event at times of its observation, in its file of ``media``."""
    if "fault" in fields:
        return fields
    at = dict(fields)
    media: Media = at.pop("media")
    return {**at, **media.event(at["start"], at["end"])}


NO_SUBJECT = "No focal subject"


def is_project(path: Path, text: str) -> bool:
    """Whether a file is a project of BORIS, by its extension or its content."""
    return path.suffix.lower() == ".boris" or '"behaviors_conf"' in text


def read_project(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of all observations of a project; one without a video is its recording."""
    project, account = EVENTS.parse(text, str(path)), Account(path)
    modified = commented = 0
    try:
        types = {b["code"]: b["type"] for b in project["behaviors_conf"].values()}
        observations = dict(project["observations"])
        for name, observation in observations.items():
            names = (field.replace(" ", "_") for field in observation)  # "time offset"
            account.check("observation", names, OBSERVATION, OBSERVATION_IGNORED)
            media = _media(name, observation)
            rows = []
            for number, event in enumerate(observation["events"], start=1):
                time, subject, code, modifier, *further = event
                modified += modifier not in ("", "None", None)
                commented += bool(further and further[0])
                type_ = str(types.get(code, ""))
                rows.append(
                    (float(time), number, subject, code, modifier, type_, (*further, "", "")[1])
                )
            yield from _project_events(name, media, sorted(rows, key=lambda row: row[:2]))
    except (LookupError, TypeError, ValueError, AttributeError):
        EVENTS.refuse(path, "not a project of BORIS")
    for number, what in ((modified, "modifiers"), (commented, "comments")):
        if number:
            yield note(f"ignored: {what} of {number} rows")
    yield account.note()


def _project_events(name: str, media: Media, rows: Sequence[tuple[Any, ...]]) -> Iterator[Row]:
    """Yield the events of an observation: the rows of a behaviour are START and STOP in turn."""
    listed: list[Timed] = []
    going_on: set[tuple[Any, ...]] = set()
    for time, position, subject, code, modifier, type_, frame in rows:
        where = f'observation "{name}", event {position}'
        if not type_:
            yield where, {"fault": f"the behaviour {code!r} is not in the ethogram"}
            continue
        key = (subject, code, modifier)
        status = "POINT" if type_.startswith("Point") else "STOP" if key in going_on else "START"
        if status != "POINT":
            going_on ^= {key}
        who = {"label": code, "subject": "" if subject == NO_SUBJECT else subject, "media": media}
        number = int(frame) if str(frame).isdecimal() and len(str(frame)) < 16 else None
        listed.append((where, key, status, {"start": time, "frame": number}, who))
    for where, fields in paired(listed):
        yield where, placed(fields)


def _media(name: str, observation: Mapping[str, Any]) -> Media:
    if observation.get("type") == "LIVE":
        return Media((name,), offset=float(observation.get("time offset") or 0))
    files = observation.get("file") or {}
    played = list(files.get("1") or ()) if isinstance(files, Mapping) else []
    if observation.get("type") != "MEDIA" or not played:
        return Media((), fault=f"its observation has no video: {observation.get('type')}")
    offset = float(observation.get("time offset") or 0)
    info = observation.get("media_info") or {}
    lengths = [(info.get("length") or {}).get(file) for file in played]
    if observation.get("media_creation_date_as_offset"):
        begun = [float(info["media_creation_time"][file]) for file in played]
        ends = tuple(b + float(n or 0) for b, n in zip(begun, lengths, strict=True))
        return Media(tuple(played), tuple(begun), ends, offset)
    if len(played) == 1:
        return Media(tuple(played), offset=offset)
    return Media.in_a_row(played, [None if n is None else float(n) for n in lengths], offset)


def write_project(events: Sequence[Event], folder: Path) -> str:
    """Return a project of BORIS with one observation a recording.

    A class is a point event if all its events are; else a state event.
    """
    classes = sorted({str(event.label) for event in events})
    states = {str(event.label) for event in events if not event.is_point}
    subjects = sorted({event.subject for event in events} - {""})
    observations: dict[str, Any] = {}
    for recording, listed in by_recording(events).items():
        name, taken = Path(recording).stem or "recording", len(observations)
        observations[name if name not in observations else f"{name} ({taken})"] = _observation(
            recording, listed, folder, states
        )
    project = {
        "time_format": "hh:mm:ss",
        "project_date": "",
        "project_name": "fewact",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(i): {"key": "", "name": name, "description": ""} for i, name in enumerate(subjects)
        },
        "behaviors_conf": {
            str(i): _behaviour(name, state=name in states) for i, name in enumerate(classes)
        },
        "observations": observations,
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(project, indent=1, ensure_ascii=False) + "\n"


def _behaviour(name: str, *, state: bool) -> dict[str, Any]:
    texts = dict.fromkeys(("key", "description", "category", "excluded", "coding map"), "")
    return {
        "type": "State event" if state else "Point event",
        "code": name,
        "modifiers": {},
        **texts,
    }


def _states(events: Sequence[Event]) -> list[Event]:
    """Return events in the order of their starts; what overlaps of a class and subject is one.

    In BORIS a state of a subject is on or off: a second START is a STOP.
    """
    last: dict[tuple[str, str], int] = {}
    states: list[Event] = []
    for event in sorted(events, key=lambda event: event.start):
        key = str(event.label), event.subject
        before = states[last[key]] if key in last else None
        if before is None or event.start >= before.end:
            last[key] = len(states)
            states.append(event)
        elif event.end > before.end:
            frames = before.frames and event.frames and (before.frames[0], event.frames[1])
            states[last[key]] = replace(before, end=event.end, frames=frames)
    return states


def _observation(
    recording: str, events: Sequence[Event], folder: Path, state_classes: Collection[str]
) -> dict[str, Any]:
    """Return an observation; its length is the end of the last event if the file is not here."""
    timeline = timeline_or_none(find_recording(folder, recording))
    length = timeline.end if timeline else max(event.end for event in events)
    rows: list[list[Any]] = []
    points = [event for event in events if str(event.label) not in state_classes]
    for event in points:
        frame = event.frames[0] if event.frames else "NA"
        rows.append([round(event.start, 3), event.subject, str(event.label), "", "", frame])
    for event in _states([event for event in events if str(event.label) in state_classes]):
        (first, last), who = event.frames or ("NA", "NA"), [event.subject, str(event.label), "", ""]
        rows += [[round(event.start, 3), *who, first], [round(event.end, 3), *who, last]]
    rows.sort(key=lambda row: row[0])  # of equal ones, one ends before the next one starts
    return {
        "file": {"1": [recording], **{str(player): [] for player in range(2, 9)}},
        "type": "MEDIA",
        "date": "1970-01-01T00:00:00",
        "description": "",
        "time offset": 0.0,
        "events": rows,
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "scan_sampling_time": 0,
        "media_info": {
            "length": {recording: length},
            "fps": {recording: timeline.fps if timeline else 0.0},
            "hasVideo": {recording: True},
            "hasAudio": {recording: False},
            "offset": {"1": 0.0},
        },
    }
