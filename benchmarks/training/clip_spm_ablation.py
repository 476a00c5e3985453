"""CLIP-SPM's ablation from frames: baseline, + HSMR, + SPM, + PADM, and the paper's losses.

    python -m benchmarks.training.clip_spm_ablation ASSETS --work FOLDER [--only motions]
        [--seeds 1] [--episodes 10000] [--page docs/results/clip-spm-ablation.md]

CLIP's weights were not available: the image encoder is a CLIP vision transformer of small width
with random initial weights. It is first trained to classify the training classes, which replaces
CLIP's pre-training; each row then trains encoder and method in one-shot episodes from there. Class
names pass a small sentence encoder and a learned projection.

Data: ``motions``, preset ``misaligned``; ``clips``, the 27 classes of ``utd27_depth``, 15 / 5 / 7
in a random order for each seed, people kept apart. Frames are read once, at 32 × 32 pixels.
Validation classes choose the checkpoint; its accuracy is measured with 1, 3 and 5 shots, each row
on the same episodes. What FOLDER contains is not computed again.
"""

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.training.clip_spm import PRESET, Lists, lists_of_clips
from benchmarks.training.paired import differences, listed
from fewact import backbones, checkpoint
from fewact.data import Frames, VideoList
from fewact.episodes import Protocol, draw
from fewact.evaluation import Result, RunOptions, VideoFeatures, evaluate_method, load
from fewact.evaluation.texts import TextModel
from fewact.synthetic import motions
from fewact.training import TrainingData, read, train
from fewact.video.samplers import Segments

SIDE = 32
READ = 16
"""Frames of a video that are kept; training chooses 8 of them at random places."""

SHOTS = (1, 3, 5)
ENCODER = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "image_size": SIDE,
    "patch_size": 8,
    "projection_dim": 64,
}
HEAD = {"heads": 4, "head_width": 16, "hidden": 128, "frames": 8, "preset": "ssv2-small"}

BASELINE = "baseline"
ROWS: dict[str, dict[str, Any]] = {
    BASELINE: {"without": ["hsmr", "spm", "padm"]},
    "+ HSMR": {"without": ["spm", "padm"]},
    "+ SPM": {"without": ["padm"]},
    "+ PADM": {},
    "+ PADM, joint": {"protocol": "joint"},
    "+ L_text, L_cons": {"losses": "paper"},
    "+ L_text, L_cons, joint": {"losses": "paper", "protocol": "joint"},
}
"""Options of each row."""

STEPS: dict[str, tuple[str, str]] = {
    "+ HSMR": ("+ HSMR", BASELINE),
    "+ SPM": ("+ SPM", "+ HSMR"),
    "+ PADM": ("+ PADM", "+ SPM"),
    "+ L_text, L_cons": ("+ L_text, L_cons", "+ PADM"),
    "complete, joint − inductive": ("+ PADM, joint", "+ PADM"),
    "complete − baseline": ("+ PADM", BASELINE),
}
"""Differences: a row, and the row that it is compared with."""


def small_clip(folder: Path, seed: int) -> None:
    """Write a CLIP image encoder of small width with random weights, as transformers saves it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**ENCODER))
    model.save_pretrained(folder)


def in_memory(videos: VideoList, file: Path) -> VideoList:
    """Return the list with its frames in memory, at the encoder's size; they are kept in a file."""

    def shrunk(frame: Any) -> Any:
        image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None]
        small = functional.interpolate(image, (SIDE, SIDE), mode="bilinear", antialias=True)
        return small[0].permute(1, 2, 0).numpy()

    if not file.exists():
        sampler = Segments(READ)
        every = [
            one.source.read([sampler], transform=shrunk)[0] for one in videos.videos if one.source
        ]
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack(every))
    frames = np.load(file)  # (v t h w 3)
    pairs = zip(videos.videos, frames, strict=True)
    return replace(videos, videos=tuple(replace(v, source=Frames(x)) for v, x in pairs))


@dataclass(frozen=True)
class Work:
    """A folder of runs and results.

    Args:
        folder: The folder.
        episodes: Number of test episodes.
        steps: Steps of the two stages: classification, and episodes of a row.
        changes: Further changes of the recipes.
    """

    folder: Path
    episodes: int
    steps: tuple[int, int]
    changes: Mapping[str, Any]

    def of(self, data: str, seed: int, name: str) -> Path:
        """Return the path of a run or a result."""
        return self.folder / data / f"seed{seed}" / name.replace(" ", "_").replace(",", "")

    def trained(self, data: str, seed: int, lists: Lists, name: str) -> Path:
        """Train a row, unless it is complete, and return its folder."""
        weights = self.pretrained(data, seed, lists)
        stage = {
            **{"kind": "episodes", "inputs": "frames", "steps": self.steps[1], "ways": 5},
            **{"shots": 1, "queries": 2, "accumulate": 2, "query_loss": "sum", "lr": 3e-4},
            **{"weight_decay": 0.01, "schedule": "cosine", "warmup": 20, "clip_norm": 10.0},
        }
        return self._run(data, seed, lists, f"run {name}", ROWS[name], weights, stage)

    def pretrained(self, data: str, seed: int, lists: Lists) -> Path:
        """Return the folder of the encoder that has learned to classify the training classes."""
        start, after = (self.of(data, seed, name) for name in ("random encoder", "encoder"))
        if not (after / "model.safetensors").exists():
            small_clip(start, seed)
            stage = {
                **{"kind": "classify", "inputs": "frames", "steps": self.steps[0], "batch": 16},
                **{"lr": 1e-3, "weight_decay": 0.01, "schedule": "cosine", "warmup": 50},
                "clip_norm": 10.0,
            }
            run = self._run(data, seed, lists, "run encoder", ROWS[BASELINE], start, stage)
            trained = Path(checkpoint.read(run).backbone_weights)
            # Validation may have chosen the random encoder.
            chosen = trained if trained.is_file() else start / "model.safetensors"
            after.mkdir(exist_ok=True)
            shutil.copy(start / "config.json", after)
            shutil.copy(chosen, after / "model.safetensors")
        return after

    def _run(
        self,
        data: str,
        seed: int,
        lists: Lists,
        name: str,
        options: dict[str, Any],
        weights: Path,
        stage: dict[str, Any],
    ) -> Path:
        recipe = read(
            lists.recipe,
            {
                "method.options": {**HEAD, **options, "seed": seed},
                "backbone": {"name": "clip-vit", "weights": f"local-dir:{weights}"},
                "stages": [stage],
                "validation.every": max(1, stage["steps"] // 5),
                "seed": seed,
                **self.changes,
            },
        )
        folder = self.of(data, seed, name)
        begin = time.process_time()
        found = train(recipe, TrainingData(lists.train, lists.val), folder, device="cpu")
        seconds = time.process_time() - begin
        print(f"{data}, seed {seed}, {name}: {seconds:.0f} s, {found.best}", flush=True)
        return folder

    def scored(self, data: str, seed: int, lists: Lists) -> None:
        """Compute the missing results of a seed."""
        for name in ROWS:
            outputs = {shots: self.of(data, seed, f"{name}, {shots}.json") for shots in SHOTS}
            if all(output.exists() for output in outputs.values()):
                continue
            run = checkpoint.read(self.trained(data, seed, lists, name))
            weights = run.backbone_weights
            backbone = backbones.create(
                "clip-vit", weights=weights, device="cpu", precision="float32", engine="torch"
            )
            text = None
            if run.header.text is not None:
                model = TextModel.of_training(run.header.text)
                text = None if model is None else model.texts(lists.test, device="cpu")
            source = VideoFeatures(lists.test, backbone, keep=True)
            for shots, output in outputs.items():
                protocol = Protocol(5, shots, 1, self.episodes, seed, lists.groups)
                episodes = draw(lists.test, protocol)
                result = evaluate_method(
                    run.method(),
                    source,
                    lists.test,
                    episodes,
                    text=text,
                    run=RunOptions(output=output),
                )
                print(f"  {name}, {shots}: {result.accuracy:.2f} ± {result.ci95:.2f}", flush=True)

    def results(self, data: str) -> Iterator[dict[tuple[str, int], Result]]:
        """Yield the results of each seed that is complete."""
        for folder in sorted((self.folder / data).glob("seed*")):
            seed = int(folder.name[4:])
            files = {(n, k): self.of(data, seed, f"{n}, {k}.json") for n in ROWS for k in SHOTS}
            if all(file.exists() for file in files.values()):
                yield {key: load(file) for key, file in files.items()}


def tables(seeds: list[dict[tuple[str, int], Result]]) -> str:
    """Return a table of accuracies, and one of the differences between rows."""
    heads = [f"{shots} shot{'s' * (shots > 1)}" for shots in SHOTS]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in ROWS:
        cells = []
        for shots in SHOTS:
            each = [one[name, shots] for one in seeds]
            mean = statistics.mean(result.accuracy for result in each)
            half = statistics.mean(result.ci95 for result in each)
            cells.append(f"{mean:.1f} ± {half:.1f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| difference | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, (row, other) in STEPS.items():
        cells = [
            listed(
                differences([one[row, k] for one in seeds], [one[other, k] for one in seeds]),
            )
            for k in SHOTS
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(work: Work, command: str) -> str:
    """Return the page as Markdown, from the stored results."""
    parts = []
    for data, about in (
        (
            "motions",
            "Rendered videos, preset `misaligned`: classes differ in the order of motions.",
        ),
        ("clips", "`utd27_depth`: classes in a random order for each seed, people kept apart."),
    ):
        seeds = list(work.results(data))
        if not seeds:
            continue
        setup = seeds[0]["+ PADM", 1].setup
        protocol = setup.episodes.protocol
        parts.append(
            f"## {data}\n\n{about} Test: {setup.videos.videos} videos of {setup.videos.classes} "
            f"classes; {protocol.count} episodes of {protocol.ways} ways, {protocol.queries} query "
            f"per class; seeds: {len(seeds)}. Chance {100 / protocol.ways:.0f} %.\n\n"
            f"{tables(seeds)}\n"
        )
    layers, width = ENCODER["num_hidden_layers"], ENCODER["hidden_size"]
    return f"""# CLIP-SPM's ablation, trained from frames

    {command}

The rows of the paper's ablation, and the two losses that its public code leaves out. **Not CLIP's
weights**, which were not available: the image encoder is a CLIP vision transformer of {layers}
layers and width {width} on {SIDE} × {SIDE} pixels with random initial weights. {work.steps[0]}
steps of classification of the training classes replace CLIP's pre-training; then each row trains
encoder and method for {work.steps[1]} steps of two one-shot episodes. Class names pass a small
sentence encoder and a learned projection. These figures say nothing about the published ones; they
say what the parts do where encoder and method are trained together, which frozen features cannot
show: HSMR acts on the encoder alone.

- *baseline*: OTAM on plain frames. *+ HSMR*: the motion loss. *+ SPM*: fusion with texts and
  generated prompts. *+ PADM*: refinement around anchors, the complete method. *+ L_text, L_cons*:
  the complete method with the paper's losses on texts and consistency.
- *joint*: trained and scored with all queries of an episode together, which is transductive.
  Without PADM, queries do not see each other.

The same checkpoint, trained with one shot, is scored with 1, 3 and 5 shots. Validation classes
choose it. Differences are paired on the same episodes; ± is the 95 % interval over episodes, one
entry a seed. An interval over episodes says nothing about another training: with one seed, a
difference of a point or two may be chance.

{chr(10).join(parts)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=("motions", "clips"))
    parser.add_argument("--videos", type=int, default=8, help="videos per class of motions")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--steps", type=json.loads, default=[400, 150], help="of both stages")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--page", type=Path, help="file for the page")
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    work = Work(options.work, options.episodes, tuple(options.steps), changes)
    chosen = [data for data in ("motions", "clips") if options.only in (None, data)]
    for seed in range(options.seeds):
        for data in chosen:
            lists = lists_of_clips(options.assets, seed)
            if data == "motions":
                every = motions(PRESET, videos=options.videos, size=2 * SIDE).videos
                parts = {split: every.of(split) for split in ("train", "val", "test")}
                lists = Lists("clip_spm-motions-lite0", **parts, groups="none")
            small = {
                name: in_memory(getattr(lists, name), work.of(data, seed, f"{name}.npy"))
                for name in ("train", "val", "test")
            }
            work.scored(data, seed, replace(lists, **small))
    for data in chosen:
        if seeds := list(work.results(data)):
            print(f"{data}\n{tables(seeds)}")
    if options.page is not None:
        command = (
            "python -m benchmarks.training.clip_spm_ablation ASSETS --work FOLDER "
            f"--videos {options.videos} --seeds {options.seeds} --steps '{options.steps}'"
            + "".join(f" --set {one}" for one in options.set)
        )
        options.page.write_text(page(work, command), encoding="utf-8")


if __name__ == "__main__":
    main()
