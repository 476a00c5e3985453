"""Ablation of CLIP-SPM on stored features, and the effect of scoring all queries jointly.

    python -m benchmarks.training.clip_spm ASSETS --work FOLDER [--only motions] [--videos 40]
        [--seeds 3] [--episodes 10000] [--set stages.0.steps=100] [--page docs/results/clip_spm.md]

Features: 4 × 4 cells of the default network's middle maps, 8 frames per video, minus the clip's
mean, projected on 128 fixed orthonormal directions, because the cost of the motion module's
convolutions grows with the square of that number. The vectors of the network contain no positions:
with them the head stays at chance on ``motions``. Class names pass a small sentence encoder and a
learned projection.

Data: ``motions``, preset ``misaligned``, with its training, validation and test classes; ``clips``,
the 27 classes of ``utd27_depth``, 15 / 5 / 7 in a random order for each seed, people kept apart.
The head is trained by the recipes ``clip_spm-motions-lite0`` and ``clip_spm-clips-lite0``, complete
and without each of its parts; validation classes choose the checkpoint. All are evaluated on the
same one-shot episodes of the test classes, next to OTAM and ProtoNet on the same features. What
FOLDER contains is not computed again; ``--page`` writes the results.
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
from benchmarks.features import features_of
from benchmarks.training.clips import split_by_class
from benchmarks.training.paired import differences, listed
from benchmarks.training.stored import stored
from fewact import methods
from fewact.data import VideoList
from fewact.data.videos import SPLITS, GroupScope
from fewact.evaluation import ArrayFeatures, Result, RunOptions, checkpoint, evaluate_method, load
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.texts import embedded
from fewact.features.request import FeatureRequest, View
from fewact.methods.common.reduction import orthogonal_projection
from fewact.synthetic import motions
from fewact.training import TrainingData, read, train

REQUESTS = (FeatureRequest("middle", View(8)),)
GRID = 4
WIDTH = 128
PRESET = "misaligned"
COMPLETE = "CLIP-SPM"

TRAINED: dict[str, dict[str, Any]] = {
    COMPLETE: {},
    "without HSMR": {"without": "hsmr"},
    "without SPM": {"without": "spm"},
    "without PADM": {"without": "padm"},
    "SPM alone": {"without": ["hsmr", "padm"]},
    "PADM alone": {"without": ["hsmr", "spm"]},
    "the paper's losses": {"losses": "paper"},
    "trained jointly": {"protocol": "joint"},
    "non-linear motion": {"motion": "nonlinear"},
    "ordered motion": {"motion": "ordered"},
    "vector prompts": {"prompt": "vector"},
}
"""Options that a head is trained with."""

SCORED: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in TRAINED if name != "trained jointly"},
    "joint queries": (COMPLETE, {"protocol": "joint"}),
    "joint queries, in training too": ("trained jointly", {}),
}
"""Rows: head, and options for scoring."""

OURS = ("non-linear motion", "ordered motion", "vector prompts")
"""Rows of the first seed only."""

UNTRAINED = {"OTAM, not trained": "otam", "ProtoNet, not trained": "protonet"}
ROWS = (*SCORED, *UNTRAINED)


@dataclass(frozen=True)
class Lists:
    """Training, validation and test videos of a seed."""

    recipe: str
    train: VideoList
    val: VideoList
    test: VideoList
    groups: GroupScope


def cells_of(maps: Tensor) -> Tensor:
    """Return the cells of frames minus the clip's mean: (t c h w) → (t c·grid²), norm √WIDTH."""
    cells = functional.adaptive_avg_pool2d(maps, GRID).flatten(1)
    length: float = WIDTH**0.5
    return functional.normalize(cells - cells.mean(0), dim=-1) * length


def lists_of_motions(videos: int) -> Lists:
    """Return the lists of the synthetic benchmark."""
    every = motions(PRESET, videos=videos).videos
    train, val, test = map(every.of, SPLITS)
    return Lists("clip_spm-motions-lite0", train, val, test, "none")


def lists_of_clips(assets: Path, seed: int) -> Lists:
    """Return the lists of a seed, with the names of the actions as labels."""
    videos = read_index(assets)["utd27_depth"]
    # The number in "a02_swipe_right" is no part of the name.
    named = tuple(replace(v, label=v.label.partition("_")[2]) for v in videos.videos)
    split = split_by_class(replace(videos, videos=named), seed)
    return Lists("clip_spm-clips-lite0", split.train, split.val, split.test, "shared")


@dataclass(frozen=True)
class Work:
    """A folder of runs and results.

    Args:
        folder: The folder.
        episodes: Number of test episodes.
        changes: Changes of the recipes.
    """

    folder: Path
    episodes: int
    changes: Mapping[str, Any]

    def source(self, videos: VideoList) -> ArrayFeatures:
        """Return the projected cells of a list, (videos t d)."""
        found = stored(videos, self.folder / "store", REQUESTS)
        each = features_of(found, range(len(videos.videos)), REQUESTS)
        cells = torch.stack([cells_of(one[REQUESTS[0]].float()) for one in each])  # (v t 1792)
        projection = orthogonal_projection(cells.shape[-1], WIDTH)  # (d 1792)
        return ArrayFeatures((cells @ projection.T).numpy(), f"{found.name}, {WIDTH} directions")

    def file(self, data: str, seed: int, name: str) -> Path:
        """Return the path of a run or a result."""
        return self.folder / data / f"seed{seed}" / name.replace(" ", "_").replace(",", "")

    def trained(self, data: str, seed: int, lists: Lists, name: str) -> Path:
        """Train a run, unless it is complete, and return its folder."""
        options = {f"method.options.{key}": value for key, value in TRAINED[name].items()}
        seeds = {"seed": seed, "method.options.seed": seed}
        recipe = read(lists.recipe, {**options, **self.changes, **seeds})
        sources = self.source(lists.train), self.source(lists.val)
        folder = self.file(data, seed, f"run {name}")
        begin = time.process_time()
        found = train(recipe, TrainingData(lists.train, lists.val, *sources), folder, device="cpu")
        seconds = time.process_time() - begin
        print(f"{data}, seed {seed}, {name}: {seconds:.0f} s, {found.best}", flush=True)
        return folder

    def scored(self, data: str, seed: int, lists: Lists) -> None:
        """Compute the missing results of a seed."""
        source = self.source(lists.test)
        episodes = draw(lists.test, Protocol(5, 1, 1, self.episodes, seed, lists.groups))
        for row in ROWS:
            output = self.file(data, seed, f"{row}.json")
            if output.exists() or (seed and row in OURS):
                continue
            text = None
            if row in UNTRAINED:
                method = methods.create(UNTRAINED[row], frames=8)
            else:
                name, options = SCORED[row]
                run = checkpoint.read(self.trained(data, seed, lists, name))
                method = run.method(**options)
                spec = run.text
                text = None if spec is None else embedded(spec, lists.test, device="cpu")
            begin = time.process_time()
            result = evaluate_method(
                method, source, lists.test, episodes, text=text, run=RunOptions(output=output)
            )
            seconds = time.process_time() - begin
            print(
                f"  {row}: {result.accuracy:.2f} ± {result.ci95:.2f}, {seconds:.0f} s", flush=True
            )

    def results(self, data: str) -> Iterator[dict[str, Result]]:
        """Yield the results of each seed that is complete."""
        for folder in sorted((self.folder / data).glob("seed*")):
            files = {row: self.file(data, int(folder.name[4:]), f"{row}.json") for row in ROWS}
            if all(file.exists() for row, file in files.items() if row not in OURS):
                yield {row: load(file) for row, file in files.items() if file.exists()}


def table(seeds: list[dict[str, Result]]) -> str:
    """Return a table of accuracies and paired differences to the complete method, by seed."""
    lines = ["| | accuracy | to CLIP-SPM, paired | each seed |", "|---|---|---|---|"]
    for row in ROWS:
        having = [one for one in seeds if row in one]
        accuracies = [one[row].accuracy for one in having]
        few = " (seed 0)" if len(having) < len(seeds) else ""
        mean = f"| {row} | {statistics.mean(accuracies):.2f}{few} "
        if row == COMPLETE:
            lines.append(mean + "| | " + ", ".join(f"{x:.1f}" for x in accuracies) + " |")
            continue
        pairs = differences([one[row] for one in having], [one[COMPLETE] for one in having])
        gained = statistics.mean(pair.difference for pair in pairs)
        lines.append(mean + f"| {gained:+.2f} | {listed(pairs)} |")
    return "\n".join(lines)


def page(work: Work, command: str) -> str:
    """Return the page as Markdown, from the stored results."""
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
        setup = seeds[0][COMPLETE].setup
        protocol, text = setup.episodes.protocol, setup.text
        encoder = (
            ""
            if text is None
            else f" Class names by `{text.encoder}`, {len(text.templates)} prompts."
        )
        parts.append(
            f"## {data}\n\n{about} Test: {setup.videos.videos} videos of {setup.videos.classes} "
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
  *without PADM*: nothing is refined around anchors. The baseline of the paper's ablation, without
  all three, is OTAM on the same features: nothing is left to train. HSMR alone changes no score
  either if the network is not trained.
- *the paper's losses*: the text and consistency losses too, which the public code leaves out.
- *joint queries*: the same head, scoring all queries of an episode together as published, which
  is transductive.
- *non-linear motion*, *ordered motion*, *vector prompts*: our options, with one seed. As
  published, HSMR's two convolutions have no non-linearity between them, its difference is the
  same backwards, and a generated prompt depends on one number of its video.

{chr(10).join(parts)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=("motions", "clips"))
    parser.add_argument("--videos", type=int, default=40, help="videos per class of motions")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--page", type=Path, help="file for the page")
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    work = Work(options.work, options.episodes, changes)
    for seed in range(options.seeds):
        if options.only != "clips":
            work.scored("motions", seed, lists_of_motions(options.videos))
        if options.only != "motions":
            work.scored("clips", seed, lists_of_clips(options.assets, seed))
    for data in ("motions", "clips"):
        if seeds := list(work.results(data)):
            print(f"{data}\n{table(seeds)}")
    if options.page is not None:
        more = "".join(f" --set {one}" for one in options.set)
        command = (
            "python -m benchmarks.training.clip_spm ASSETS --work FOLDER"
            f" --videos {options.videos}{more}"
        )
        options.page.write_text(page(work, command), encoding="utf-8")


if __name__ == "__main__":
    main()
