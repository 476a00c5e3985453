"""Meta-training on real clips: a reduction and head on stored maps, against no training.

    python -m benchmarks.training.clips ASSETS --work FOLDER [--splits 3] [--episodes 2000]
        [--recipe a2m2-clips-lite0] [--set stages.1.steps=400] [--seeds 1]

The 27 classes of ``utd27_depth`` are put in a random order, once for each split: 15 to learn from,
5 that choose the checkpoint, 7 to test on, persons apart in every episode. Compared in pairs on the
same episodes: a2m2 without training, a2m2 trained, fusion, and fusion with the trained reduction in
its moments. Runs and results stay in FOLDER; what is there is not done again.
"""

import argparse
import json
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.clips import read_index
from benchmarks.training.stored import stored
from fewact import backbones, methods
from fewact.backbones import Tap
from fewact.data import VideoList
from fewact.episodes import Protocol, draw
from fewact.evaluation import Result, compare, evaluate
from fewact.methods import checkpoint
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import Method
from fewact.methods.fusion import Fusion
from fewact.training import Recipe, TrainingData, read, train

SIZES = (15, 5, 7)
SHOTS = (1, 5)


@dataclass(frozen=True)
class Split:
    """The three lists of a split by class."""

    train: VideoList
    val: VideoList
    test: VideoList


def taps() -> list[Tap]:
    """All that the arms ask of the default network."""
    card = backbones.create().card
    asked = [methods.create(name).taps(card) for name in ("a2m2", "fusion")]
    return list(dict.fromkeys(tap for one in asked for tap in one))


def split_by_class(videos: VideoList, number: int) -> Split:
    """15 / 5 / 7 classes in the random order of a number."""
    order = sorted(videos.classes)
    random.Random(number).shuffle(order)
    lists, first = [], 0
    for name, size in zip(("train", "val", "test"), SIZES, strict=True):
        labels = set(order[first : first + size])
        own = [replace(v, split=name) for v in videos.videos if v.label in labels]
        lists.append(replace(videos, videos=tuple(own)))
        first += size
    return Split(*lists)


def arms(run: Path) -> dict[str, Method]:
    """What is compared; the trained ones from a run's folder."""
    trained = checkpoint.read(run).method()
    mixed = methods.create("fusion")
    if not isinstance(trained, A2M2) or not isinstance(mixed, Fusion):
        raise SystemExit("the recipe is not of a2m2")
    mixed.reduction = trained.reduction
    return {
        "a2m2": methods.create("a2m2"),
        "a2m2 trained": trained,
        "fusion": methods.create("fusion"),
        "fusion, trained moments": mixed.eval(),
    }


def measure(split: Split, store: Path, run: Path, episodes: int) -> dict[int, dict[str, Result]]:
    """Results of all arms by shots, on the test classes."""
    source = stored(split.test, store, taps())
    found: dict[int, dict[str, Result]] = {}
    for shots in SHOTS:
        protocol = Protocol(5, shots, 5, episodes, 0, "shared")
        drawn = draw(split.test, protocol)
        found[shots] = {
            name: evaluate(method, source, split.test, drawn) for name, method in arms(run).items()
        }
    return found


def report(found: dict[int, dict[str, Result]]) -> list[str]:
    """One line for each arm, and the paired differences that matter."""
    lines = []
    for shots, results in found.items():
        for name, result in results.items():
            lines.append(f"{shots} shots  {name:24} {result.accuracy:5.1f} ± {result.ci95:.2f}")
        for first, second in (
            ("a2m2 trained", "a2m2"),
            ("a2m2 trained", "fusion"),
            ("fusion, trained moments", "fusion"),
        ):
            pair = compare([results[first], results[second]])[0]
            over = pair.class_interval
            classes = f", other classes {over[0]:+.1f} … {over[1]:+.1f}" if over else ""
            lines.append(
                f"{shots} shots  {first} − {second}: {pair.difference:+.2f} ± {pair.ci95:.2f}"
                f" (p {pair.p:.2g}{classes})"
            )
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("assets", type=Path)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--splits", type=int, default=3)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--episodes", type=int, default=2000)
    options.add_argument("--recipe", default="a2m2-clips-lite0")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    given = options.parse_args()
    pairs = (text.partition("=") for text in given.set)
    changes = {name: json.loads(value) for name, _, value in pairs}
    videos = read_index(given.assets)["utd27_depth"]
    store = given.work / "store"
    stored(videos, store, taps())
    for number in range(given.splits):
        split = split_by_class(videos, number)
        for seed in range(given.seeds):
            recipe: Recipe = read(given.recipe, {**changes, "seed": seed})
            tag = "-".join([f"split{number}", f"seed{seed}", *map(str, given.set)])
            data = TrainingData(
                split.train,
                split.val,
                stored(split.train, store, taps()),
                stored(split.val, store, taps()),
            )
            begin = time.process_time()
            trained = train(recipe, data, given.work / tag.replace("/", "_"), device="cpu")
            seconds = time.process_time() - begin
            print(
                f"{tag}: trained in {seconds:.0f} s of processor time, {trained.best}", flush=True
            )
            for line in report(measure(split, store, trained.folder, given.episodes)):
                print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
