"""Repetitions that ``fewact watch`` counts in whole recordings of exercises.

    python -m benchmarks.repetitions ASSETS [--conditions plain pace pauses thrice]

The recordings are those of ``more/scored_reps``: a person marked the frame in which each repetition
ends. The training clips are those of ``more/workout7``, of other people in other places; they hold
one to three repetitions. Conditions:

- ``plain``: the recordings and clips as they are.
- ``pace``: the pace of the recordings changes by half, to and fro, every 20 s.
- ``pauses``: at every fourth mark, the picture stands still for 3 s.
- ``thrice``: each training clip is shown three times in a row, as one clip.

``windows`` is the number of windows that were performances: what was counted before.
"""

import argparse
import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.shared import line, table
from fewact import FewShotClassifier
from fewact.data import Clip, Frames, read_table
from fewact.recordings import stream
from fewact.recordings.events import EventFinder
from fewact.recordings.formats import Event
from fewact.video import EveryNth, probe
from fewact.video.recording import open_recording

CONDITIONS = ("plain", "pace", "pauses", "thrice")
PACE_PERIOD = 20.0
PACE_CHANGE = 0.5
PAUSE, PAUSE_EVERY = 3.0, 4
AHEAD = 4
HEAD = ("recording", "condition", "by hand", "windows", "counted", "of the right class")

Warp = Callable[[float], float]
"""Returns when a frame is shown, of its time in the recording; both in seconds."""


@dataclass(frozen=True)
class Outcome:
    """Counts of a recording.

    Args:
        recording: Its name.
        condition: One of ``CONDITIONS``.
        true: Repetitions that a person marked.
        windows: Windows that were performances.
        counted: Repetitions of all events.
        right: Repetitions of the events of the right class.
    """

    recording: str
    condition: str
    true: int
    windows: int
    counted: int
    right: int

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        numbers = (self.true, self.windows, self.counted, self.right)
        return (self.recording, self.condition, *map(str, numbers))


def marks(path: Path) -> list[float]:
    """Return the times at which repetitions end, from a table of frames."""
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["time"]) for row in csv.DictReader(file) if float(row["label"]) == 1]


def warp_of(condition: str, ends: Sequence[float]) -> Warp:
    """Return when frames are shown.

    >>> warp_of("pauses", [1.0, 2.0, 3.0, 4.0])(5.0)
    8.0
    """
    if condition == "pace":
        turn = 2 * math.pi / PACE_PERIOD
        return lambda time: time + PACE_CHANGE / turn * math.sin(turn * time)
    if condition == "pauses":
        at = ends[PAUSE_EVERY - 1 :: PAUSE_EVERY]
        return lambda time: time + PAUSE * sum(time > pause for pause in at)
    return lambda time: time


def taught(assets: Path, *, thrice: bool) -> FewShotClassifier:
    """Return a classifier of the clips of ``workout7``."""
    rows = read_table(assets / "more" / "workout7" / "clips.csv")
    clips = [shown_thrice(clip) for clip in rows] if thrice else rows
    return FewShotClassifier(engine="onnx").fit(clips, [str(clip.label) for clip in rows])


def shown_thrice(clip: Clip) -> Frames:
    """Return a clip that is shown three times in a row."""
    frames = clip.read([EveryNth(1)]).frames[0]
    return Frames(np.concatenate([frames] * 3), probe(clip.path).fps)


class NotedFinder(EventFinder):
    """Finder that notes the performances of its events."""

    performances = 0

    def add(self, *arguments: object) -> list[Event]:
        return self._noted(super().add(*arguments))  # type: ignore[arg-type]

    def close(self, *arguments: float) -> list[Event]:
        return self._noted(super().close(*arguments))

    def _noted(self, events: list[Event]) -> list[Event]:
        NotedFinder.performances += sum(event.repetitions for event in events)
        return events


def watched(classifier: FewShotClassifier, video: Path, warp: Warp) -> list[Event]:
    """Return the events of a recording whose frames are shown at other times."""
    NotedFinder.performances = 0
    with (
        mock.patch.object(stream, "EventFinder", NotedFinder),
        stream.Stream.of(classifier, ahead=AHEAD) as found,
        open_recording(video) as recording,
    ):
        events, last = [], 0.0
        for time, frame in recording.frames():
            last = warp(time)
            if found.needs(last):
                events += found.push(recording.convert(frame), last)
        return events + found.close(last)


def outcome(classifier: FewShotClassifier, labels: Path, condition: str) -> Outcome:
    """Count the repetitions of a recording."""
    video = labels.parent.parent / "videos" / f"{labels.stem}.mp4"
    ends = marks(labels)
    events = watched(classifier, video, warp_of(condition, ends))
    right = [event for event in events if labels.stem.startswith(str(event.label).rstrip("s"))]
    return Outcome(
        labels.stem,
        condition,
        len(ends),
        NotedFinder.performances,
        sum(event.repetitions for event in events),
        sum(event.repetitions for event in right),
    )


def error(outcomes: Sequence[Outcome], counted: Callable[[Outcome], int]) -> str:
    """Return the wrong counts, relative to all repetitions, and the mean of the recordings'."""
    wrong = [abs(counted(one) - one.true) for one in outcomes]
    relative = np.mean([part / one.true for part, one in zip(wrong, outcomes, strict=True)])
    return f"{100 * sum(wrong) / sum(one.true for one in outcomes):.0f} % ({100 * relative:.0f} %)"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=CONDITIONS)
    options = parser.parse_args(arguments)
    classifiers: dict[bool, FewShotClassifier] = {}
    print(table(HEAD, ()), flush=True)
    errors = []
    for condition in options.conditions:
        thrice = condition == "thrice"
        if thrice not in classifiers:
            classifiers[thrice] = taught(options.assets, thrice=thrice)
        outcomes = []
        for labels in sorted((options.assets / "more" / "scored_reps" / "labels").glob("*.csv")):
            outcomes.append(outcome(classifiers[thrice], labels, condition))
            print(line(*outcomes[-1].cells()), flush=True)
        columns = (lambda one: one.windows, lambda one: one.counted, lambda one: one.right)
        errors.append((condition, *(error(outcomes, column) for column in columns)))
    print("\nWrong counts relative to all repetitions (mean of the recordings' errors)\n")
    print(table(("condition", "windows", "counted", "of the right class"), errors))


if __name__ == "__main__":
    main()
