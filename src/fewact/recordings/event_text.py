"""Events as text: the content of a file in the format of its name, counts, titles and times."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fewact.core.atomic import write_bytes, write_text
from fewact.recordings.formats import Event, writer_of
from fewact.recordings.formats import events_text as table_text
from fewact.recordings.formats.nwb import NWB, nwb_content


def events_text(
    path: Path, events: Sequence[Event], facts: Mapping[str, Any], *, delay: float = 0.0
) -> str:
    """Return the content of a file of events, in the format of its extension.

    Args:
        path: File that will be written: .json, .jsonl, .vtt, .srt, or one of
            ``fewact.recordings.formats``.
        events: Events in the order of their starts.
        facts: Facts about the recording, for JSON.
        delay: Seconds by which video players show the first frame after the start of the file, for
            subtitles.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None or writer_of(path) is not None:
        return table_text(path, events)
    if write in (_vtt, _srt):
        events = [
            replace(event, start=event.start + delay, end=event.end + delay) for event in events
        ]
    return write(events, facts)


def write_events(
    path: Path, events: Sequence[Event], facts: Mapping[str, Any], *, delay: float = 0.0
) -> None:
    """Write a file of events: of NWB, or with the content of ``events_text``."""
    if path.suffix.lower() == NWB:
        write_bytes(path, nwb_content(events, path.parent))
    else:
        write_text(path, events_text(path, events, facts, delay=delay))


def counts(events: Sequence[Event]) -> dict[str, int]:
    """Return how many times each action was performed, by its class."""
    total: Counter[str] = Counter()
    for event in events:
        total[str(event.label)] += event.repetitions
    return dict(sorted(total.items()))


def title(event: Event) -> str:
    """Return the class of an event with its repetitions.

    >>> title(Event("wave", 1.0, 4.5, 0.9, 3))
    'wave × 3'
    """
    return f"{event.label}" + (f" × {event.repetitions}" if event.repetitions > 1 else "")


def clock_time(seconds: float, separator: str = ".") -> str:
    """Return a time as text.

    >>> clock_time(3725.5)
    '01:02:05.500'
    """
    milliseconds = round(1000 * max(seconds, 0.0))
    minutes, remainder = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, fraction = divmod(remainder, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{separator}{fraction:03}"


def _json(events: Sequence[Event], facts: Mapping[str, Any]) -> str:
    document = {
        **facts,
        "counts": counts(events),
        "events": [event.to_dict() for event in events],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _vtt(events: Sequence[Event], facts: Mapping[str, Any]) -> str:
    cues = (
        f"{clock_time(event.start)} --> {clock_time(event.end)}\n{_escaped(title(event))}\n"
        for event in events
    )
    return "\n".join(["WEBVTT\n", *cues])


def _srt(events: Sequence[Event], facts: Mapping[str, Any]) -> str:
    def cue(number: int, event: Event) -> str:
        begin, end = clock_time(event.start, ","), clock_time(event.end, ",")
        return f"{number}\n{begin} --> {end}\n{title(event)}\n"

    return "\n".join(cue(number, event) for number, event in enumerate(events, start=1))


def _escaped(text: str) -> str:
    """Escape what WebVTT takes for a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _json_lines(events: Sequence[Event], facts: Mapping[str, Any]) -> str:
    return "".join(event.to_json() + "\n" for event in events)


_WRITERS: Final[dict[str, Callable[[Sequence[Event], Mapping[str, Any]], str]]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".vtt": _vtt,
    ".srt": _srt,
}
