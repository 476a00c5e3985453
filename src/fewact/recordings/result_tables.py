"""Tables of agreement, of time budgets, of totals and of frames."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fewact.core.text_table import csv_line
from fewact.recordings.agreement import EVENT_IOU, TIOUS, Agreement, Kappa
from fewact.recordings.event_text import clock_time
from fewact.recordings.formats import Event
from fewact.recordings.time_budget import Budget
from fewact.recordings.totals import Total
from fewact.report.table import Table
from fewact.video.samplers import Timeline


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
            _number(kappa.value),
            "" if kappa.interval is None else " to ".join(map(_number, kappa.interval)),
            str(kappa.units),
        )
        for name, kappa in named
        if kappa is not None
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
        Table(header, tuple(rows), f"Events of one class with an IoU of at least {EVENT_IOU:g}"),
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
    """Return a row for each frame: 1 where the middle of the frame is in an event of the class.

    A point event is in the frame that is shown at its time.
    """
    middles = (timeline.times + np.append(timeline.times[1:], timeline.end)) / 2
    shown = np.zeros((timeline.n, len(classes)), np.int64)
    for event in events:
        first, last = np.searchsorted(middles, (event.start, event.end))
        if event.is_point:
            last = np.searchsorted(timeline.times, event.start, side="right")
            first = max(last - 1, 0)
        shown[first:last, classes.index(str(event.label))] = 1
    rows = zip(timeline.times.tolist(), shown.tolist(), strict=True)
    return "".join(
        csv_line((recording, i, f"{time:.6f}", *row)) for i, (time, row) in enumerate(rows)
    )
