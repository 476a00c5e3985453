"""All methods by the same recipe and budget, from stored features: docs/results/methods.md.

    python -m benchmarks.methods_trained --work FOLDER [--assets ASSETS] [--data plain …]
        [--methods trx …] [--seeds 3]

Maps of the default network are stored once, and reduced by principal directions that are fitted on
the training videos. Every trained method gets the same episodes, steps, rates and schedule;
validation classes choose its checkpoint. Methods without training are evaluated on the same
features. What FOLDER contains is not computed again: a run that was interrupted continues, and
``--seeds 0`` prints what it has.
"""

import argparse
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.court.open_sets import METHODS
from benchmarks.datasets import read_index
from benchmarks.shared import features_of, save_arrays, table
from benchmarks.training.stored import stored
from fewact import networks
from fewact.core.intervals import half_width
from fewact.data import VideoList
from fewact.data.videos import SPLITS
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.lab import methods
from fewact.lab.evaluation import RunOptions, checkpoint, evaluate_method, load
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.lab.store.sources import check_same_list
from fewact.lab.store.stored import StoredFeatures
from fewact.lab.training import TrainingData, train
from fewact.lab.training.recipe import parse
from fewact.methods import REGISTRY
from fewact.networks import Card
from fewact.synthetic import motions

VECTORS, MAPS = (FeatureRequest(level, View(8)) for level in ("vectors", "maps"))
WIDTH, GRID, VIDEOS = 64, 4, 16
EPISODES = 10_000
BASELINE = "otam"
PRESETS = ("plain", "misaligned", "appearance-biased")
CLIPS = "utd27_depth"
SIZES = (15, 5, 7)
"""Numbers of its training, validation and test classes."""

FREE: dict[str, tuple[str, dict[str, Any]]] = {
    {"a2m2": "a2m2, not trained", "fusion": "fusion, of vectors"}.get(
        name, name.replace(", in order", ", frames in order")
    ): (method, dict(options))
    for name, (method, options) in METHODS.items()
    if name != "protonet, Euclidean"
}
"""Methods without training and their options, by the name in the tables."""

TO_WIDTH = {"in_channels": WIDTH, "width": WIDTH}
TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("trx", "strm", "ta2n", "cpm", "hyrsm", "molo", "team")},
    "d2st": ("d2st", {"heads": 2}),
    "a2m2, linear reduction": ("a2m2", {"moments": {"reduction": "linear", **TO_WIDTH}}),
    "a2m2, as published": ("a2m2", {"preset": "paper", "moments": TO_WIDTH}),
}
"""Methods that are trained and their options, by the name in the tables."""

FIXED = ("a2m2, linear reduction",)
"""Methods whose initial weights are fixed, so that an own seed would have no effect."""

SMALL = {"key_width": WIDTH, "hidden": 4 * WIDTH, "reconstruct": False}
"""Sizes of trained methods for features of 64 channels; without pixels nothing is reconstructed."""

LOSSES = {
    "hyrsm": {"base_class": 0.15},
    "molo": {"base_class": 0.15, "contrast": 0.05},
    "d2st": {"base_class": 0.5},
}
"""Weights of auxiliary losses by method: those on Something-Something v2, small."""

STAGE: dict[str, Any] = {
    "kind": "episodes",
    "inputs": "stored",
    "steps": 200,
    "queries": 4,
    "accumulate": 2,
    "optimiser": "adam",
    "lr": 1e-3,
    "schedule": "cosine",
    "warmup": 20,
    "clip_norm": 10.0,
}


class Reduced:
    """Vectors and maps of a few channels, in memory.

    Args:
        videos: List of the videos.
        vectors: (v t d).
        maps: (v t c h w).
        card: Card of the network.
    """

    def __init__(
        self,
        videos: VideoList,
        vectors: NDArray[np.float16],
        maps: NDArray[np.float16],
        card: Card,
    ) -> None:
        self.name = f"{card.name}, reduced"
        channels, height, width = maps.shape[2:]
        self.card = replace(
            card,
            name=self.name,
            vectors=vectors.shape[2],
            maps=(channels, height, width),
            middle=None,
        )
        self.digest = hashlib.sha256(vectors.tobytes() + maps.tobytes()).hexdigest()
        self._videos = videos
        self._found: dict[Request, NDArray[np.float16]] = {VECTORS: vectors, MAPS: maps}

    def check_list(self, videos: VideoList) -> None:
        """Check that a list is the one of these features."""
        check_same_list(videos, self._videos)

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Yield the features of videos."""
        for position in positions:
            yield {r: self._found[r][position].astype(np.float32) for r in requests}


@dataclass(frozen=True)
class Data:
    """One data set: lists, features and test episodes of one split by class."""

    videos: Mapping[str, VideoList]
    sources: Mapping[str, Reduced]
    episodes: EpisodeSet

    def training(self) -> TrainingData:
        """Return the training data."""
        v, s = self.videos, self.sources
        return TrainingData(v["train"], v["val"], s["train"], s["val"])


def read_data(work: Path, name: str, assets: Path | None, number: int) -> Data:
    """Return a preset of ``motions``, or the real clips in the split by class of a number."""
    if name == CLIPS:
        if assets is None:
            raise SystemExit(f"{CLIPS} needs --assets")
        videos = split_by_class(read_index(assets)[CLIPS], number)
        kept = work / f"{name}-{number}.npz"
        folder = dict.fromkeys(videos, work / "clips" / name)
    else:
        every = motions(name, videos=VIDEOS).videos
        videos = {one: every.of(one) for one in SPLITS}
        kept = work / f"{name}.npz"
        folder = {one: work / "motions" / name / one for one in videos}
    if not kept.exists():
        stores = {one: stored(videos[one], folder[one], (VECTORS, MAPS)) for one in videos}
        save_arrays(kept, reduced(stores, clip_means=name == CLIPS))
    with np.load(kept, allow_pickle=False) as file:
        found = {key: file[key] for key in file.files}
    card = networks.create().card
    sources = {
        one: Reduced(videos[one], found[f"{one} vectors"], found[f"{one} maps"], card)
        for one in videos
    }
    groups = videos["test"].groups
    protocol = Protocol(count=EPISODES, seed=1, groups=groups)
    return Data(videos, sources, draw(videos["test"], protocol))


def split_by_class(videos: VideoList, number: int) -> dict[str, VideoList]:
    """Return 15 / 5 / 7 classes in the random order of a split's number."""
    order = sorted(videos.classes)
    random.Random(number).shuffle(order)
    lists: dict[str, VideoList] = {}
    first = 0
    for name, size in zip(SPLITS, SIZES, strict=True):
        labels = set(order[first : first + size])
        own = [replace(v, split=name) for v in videos.videos if v.label in labels]
        lists[name] = replace(videos, videos=tuple(own))
        first += size
    return lists


def maps_of(source: StoredFeatures) -> Iterator[Tensor]:
    """Yield the maps (t C h w) of each video of a source."""
    for features in features_of(source, range(len(source.videos.videos)), (MAPS,)):
        yield torch.from_numpy(features[MAPS]).float()


def principal(frames: Tensor) -> Tensor:
    """Return the first principal directions (C c) of centred frames (… C)."""
    rows = frames.flatten(0, -2).double()
    directions: Tensor = torch.linalg.eigh(rows.mT @ rows).eigenvectors[:, -WIDTH:].flip(1)
    return directions.float()


def reduced(
    stores: Mapping[str, StoredFeatures], *, clip_means: bool
) -> dict[str, NDArray[np.float16]]:
    """Return vectors (v t d) and maps (v t c h w) of each split.

    Maps are averaged to a grid and reduced to principal directions of the training frames; a
    frame's vector is its whole grid, reduced likewise, since a mean over positions is blind to
    motion.

    Args:
        stores: Features of each split.
        clip_means: Keep the mean over each clip, and subtract that of the training frames instead.
    """
    means = torch.stack([maps.mean((-2, -1)) for maps in maps_of(stores["train"])])  # (v t C)
    subtracted = means.mean((0, 1), keepdim=True) if clip_means else means.mean(1, keepdim=True)
    channels = principal(means - subtracted)
    maps = {}
    for one, source in stores.items():
        small = (functional.adaptive_avg_pool2d(found, GRID) for found in maps_of(source))
        maps[one] = torch.stack(
            [torch.einsum("tchw,cd->tdhw", found, channels) for found in small]
        )  # (v t c h w)
    mean = maps["train"].mean((0, 1), keepdim=True)
    for one, each in maps.items():
        maps[one] = each - (mean if clip_means else each.mean(1, keepdim=True))
    directions = principal(maps["train"].flatten(2))
    found = {}
    for one, each in maps.items():
        found[f"{one} maps"] = each.half().numpy()
        found[f"{one} vectors"] = (each.flatten(2) @ directions).half().numpy()
    return found


def recipe(label: str, seed: int, groups: str, changes: Mapping[str, Any] | None = None) -> Any:
    """Return the recipe of a row: the same for all but the method and its options."""
    name, own = TRAINED[label][0], {**SMALL, **TRAINED[label][1], **(changes or {})}
    if label not in FIXED:
        own = {"seed": seed, **own}
    stage = {**STAGE, "loss_weights": LOSSES.get(name, {})}
    content = {"name": f"compared-{name}", "data": "motions", "seed": seed, "groups": groups}
    return same_budget(name, own, {**content, "validation": {"every": 50, "count": 300}}, stage)


def same_budget(
    name: str, options: Mapping[str, Any], content: Mapping[str, Any], stage: Mapping[str, Any]
) -> Any:
    """Return the recipe of a method in one stage, with those of the options that it has."""
    known = {one.name for one in fields(REGISTRY.get(name).Options)}
    return parse(
        {
            "summary": "The same budget for all methods.",
            "largest_loss": 1e6,
            "method": {"name": name, "options": {n: v for n, v in options.items() if n in known}},
            "backbone": {"name": "efficientnet-lite0"},
            "stages": [stage],
            **content,
        },
        name,
    )


def compute(data: Data, folder: Path, label: str, seed: int) -> None:
    """Train and evaluate a method, unless its file exists, and write its result."""
    output = result_file(folder, label, seed)
    if output.exists():
        return
    card, test = data.sources["test"].card, data.videos["test"]
    if label in FREE:
        name, options = FREE[label]
        method = methods.create(name, card, **options)
    else:
        run = folder / "runs" / f"{label}-{seed}"
        trained = train(recipe(label, seed, test.groups), data.training(), run, device="cpu")
        method = checkpoint.load(trained.folder)
    bank = encode_list(method, data.sources["test"], test)
    result = evaluate_method(method, bank, test, data.episodes, run=RunOptions(output=output))
    print(folder.name, label, seed, f"{result.accuracy:.2f} ± {result.ci95:.2f}", flush=True)


def result_file(folder: Path, label: str, seed: int) -> Path:
    """Return the file of the result of a method with a seed."""
    return folder / f"{label.replace(' ', '_')}-{seed}.json"


def accuracies(folder: Path, label: str) -> dict[int, NDArray[np.float64]]:
    """Return the accuracies of the episodes (N) for each seed that was run."""
    found: dict[int, NDArray[np.float64]] = {}
    for file in folder.glob(result_file(folder, label, 0).name.replace("-0.json", "-*.json")):
        found[int(file.stem.rpartition("-")[2])] = np.asarray(load(file).per_episode)
    return found


def mean_cell(by_seed: Mapping[int, NDArray[np.float64]]) -> str:
    """Return the accuracy of the mean over seeds, the number of seeds, and their range."""
    if not by_seed:
        return "–"
    mean = np.mean(list(by_seed.values()), 0)
    each = [float(values.mean()) for values in by_seed.values()]
    spread = f" ({len(each)}: {min(each):.1f} … {max(each):.1f})" if len(each) > 1 else ""
    return f"{mean.mean():.2f} ± {half_width(mean):.2f}{spread}"


def paired_cell(
    first: Mapping[int, NDArray[np.float64]], second: Mapping[int, NDArray[np.float64]]
) -> str:
    """Return the difference of two methods on the same episodes, mean over the seeds of both.

    A method without training has one result on ``motions``, which counts for all seeds.
    """
    pairs = [
        values - second.get(seed, second.get(0, values)) for seed, values in sorted(first.items())
    ]
    if not pairs or not second:
        return "–"
    mean = np.mean(pairs, 0)
    return f"{mean.mean():+.2f} ± {half_width(mean):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--data", nargs="+", default=[*PRESETS, CLIPS])
    parser.add_argument("--methods", nargs="+", default=[*FREE, *TRAINED])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    folders = {name: options.work / "results" / name for name in options.data}
    for seed in range(options.seeds):
        for name, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            missing = [
                label
                for label in options.methods
                if not result_file(folder, label, seed).exists()
                and (label not in FREE or not seed or name == CLIPS)  # else the same for each seed
            ]
            if missing:
                data = read_data(options.work, name, options.assets, seed if name == CLIPS else 0)
                for label in missing:
                    compute(data, folder, label, seed)
    found = {
        label: [accuracies(folder, label) for folder in folders.values()]
        for label in (*FREE, *TRAINED)
    }
    print(table(["", *folders], [[name, *map(mean_cell, row)] for name, row in found.items()]))
    print(f"\nPaired differences from {BASELINE}\n")
    rows = [
        [name, *map(paired_cell, row, found[BASELINE])]
        for name, row in found.items()
        if name != BASELINE
    ]
    print(table(["", *folders], rows))


if __name__ == "__main__":
    main()
