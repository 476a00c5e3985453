"""Check that a training run that is killed at random times ends with the same bytes.

    python -m benchmarks.training.kills [--kills 20] [--seed 0] [--steps 150]

A small recipe runs in a separate process, once without interruption and once with a SIGKILL after
random times. Then all files of the two folders are compared.
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
from fewact.data.videos import Split
from fewact.evaluation import ArrayFeatures
from fewact.training import TrainingData, train
from fewact.training.recipe import parse

FRAMES, WIDTH = 8, 32


def data() -> TrainingData:
    """Return random features around a centre for each class."""

    def of(split: Split, classes: range) -> tuple[VideoList, ArrayFeatures]:
        videos = [Video(f"{c}-{i}", f"class {c}", split) for c in classes for i in range(10)]
        draw = np.random.default_rng(classes.start)
        centres = draw.standard_normal((len(classes), 1, FRAMES, WIDTH))
        values = centres + draw.standard_normal((len(classes), 10, FRAMES, WIDTH))
        rows = values.reshape(-1, FRAMES, WIDTH).astype(np.float32)
        return VideoList("random", tuple(videos)), ArrayFeatures(rows)

    (train_list, train_rows), (val_list, val_rows) = (
        of("train", range(30)),
        of("val", range(30, 40)),
    )
    return TrainingData(train_list, val_list, train_rows, val_rows)


def run(folder: Path, steps: int) -> None:
    """Run a recipe with every type of state: momentum, averages, batch norms, two stages."""
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
            "data": "random",
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
    """Return the SHA-256 of each file below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="number of kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        run(options.run, options.steps)
        return
    again = [sys.executable, "-m", "benchmarks.training.kills", "--steps", str(options.steps)]
    with tempfile.TemporaryDirectory() as folder:
        reference, killed = Path(folder, "reference"), Path(folder, "killed")
        begin = time.monotonic()
        subprocess.run([*again, "--run", str(reference)], check=True)
        length = time.monotonic() - begin
        draw, kills, ends = random.Random(options.seed), 0, 0
        while kills < options.kills:
            process = subprocess.Popen([*again, "--run", str(killed)])
            try:
                process.wait(draw.uniform(0.3, 1.0) * min(length, 20))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                continue
            ends += 1  # it finished before the kill: start again
            if digests(reference) != digests(killed):
                raise SystemExit("a finished run has different files")
            killed.rename(Path(folder, f"ended{ends}"))
        subprocess.run([*again, "--run", str(killed)], check=True)
        same = digests(killed) == digests(reference)
    print(f"{kills} kills, {ends} runs finished between them")
    print("all files have the same bytes" if same else "FILES DIFFER")
    sys.exit(not same)


if __name__ == "__main__":
    main()
