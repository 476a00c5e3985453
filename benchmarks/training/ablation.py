"""The paper's ablation on ``motions``: moments against alignment, with and without order.

    python -m benchmarks.training.ablation --work FOLDER [--preset misaligned] [--videos 40]
        [--seeds 3] [--episodes 10000] [--only "sqrt;mean"] [--set stages.1.steps=1000] [--through]

For each kind of moments and each seed one reduction is trained on stored maps by the recipe
``a2m2-motions-lite0``, its checkpoint chosen on validation classes. On this one checkpoint all
alignments are compared, on the same episodes of the test classes. ``--through`` trains the best
pairs of moments and alignment, by validation, once more with that alignment. What is in FOLDER is
not done again.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.stored import stored
from fewact.backbones import Tap
from fewact.data.motions import motions
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation import NodeBank, Result, encode, evaluate, load
from fewact.evaluation.stored import StoredFeatures
from fewact.methods import checkpoint
from fewact.training import TrainingData, read, train

RECIPE = "a2m2-motions-lite0"

PLAIN = {"time_weight": 0.0, "compactness": 0.0, "shots": "mean"}
"""The paper's form: no term that sees time, so that order is what the moments and aligners see."""

MOMENTS: dict[str, dict[str, Any]] = {
    "mean": {"descriptor": "mean", "centre_clip": False},
    "covariance": {"descriptor": "covariance"},
    "sqrt": {},
    "sqrt, lengths 1": {"lengths": [1]},
    "sqrt, lengths 2": {"lengths": [2]},
    "sqrt, lengths 4": {"lengths": [4]},
    "sqrt, attention": {"attention": True},
    "sqrt, cross-frame": {"cross_frame": 1.0},
    "third": {"descriptor": "third", "sketch": 2048},
}

ALIGNMENTS: dict[str, dict[str, Any]] = {
    "cosine": {"alignment": "cosine"},
    "diagonal": {"alignment": "diagonal"},
    "hungarian": {"alignment": "hungarian"},
    "emd, uniform": {"alignment": "emd", "weights": "uniform"},
    "emd, cross": {"alignment": "emd", "weights": "cross"},
    "emd, cross, time": {"alignment": "emd", "weights": "cross", "time_weight": 0.5},
    "otam": {"alignment": "otam"},
    "bi_mhm": {"alignment": "bi_mhm"},
}


class Work:
    """The folder, the data and the episodes of one ablation."""

    def __init__(self, folder: Path, preset: str, videos: int, episodes: int) -> None:
        self.folder = folder
        every = motions(preset, videos=videos).videos
        taps = (Tap("middle", 8),)
        self.source: dict[str, StoredFeatures] = {}
        self.episodes: dict[str, EpisodeSet] = {}
        for split in ("train", "val", "test"):
            own = every.of(split)
            self.source[split] = stored(own, folder / "store", taps)
            if split != "train":
                count = episodes if split == "test" else min(episodes, 2000)
                self.episodes[split] = draw(own, Protocol(5, 1, 1, count, 1))

    def data(self) -> TrainingData:
        train, val = self.source["train"], self.source["val"]
        return TrainingData(train.videos, val.videos, train, val)

    def run(self, name: str, seed: int, changes: Mapping[str, Any]) -> Path:
        """The folder of a trained run."""
        folder = self.folder / "runs" / f"{name} {seed}".replace(" ", "_")
        begin = time.process_time()
        trained = train(read(RECIPE, {**changes, "seed": seed}), self.data(), folder, device="cpu")
        seconds = time.process_time() - begin
        print(f"{name}, seed {seed}: {seconds:.0f} s of processor time, {trained.best}", flush=True)
        return folder

    def score(self, run: Path, split: str, changes: Mapping[str, Any], bank: NodeBank) -> Result:
        """A result on a run's checkpoint with another alignment; one that is there is read."""
        tag = "-".join(f"{key}={value}" for key, value in changes.items())
        output = run / split / f"{tag}.json"
        if output.exists():
            return load(output)
        source = self.source[split]
        method = checkpoint.read(run).method(**PLAIN | dict(changes))
        return evaluate(method, bank, source.videos, self.episodes[split], output=output)

    def bank(self, run: Path, split: str) -> NodeBank:
        """The nodes of a run's checkpoint, which all alignments share."""
        source = self.source[split]
        method = checkpoint.read(run).method(**PLAIN)
        return encode(method, source, source.videos, self.episodes[split].needed)


def options_of(moments: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of the recipe for a kind of moments."""
    return {f"method.options.{key}": value for key, value in {**PLAIN, **moments}.items()}


def ablate(work: Work, names: list[str], seeds: int, changes: Mapping[str, Any]) -> None:
    """Train one checkpoint for each kind of moments and seed, and score all alignments on it."""
    for name in names:
        for seed in range(seeds):
            run = work.run(name, seed, {**options_of(MOMENTS[name]), **changes})
            for split in ("val", "test"):
                bank = work.bank(run, split)
                for how in ALIGNMENTS.values():
                    work.score(run, split, how, bank)
        show(work, name, seeds)


def show(work: Work, name: str, seeds: int) -> None:
    """A line for each alignment: mean accuracy over the seeds, and their spread."""
    for title, how in ALIGNMENTS.items():
        results = []
        for seed in range(seeds):
            run = work.folder / "runs" / f"{name} {seed}".replace(" ", "_")
            tag = "-".join(f"{key}={value}" for key, value in how.items())
            results.append(load(run / "test" / f"{tag}.json"))
        accuracies = np.array([one.accuracy for one in results])
        spread = f", seeds {accuracies.min():.1f} to {accuracies.max():.1f}" if seeds > 1 else ""
        print(
            f"{name:18} {title:18} {accuracies.mean():5.1f} ± {results[0].ci95:.2f}{spread}",
            flush=True,
        )


def train_through(work: Work, names: list[str], seeds: int, changes: Mapping[str, Any]) -> None:
    """Train the best pairs, by validation, with the alignment that they are scored by."""
    scored = []
    for name in names:
        for title, how in ALIGNMENTS.items():
            tag = "-".join(f"{key}={value}" for key, value in how.items())
            accuracies = [
                load(
                    work.folder / "runs" / f"{name} {s}".replace(" ", "_") / "val" / f"{tag}.json"
                ).accuracy
                for s in range(seeds)
            ]
            scored.append((float(np.mean(accuracies)), name, title))
    for accuracy, name, title in sorted(scored, reverse=True)[:3]:
        print(f"through: {name}, {title}: {accuracy:.1f} % on validation before")
        for seed in range(seeds):
            more = options_of({**MOMENTS[name], **ALIGNMENTS[title]})
            run = work.run(f"through {name} {title}", seed, {**more, **changes})
            bank = work.bank(run, "test")
            result = work.score(run, "test", ALIGNMENTS[title], bank)
            print(f"  seed {seed}: {result.accuracy:.1f} ± {result.ci95:.2f}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--preset", default="misaligned")
    options.add_argument("--videos", type=int, default=40, help="of a class")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--episodes", type=int, default=10_000)
    options.add_argument("--only", default=";".join(MOMENTS), help="kinds of moments, ; between")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--through", action="store_true")
    given = options.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in given.set)}
    names = given.only.split(";")
    work = Work(given.work, given.preset, given.videos, given.episodes)
    ablate(work, names, given.seeds, changes)
    if given.through:
        train_through(work, names, given.seeds, changes)


if __name__ == "__main__":
    main()
