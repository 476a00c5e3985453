"""Windows of recordings that are drawn at random, shown in one video, and scored by a person."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, OptionError
from fewact.core.text_table import csv_line
from fewact.data.clips import is_none
from fewact.recordings.agreement import key_of
from fewact.recordings.formats import Event, EventTable
from fewact.recordings.totals import FEWEST_CHECKED, Floats, Total, measure, total, windows

PLAN_TYPE = FileType("plan of a check", DataError, 64 * MIB, hint="Choose another folder with -o.")

START_TOLERANCE = 0.05
"""If a scored action starts within this time after the start of a window, in seconds, it began
before the window."""

CLASS_IS_MISSING = "it has no class"

TOTAL_MEASURES = ("count", "seconds")


class SampledRecording(BaseModel):
    """A recording: its name relative to the plan, seconds, and number of equal windows."""

    model_config = ConfigDict(extra="forbid")
    name: str
    duration: float
    windows: int


class Checked(BaseModel):
    """A window to check: numbers of its recording and of the window there."""

    model_config = ConfigDict(extra="forbid")
    recording: int
    window: int


class CheckPlan(BaseModel):
    """Windows that were drawn, in the order in which the video shows them.

    Args:
        options: Options of the draw.
        events: File of the events that a model found, relative to the plan.
        classes: Classes of the model.
        recordings: All recordings.
        checked: Windows to check.
        shown: Times at which they start in the video, in seconds.
    """

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    options: dict[str, str | int | float]
    events: str = ""
    classes: list[str] = []
    recordings: list[SampledRecording]
    checked: list[Checked]
    shown: list[float] = []

    def span(self, checked: Checked) -> tuple[float, float]:
        """Return start and end of a window in its recording, in seconds."""
        part = self.recordings[checked.recording]
        step = part.duration / part.windows
        return checked.window * step, (checked.window + 1) * step

    @property
    def windows(self) -> int:
        """Number of windows of all recordings."""
        return sum(part.windows for part in self.recordings)


def draw(durations: Mapping[str, float], check: str, width: float, seed: int) -> CheckPlan:
    """Return windows drawn at random, each as probable as any other; not where they are shown.

    Args:
        durations: Seconds of each recording.
        check: How many are drawn: "2%", or their number.
        width: Duration of a window, in seconds.
        seed: Seed of the draw.

    Raises:
        OptionError: The number is none, or too small or large.
    """
    parts = [
        SampledRecording(name=n, duration=d, windows=windows(d, width))
        for n, d in durations.items()
    ]
    windows_of_all = [
        Checked(recording=i, window=j) for i, part in enumerate(parts) for j in range(part.windows)
    ]
    number = _number(check, len(windows_of_all))
    if len(windows_of_all) < FEWEST_CHECKED:
        seconds = sum(durations.values()) / (
            FEWEST_CHECKED + len(parts) / 2
        )  # each may lose half a window
        raise OptionError(
            "too few windows to draw from",
            where="--window",
            got=f"{len(windows_of_all)} windows of {width:g} s",
            expected=f"{FEWEST_CHECKED} or more in all recordings",
            hint="Add recordings, or check all of shorter windows: "
            f"--window {max(1.0, seconds):.2f} --check 100%",
        )
    if not FEWEST_CHECKED <= number <= len(windows_of_all):
        percent = -(-100 * FEWEST_CHECKED // len(windows_of_all))
        raise OptionError(
            "too few windows to check" if number < FEWEST_CHECKED else "there are fewer windows",
            where="--check",
            got=f"{number} of {len(windows_of_all)} windows of {width:g} s",
            expected=f"{FEWEST_CHECKED} to {len(windows_of_all)}",
            hint=f"--check {percent}%, or shorter windows: --window {width / 2:g}",
        )
    return CheckPlan(
        options={"check": check, "window": width, "seed": seed},
        recordings=parts,
        checked=random.Random(seed).sample(windows_of_all, number),
    )


def _number(check: str, total: int) -> int:
    text = check.strip().removesuffix("%").strip()
    try:
        value = float(text)
        return round(value / 100 * total) if "%" in check else int(text)
    except (ValueError, OverflowError):
        raise OptionError(
            "not a number of windows", where="--check", got=check, expected="2%, or 60"
        ) from None


def blank_table(plan: CheckPlan, video: str, *, apart: bool = False) -> str:
    """Return a table of events to fill in: a row for each window, without a class or subject."""
    subject = ("subject",) if apart else ()
    lines = [csv_line(("video", "start", "end", "label", *subject, "window", "shows"))]
    for number, (checked, shown) in enumerate(zip(plan.checked, plan.shown, strict=True), start=1):
        start, end = plan.span(checked)
        times = f"{shown:.3f}", f"{shown + end - start:.3f}"
        shows = f"{plan.recordings[checked.recording].name} {start:.1f} s to {end:.1f} s"
        lines.append(csv_line((video, *times, "", *("" for _ in subject), number, shows)))
    return "".join(lines)


class ScoredWindows:
    """What a person scored in the video of a plan.

    Args:
        plan: Plan of the check.
        table: Events in times of the video.
        video: File of the video.
        complete: Whether all windows are scored; else only those in which there is an event, or
            ``none``.

    Attributes:
        events: Events of each recording, cut at the windows.
        checked: Number of windows that are scored: these are the first ones.
        skipped: A sentence for each row that cannot be used.
    """

    def __init__(self, plan: CheckPlan, table: EventTable, video: Path, *, complete: bool) -> None:
        self.plan, self._table = plan, table
        self.events: dict[int, list[Event]] = {i: [] for i in range(len(plan.recordings))}
        self.skipped = [
            row for row in table.skipped if complete or not row.endswith(CLASS_IS_MISSING)
        ]
        scored: set[int] = set()
        for where, event in table.rows:
            if event.recording and key_of(event.recording) != key_of(str(video)):
                got = f"{where}: {event.recording}"
                raise DataError(
                    "not events of the video of the check",
                    where=str(table.path),
                    got=got,
                    expected=f"times in {video}",
                )
            within = self._add(event)
            scored |= within
            if not within:
                self.skipped.append(f"{table.path}, {where}: it is in no window, but in a title")
        self.checked = len(plan.checked) if complete else self._first(scored)

    def _add(self, event: Event) -> set[int]:
        """Add the parts of an event in the windows; return their numbers."""
        within = set()
        for number, (checked, shown) in enumerate(
            zip(self.plan.checked, self.plan.shown, strict=True)
        ):
            start, end = self.plan.span(checked)
            first, last = max(event.start, shown), min(event.end, shown + end - start)
            if first >= last and not (
                event.is_point and first == event.start < shown + end - start
            ):
                continue
            within.add(number)
            if is_none(str(event.label)):
                continue
            goes_on = event.start <= shown + START_TOLERANCE and checked.window > 0
            goes_on = goes_on and not event.is_point
            part = replace(event, start=first + start - shown, end=last + start - shown)
            part = replace(part, repetitions=0 if goes_on else event.repetitions)
            self.events[checked.recording].append(part)
        return within

    def _first(self, scored: set[int]) -> int:
        """Return the number of scored windows; only the last ones may be missing."""
        number = len(scored)
        missing = sorted(set(range(len(self.plan.checked))) - scored)
        where = str(self._table.path)
        if scored and max(scored) >= number:
            first = ", ".join(str(i + 1) for i in missing if i < max(scored))
            fault = f"{self.skipped[0]}. " if self.skipped else ""
            hint = f'{fault}Write "none" as the label where no action is visible.'
            raise DataError("windows are not scored", where=where, got=first[:200], hint=hint)
        if number < FEWEST_CHECKED:
            raise DataError(
                "too few windows are scored",
                where=where,
                got=f"{number} of {len(self.plan.checked)}",
                expected=f"at least {FEWEST_CHECKED}, in their order",
                hint='Write the class of each action as its label, with start and end; "none" '
                "where no action is visible.",
            )
        return number


def _by_subject(events: Mapping[int, Iterable[Event]]) -> dict[int, list[Event]]:
    return {
        i: [replace(e, label=f"{e.subject}: {e.label}" if e.subject else e.label) for e in listed]
        for i, listed in events.items()
    }


def totals(
    plan: CheckPlan,
    found: Mapping[int, Iterable[Event]],
    scored: ScoredWindows,
    *,
    apart: bool = False,
) -> list[tuple[str, str, Total]]:
    """Return class, measure and total, of the classes of the model and of the person.

    Args:
        plan: Plan of the check.
        found: Events that a model found in each recording.
        scored: What a person scored.
        apart: Whether a class of each subject is a class of its own, named "subject: class".
    """
    events_of: Mapping[int, Iterable[Event]] = scored.events
    classes = [] if apart else plan.classes
    if apart:
        found, events_of = _by_subject(found), _by_subject(scored.events)
    counted = (*(found.values() if apart else ()), *events_of.values())
    labels = {str(event.label) for events in counted for event in events}
    classes = [*classes, *sorted(labels.difference(classes))]

    def measured(events: Mapping[int, Iterable[Event]]) -> Mapping[str, Floats]:
        parts = [
            measure([*events.get(i, ())], part.duration, part.windows, classes)
            for i, part in enumerate(plan.recordings)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in TOTAL_MEASURES}

    before = np.cumsum([0, *(part.windows for part in plan.recordings)])
    windows = plan.checked[: scored.checked]
    checked = [int(before[window.recording]) + window.window for window in windows]
    true, predicted = measured(events_of), measured(found)
    return [
        (label, name, total(true[name][checked, column], predicted[name][:, column], checked))
        for column, label in enumerate(classes)
        for name in TOTAL_MEASURES
    ]
