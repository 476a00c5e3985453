"""Few-shot localisation on recordings made of development clips, by ``fewact evaluate``."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets import parts, read_index
from benchmarks.shared import table
from benchmarks.watch import group_of, record
from fewact.cli import main as fewact
from fewact.core.atomic import write_text
from fewact.data import Video
from fewact.lab.localise import LOCALISATION, Localisation, localisation_table
from fewact.recordings.formats import Event, events_text

RECORDINGS, SECONDS = 4, 75.0
METHODS = ("fusion", "otam", "protonet")
SETS = ("utd27_depth", "ucf7")


def recordings(assets: Path, folder: Path, name: str) -> Path:
    """Make recordings, each of other people or groups than the others; return their events.

    A recording has a clip of each class and group, in random order, without a gap.
    """
    file = folder / f"{name}.activitynet.json"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    (part,) = (p for p in parts(read_index(assets), development=True) if f"`{name}`" in p.name)
    groups = sorted({group_of(video) for video in part.videos.videos})
    rng, events = random.Random(0), list[Event]()
    for number in range(RECORDINGS):
        of_recording = set(groups[number::RECORDINGS])
        chosen = _one_each(part.videos.videos, of_recording)
        rng.shuffle(chosen)
        path = folder / f"{name}-{number}.mp4"
        truth = record(path, ((video, True) for video in chosen), SECONDS)
        events += [Event(e.label, e.start, e.end, recording=path.name) for e in truth]
    write_text(file, events_text(file, events))
    return file


def _one_each(videos: Sequence[Video], groups: set[str]) -> list[Video]:
    """Return the first clip of each class and group."""
    first: dict[tuple[str, str], Video] = {}
    for video in videos:
        if group_of(video) in groups:
            first.setdefault((video.label, group_of(video)), video)
    return list(first.values())


def tables(assets: Path, work: Path, episodes: int) -> str:
    """Run what is missing; return the mean average precision of each set and method."""
    head, rows = ["set"], []
    for name in SETS:
        for method in METHODS:
            output = work / f"{name}-{method}.json"
            if episodes:
                events = recordings(assets, work / "recordings", name)
                size = ["--ways", "5", "--count", str(episodes), "-o", str(output), "-q"]
                if fewact(["evaluate", method, "--data", str(events), "--localise", *size]):
                    raise SystemExit(f"{method} failed on {name}")
            if output.exists():
                found = localisation_table(method, LOCALISATION.model(output, Localisation))
                head = ["set", *found.header]
                rows.append([f"`{name}`", *found.rows[0]])
    return table(head, rows)
