"""`fewact watch --regions` on recordings with several people, composed of real clips.

    python -m benchmarks.people run SET ASSETS FOLDER --people 2 --seed 0 1 2 [--handheld --bodies]
    python -m benchmarks.people tables FOLDER

Each person stands at a random place in a random size, and performs clips of one subject with pauses
between them; others are in front or behind. Depth clips are cut out, colour clips have soft edges.
With ``--handheld`` the composed picture moves as a hand-held camera's does.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch.nn import functional

from benchmarks.datasets import Part, parts, read_index
from benchmarks.shared import line
from benchmarks.watch import SHOTS, f1, group_of, iou, mean, right
from benchmarks.watch import Truth as Span
from fewact import FewShotClassifier
from fewact.core.atomic import write_bytes
from fewact.data import BACKGROUND, Clip, Video
from fewact.recordings.formats import Event
from fewact.video import EveryNth, probe, write_video
from fewact.video.track import Box

HEIGHT, WIDTH, FPS = 240, 426, 15
SIZES = (1 / 3, 1.0)
BORDER = 16
"""Pixels of the composed picture beyond the camera's, for its motion."""

PAUSE = (0.3, 3.0)
SECONDS_OF_SWAY = 0.4
DARK = 24
"""Brightest value of a pixel of a depth clip that shows nothing."""

Images = NDArray[np.uint8]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Act:
    """A clip of a person: class, start and end in seconds, the box around it, and if taught."""

    label: str
    start: float
    end: float
    box: tuple[float, float, float, float]
    taught: bool


@dataclass(frozen=True)
class Outcome:
    """What one recording gave.

    Args:
        name: Name of its set, and what is in view.
        people: Performances of each person, one after the other.
        events: Events that were found, with their subjects and boxes.
        alone: F1 of each person's recording of its own, in full size, without regions.
        seconds: Duration.
        cpu: Seconds of all cores.
        wall: Seconds.
    """

    name: str
    people: list[list[Act]]
    events: list[Event]
    alone: list[float]
    seconds: float
    cpu: float
    wall: float


OUTCOME = TypeAdapter(Outcome)


class Person:
    """Somebody in view: clips of one subject, one after the other, at one place.

    Args:
        taught: Clips of taught classes.
        other: Clips of other classes.
        rng: Generator of random numbers.
        size: Height of a clip over that of the recording.
        x: Left end of the person's clip, in pixels of the recording.
        y: Its top.
        idle: Whether it only stands there.
    """

    def __init__(
        self,
        taught: Sequence[Video],
        other: Sequence[Video],
        rng: random.Random,
        *,
        size: float,
        place: tuple[float, float],
        idle: bool = False,
    ) -> None:
        self._taught, self._other, self._rng = taught, other, rng
        self._size, self._idle = size, idle
        self._x, self._y = (round(z) for z in place)
        self.acts: list[Act] = []

    def layers(self) -> Iterator[tuple[Images, Floats32]]:
        """Yield images (h w 3) of the person and how opaque they are (h w), without an end."""
        shown = 0
        while True:
            video = self._rng.choice(self._taught if self._rng.random() < 0.7 else self._other)
            frames, alpha = cut_out(video, round(self._size * HEIGHT))
            sway = max(2, round(SECONDS_OF_SWAY * FPS))
            for i in range(round(self._rng.uniform(*PAUSE) * FPS)):
                at = abs((i + sway) % (2 * sway) - sway)
                yield frames[min(at, len(frames) - 1)], alpha[min(at, len(frames) - 1)]
                shown += 1
            if self._idle:
                continue
            start = shown / FPS
            yield from zip(frames, alpha, strict=True)
            shown += len(frames)
            left, top, width, height = body(self._size)
            if "depth" in video.id:
                seen = np.argwhere(alpha.max(0) > 0.5)
                (top, left), (bottom, right) = seen.min(0), seen.max(0) + 1
                width, height = right - left, bottom - top
            box = (self._x + left, self._y + top, width, height)
            taught = video in self._taught
            self.acts.append(
                Act(video.label, start, shown / FPS, tuple(map(float, box)), taught)  # type: ignore[arg-type]
            )

    def paint(self, picture: Floats32, layer: tuple[Images, Floats32]) -> None:
        """Paint a layer on a picture (h w 3), in place."""
        image, alpha = layer
        x, y = self._x + BORDER, self._y + BORDER
        top, left = max(0, y), max(0, x)
        bottom = min(picture.shape[0], y + image.shape[0])
        right = min(picture.shape[1], x + image.shape[1])
        part = np.s_[top - y : bottom - y, left - x : right - x]
        part_alpha = alpha[part][..., None]
        place = picture[top:bottom, left:right]
        place += part_alpha * (image[part] - place)


def cut_out(video: Video, height: int) -> tuple[Images, Floats32]:
    """Return frames (t h w 3) of a clip at the rate of recordings, and how opaque they are."""
    assert isinstance(video.source, Clip)
    fps = probe(video.source.path).fps
    frames = video.source.read([EveryNth(1)]).frames[0]
    shown = (np.arange(round(len(frames) / fps * FPS)) * fps / FPS).astype(int)
    images = torch.from_numpy(frames[shown.clip(max=len(frames) - 1)]).permute(0, 3, 1, 2)
    size = height, round(height * 4 / 3)
    images = functional.interpolate(images, size, mode="bilinear", antialias=True)
    if "depth" in video.id:
        alpha = (images.amax(1) >= DARK).float()
    else:
        x = torch.linspace(-1, 1, size[1]).abs()
        y = torch.linspace(-1, 1, size[0])
        across = ((0.55 - x) / 0.1).clamp(0, 1)
        down = ((0.75 + y) / 0.1).clamp(0, 1)
        alpha = (down[:, None] * across).expand(len(images), -1, -1)
    return images.permute(0, 2, 3, 1).numpy(), alpha.numpy()


def save_alone(
    videos: Sequence[Video], background: Floats32, folder: Path, label: str | None = None
) -> None:
    """Write training clips into class folders: each person alone in the room, in full size."""
    for number, video in enumerate(videos):
        person = Person([], [], random.Random(0), size=1.0, place=((WIDTH - HEIGHT * 4 / 3) / 2, 0))
        frames = []
        for layer in zip(*cut_out(video, HEIGHT), strict=True):
            picture = background.copy()
            person.paint(picture, layer)
            frames.append(seen_by(picture, 0.0, 0.0))
        target = folder / (label or video.label) / f"{number:03}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_video(target, iter(frames), FPS, overwrite=True)


def body(size: float) -> tuple[float, float, float, float]:
    """Return where the person is in a clip, in pixels of the recording."""
    height = size * HEIGHT
    return 0.36 * height * 4 / 3, 0.25 * height, 0.28 * height * 4 / 3, 0.72 * height


def placed(count: int, rng: random.Random) -> list[tuple[float, tuple[float, float]]]:
    """Return the size and place of some people, of whom at most a third is behind another one."""
    while True:
        people, boxes = [], []
        for _ in range(count):
            size = rng.uniform(*SIZES)
            left, top, width, height = body(size)
            x = rng.uniform(0, WIDTH - width) - left
            y = rng.uniform(0, HEIGHT - height) - top
            people.append((size, (x, y)))
            boxes.append(Box(x + left, y + top, width, height))
        if all(a.overlap(b) < 1 / 3 for i, a in enumerate(boxes) for b in boxes[:i]):
            return people


def room(rng: random.Random) -> Floats32:
    """Return a picture (h w 3) of a textured background."""
    texture = np.random.default_rng(rng.randrange(2**32)).uniform(0, 160, (1, 3, 9, 16))
    size = HEIGHT + 2 * BORDER, WIDTH + 2 * BORDER
    wide = functional.interpolate(torch.from_numpy(texture), size, mode="bicubic")
    return wide.clamp(0, 255)[0].permute(1, 2, 0).float().numpy()


def things(case: str, rng: random.Random) -> Iterator[tuple[tuple[slice, slice], Images]]:
    """Yield where a swinging door or a screen is, and its image, without an end."""
    size = HEIGHT // 2, HEIGHT // 4
    if case == "screen":
        size = HEIGHT // 4, HEIGHT // 3
    y, x = BORDER + HEIGHT // 3, BORDER + rng.randrange(WIDTH - size[1])
    pictures = np.random.default_rng(rng.randrange(2**32)).uniform(0, 255, (40, 3, 4, 5))
    frame = 0
    while True:
        if case == "screen":
            at = frame / FPS / 2 % 39
            image = pictures[int(at)] * (1 - at % 1) + pictures[int(at) + 1] * (at % 1)
            width = size[1]
        else:
            image = pictures[0, :, :1, :1]
            width = max(2, round(size[1] * abs(np.cos(frame / FPS * 1.5))))
        shown = functional.interpolate(torch.from_numpy(image)[None], (size[0], width))
        yield (slice(y, y + size[0]), slice(x, x + width)), shown[0].permute(1, 2, 0).numpy()
        frame += 1


def composed(
    people: Sequence[Person],
    case: str,
    background: Floats32,
    rng: random.Random,
    *,
    handheld: bool,
) -> Iterator[Images]:
    """Yield the frames of a recording, without an end."""
    layers = [person.layers() for person in people]
    thing = things(case, rng) if case in ("door", "screen") else None
    waves = [(rng.uniform(0.2, 1.5), rng.uniform(0, 7), rng.uniform(-1, 1)) for _ in range(12)]
    frame = 0
    while True:
        picture = background.copy()
        if thing is not None:
            at, image = next(thing)
            picture[at] = image
        for person, layer in zip(people, layers, strict=True):
            person.paint(picture, next(layer))
        moved = [0.0, 0.0]
        if handheld:
            t = frame / FPS
            for k in range(2):
                some = waves[6 * k : 6 * k + 6]
                moved[k] = sum(a * np.sin(6.283 * f * t + p) for f, p, a in some) * BORDER / 5
        yield seen_by(picture, *moved)
        frame += 1


def seen_by(picture: Floats32, x: float, y: float) -> Images:
    """Return the picture of a camera that is moved by some pixels."""
    x, y = (float(np.clip(z, 1 - BORDER, BORDER - 1)) for z in (x, y))
    left, top = int(np.floor(x)), int(np.floor(y))
    right, down = x - left, y - top
    parts = [
        picture[BORDER + top + j :, BORDER + left + i :][:HEIGHT, :WIDTH] * weight
        for j, i, weight in (
            (0, 0, (1 - down) * (1 - right)),
            (0, 1, (1 - down) * right),
            (1, 0, down * (1 - right)),
            (1, 1, down * right),
        )
    ]
    return np.asarray(np.sum(parts, axis=0)).clip(0, 255).round().astype(np.uint8)


def sets(assets: Path) -> dict[str, Part]:
    """Return the sets by short names; options may be chosen on ``depth-dev``."""
    datasets = read_index(assets)
    depth = parts(datasets, development=False)
    named = {part.name.split("`")[1]: part for part in depth}
    return {
        "depth-dev": parts(datasets, development=True)[0],
        "depth": named["utd27_depth"],
        "rgb": named["utd5_rgb"],
    }


def drawn(
    videos: Sequence[Video], rng: random.Random
) -> tuple[list[Video], list[Video], list[str], list[str], list[str]]:
    """Return training clips, some of no class, taught and other classes, and people to show."""
    labels = sorted({video.label for video in videos})
    rng.shuffle(labels)
    count = 3 if len(labels) == 5 else 5
    taught, none, other = labels[:count], labels[count : count + 2], labels[count + 1 :]
    groups = sorted({group_of(video) for video in videos})
    rng.shuffle(groups)
    ours = groups[:4]

    def of(label: str, group: str) -> Video:
        return rng.choice([v for v in videos if v.label == label and group_of(v) == group])

    teach = [of(label, group) for label in taught for group in ours[:SHOTS]]
    background = [of(label, group) for label in none for group in ours]
    return teach, background, taught, other, groups[4:]


def run(name: str, assets: Path, folder: Path, options: argparse.Namespace, seed: int) -> None:
    """Make a recording, watch it, and save what it gave."""
    part = sets(assets)[name]
    rng = random.Random(seed)
    videos = part.videos.videos
    teach, none, taught, other, groups = drawn(videos, rng)
    case, handheld = options.case, options.handheld
    stem = f"{name}-{options.people}-{case}-{seed}{'-handheld' if handheld else ''}"
    stem += "-bodies" if options.bodies else ""
    work = folder / stem
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    background = room(rng)
    save_alone(teach, background, work / "clips")
    save_alone(none, background, work / "clips", BACKGROUND)
    FewShotClassifier(engine="onnx").fit(work / "clips").save(work / "model")
    places = placed(options.people + (case == "idle"), rng)
    people = []
    for number, (size, place) in enumerate(places):
        own = [v for v in videos if group_of(v) == groups[number % len(groups)]]
        clips = [[v for v in own if v.label in some] for some in (taught, other)]
        still = number >= options.people
        generator = random.Random(seed * 100 + number)
        people.append(Person(clips[0], clips[1], generator, size=size, place=place, idle=still))
    frames = composed(people, case, background, rng, handheld=handheld)
    count = round(60 * options.minutes * FPS)
    shown = (next(frames) for _ in range(count))
    write_video(work / "recording.mp4", shown, FPS, overwrite=True)
    found, wall, cpu = watch(work, regions=not options.whole, bodies=options.bodies)
    end = count / FPS
    acts = [[a for a in person.acts if a.end <= end] for person in people[: options.people]]
    title = f"{part.name}, {options.people} people{', ' + case if case != 'plain' else ''}"
    title += ", hand-held" if handheld else ""
    title += ", bodies" if options.bodies else ""
    outcome = Outcome(title, acts, found, [], end, cpu, wall)
    write_bytes(folder / f"{stem}.json", OUTCOME.dump_json(outcome))
    print(row([outcome]), flush=True)
    if not options.keep:
        shutil.rmtree(work)


def watch(work: Path, *, regions: bool, bodies: bool) -> tuple[list[Event], float, float]:
    """Run the command; return its events, its seconds, and its seconds of all cores."""
    command = [sys.executable, "-m", "fewact", "watch", "model", "recording.mp4"]
    command += ["-o", "events.json", "--overwrite", "--engine", "onnx", "-q"]
    command += ["--boxes", "auto"] if bodies else ["--regions"] * regions
    begin = time.monotonic()
    out = os.open(work / "out.txt", os.O_CREAT | os.O_WRONLY)
    child = os.posix_spawn(
        "/usr/bin/env",
        ["env", "-C", str(work), *command],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)],
    )
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit((work / "out.txt").read_text())
    events = json.loads((work / "events.json").read_text())["events"]
    found = [Event(**event | {"box": tuple(event["box"])}) for event in events if "box" in event]
    found += [Event(**event) for event in events if "box" not in event]
    return found, time.monotonic() - begin, used.ru_utime + used.ru_stime


def truth_of(acts: Sequence[Act]) -> list[Span]:
    """Return the runs of performances of taught classes."""
    return [Span(act.label, act.start, act.end, 1) for act in acts if act.taught]


def box_of(event: Event) -> Box:
    """Return the box of an event; without one, the picture."""
    return Box(*event.box) if event.box else Box(0, 0, WIDTH, HEIGHT)


def of_person(outcome: Outcome, number: int) -> list[Event]:
    """Return the events whose box is nearest to that of a person; to the first one without any."""

    def nearest(event: Event) -> int:
        box = box_of(event)
        shares = [[box.iou(Box(*act.box)) for act in acts] or [0.0] for acts in outcome.people]
        return int(np.argmax([max(some) for some in shares]))

    return [event for event in outcome.events if nearest(event) == number]


def matched(outcome: Outcome) -> list[float]:
    """Return the IoU of the box of each event that matches one of its person."""
    shares = []
    for number, acts in enumerate(outcome.people):
        truth = truth_of(acts)
        events = of_person(outcome, number)
        for event, is_right in zip(events, right(events, truth), strict=True):
            if is_right:
                act = max((a for a in acts if a.taught), key=lambda a: iou(event, _span(a)))
                shares.append(box_of(event).iou(Box(*act.box)))
    return shares


def _span(act: Act) -> Span:
    return Span(act.label, act.start, act.end, 1)


HEAD = (
    "| recordings | minutes | events | found | F1 per person | box IoU ≥ 0.5, % | "
    "seconds of CPU per minute | times real time |\n" + "| --- " * 8 + "|"
)


def row(some: Sequence[Outcome]) -> str:
    """Return the table row of outcomes that are alike."""
    scores = [
        f1(of_person(one, n), truth_of(acts)) for one in some for n, acts in enumerate(one.people)
    ]
    shares = [share for one in some for share in matched(one)]
    seconds = sum(one.seconds for one in some)
    cells = (
        some[0].name + (f", {len(some)}" if len(some) > 1 else ""),
        f"{seconds / 60:.1f}",
        str(sum(len(truth_of(acts)) for one in some for acts in one.people)),
        str(sum(len(one.events) for one in some)),
        mean(scores),
        f"{100 * np.mean(np.array(shares) >= 0.5):.0f}" if shares else "–",
        f"{60 * sum(one.cpu for one in some) / seconds:.1f}",
        f"{seconds / sum(one.wall for one in some):.1f}",
    )
    return line(*cells)


def tables(folder: Path) -> str:
    """Return the table of all saved outcomes."""
    groups: dict[str, list[Outcome]] = {}
    for path in sorted(folder.glob("*.json")):
        one = OUTCOME.validate_json(path.read_bytes())
        groups.setdefault(one.name, []).append(one)
    return "\n".join([HEAD, *map(row, groups.values())])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="make and watch recordings")
    runs.add_argument("set")
    runs.add_argument("assets", type=Path)
    runs.add_argument("folder", type=Path)
    runs.add_argument("--people", type=int, default=2)
    runs.add_argument("--minutes", type=float, default=2)
    runs.add_argument("--seed", type=int, nargs="+", default=[0])
    runs.add_argument("--case", choices=("plain", "idle", "door", "screen"), default="plain")
    runs.add_argument("--handheld", action="store_true", help="the camera moves")
    runs.add_argument("--bodies", action="store_true", help="find people in what moves")
    runs.add_argument("--whole", action="store_true", help="watch without regions")
    runs.add_argument("--keep", action="store_true", help="keep the recording and the model")
    all_tables = commands.add_parser("tables", help="print the table of all recordings")
    all_tables.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "tables":
        print(tables(options.folder))
        return
    for seed in options.seed:
        run(options.set, options.assets, options.folder, options, seed)


if __name__ == "__main__":
    main()
