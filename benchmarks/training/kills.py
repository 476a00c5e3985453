"""A run that is killed at random moments ends with the same bytes as one that is not.

    python -m benchmarks.training.kills [--kills 20] [--seed 0] [--steps 150]

A small recipe is run in a process of its own, once to its end, and once with a SIGKILL after a
random time until so many kills have hit it; then all files of the two folders are compared.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fewact.data import Video, VideoList
from fewact.evaluation import ArrayFeatures
from fewact.training import TrainingData, train
from fewact.training.recipe_files import parse

FRAMES, WIDTH = 8, 32


def data() -> TrainingData:
    """Noise with a class in it."""

    def of(split: str, classes: range) -> tuple[VideoList, ArrayFeatures]:
        videos = [Video(f"{c}-{i}", f"class {c}", split) for c in classes for i in range(10)]
        draw = np.random.default_rng(classes.start)
        centres = draw.standard_normal((len(classes), 1, FRAMES, WIDTH))
        values = centres + draw.standard_normal((len(classes), 10, FRAMES, WIDTH))
        rows = values.reshape(-1, FRAMES, WIDTH).astype(np.float32)
        return VideoList("made up", tuple(videos)), ArrayFeatures(rows)

    (train_list, train_rows), (val_list, val_rows) = (
        of("train", range(30)),
        of("val", range(30, 40)),
    )
    return TrainingData(train_list, val_list, train_rows, val_rows)


def run(folder: Path, steps: int) -> None:
    """A recipe with everything that has a state: momentum, averages, batch norms, two stages."""
    options = {
        "moments.level": "vectors",
        "moments.reduction": "learned",
        "moments.in_channels": WIDTH,
        "moments.width": 16,
        "moments.attention": True,
    }
    stage = {"inputs": "stored", "steps": steps, "lr": 0.001, "ema": 0.99, "warmup": 10}
    recipe = parse(
        {
            "name": "killed",
            "summary": "A run to be killed.",
            "data": "made up",
            "method": {"name": "a2m2", "options": options},
            "backbone": {"name": "none"},
            "stages": [
                {"kind": "classify", "batch": 16, **stage},
                {"kind": "episodes", "accumulate": 2, "loss_weights": {"base_class": 0.3}, **stage},
            ],
            "validation": {"every": 20, "count": 100},
            "keep_every": 7,
        },
        "killed",
    )
    train(recipe, data(), folder, device="cpu")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--steps", type=int, default=150)
    options.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.run is not None:
        run(given.run, given.steps)
        return
    again = [sys.executable, "-m", "benchmarks.training.kills", "--steps", str(given.steps)]
    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place, "whole"), Path(place, "killed")
        begin = time.monotonic()
        subprocess.run([*again, "--run", str(whole)], check=True)
        length = time.monotonic() - begin
        draw, kills, ends = random.Random(given.seed), 0, 0
        while kills < given.kills:
            process = subprocess.Popen([*again, "--run", str(killed)])
            try:
                process.wait(draw.uniform(0.3, 1.0) * min(length, 20))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                continue
            ends += 1  # it came to its end before the kill: begin anew
            if digests(whole) != digests(killed):
                raise SystemExit("another run has come out")
            killed.rename(Path(place, f"ended{ends}"))
        subprocess.run([*again, "--run", str(killed)], check=True)
        same = digests(killed) == digests(whole)
    print(f"{kills} kills, {ends} runs ended between them")
    print("all files have the same bytes" if same else "FILES DIFFER")
    sys.exit(not same)


if __name__ == "__main__":
    main()
