"""What the parts of CLIP-SPM are worth on stored features, and what seeing all queries is worth.

    python -m benchmarks.training.clip_spm ASSETS --work FOLDER [--only motions] [--videos 40]
        [--seeds 3] [--episodes 10000] [--set stages.0.steps=100] [--page docs/results/clip_spm.md]

4 × 4 places of the default network's middle maps, 8 frames a video, less the clip's mean, on 128
fixed orthonormal directions, since the motion module's convolutions cost the square of that; class
names by a small sentence encoder through a learned projection. (The network's last vectors say
nothing of where things are: on them the head stays at chance on ``motions``.) ``motions``: the
preset ``misaligned``, its training, validation and test classes. ``clips``: the 27 classes of
``utd27_depth``, 15 / 5 / 7 in a random order for each seed, persons apart. The head is trained by
the recipes ``clip_spm-motions-lite0`` and ``clip_spm-clips-lite0``, whole and without each of its
parts, its checkpoint chosen on validation classes; then scored on the same episodes of the test
classes, one shot, beside OTAM and ProtoNet on the same features. What is in FOLDER is not done
again; ``--page`` writes what is there.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import read_index
from benchmarks.training.clips import split_by_class
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from fewact import checkpoint, methods
from fewact.data import VideoList
from fewact.data.videos import GroupScope
from fewact.episodes import Protocol, draw
from fewact.evaluation import ArrayFeatures, Result, RunOptions, evaluate_method, load
from fewact.evaluation.texts import TextModel
from fewact.features.request import FeatureRequest, View
from fewact.methods.common.reduction import orthogonal_projection
from fewact.synthetic import motions
from fewact.training import TrainingData, read, train

REQUESTS = (FeatureRequest("middle", View(8)),)
GRID = 4
WIDTH = 128
PRESET = "misaligned"
WHOLE = "CLIP-SPM"

TRAINED: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "without HSMR": {"without": "hsmr"},
    "without SPM": {"without": "spm"},
    "without PADM": {"without": "padm"},
    "trained jointly": {"protocol": "joint"},
    "non-linear motion": {"motion": "nonlinear"},
    "ordered motion": {"motion": "ordered"},
    "vector prompts": {"prompt": "vector"},
}
"""Options that a head is trained with."""

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in TRAINED if name != "trained jointly"},
    "joint queries": (WHOLE, {"protocol": "joint"}),
    "joint queries, in training too": ("trained jointly", {}),
}
"""Rows: whose head, and the options that it is asked with."""

OURS = ("non-linear motion", "ordered motion", "vector prompts")
"""Of one seed alone."""

UNTRAINED = {"OTAM, not trained": "otam", "ProtoNet, not trained": "protonet"}
ROWS = (*ASKED, *UNTRAINED)


@dataclass(frozen=True)
class Lists:
    """What a seed learns from and is tested on."""

    recipe: str
    train: VideoList
    val: VideoList
    test: VideoList
    groups: GroupScope


def places_of(maps: Tensor) -> Tensor:
    """The places of frames, less their clip's mean: (t c h w) → (t c·grid²), length √WIDTH."""
    places = functional.adaptive_avg_pool2d(maps, GRID).flatten(1)
    return functional.normalize(places - places.mean(0), dim=-1) * WIDTH**0.5


def lists_of_motions(videos: int) -> Lists:
    every = motions(PRESET, videos=videos).videos
    parts = (every.of(split) for split in ("train", "val", "test"))
    return Lists("clip_spm-motions-lite0", *parts, "none")


def lists_of_clips(assets: Path, seed: int) -> Lists:
    videos = read_index(assets)["utd27_depth"]
    # "a02_swipe_right" is called so for the sake of its order alone.
    named = tuple(replace(v, label=v.label.partition("_")[2]) for v in videos.videos)
    split = split_by_class(replace(videos, videos=named), seed)
    return Lists("clip_spm-clips-lite0", split.train, split.val, split.test, "shared")


@dataclass(frozen=True)
class Work:
    """A folder of runs and results, and how they are made."""

    folder: Path
    episodes: int
    changes: Mapping[str, Any]

    def source(self, videos: VideoList) -> ArrayFeatures:
        """Projected places of a list, (videos t d)."""
        found = stored(videos, self.folder / "store", REQUESTS)
        each = found.features(range(len(videos.videos)), REQUESTS)
        places = torch.stack([places_of(one[REQUESTS[0]].float()) for one in each])  # (v t 1792)
        projection = orthogonal_projection(places.shape[-1], WIDTH)  # (d 1792)
        return ArrayFeatures((places @ projection.T).numpy(), f"{found.name}, {WIDTH} directions")

    def place(self, data: str, seed: int, name: str) -> Path:
        return self.folder / data / f"seed{seed}" / name.replace(" ", "_").replace(",", "")

    def trained(self, data: str, seed: int, lists: Lists, name: str) -> Path:
        """The folder of a run; one that has ended is read, one that was stopped goes on."""
        options = {f"method.options.{key}": value for key, value in TRAINED[name].items()}
        seeds = {"seed": seed, "method.options.seed": seed}
        recipe = read(lists.recipe, {**options, **self.changes, **seeds})
        sources = self.source(lists.train), self.source(lists.val)
        place = self.place(data, seed, f"run {name}")
        begin = time.process_time()
        found = train(recipe, TrainingData(lists.train, lists.val, *sources), place, device="cpu")
        seconds = time.process_time() - begin
        print(f"{data}, seed {seed}, {name}: {seconds:.0f} s, {found.best}", flush=True)
        return place

    def scored(self, data: str, seed: int, lists: Lists) -> None:
        """All rows of a seed; those that are there are left."""
        source = self.source(lists.test)
        episodes = draw(lists.test, Protocol(5, 1, 1, self.episodes, seed, lists.groups))
        for row in ROWS:
            output = self.place(data, seed, f"{row}.json")
            if output.exists() or (seed and row in OURS):
                continue
            text = None
            if row in UNTRAINED:
                method = methods.create(UNTRAINED[row], frames=8)
            else:
                name, options = ASKED[row]
                run = checkpoint.read(self.trained(data, seed, lists, name))
                method = run.method(**options)
                model = None if run.header.text is None else TextModel.of_training(run.header.text)
                text = None if model is None else model.texts(lists.test, device="cpu")
            begin = time.process_time()
            result = evaluate_method(
                method, source, lists.test, episodes, text=text, run=RunOptions(output=output)
            )
            seconds = time.process_time() - begin
            print(
                f"  {row}: {result.accuracy:.2f} ± {result.ci95:.2f}, {seconds:.0f} s", flush=True
            )

    def results(self, data: str) -> Iterator[dict[str, Result]]:
        """Those of each seed that has all of them."""
        for folder in sorted((self.folder / data).glob("seed*")):
            files = {row: self.place(data, int(folder.name[4:]), f"{row}.json") for row in ROWS}
            if all(file.exists() for row, file in files.items() if row not in OURS):
                yield {row: load(file) for row, file in files.items() if file.exists()}


def table(seeds: list[dict[str, Result]]) -> str:
    """Accuracy of each row and its paired difference to the whole method, seed by seed."""
    lines = ["| | accuracy | to CLIP-SPM, paired | each seed |", "|---|---|---|---|"]
    for row in ROWS:
        having = [one for one in seeds if row in one]
        accuracies = [one[row].accuracy for one in having]
        few = " (seed 0)" if len(having) < len(seeds) else ""
        mean = f"| {row} | {statistics.mean(accuracies):.2f}{few} "
        if row == WHOLE:
            lines.append(mean + "| | " + ", ".join(f"{x:.1f}" for x in accuracies) + " |")
            continue
        pairs = differences([one[row] for one in having], [one[WHOLE] for one in having])
        gained = statistics.mean(pair.difference for pair in pairs)
        lines.append(mean + f"| {gained:+.2f} | {listed(pairs)} |")
    return "\n".join(lines)


def page(work: Work, command: str) -> str:
    """The Markdown page, all of whose figures come from the results."""
    parts = []
    for data, about in (
        ("motions", f"Rendered videos, preset `{PRESET}`: classes differ in the order of motions."),
        (
            "clips",
            "`utd27_depth`, 15 / 5 / 7 classes in another order for each seed, people kept apart.",
        ),
    ):
        seeds = list(work.results(data))
        if not seeds:
            continue
        asked = seeds[0][WHOLE].setup
        protocol, text = asked.episodes.protocol, asked.text
        encoder = (
            ""
            if text is None
            else f" Class names by `{text.encoder}`, {len(text.templates)} prompts."
        )
        parts.append(
            f"## {data}\n\n{about} Test: {asked.videos.videos} videos of {asked.videos.classes} "
            f"classes; {protocol.count} episodes of {protocol.ways} ways, {protocol.shots} shot, "
            f"{protocol.queries} query per class; {len(seeds)} seeds.{encoder} "
            f"Chance {100 / protocol.ways:.0f} %.\n\n{table(seeds)}\n"
        )
    return f"""# Parts of CLIP-SPM

    {command}

What are the three modules of [CLIP-SPM](../methods/clip_spm.md) worth, and what does it change if
all queries of an episode see each other? Features: {GRID} × {GRID} cells of the default network's
middle maps (trained on ImageNet only), minus the clip's mean, projected on {WIDTH} fixed
directions, with a head that a CPU can train. CLIP's own features have not been run: these figures
say nothing about the published ones. Differences are paired on the same episodes; ± is their 95 %
interval over episodes. Each seed is trained from scratch.

- *without HSMR*: no motion loss in training. *without SPM*: no video is fused with a text.
  *without PADM*: nothing is refined around anchors.
- *joint queries*: the same head, scoring all queries of an episode together as published, which
  is transductive.
- *non-linear motion*, *ordered motion*, *vector prompts*: our options, with one seed. As
  published, HSMR's two convolutions have no non-linearity between them, its difference is the
  same backwards, and a generated prompt depends on one number of its video.

{chr(10).join(parts)}"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("assets", type=Path)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--only", choices=("motions", "clips"))
    options.add_argument("--videos", type=int, default=40, help="of a class of motions")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--episodes", type=int, default=10_000)
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--page", type=Path)
    given = options.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in given.set)}
    work = Work(given.work, given.episodes, changes)
    for seed in range(given.seeds):
        if given.only != "clips":
            work.scored("motions", seed, lists_of_motions(given.videos))
        if given.only != "motions":
            work.scored("clips", seed, lists_of_clips(given.assets, seed))
    for data in ("motions", "clips"):
        if seeds := list(work.results(data)):
            print(f"{data}\n{table(seeds)}")
    if given.page is not None:
        more = "".join(f" --set {one}" for one in given.set)
        command = (
            "python -m benchmarks.training.clip_spm ASSETS --work FOLDER"
            f" --videos {given.videos}{more}"
        )
        given.page.write_text(page(work, command), encoding="utf-8")


if __name__ == "__main__":
    main()
