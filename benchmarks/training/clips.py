"""Meta-training on real clips: a reduction on stored maps, compared with no training.

    python -m benchmarks.training.clips ASSETS --work FOLDER [--splits 3] [--episodes 2000]
        [--recipes a2m2-clips-lite0] [--set stages.0.steps=100] [--page docs/results/learning.md]

The 27 classes of ``utd27_depth`` are put in a random order for each split: 15 for training, 5 for
the choice of the checkpoint, 7 for the test; people are kept apart in every episode. Compared in
pairs on the same episodes: a2m2 without training and trained by each recipe, fusion, fusion with
the trained reductions in its moments, and fusion that is trained itself. What FOLDER contains is
not computed again.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.datasets import read_index
from benchmarks.fusion_variants import with_fields
from benchmarks.markdown import heading
from benchmarks.pairs import evaluate_sets
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from fewact import backbones, methods
from fewact.data import VideoList
from fewact.data.videos import SPLITS
from fewact.evaluation import Result, checkpoint
from fewact.evaluation.episodes import Protocol, draw
from fewact.features.request import Request
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import Method
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Moments
from fewact.training import TrainingData, read, train

SIZES = (15, 5, 7)
SHOTS = (1, 5)
RECIPES = {
    "a2m2-clips-lite0": "two layers",
    "a2m2-clips-linear-lite0": "one matrix",
    "fusion-clips-lite0": "all terms",
}
"""Trained part, by recipe."""

Found = dict[int, dict[str, Result]]
"""Results by shots and method."""


@dataclass(frozen=True)
class Split:
    """The three lists of a split by class."""

    train: VideoList
    val: VideoList
    test: VideoList


def requests() -> list[Request]:
    """Return the requests of all methods to the default network."""
    card = backbones.create().card
    each = [method.requests(card) for method in untrained().values()]
    return list(dict.fromkeys(request for one in each for request in one))


def split_by_class(videos: VideoList, number: int) -> Split:
    """Return 15 / 5 / 7 classes in the random order of a split's number."""
    order = sorted(videos.classes)
    random.Random(number).shuffle(order)
    lists, first = [], 0
    for name, size in zip(SPLITS, SIZES, strict=True):
        labels = set(order[first : first + size])
        own = [replace(v, split=name) for v in videos.videos if v.label in labels]
        lists.append(replace(videos, videos=tuple(own)))
        first += size
    return Split(*lists)


def untrained() -> dict[str, Method]:
    """Return the methods without training; ``fusion`` has the options of its recipe."""
    fusion = methods.create("fusion", cameras="moving")
    return {"a2m2": methods.create("a2m2"), "fusion": fusion}


def compared(runs: Mapping[str, Path]) -> dict[str, Method]:
    """Return the methods that are compared; trained ones from the folders of runs, by recipe."""
    found = untrained()
    for recipe, run in runs.items():
        trained, mixed = checkpoint.read(run).method(), untrained()["fusion"]
        if isinstance(trained, A2M2) and isinstance(mixed, Fusion):
            mixed.map_terms = with_fields(mixed.map_terms, Moments, reduction=trained.reduction)
            found[f"a2m2, {RECIPES[recipe]}"] = trained
            found[f"fusion, {RECIPES[recipe]}"] = mixed
        else:
            found[f"fusion, {RECIPES[recipe]}"] = trained
    return {name: method.eval() for name, method in found.items()}


def tested(split: Split, store: Path, runs: Mapping[str, Path], episodes: int) -> Found:
    """Return the results of all methods by shots, on the test classes."""
    source = stored(split.test, store, requests())
    drawn = [draw(split.test, Protocol(5, shots, 5, episodes, 0, "shared")) for shots in SHOTS]
    found: Found = {shots: {} for shots in SHOTS}
    for name, method in compared(runs).items():
        for shots, result in zip(
            SHOTS, evaluate_sets(method, source, split.test, drawn), strict=True
        ):
            found[shots][name] = result
    return found


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return each trained method with its untrained form, and with fusion."""
    found = []
    for name in names:
        kind, _, trained = name.partition(", ")
        if trained:
            found += [(name, other) for other in dict.fromkeys((kind, "fusion"))]
    return found


def report(splits: Sequence[Found]) -> str:
    """Return two tables: each method in each split, and paired differences."""
    heads = [
        f"{shots} shot{'s' * (shots > 1)}, split {number}"
        for shots in SHOTS
        for number in range(len(splits))
    ]
    lines = [heading("", *heads)]
    for name in splits[0][1]:
        cells = [
            f"{found[shots][name].accuracy:.1f} ± {found[shots][name].ci95:.1f}"
            for shots in SHOTS
            for found in splits
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| | shots | mean | each split | over other classes |", "|---|---|---|---|---|"]
    for first, second in pairs(list(splits[0][1])):
        for shots in SHOTS:
            each = differences(
                [found[shots][first] for found in splits],
                [found[shots][second] for found in splits],
            )
            mean = statistics.mean(pair.difference for pair in each)
            over = [pair.class_interval for pair in each]
            classes = ", ".join("–" if o is None else f"{o[0]:+.1f} … {o[1]:+.1f}" for o in over)
            lines.append(
                f"| {first} − {second} | {shots} | {mean:+.1f} | {listed(each, 1)} | {classes} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    videos = read_index(options.assets)["utd27_depth"]
    store = options.work / "store"
    stored(videos, store, requests())
    results: list[Found] = []
    chosen: list[str] = []
    for number in range(options.splits):
        split = split_by_class(videos, number)
        train_source, val_source = (
            stored(one, store, requests()) for one in (split.train, split.val)
        )
        data = TrainingData(split.train, split.val, train_source, val_source)
        runs = {}
        for name in options.recipes:
            begin = time.process_time()
            runs[name] = options.work / f"split{number}-{name}"
            best = train(read(name, changes), data, runs[name], device="cpu").best
            seconds = time.process_time() - begin
            chosen.append(
                f"split {number}, {RECIPES[name]}: step {best.step} of stage {best.stage + 1}, "
                f"{best.accuracy:.1f} % on validation"
            )
            print(f"{chosen[-1]}; {seconds:.0f} s of processor time", flush=True)
        results.append(tested(split, store, runs, options.episodes))
        print(report(results[-1:]), flush=True)
    tables = report(results)
    print(tables)
    if options.page is not None:
        options.page.write_text(
            page(tables, chosen, options.splits, options.episodes), encoding="utf-8"
        )


def page(tables: str, checkpoints: Sequence[str], splits: int, episodes: int) -> str:
    """Return the page as Markdown."""
    chosen = "\n".join(f"- {one}" for one in checkpoints)
    return f"""# Training on a few real clips

    python -m benchmarks.training.clips ASSETS --work FOLDER --page docs/results/learning.md

`utd27_depth`, 27 actions of eight people: {SIZES[0]} classes for training, {SIZES[1]} for the
choice of the checkpoint, {SIZES[2]} for the test, in {splits} random orders of the classes.
People are kept apart in each of {episodes} episodes of 5 ways and 5 queries per class. Stored
maps of the default network.

- `a2m2, two layers`: its reduction is trained, with two layers as in the paper;
- `a2m2, one matrix`: its reduction is one matrix that starts as the identity;
- `fusion, two layers` and `fusion, one matrix`: `fusion` with these reductions in its moments;
- `fusion, all terms`: one matrix of the maps' channels, trained through all terms of `fusion`.

All of these assume moving cameras. Differences are paired; ± is their 95 % interval over episodes.
The last column is the interval over other classes.

{tables}

Checkpoints chosen by the validation classes:

{chosen}
"""


if __name__ == "__main__":
    main()
