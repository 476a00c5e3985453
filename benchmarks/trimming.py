"""Still padding before and after the action: how much it costs, and what trimming brings back.

    python -m benchmarks.trimming ASSETS -o trimming.md

One clip of a person is padded at both ends with the first and the last frame and the noise of a
camera, in training and in prediction. Episodes are 5-way; the people who teach do not perform.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Part, parts, read_index
from fewact import FewShotClassifier
from fewact.core.atomic import write_text
from fewact.data import Frames, Video
from fewact.video import EveryNth, probe, read_frames

WAYS, SHOTS = 5, 3
QUERIES = 2
NOISE = 3.0
"""Standard deviation of the noise of the padding, in levels of 0 … 255."""

SECONDS = (0.0, 2.0, 4.0)
SMALLER = 2
"""Frames are read at half their size: the network's input is smaller still."""


@dataclass
class Tally:
    """Right answers, and clips whose still ends were left out."""

    right: int = 0
    trimmed: int = 0
    clips: int = 0


def padded(video: Video, seconds: float) -> Frames:
    """Return a clip with still ends of these durations."""
    path = Path(str(getattr(video.source, "path", "")))
    frames = read_frames(path, EveryNth(1), transform=lambda one: one[::SMALLER, ::SMALLER])
    fps = probe(path).fps
    count = round(seconds * fps)
    rng = np.random.default_rng(len(frames))
    if not count:
        return Frames(frames, fps=fps, name=video.id)
    still = (_noisy(frames[[i]].repeat(count, 0), rng) for i in (0, -1))
    before, after = still
    return Frames(np.concatenate([before, frames, after]), fps=fps, name=video.id)


def _noisy(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = rng.normal(0, NOISE, frames.shape[:3])[..., None]
    noisy: NDArray[np.uint8] = (frames + noise).clip(0, 255).astype(np.uint8)
    return noisy


def episodes(part: Part, count: int) -> Iterator[tuple[list[Video], list[Video]]]:
    """Yield training clips and queries of other groups."""
    rng = random.Random(0)
    videos = part.videos.videos
    for _ in range(count):
        labels = rng.sample(sorted({video.label for video in videos}), WAYS)
        groups = sorted({video.group or "" for video in videos})
        rng.shuffle(groups)
        teach, query = [], []
        for label in labels:
            own = [g for g in groups if any(v.label == label and v.group == g for v in videos)]
            chosen = [
                rng.choice([v for v in videos if v.label == label and v.group == group])
                for group in (*own[:SHOTS], *own[-QUERIES:])
            ]
            teach += chosen[:SHOTS]
            query += chosen[SHOTS:]
        yield teach, query


def measure(part: Part, count: int, engine: str) -> dict[tuple[float, str], Tally]:
    """Return the right answers for each duration of the padding, with and without trimming."""
    tallies = {(seconds, trim): Tally() for seconds in SECONDS for trim in ("off", "auto")}
    ready = FewShotClassifier(engine=engine)
    for teach, query in episodes(part, count):
        for seconds in SECONDS:
            clips = [padded(video, seconds) for video in teach]
            asked = [padded(video, seconds) for video in query]
            for trim in ("off", "auto"):
                ready.set_params(trim=trim)
                ready.fit(clips, [video.label for video in teach])
                found = ready.predict(asked)
                tally = tallies[seconds, trim]
                tally.clips += len(query)
                tally.right += sum(one.best == v.label for one, v in zip(found, query, strict=True))
                tally.trimmed += sum(one.active is not None for one in found)
        print(part.name, {key: (t.right, t.trimmed, t.clips) for key, t in tallies.items()})
    return tallies


def table(name: str, tallies: dict[tuple[float, str], Tally]) -> list[str]:
    """Return the rows of a part."""
    rows = []
    for seconds in SECONDS:
        off, auto = tallies[seconds, "off"], tallies[seconds, "auto"]
        rows.append(
            f"| {name} | {seconds:g} s | {_share(off.right, off)} | {_share(auto.right, auto)} | "
            f"{_share(auto.trimmed, auto)} |"
        )
    return rows


def _share(number: int, tally: Tally) -> str:
    return f"{number} of {tally.clips}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument(
        "--development", action="store_true", help="development clips alone, not the others"
    )
    options = parser.parse_args(arguments)
    datasets = read_index(options.assets)
    rows: dict[bool, list[str]] = {}
    for development in (True,) if options.development else (True, False):
        rows[development] = []
        for part in parts(datasets, development=development):
            found = measure(part, options.episodes, options.engine)
            rows[development] += table(part.name, found)
    text = page(rows, options.episodes)
    if options.output is None:
        print(text)
    else:
        write_text(options.output, text)


HEAD = "| clips | padding | right without trimming | right with trimming | clips trimmed |"


def page(rows: dict[bool, list[str]], count: int) -> str:
    """Return the page of the results; without rows of other clips, of development clips alone."""
    tables = {
        which: "\n".join([HEAD, "| --- | --- | --- | --- | --- |", *some])
        for which, some in rows.items()
    }
    others = f"\nOther clips:\n\n{tables[False]}\n" if False in tables else ""
    only = "" if others else " --development"
    return f"""# Still ends of clips

    python -m benchmarks.trimming ASSETS --episodes {count}{only} -o docs/results/trimming.md

A recorded clip begins before the action and ends after it. Here each clip is padded at
both ends with its first and last frame and the noise of a camera, in training and in prediction.
Number of episodes: {count}, of {WAYS} classes with {SHOTS} training clips and {QUERIES} new clips
each, of other people or recordings. Padding of 0 s is the clip as it was cut. An episode has
{WAYS * QUERIES} new clips: a difference of one clip says nothing.

Development clips, on which the limits of `fewact.video.steps` were chosen:

{tables[True]}
{others}
An end is left out if it is still for at least a second and a fifth of the clip. Where everything
moves, as with a moving camera, there are no still ends, and nothing is left out.
"""


if __name__ == "__main__":
    main()
