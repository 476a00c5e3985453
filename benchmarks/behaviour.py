"""From a scored sample to numbers: five minutes scored in BORIS are a model for the next five.

    python -m benchmarks.behaviour SET ASSETS FOLDER [--minutes 5] [--seed 0]

A recording has two halves, made of real clips (see ``benchmarks.watch``). What a person would
score in the first half, classes and ``none``, is a project of BORIS. ``fewact teach`` makes a model
of it, ``fewact watch`` finds the events of the second half, ``fewact agree`` compares them with
those that the person scored there. The same people perform in both halves; no clip is in both.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from benchmarks.shared import line
from benchmarks.watch import draw, record, script, sets
from fewact.cli import main as fewact
from fewact.data import BACKGROUND, Video
from fewact.recordings.formats import Event, events_text

SHORTEST = 2.0
"""Seconds of time between two events that a person scores as none."""


def scored(
    video: Path, show: Sequence[Video], between: Sequence[Video], seconds: float, seed: int
) -> Path:
    """Make a recording and the project of what a person scores in it; return the project."""
    truth = record(video, script(show, between, random.Random(seed)), seconds)
    events, last = list[Event](), 0.0
    for one in truth:
        if one.start - last >= SHORTEST:
            events.append(Event(BACKGROUND, last, one.start, recording=video.name))
        events.append(Event(one.label, one.start, one.end, recording=video.name))
        last = one.end
    project = video.with_suffix(".boris")
    project.write_text(events_text(project, events), encoding="utf-8")
    return project


def row(folder: Path, set_name: str, assets: Path, minutes: float, seed: int) -> str:
    """Teach, watch and compare; return the row of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    part, _ = sets(assets)[set_name]
    _, _, show, between = draw(part.videos.videos, random.Random(seed))
    sample, rest = (
        scored(folder / name, show[i::2], between[i::2], 60 * minutes, 2 * seed + i)
        for i, name in enumerate(("sample.mp4", "rest.mp4"))
    )
    found = folder / "found.boris"
    model, video = folder / "model", folder / "rest.mp4"
    teach, watch = ("teach", sample, "-o", model), ("watch", model, video, "-o", found)
    for command in (teach, watch):
        words = [sys.executable, "-m", "fewact", *map(str, command), "--overwrite", "-q"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    text = StringIO()
    with redirect_stdout(text):
        fewact(["agree", str(found), str(rest), "--format", "json"])
    result = json.loads(text.getvalue())
    seconds, frames = result["kappa_per_second"], result["kappa_per_frame"]
    low, high = seconds["interval"]
    cells = (
        f"`{set_name}`",
        str(len(result["classes"])),
        f"{minutes:g} + {minutes:g}",
        f"{result['f1']:.2f}",
        f"{seconds['value']:.2f} ({low:.2f} to {high:.2f})",
        f"{frames['value']:.2f}",
        f"{len(result['missed'])} / {len(result['false'])}",
    )
    return line(*cells)


HEAD = (
    "| recordings | classes | minutes scored + found | F1 at IoU 0.5 | kappa per second | "
    "kappa per frame | missed / false |\n" + "| --- " * 7 + "|"
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", nargs="+", help="sets of benchmarks.watch, such as utd27_depth-dev")
    parser.add_argument("assets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(HEAD, flush=True)
    for name in options.set:
        folder = options.folder / f"{name}-{options.seed}"
        print(row(folder, name, options.assets, options.minutes, options.seed), flush=True)


if __name__ == "__main__":
    main()
