"""Runs and results of ``benchmarks.training.clip_spm_ablation``."""

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.training.clip_spm import PRESET, Lists, lists_of_clips
from fewact import backbones
from fewact.backbones.backbone import Backbone
from fewact.backbones.text import ClassTexts
from fewact.data import Frames, VideoList
from fewact.data.videos import SPLITS
from fewact.evaluation import Result, RunOptions, VideoFeatures, checkpoint, evaluate_method, load
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.texts import embedded
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

OF_FIRST_SEED = ("+ PADM, joint", "+ L_text, L_cons", "+ L_text, L_cons, joint")
"""Rows of the first seed only."""


def small_clip(folder: Path, seed: int) -> None:
    """Write a CLIP image encoder of small width with random weights, as transformers saves it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict({**ENCODER}))
    model.save_pretrained(folder)


def in_memory(videos: VideoList, file: Path, side: int = SIDE) -> VideoList:
    """Return the list with its frames in memory, ``side`` pixels wide; they are kept in a file."""

    def shrunk(frame: Any) -> Any:
        image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None]
        small = functional.interpolate(image, (side, side), mode="bilinear", antialias=True)
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
        rows: Rows to train and score.
    """

    folder: Path
    episodes: int
    steps: tuple[int, int]
    changes: Mapping[str, Any]
    rows: tuple[str, ...] = tuple(ROWS)

    def of(self, data: str, seed: int, name: str) -> Path:
        """Return the path of a run or a result."""
        return self.folder / data / f"seed{seed}" / name.replace(" ", "_").replace(",", "")

    def result(self, data: str, seed: int, name: str, shots: int) -> Path:
        """Return the path of a row's result."""
        return self.of(data, seed, f"{name}, {shots}.json")

    def lists(self, assets: Path, data: str, seed: int, videos: int) -> Lists:
        """Return the lists of a seed, with frames in memory; ``videos`` per class of motions."""
        lists = lists_of_clips(assets, seed)
        if data == "motions":
            every = motions(PRESET, videos=videos, size=2 * SIDE).videos
            train, val, test = map(every.of, SPLITS)
            lists = Lists("clip_spm-motions-lite0", train, val, test, "none")
        return self.in_memory(lists, data, seed)

    def in_memory(self, lists: Lists, data: str, seed: int) -> Lists:
        """Return the lists of a seed with their frames in memory."""
        train, val, test = (
            in_memory(getattr(lists, name), self.of(data, seed, f"{name}.npy")) for name in SPLITS
        )
        return replace(lists, train=train, val=val, test=test)

    def of_seed(self, seed: int) -> tuple[str, ...]:
        """Return the rows of a seed."""
        return tuple(row for row in self.rows if seed == 0 or row not in OF_FIRST_SEED)

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
            trained = Path(checkpoint.read(run).backbone.weights)
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
        for name in self.of_seed(seed):
            outputs = {shots: self.result(data, seed, name, shots) for shots in SHOTS}
            if all(output.exists() for output in outputs.values()):
                continue
            run = checkpoint.read(self.trained(data, seed, lists, name))
            backbone, text = network_of(run), texts_of(run, lists.test)
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
            files = {
                (n, k): self.result(data, seed, n, k) for n in self.of_seed(seed) for k in SHOTS
            }
            if all(file.exists() for file in files.values()):
                yield {key: load(file) for key, file in files.items()}


def network_of(run: checkpoint.Checkpoint) -> Backbone:
    """Return the image encoder that was trained with a row."""
    return backbones.create(
        "clip-vit",
        weights=run.backbone.weights,
        device="cpu",
        precision="float32",
        engine="torch",
    )


def texts_of(run: checkpoint.Checkpoint, videos: VideoList) -> ClassTexts | None:
    """Return the embeddings of a list's class names; None for a row that uses none."""
    return None if run.text is None else embedded(run.text, videos, device="cpu")
