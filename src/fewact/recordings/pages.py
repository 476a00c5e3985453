"""Events as text: JSON and subtitles; tables of agreement and of time budgets; ethograms."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewact.core.text_table import csv_line
from fewact.core.version import __version__
from fewact.core.intervals import half_width
from fewact.recordings.agreement import IOU, TIOUS, Agreement, Kappa
from fewact.recordings.formats import Event, writer_of
from fewact.recordings.formats import events_text as table_text
from fewact.recordings.formats.event import by_subject
from fewact.recordings.time_budget import Budget
from fewact.recordings.totals import Total
from fewact.report import svg
from fewact.report.document import Drawing, Page, Section
from fewact.report.table import Table
from fewact.video.samplers import Timeline


def events_text(
    path: Path, events: Sequence[Event], facts: Mapping[str, Any], *, delay: float = 0.0
) -> str:
    """Return the content of a file of events, in the format of its extension.

    Args:
        path: File that will be written: .json, .vtt, .srt, or one of ``fewact.recordings.formats``.
        events: Events in the order of their starts.
        facts: Facts about the recording, for JSON.
        delay: Seconds by which video players show the first frame after the start of the file, for
            subtitles.
    """
    write = _FORMATS.get(path.suffix.lower())
    if write is None or writer_of(path) is not None:
        return table_text(path, events)
    if write in (_vtt, _srt):
        events = [
            replace(event, start=event.start + delay, end=event.end + delay) for event in events
        ]
    return write(events, facts)


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


_FORMATS: dict[str, Callable[[Sequence[Event], Mapping[str, Any]], str]] = {
    ".json": _json,
    ".vtt": _vtt,
    ".srt": _srt,
}


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def agreement_tables(result: Agreement) -> list[Table]:
    """Return the agreement of each class, kappa, and the confusion of classes per second."""
    rows = []
    for label in (*result.classes, None):
        matched, false, missed = result.counts(label)
        kappa = result.seconds.value if label is None else result.class_kappas[label]
        numbers = (matched + missed, matched + false, matched, missed, false)
        scores = (_number(result.f1(label)), _number(kappa))
        rows.append((label or "all", *map(str, numbers), *scores))
    header = ("class", "scored", "found", "matched", "missed", "false", "F1", "kappa (s)")
    named = (("second", result.seconds), ("frame", result.frames))
    kappas = [
        (
            f"per {name}",
            _number(one.value),
            "" if one.interval is None else " to ".join(map(_number, one.interval)),
            str(one.units),
        )
        for name, one in named
        if one is not None
    ]
    precisions = [*result.precisions.items()]
    if precisions:
        precisions.append(("mean", result.mean_precisions()))
    localised = tuple(
        (name, *(_number(value) for value in (*values, sum(values) / len(values))))
        for name, values in precisions
    )
    labels = (*result.classes, "(none)")
    confusion = zip(labels, result.seconds.confusion.tolist(), strict=True)
    return [
        Table(header, tuple(rows), f"Events of one class with an IoU of at least {IOU:g}"),
        Table(("Cohen's kappa", "value", "95 % interval", "units"), tuple(kappas)),
        *(
            [
                Table(
                    ("class", *(f"{tiou:g}" for tiou in TIOUS), "mean"),
                    localised,
                    "Average precision at temporal IoUs, as ActivityNet defines it",
                )
            ]
            if localised
            else []
        ),
        Table(
            ("scored \\ found", *labels),
            tuple((label, *map(str, counts)) for label, counts in confusion),
            "Seconds of each class",
        ),
    ]


def agreement_lists(result: Agreement) -> list[str]:
    """Return a line for each missed and each false event, to look at."""
    lines = []
    for what, events in (("Missed", result.missed), ("False", result.false)):
        for event in events:
            times = f"{clock_time(event.start)} to {clock_time(event.end)}"
            words = (f"{what}:", event.recording, times, str(event.label), event.subject)
            lines.append(" ".join(filter(None, words)))
    return lines


def subjects_table(results: Mapping[str, Agreement]) -> Table:
    """Return the agreement of each subject."""
    rows = []
    for subject, result in results.items():
        matched, false, missed = result.counts()
        numbers = (matched + missed, matched + false, matched, missed, false)
        scores = (_number(result.f1()), _number(result.seconds.value))
        rows.append((subject or "(none)", *map(str, numbers), *scores))
    header = ("subject", "scored", "found", "matched", "missed", "false", "F1", "kappa (s)")
    return Table(header, tuple(rows), "Events of each subject")


def agreement_dict(result: Agreement) -> dict[str, Any]:
    """Return the agreement for JSON; what is not defined is null."""

    def of(kappa: Kappa | None) -> dict[str, Any] | None:
        if kappa is None:
            return None
        return {
            "value": None if math.isnan(kappa.value) else kappa.value,
            "interval": kappa.interval,
            "units": kappa.units,
            "confusion": kappa.confusion.tolist(),
        }

    f1 = {label: result.f1(label) for label in result.classes}
    return {
        "classes": list(result.classes),
        "f1": result.f1(),
        "f1_of_class": f1,
        "kappa_per_second": of(result.seconds),
        "kappa_per_frame": of(result.frames),
        "average_precision": dict(result.precisions),
        "mean_average_precision": result.mean_precisions() if result.precisions else None,
        "missed": [event.to_dict() for event in result.missed],
        "false": [event.to_dict() for event in result.false],
    }


def budget_table(rows: Sequence[Budget], *, binned: bool) -> Table:
    """Return a row for each recording and class, in parts of the time if ``binned``."""
    parts = ("start", "end") if binned else ()
    apart = ("subject",) if any(row.subject for row in rows) else ()
    numbered = ("count", "total (s)", "mean (s)", "share", "latency (s)")
    cells = []
    for row in rows:
        span = (_number(row.start, 1), _number(row.end, 1)) if binned else ()
        share = f"{100 * row.share:.1f} %"
        numbers = (_number(row.total), _number(row.mean), share, _number(row.latency))
        who = (row.subject,) if apart else ()
        cells.append((row.recording, *who, row.label, *span, str(row.count), *numbers))
    return Table(("recording", *apart, "class", *parts, *numbered), tuple(cells))


def event_table(events: Sequence[Event]) -> Table:
    """Return a row for each event."""
    header = ("recording", "start", "end", "class", "subject", "confidence", "repetitions")
    cells = (
        (
            event.recording,
            *map(clock_time, (event.start, event.end)),
            *(str(event.label), event.subject, _number(event.confidence), str(event.repetitions)),
        )
        for event in events
    )
    return Table(header, tuple(cells))


def totals_table(results: Sequence[tuple[str, str, Total]]) -> Table:
    """Return a row for each class and measure with its total and interval."""

    def span(interval: tuple[float, float] | None) -> str:
        return "" if interval is None else " to ".join(_number(end, 1) for end in interval)

    header = ("class", "total of", "found", "estimate", "95 % interval", "without the model")
    cells = (
        (
            label,
            name,
            *(_number(x, 1) for x in (one.found, one.value)),
            *map(span, (one.interval, one.alone)),
        )
        for label, name, one in results
    )
    return Table(header, tuple(cells), "Totals of all recordings")


def frame_header(classes: Sequence[str]) -> str:
    """Return the header of a table of frames."""
    return csv_line(("recording", "frame", "time", *classes))


def frame_lines(
    recording: str, events: Sequence[Event], timeline: Timeline, classes: Sequence[str]
) -> str:
    """Return a row for each frame: 1 where the middle of the frame is in an event of the class."""
    middles = (timeline.times + np.append(timeline.times[1:], timeline.end)) / 2
    shown = np.zeros((timeline.n, len(classes)), np.int64)
    for event in events:
        first, last = np.searchsorted(middles, (event.start, event.end))
        shown[first:last, classes.index(str(event.label))] = 1
    rows = zip(timeline.times.tolist(), shown.tolist(), strict=True)
    return "".join(
        csv_line((recording, i, f"{time:.6f}", *row)) for i, (time, row) in enumerate(rows)
    )


ROW, LEFT, ACROSS, TOP, LETTER = 22.0, 160.0, 800.0, 30.0, 7.5
"""Sizes of an ethogram in pixels: row, names at least, time, title of a recording, and a letter."""


def ethogram(
    events: Sequence[Event], durations: Mapping[str, float], classes: Sequence[str]
) -> Drawing:
    """Return a drawing: below each recording a row for each subject and class, time to the right.

    Args:
        events: Events.
        durations: Duration of each recording, in seconds.
        classes: Classes.
    """
    parts, y = list[str](), 0.0
    longest = max([*durations.values(), 1e-3])
    names = {subject: f"{subject}: " if subject else "" for subject in by_subject(events)}
    left = max(
        [LEFT, *(20 + LETTER * len(name + label) for name in names.values() for label in classes)]
    )
    for recording, duration in durations.items():
        width = ACROSS * duration / longest
        parts.append(svg.text(10, y + 20, recording or "recording", weight=600))
        parts.append(svg.text(left + width, y + 20, clock_time(duration), anchor="end"))
        y += TOP
        own = by_subject(event for event in events if event.recording == recording)
        for subject, label in product(own, classes):
            shown = [event for event in own[subject] if str(event.label) == label]
            if subject and not shown:
                continue
            parts.append(svg.text(10, y + 15, names[subject] + label))
            parts.append(svg.rectangle(left, y + 3, width, ROW - 6, svg.PALE, class_="frame"))
            colour = svg.COLOURS[classes.index(label) % len(svg.COLOURS)]
            for event in shown:
                x = left + ACROSS * event.start / longest
                length = max(0.5, ACROSS * (min(event.end, duration) - event.start) / longest)
                parts.append(svg.rectangle(x, y + 3, length, ROW - 6, colour))
            y += ROW
    return Drawing(left + ACROSS + 20, y + 10, tuple(parts), "Ethogram")


def event_page(
    name: str, rows: Sequence[Budget], events: Sequence[Event], durations: Mapping[str, float]
) -> Page:
    """Return the report of events: their ethogram, the numbers of each class, and all of them.

    Args:
        name: Title, such as the name of their file.
        rows: Time budgets.
        events: Events.
        durations: Duration of each recording, in seconds.
    """
    classes = sorted({row.label for row in rows})
    return Page(
        name,
        (f"Events: {len(events)}, classes: {len(classes)}, recordings: {len(durations)}.",),
        (
            Section("Ethogram", drawing=ethogram(events, durations, classes)),
            Section("Numbers", tables=(budget_table(rows, binned=False),)),
            Section("All events", tables=(event_table(events),), folded=True),
        ),
        f"Written by fewact {__version__}.",
    )
