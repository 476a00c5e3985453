"""`fewact watch` on recordings with known events, made from real and rendered clips.

    python -m benchmarks.watch run SET ASSETS FOLDER --minutes 60 [--seed 0 1 2] [--classes 3]
    python -m benchmarks.watch tables FOLDER

A recording is a file: clips of other people than those who taught, one after the other. Clips of
untaught classes are between them. The command runs in a process of its own, as a user would run it.
The scores of all windows are kept: the tables have the events that the current rule finds in them.
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats

from benchmarks.datasets import Part, parts, read_index
from benchmarks.shared import line
from fewact import FewShotClassifier
from fewact.cli import main as fewact
from fewact.core.atomic import write_bytes
from fewact.data import BACKGROUND, Clip, Video, VideoList
from fewact.lab.synthetic.conditions import InCondition, parse_condition
from fewact.lab.synthetic.simulated_cameras import seed_of
from fewact.recordings import stream
from fewact.recordings.event_text import counts
from fewact.recordings.events import EventFinder, WindowScore
from fewact.recordings.formats import Event
from fewact.synthetic import motions
from fewact.video import EveryNth, probe, write_video
from fewact.video.resizing import resized
from fewact.video.source import ProcessedVideo, VideoSource

SHOTS, GROUPS = 3, 5
"""Training clips of a class, and groups of which no clip is in the recording."""

NONE_CLIPS = 9
LIMITS = (0.5, 0.6, 0.7, 0.8)
"""Confidences at which the events of the page's second table are divided."""

NEAR = 0.1
"""IoU up to which two events are not of the same time."""

HEIGHT, WIDTH, FPS, RENDERED_FPS = 240, 320, 30, 24.0
SCORES_FILE, MEMORY_FILE = "scores.json", "memory.txt"


@dataclass(frozen=True)
class Truth:
    """A run of performances of one class: they follow each other without a gap."""

    label: str
    start: float
    end: float
    repetitions: int


@dataclass(frozen=True)
class Scores:
    """What a recording gave an ``EventFinder``.

    Args:
        threshold: Threshold of the model.
        longest: Duration of the longest window, in seconds.
        adapts: Whether the recording changes the threshold.
        steps: Windows that were added, and the time after which later ones end.
        end: End of the recording, in seconds.
    """

    threshold: float
    longest: float
    adapts: bool
    steps: list[tuple[list[WindowScore], float]]
    end: float

    @cached_property
    def events(self) -> list[Event]:
        """Events that are found in it."""
        finder = EventFinder(self.threshold, self.longest, adapts=self.adapts)
        found = [event for step in self.steps for event in finder.add(*step)]
        return found + finder.close(self.end)


class NotedFinder(EventFinder):
    """Finder that notes what it is given."""

    last: ClassVar["NotedFinder"]

    def __init__(
        self, threshold: float, longest: float, *, adapts: bool = False, **options: float
    ) -> None:
        super().__init__(threshold, longest, adapts=adapts, **options)
        self.scores = Scores(threshold, longest, adapts, [], 0.0)
        NotedFinder.last = self

    def add(self, windows: Sequence[WindowScore], time: float) -> list[Event]:
        self.scores.steps.append(([*windows], time))
        return super().add(windows, time)

    def close(self, end: float = math.inf) -> list[Event]:
        self.scores = replace(self.scores, end=end)
        return super().close(end)


@dataclass(frozen=True)
class Outcome:
    """What one recording gave."""

    name: str
    development: bool
    none: int
    seconds: float
    truth: list[Truth]
    scores: Scores
    wall: float
    cpu: float
    memory: float
    counted: dict[str, int] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Repetitions of each class; the performances of windows where they were not kept."""
        return counts(self.scores.events) if self.counted is None else self.counted


SCORES, OUTCOME = TypeAdapter(Scores), TypeAdapter(Outcome)


def sets(assets: Path) -> dict[str, tuple[Part, bool]]:
    """Return the sets by short names, and whether options may be chosen on them.

    ``rooms-dev`` has the people of ``utd27_depth-dev`` before textured, coloured backgrounds.
    """
    datasets = read_index(assets)
    found = {}
    for development in (True, False):
        for part in parts(datasets, development=development):
            short = part.name.split("`")[1] + ("-dev" if development else "")
            found[short] = part, development
    depth = found["utd27_depth-dev"][0]
    found["rooms-dev"] = Part(f"{depth.name} in rooms", in_rooms(depth.videos)), True
    for split, development in (("val", True), ("test", False)):
        every = motions("long", videos=10).videos
        some = tuple(v for v in every.videos if v.split == split)
        part = Part(f"`motions:long` {split}", type(every)(every.name, some))
        found["motions-long" + ("-dev" if development else "")] = part, development
    return found


def in_rooms(videos: VideoList) -> VideoList:
    """Return depth videos before backgrounds, one for each person."""
    condition = parse_condition("background:1")

    def before(video: Video) -> InCondition:
        return InCondition(condition, seed_of(0, group_of(video)))

    return videos.processed(before, "in rooms")


def frames_of(video: Video) -> tuple[NDArray[np.uint8], float]:
    """Return the frames of a clip in the size of the recording, and their rate."""
    assert video.source is not None
    frames, fps = video.source.read([EveryNth(1)]).frames[0], rate_of(video.source)
    sized = resized(frames, (HEIGHT, WIDTH))
    shown = (np.arange(round(len(frames) / fps * FPS)) * fps / FPS).astype(int)
    return sized[shown.clip(max=len(frames) - 1)], FPS


def rate_of(source: VideoSource) -> float:
    """Return the frames per second of a clip, in a condition or not, or of a rendered video."""
    if isinstance(source, ProcessedVideo):
        return rate_of(source.source)
    return probe(source.path).fps if isinstance(source, Clip) else RENDERED_FPS


def group_of(video: Video) -> str:
    """Return the group; rendered videos are each a group."""
    return video.group or video.id


def draw(
    videos: Sequence[Video], rng: random.Random, classes: int | None = None
) -> tuple[list[Video], ...]:
    """Return training clips, clips of no class, and clips of taught and other classes to show.

    Args:
        videos: Videos of all classes.
        rng: Generator of random numbers.
        classes: Number of taught classes; None for 3 of 5, 4 of 7, and 5 of more.
    """
    labels = sorted({video.label for video in videos})
    rng.shuffle(labels)
    count = classes or {5: 3, 7: 4}.get(len(labels), 5)
    taught, other = labels[:count], labels[count : 2 * count + 4]
    groups = sorted({group_of(video) for video in videos})
    rng.shuffle(groups)

    def of(label: str) -> list[list[Video]]:
        own = [[v for v in videos if v.label == label and group_of(v) == g] for g in groups]
        return [some for some in own if some]

    teach = [rng.choice(some) for label in taught for some in of(label)[:SHOTS]]
    none = [rng.choice(some) for label in other[: len(other) // 2] for some in of(label)[:GROUPS]]
    show = [v for label in taught for some in of(label)[GROUPS:] for v in some]
    between = [v for label in other for some in of(label)[GROUPS:] for v in some]
    return teach, rng.sample(none, min(NONE_CLIPS, len(none))), show, between


def script(
    show: Sequence[Video], between: Sequence[Video], rng: random.Random
) -> Iterator[tuple[Video, bool]]:
    """Yield clips without an end: one to three of a class in a row, then up to two others."""
    by_class: dict[str, list[Video]] = {}
    for video in show:
        by_class.setdefault(video.label, []).append(video)
    while True:
        label = rng.choice(sorted(by_class))
        for _ in range(rng.choice((1, 1, 2, 3))):
            yield rng.choice(by_class[label]), True
        for _ in range(rng.choice((0, 1, 1, 2))):
            yield rng.choice(between), False


def record(path: Path, clips: Iterator[tuple[Video, bool]], seconds: float) -> list[Truth]:
    """Write a recording; return its events."""
    truth: list[Truth] = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        shown, before = 0, False
        for video, taught in clips:
            if shown / FPS >= seconds:
                return
            one, _ = frames_of(video)
            start, shown = shown / FPS, shown + len(one)
            last = truth[-1] if truth and before else None
            if taught and last is not None and last.label == video.label:
                truth[-1] = Truth(last.label, last.start, shown / FPS, last.repetitions + 1)
            elif taught:
                truth.append(Truth(video.label, start, shown / FPS, 1))
            before = taught
            yield from one

    write_video(path, frames(), FPS, overwrite=True)
    return truth


def save(videos: Sequence[Video], folder: Path, label: str | None = None) -> None:
    """Write training clips into class folders."""
    for number, video in enumerate(videos):
        target = folder / (label or video.label) / f"{number:03}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_video(target, frames_of(video)[0], FPS, overwrite=True)


def watch(model: Path, recording: Path, out: Path) -> tuple[float, float, float]:
    """Run the command; return its seconds, its seconds on all cores, and its memory in MiB.

    Args:
        model: Folder of the model.
        recording: Video.
        out: File for the events, which is replaced; the scores are written beside it, as
            ``scores.json``.
    """
    command = ["watch", str(model), str(recording), "-o", str(out), "--overwrite"]
    command += ["--engine", "onnx", "-q"]
    begin = time.monotonic()
    own = [sys.executable, "-m", "benchmarks.watch", "noted", str(out.with_name(SCORES_FILE))]
    child = os.spawnv(os.P_NOWAIT, sys.executable, [*own, "--", *command])
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("fewact watch failed")
    wall = time.monotonic() - begin
    memory = float(out.with_name(MEMORY_FILE).read_text())
    return wall, used.ru_utime + used.ru_stime, memory


def noted(scores: Path, command: Sequence[str]) -> int:
    """Run a command of fewact; write what its stream gave its finder, and its largest memory."""
    with mock.patch.object(stream, "EventFinder", NotedFinder):
        status = fewact(command)
    # The largest memory that wait4 tells has that of the process that began this one, too.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    scores.with_name(MEMORY_FILE).write_text(f"{int(peak) / 1024:.0f}")
    scores.write_bytes(SCORES.dump_json(NotedFinder.last.scores))
    return status


def iou(event: Event, true: Truth) -> float:
    """Return the temporal IoU of two events; below 0 if there is time between them."""
    shared = min(event.end, true.end) - max(event.start, true.start)
    return shared / (max(event.end, true.end) - min(event.start, true.start))


def right(found: Sequence[Event], truth: Sequence[Truth]) -> list[bool]:
    """Return which events match true ones by a temporal IoU of 0.5, in the order of their IoU."""
    pairs = []
    for i, event in enumerate(found):
        for j, true in enumerate(truth):
            if event.label == true.label:
                pairs.append((iou(event, true), i, j))
    events: set[int] = set()
    trues: set[int] = set()
    for shared, i, j in sorted(pairs, reverse=True):
        if shared >= 0.5 and i not in events and j not in trues:
            events.add(i)
            trues.add(j)
    return [i in events for i in range(len(found))]


def f1(found: Sequence[Event], truth: Sequence[Truth]) -> float:
    """Return the F1 of events at a temporal IoU of 0.5."""
    return 2 * sum(right(found, truth)) / max(1, len(found) + len(truth))


ERRORS = ("other class", "boundaries", "false", "missed")


def errors_of(found: Sequence[Event], truth: Sequence[Truth]) -> dict[str, int]:
    """Return the number of each type of error.

    ``false`` events hardly overlap with any true one (IoU up to 0.1), and none with ``missed``
    ones; the others overlap too little with the best true one, or have another class.
    """
    count = dict.fromkeys(ERRORS, 0)
    for event in found:
        best = max(truth, key=lambda true: iou(event, true))
        if iou(event, best) <= NEAR:
            count["false"] += 1
        elif event.label != best.label:
            count["other class"] += 1
        elif iou(event, best) < 0.5:
            count["boundaries"] += 1
    count["missed"] = sum(all(iou(event, true) <= NEAR for event in found) for true in truth)
    return count


def count_error(found: dict[str, int], truth: Sequence[Truth]) -> float:
    """Return the sum of the classes' wrong counts, relative to the number of performances."""
    labels = {one.label for one in truth} | set(found)
    true = {la: sum(t.repetitions for t in truth if t.label == la) for la in labels}
    wrong = sum(abs(found.get(label, 0) - true[label]) for label in labels)
    return wrong / max(1, sum(true.values()))


def run(
    name: str, assets: Path, folder: Path, minutes: float, seed: int, classes: int | None
) -> None:
    """Make a recording, watch it without and with clips of no class, and save what it gave."""
    part, development = sets(assets)[name]
    rng = random.Random(seed)
    teach, none, show, between = draw(part.videos.videos, rng, classes)
    stem = f"{name}-{minutes:g}-{seed}" + (f"-{classes}-classes" if classes else "")
    work = folder / stem
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    truth = record(work / "recording.mp4", script(show, between, rng), 60 * minutes)
    save(teach, work / "clips")
    for with_none in (False, True):
        if with_none:
            save(none, work / "clips", BACKGROUND)
        classifier = FewShotClassifier(engine="onnx").fit(work / "clips")
        model = classifier.save(work / f"model-{with_none}")
        out = work / "events.json"
        used = watch(model, work / "recording.mp4", out)
        found = json.loads(out.read_text())
        scores = SCORES.validate_json((work / SCORES_FILE).read_bytes())
        events = [replace(one, recording="recording.mp4") for one in scores.events]
        events.sort(key=lambda event: event.start)
        if [*map(_span, found["events"])] != [_span(one.to_dict()) for one in events]:
            raise SystemExit("the scores that were kept give other events than the command")
        outcome = Outcome(
            part.name + (f", {classes} classes" if classes else ""),
            development,
            len(none) if with_none else 0,
            found["seconds"],
            truth,
            scores,
            *used,
            found["counts"],
        )
        write_bytes(folder / f"{stem}-{with_none}.json", OUTCOME.dump_json(outcome))
        print(row([outcome]), flush=True)
    shutil.rmtree(work)


def _span(event: Mapping[str, Any]) -> list[Any]:
    """Return what an event has before its repetitions are counted."""
    return [event[name] for name in ("label", "start", "end", "confidence")]


HEAD = (
    "| recordings | minutes | events | clips of no class | F1 at IoU 0.5 | count error | "
    "other class / boundaries / false / missed | times real time | seconds of CPU per minute | "
    "peak memory |\n" + "| --- " * 10 + "|"
)


def kept(folder: Path) -> list[Outcome]:
    """Return all saved outcomes."""
    return [OUTCOME.validate_json(path.read_bytes()) for path in sorted(folder.glob("*-*-*.json"))]


def tables(folder: Path) -> str:
    """Return the tables of all saved outcomes: development recordings, and those of other clips."""
    outcomes = kept(folder)
    shown = []
    for development in (True, False):
        some = [outcome for outcome in outcomes if outcome.development == development]
        if some:
            shown += ["\n".join([HEAD, *(row(each) for each in alike(some))])]
            shown += [confidence_table(some)]
    return "\n\n".join(shown)


def confidence_table(outcomes: Sequence[Outcome]) -> str:
    """Return a table of how many events are right, by their confidence."""
    confidences = np.array([event.confidence for one in outcomes for event in one.scores.events])
    correct = np.concatenate(
        [np.array(right(one.scores.events, one.truth), bool) for one in outcomes]
    )
    rows = ["| confidence | events | mean confidence, % | right, % |\n" + "| --- " * 4 + "|"]
    for low, high in pairwise((0.0, *LIMITS, 1.0)):
        which = (confidences >= low) & ((confidences < high) | (high == 1))
        if which.any():
            mean, share = 100 * confidences[which].mean(), 100 * correct[which].mean()
            rows.append(f"| {low:g} to {high:g} | {which.sum()} | {mean:.0f} | {share:.0f} |")
    mean, share = 100 * confidences.mean(), 100 * correct.mean()
    rows.append(f"| all | {len(confidences)} | {mean:.0f} | {share:.0f} |")
    return "\n".join(rows)


def alike(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Return outcomes of the same set and length, with as many clips of no class, together."""
    groups: dict[tuple[str, int, int], list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault((one.name, round(one.seconds / 60), one.none), []).append(one)
    return list(groups.values())


def row(some: Sequence[Outcome]) -> str:
    """Return the table row of outcomes that are alike."""
    errors, scores, wrong = Counter[str](), [], []
    for one in some:
        events = one.scores.events
        errors.update(errors_of(events, one.truth))
        scores.append(f1(events, one.truth))
        wrong.append(count_error(one.counts, one.truth))
    first = some[0]
    cells = (
        first.name + (f", {len(some)}" if len(some) > 1 else ""),
        f"{sum(one.seconds for one in some) / 60:.1f}",
        str(sum(len(one.truth) for one in some)),
        str(first.none or "–"),
        mean(scores),
        mean(wrong),
        " / ".join(str(errors[name]) for name in ERRORS),
        f"{first.seconds / first.wall:.1f}",
        f"{60 * first.cpu / first.seconds:.1f}",
        f"{first.memory:.0f} MiB",
    )
    return line(*cells)


def mean(values: Sequence[float]) -> str:
    """Return the mean of a figure of several recordings, with half of its 95 % interval."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    bound = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{np.mean(values):.2f} ± {bound:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="make and watch one recording")
    runs.add_argument("set")
    runs.add_argument("assets", type=Path)
    runs.add_argument("folder", type=Path)
    runs.add_argument("--minutes", type=float, default=60)
    runs.add_argument("--seed", type=int, nargs="+", default=[0], help="one for each recording")
    runs.add_argument("--classes", type=int, help="number of taught classes")
    run_noted = commands.add_parser("noted", help="run a command of fewact and keep the scores")
    run_noted.add_argument("scores", type=Path)
    run_noted.add_argument("words", nargs="+")
    all_tables = commands.add_parser("tables", help="print the tables of all recordings")
    all_tables.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "tables":
        print(tables(options.folder))
    elif options.command == "noted":
        sys.exit(noted(options.scores, options.words))
    else:
        for seed in options.seed:
            run(
                options.set,
                options.assets,
                options.folder,
                options.minutes,
                seed,
                options.classes,
            )


if __name__ == "__main__":
    main()
