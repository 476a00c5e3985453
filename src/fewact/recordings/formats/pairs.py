"""States that are two rows of a table, START and STOP, as events."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Final

from fewact.data.grid import DURATION_TOLERANCE
from fewact.recordings.formats.event import Row

STATUS_OF: Final = {
    name: status
    for status, names in (
        (
            "START",
            "start,started,state start,begin,on,onset,start event,début,anfang,inicio,inizio",
        ),
        ("STOP", "stop,stopped,state stop,state end,end,off,offset,stop event,fin,ende,fine"),
        ("POINT", "point,point event,event,instant,state point"),
        ("STATE", "state,state event"),
    )
    for name in names.split(",")
}
"""What a row is by the text in its column of the status, in lower case."""

Timed = tuple[str, Hashable, str, Mapping[str, Any], Mapping[str, Any]]
"""Place, what a START and its STOP have in common, status, times of the row, further fields.

Times are ``start`` in seconds, and ``end`` if the row has a duration; or ``span`` and ``fps``.
"""


def status_of(text: str) -> str:
    """Return START, STOP, POINT or STATE; the text itself if it is none of them.

    >>> status_of("State start"), status_of("pause")
    ('START', 'pause')
    """
    return STATUS_OF.get(" ".join(text.casefold().replace("_", " ").split()), text)


def paired(rows: Iterable[Timed]) -> Iterator[Row]:
    """Yield an event for each START and its STOP, and for each point event.

    A START without a STOP has the ``end`` of its times, if there is one.
    """
    begun: dict[Hashable, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {}
    for where, key, status, times, fields in rows:
        if "fault" in fields:
            yield where, fields
        elif status == "START" and key not in begun:
            begun[key] = where, times, fields
        elif status == "STOP" and key in begun:
            at, first, known = begun.pop(key)
            yield at, {**known, **_until(first, times)}
        elif status == "POINT":
            yield where, {**fields, **_until(times, times)}
        else:
            faults = {
                "STOP": "STOP before START",
                "START": "START before the STOP of the last one",
            }
            yield where, {"fault": faults.get(status, f"neither START nor STOP: {status!r}")}
    for where, times, fields in begun.values():
        if "end" in times:
            yield where, {**fields, "start": times["start"], "end": times["end"]}
        else:
            yield where, {"fault": "START without STOP"}


def _until(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """Return the times from one row to another."""
    times: dict[str, Any] = {}
    if "start" in first and "start" in last:
        times = {"start": first["start"], "end": last["start"]}
        stated = first.get("end", times["end"])
        if first is not last and abs(stated - times["end"]) > DURATION_TOLERANCE:
            return {"fault": f"its STOP is at {times['end']:g} s, its duration says {stated:g} s"}
    elif "span" in first and "span" in last:
        times = {"span": (first["span"][0], last["span"][0]), "fps": first.get("fps")}
    elif "by_rate" in first or "by_rate" in last:
        times = {"by_rate": lambda fps: {"start": _at(first, fps), "end": _at(last, fps)}}
    else:
        return {"fault": "its START and STOP have times of different sorts"}
    if first.get("frame") is not None and last.get("frame") is not None:
        times["frames"] = (first["frame"], last["frame"])
    return times


def _at(times: Mapping[str, Any], fps: float) -> float:
    at: float = times["by_rate"](fps)["start"] if "by_rate" in times else times["start"]
    return at
