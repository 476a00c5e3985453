"""Coverage of the intervals of ``fewact total``: simulated studies with a model of known error.

    python -m benchmarks.totals ASSETS [--studies 1000]

A study has ten of sixty recordings, of five classes. Events are as long as clips of
``utd27_depth`` classes 1-13, one to three of a class in a row, with a pause before each. The model
misses events, gives them another class, moves their boundaries and finds some that are none, as
often as ``fewact watch`` does on ``utd27_depth`` (docs/results/recordings.md), or half or twice as
often. The person scores without error what is visible in the checked windows.
"""

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import class_number, read_rows
from benchmarks.shared import line
from fewact.recordings.formats import Event
from fewact.recordings.totals import Total, measure, total, windows

RECORDINGS, POOL, CLASSES, WINDOW = 10, 60, 5, 10.0

MISSED, OTHER, BOUNDARIES, FALSE = (number / 566 for number in (25, 8, 57, 155))
"""Errors an event in an hour of ``utd27_depth`` classes 14-27, see docs/results/recordings.md."""

MOVED, JITTER = 1.0, 0.2
"""Largest shift of a boundary that is wrong, and of one that is not, in durations of the event."""


@dataclass(frozen=True)
class Study:
    """Studies of one type.

    Args:
        hours: Hours of all recordings.
        pause: Mean seconds before each event.
        check: Fraction of the windows that a person checks.
        errors: Errors of the model, as a multiple of those on ``utd27_depth``.
    """

    hours: float
    pause: float
    check: float
    errors: float


STUDIES = (
    Study(5, 5, 0.02, 1),
    Study(10, 5, 0.02, 1),
    Study(10, 5, 0.05, 1),
    Study(10, 30, 0.02, 1),
    Study(10, 30, 0.05, 1),
    Study(10, 5, 0.02, 0.5),
    Study(10, 5, 0.02, 2),
)

Lengths = Mapping[str, Sequence[float]]
"""Durations of the clips of each class, in seconds."""


def lengths_of(assets: Path) -> Lengths:
    lengths: dict[str, list[float]] = {}
    for row in read_rows(assets):
        if row["dataset"] == "utd27_depth" and class_number(row["class"]) <= 13:
            lengths.setdefault(row["class"], []).append(int(row["frames"]) / float(row["fps"]))
    return lengths


def true_events(lengths: Lengths, seconds: float, pause: float, rng: random.Random) -> list[Event]:
    """Return the events of a recording."""
    events: list[Event] = []
    time = 0.0
    while True:
        label = rng.choice(sorted(lengths))
        for _ in range(rng.choice((1, 1, 2, 3))):
            start = time + rng.expovariate(1 / pause)
            time = start + rng.choice(lengths[label])
            if time > seconds:
                return events
            events.append(Event(label, start, time))


def found_events(
    events: Sequence[Event], seconds: float, errors: float, rng: random.Random
) -> list[Event]:
    """Return what a model with these errors finds."""
    labels = sorted({str(event.label) for event in events})
    found = []
    for event in events:
        chance = rng.random() / errors
        if chance < MISSED:
            continue
        if chance < MISSED + OTHER:
            event = replace(event, label=rng.choice(labels))
        shift = MOVED if MISSED + OTHER <= chance < MISSED + OTHER + BOUNDARIES else JITTER
        found.append(_moved(event, shift, rng))
    for _ in range(round(errors * FALSE * len(events))):
        like, start = rng.choice(events), rng.uniform(0, seconds)
        found.append(replace(like, start=start, end=start + like.end - like.start))
    return [replace(e, end=min(e.end, seconds)) for e in found if e.start < min(e.end, seconds)]


def _moved(event: Event, most: float, rng: random.Random) -> Event:
    length = event.end - event.start
    start, end = (
        max(0.0, time + rng.uniform(-most, most) * length) for time in (event.start, event.end)
    )
    return replace(event, start=min(start, end), end=max(start, end))


Measured = Mapping[str, NDArray[np.floating[Any]]]
"""Counts and seconds (w c) of each window."""


def recordings(kind: Study, lengths: Lengths, rng: random.Random) -> list[tuple[Measured, ...]]:
    """Return what is true of each recording, and what the model finds."""
    classes = rng.sample(sorted(lengths), CLASSES)
    seconds = 3600 * kind.hours / RECORDINGS
    pairs = []
    for _ in range(POOL):
        events = true_events({label: lengths[label] for label in classes}, seconds, kind.pause, rng)
        found = found_events(events, seconds, kind.errors, rng)
        count = windows(seconds, WINDOW)
        pairs.append(tuple(measure(some, seconds, count, classes) for some in (events, found)))
    return pairs


def study(
    check: float, pool: Sequence[tuple[Measured, ...]], rng: random.Random
) -> list[tuple[str, float, Total]]:
    """Return for each class and measure its name, the true total and the estimated one."""
    parts = rng.sample(pool, RECORDINGS)
    results = []
    checked: list[int] = []
    for name in ("count", "seconds"):
        true, found = (np.concatenate([part[i][name] for part in parts]) for i in (0, 1))
        checked = checked or rng.sample(range(len(true)), round(check * len(true)))
        for column in range(CLASSES):
            estimate = total(true[checked, column], found[:, column], checked)
            results.append((name, float(true[:, column].sum()), estimate))
    return results


HEAD = (
    "| hours | pause, s | checked | windows | errors | totals of | intervals cover, % | those of "
    "the windows alone, % | width by theirs | half-width, % of the total | without an interval, % |"
    "\n" + "| --- " * 11 + "|"
)


def rows(kind: Study, lengths: Lengths, studies: int) -> list[str]:
    """Return the rows of a table of the studies of one type."""
    rng = random.Random(str(astuple(kind)))
    pool = recordings(kind, lengths, rng)
    results = [result for _ in range(studies) for result in study(kind.check, pool, rng)]
    number = round(kind.check * RECORDINGS * windows(3600 * kind.hours / RECORDINGS, WINDOW))
    lines = []
    for name in ("count", "seconds"):
        some = [(true, estimate) for measured, true, estimate in results if measured == name]
        known = [
            (true, *estimate.interval, *estimate.alone)
            for true, estimate in some
            if estimate.interval and estimate.alone
        ]
        true, low, high, first, last = np.array(known).T
        cells = (
            f"{kind.hours:g} | {kind.pause:g} | {100 * kind.check:g} % | {number}",
            f"× {kind.errors:g} | {name}",
            f"{100 * np.mean((low <= true) & (true <= high)):.1f}",
            f"{100 * np.mean((first <= true) & (true <= last)):.1f}",
            f"{np.mean(high - low) / np.mean(last - first):.2f}",
            f"{100 * np.mean((high - low) / 2 / true):.0f}",
            f"{100 * (1 - len(known) / len(some)):.0f}",
        )
        lines.append(line(*cells))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--studies", type=int, default=1000)
    options = parser.parse_args(arguments)
    lengths = lengths_of(options.assets)
    print(HEAD, flush=True)
    for kind in STUDIES:
        print("\n".join(rows(kind, lengths, options.studies)), flush=True)


if __name__ == "__main__":
    main()
