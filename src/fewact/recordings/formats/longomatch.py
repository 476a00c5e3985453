"""Events of LongoMatch: projects (.lgm), JSON whose times are milliseconds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fewact.recordings.formats.account import Account, mapping, note
from fewact.recordings.formats.event import EVENTS, Row

NAMESPACE: Final = "LongoMatch."
LONGOMATCH_IGNORED: Final = (
    "ID Notes Drawings Team Teams Tags FieldPosition HalfFieldPosition GoalPosition CamerasLayout "
    "CamerasConfig EventTime Rate Score PenaltyCard Miniature ActionLinks Selected Color Playing "
    "Reason In Out ParentTimeline FileSet"
)


def is_longomatch(path: Path, text: str) -> bool:
    """Whether a text is a project of LongoMatch."""
    head = text[:2000]
    return text.lstrip()[:1] == "{" and '"$type"' in head and NAMESPACE in head


def read_longomatch(path: Path, text: str) -> Iterator[Row]:
    """Yield the events of the timeline; the class is the type of the event."""
    project = mapping(path, EVENTS.parse(text, str(path)), "a project")
    known = _by_id(project)
    timeline = project.get("Timeline")
    if not isinstance(timeline, list):
        EVENTS.refuse(path, "the project has no timeline", ", ".join(project)[:80])
    files = [
        str(item["FilePath"])
        for item in known.values()
        if "MediaFile" in str(item.get("$type")).partition(",")[0] and item.get("FilePath")
    ]
    account = Account(path)
    if len(files) > 1:
        yield note(f"times are of {files[0]}; other files of the project: {len(files) - 1}")
    for number, value in enumerate(timeline, start=1):
        event = mapping(path, value, f"event {number}")
        used = "$id $type EventType Players Name Start Stop"
        account.check("event", event, used, LONGOMATCH_IGNORED)
        kind = _resolved(known, event.get("EventType"))
        listed = event.get("Players") or []
        if not isinstance(listed, list):
            yield f"event {number}", {"fault": f"players are no list: {listed!r}"[:80]}
            continue
        resolved = [_resolved(known, player) for player in listed]
        if not all(resolved):
            yield f"event {number}", {"fault": "a player is not in the project"}
            continue
        players = [*map(_player, resolved)]
        start, end = event.get("Start"), event.get("Stop")
        if not isinstance(start, int) or not isinstance(end, int):
            yield f"event {number}", {"fault": f"no times: {start!r} to {end!r}"[:80]}
            continue
        yield (
            f"event {number}",
            {
                "label": kind.get("Name"),
                "start": start / 1000,
                "end": end / 1000,
                "recording": files[0] if files else "",
                "subject": ", ".join(filter(None, players)),
            },
        )
    yield account.note()


def _player(player: Mapping[str, Any]) -> str:
    names = [player.get(key) for key in ("Name", "LastName")]
    return " ".join(str(name) for name in names if name)


def _by_id(project: Any) -> dict[str, Mapping[str, Any]]:
    """Return all objects of a document with an id, by it."""
    known: dict[str, Mapping[str, Any]] = {}
    waiting = [project]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "$id" in value:
                known[str(value["$id"])] = value
            waiting += reversed(list(value.values()))
        elif isinstance(value, list):
            waiting += reversed(value)
    return known


def _resolved(known: Mapping[str, Mapping[str, Any]], value: Any) -> Mapping[str, Any]:
    """Return an object, or the one that it refers to; empty if there is none."""
    if not isinstance(value, Mapping):
        return {}
    return known.get(str(value["$ref"]), {}) if "$ref" in value else value
