"""All methods by the same recipe and budget, from stored features: ``docs/results/methods.md``.

    python -m benchmarks.methods_trained --work FOLDER [--assets ASSETS] [--data plain …]
        [--methods trx …] [--seeds 3] [--page docs/results/methods.md]

Maps of the default network are stored once, and reduced by principal directions that are fitted on
the training videos. Every trained method gets the same episodes, steps, rates and schedule;
validation classes choose its checkpoint. Methods without training are evaluated on the same
features. What FOLDER contains is not computed again: a run that was interrupted continues, and
``--seeds 0`` only writes the page. The last section of the page is written by hand, and kept.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.arrays import save_arrays
from benchmarks.datasets import read_index
from benchmarks.features import features_of
from benchmarks.methods_trained_page import Cell, page
from benchmarks.training.clips import split_by_class
from benchmarks.training.stored import stored
from fewact import backbones, methods
from fewact.backbones import Card
from fewact.data import VideoList
from fewact.data.videos import SPLITS
from fewact.evaluation import RunOptions, checkpoint, evaluate_method
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.features.sources import check_same_list
from fewact.features.stored import StoredFeatures
from fewact.methods.base import Method
from fewact.synthetic import motions
from fewact.training import TrainingData, train
from fewact.training.recipe import parse

VECTORS, MAPS = (FeatureRequest(level, View(8)) for level in ("vectors", "maps"))
WIDTH, GRID, VIDEOS = 64, 4, 16
EPISODES, LOOPED = 10_000, 200
PRESETS = ("plain", "misaligned", "appearance-biased")
CLIPS = "utd27_depth"

FREE: dict[str, tuple[str, dict[str, Any]]] = {
    "protonet, mean frame": ("protonet", {}),
    "protonet, frames in order": ("protonet", {"frame_matching": "concatenated"}),
    "otam": ("otam", {}),
    "set matching (Bi-MHM)": ("hyrsm", {"relations": "none"}),
    "simpleshot": ("simpleshot", {}),
    "ridge, mean frame": ("ridge", {"frame_order": "pooled"}),
    "ridge, frames in order": ("ridge", {}),
    "lda, frames in order": ("lda", {}),
    "a2m2, not trained": ("a2m2", {}),
    "fusion, of vectors": ("fusion", {}),
}
"""Methods without training and their options, by the name in the tables."""

TO_WIDTH = {"in_channels": WIDTH, "width": WIDTH}
TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("trx", "strm", "ta2n", "cpm", "hyrsm", "molo")},
    "a2m2, linear reduction": ("a2m2", {"moments": {"reduction": "linear", **TO_WIDTH}}),
    "a2m2, as published": ("a2m2", {"preset": "paper", "moments": TO_WIDTH}),
}
"""Methods that are trained and their options, by the name in the tables."""

FIXED = ("a2m2, linear reduction",)
"""Methods whose initial weights are fixed, so that an own seed would have no effect."""

SMALL = {"key_width": WIDTH, "hidden": 4 * WIDTH, "reconstruct": False}
"""Sizes of trained methods for features of 64 channels; without pixels nothing is reconstructed."""

LOSSES = {"hyrsm": {"base_class": 0.15}, "molo": {"base_class": 0.15, "contrast": 0.05}}
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


CONCLUSIONS = "## Which orderings survive"
"""Heading of the last section of the page, which is kept: it is written by hand."""


class Reduced:
    """Vectors and maps of a few channels, in memory.

    Args:
        videos: List of the videos.
        vectors: (v t d).
        maps: (v t c h w).
        card: Card of the network.
    """

    def __init__(self, videos: VideoList, vectors: Tensor, maps: Tensor, card: Card) -> None:
        self.name = f"{card.name}, reduced"
        channels, height, width = maps.shape[2:]
        self.card = replace(
            card,
            name=self.name,
            vectors=vectors.shape[2],
            maps=(channels, height, width),
            middle=None,
        )
        self.digest = hashlib.sha256(vectors.numpy().tobytes() + maps.numpy().tobytes()).hexdigest()
        self._videos = videos
        self._found: dict[Request, Tensor] = {VECTORS: vectors, MAPS: maps}

    def check_list(self, videos: VideoList) -> None:
        """Check that a list is the one of these features."""
        check_same_list(videos, self._videos)

    def features(self, positions: Sequence[int], requests: Sequence[Request]) -> Iterator[Features]:
        """Yield the features of videos."""
        for position in positions:
            yield {request: self._found[request][position].float() for request in requests}


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
        split = split_by_class(read_index(assets)[CLIPS], number)
        videos: dict[str, VideoList] = {one: getattr(split, one) for one in SPLITS}
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
        found = {key: torch.from_numpy(file[key]) for key in file.files}
    card = backbones.create().card
    sources = {
        one: Reduced(videos[one], found[f"{one} vectors"], found[f"{one} maps"], card)
        for one in videos
    }
    groups = videos["test"].groups
    protocol = Protocol(5, 1, 1, EPISODES, 1, groups)
    return Data(videos, sources, draw(videos["test"], protocol))


def maps_of(source: StoredFeatures) -> Iterator[Tensor]:
    """Yield the maps (t C h w) of each video of a source."""
    for features in features_of(source, range(len(source.videos.videos)), (MAPS,)):
        yield features[MAPS].float()


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
    name, own = TRAINED[label][0], {**TRAINED[label][1], **(changes or {})}
    known = {one.name for one in fields(methods.REGISTRY.get(name).Options)}
    if label not in FIXED:
        own = {"seed": seed, **own}
    stage = {**STAGE, "loss_weights": LOSSES.get(name, {})}
    content = {
        "name": f"compared-{name}",
        "summary": "The same budget for all methods.",
        "data": "motions",
        "seed": seed,
        "groups": groups,
        "largest_loss": 1e6,
        "method": {
            "name": name,
            "options": {n: v for n, v in {**SMALL, **own}.items() if n in known},
        },
        "backbone": {"name": "efficientnet-lite0"},
        "stages": [stage],
        "validation": {"every": 50, "count": 300},
    }
    return parse(content, name)


def compute(data: Data, folder: Path, label: str, seed: int) -> None:
    """Train and evaluate a cell, unless its file exists, and write it."""
    output = folder / f"{label.replace(' ', '_')}-{seed}.json"
    if output.exists():
        return
    card, test = data.sources["test"].card, data.videos["test"]
    seconds, options = 0.0, FREE.get(label)
    if options is None:
        begin, run = time.process_time(), folder / "runs" / f"{label}-{seed}"
        trained = train(recipe(label, seed, test.groups), data.training(), run, device="cpu")
        seconds = time.process_time() - begin
        method = checkpoint.load(trained.folder)
        validation = trained.best.accuracy
    else:
        method = methods.create(options[0], **methods.fitting(options[0], card), **options[1])
        validation = None
    method = method.eval()
    bank = encode_list(method, data.sources["test"], test)
    begin = time.process_time()
    result = evaluate_method(
        method, bank, test, data.episodes, run=RunOptions(output=output.with_suffix(".result"))
    )
    scoring = (time.process_time() - begin) / EPISODES
    looped, difference = plain_loop(method, data)
    count = STAGE["steps"] * STAGE["accumulate"]
    cell = Cell(
        label=label,
        seed=seed,
        per_episode=result.per_episode,
        validation=validation,
        training_ms=1000 * seconds / count,
        scoring_ms=1000 * scoring,
        loop_ms=looped,
        difference=difference,
        parameters=sum(p.numel() for p in method.parameters()),
    )
    output.write_text(json.dumps(asdict(cell)), encoding="utf-8")
    print(folder.name, label, seed, f"{result.accuracy:.2f} ± {result.ci95:.2f}", flush=True)


def plain_loop(method: Method, data: Data) -> tuple[float, float]:
    """Score episodes one by one, each encoded from its features.

    Returns:
        Milliseconds of processor time per episode, and the largest difference of a logit from the
        same episodes in one batch.
    """
    source, episodes = data.sources["test"], data.episodes
    requests = method.requests(source.card)
    ways = episodes.protocol.ways
    labels = torch.arange(ways)[None]

    def nodes(positions: Any) -> Any:
        found = list(source.features(positions.tolist(), requests))
        return method.encode({r: torch.stack([one[r] for one in found])[None] for r in requests})

    support, query = (x[:LOOPED].reshape(LOOPED, -1) for x in (episodes.support, episodes.query))
    begin, alone = time.process_time(), []
    with torch.inference_mode():
        for own, asked in zip(support, query, strict=True):
            state = method.support(nodes(own), labels, ways)
            alone.append(method.score(state, nodes(asked)))
        spent = time.process_time() - begin
        both = [nodes(some.reshape(-1)) for some in (support, query)]
        joined = [{n: v[0].unflatten(0, (LOOPED, -1)) for n, v in one.items()} for one in both]
        state = method.support(joined[0], labels.expand(LOOPED, -1), ways)
        together = method.score(state, joined[1])
    return 1000 * spent / LOOPED, float((together - torch.cat(alone)).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--data", nargs="+", default=[*PRESETS, CLIPS])
    parser.add_argument("--methods", nargs="+", default=[*FREE, *TRAINED])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    for seed in range(options.seeds):
        for name in options.data:
            real = name == CLIPS
            data = None
            for label in options.methods:
                if label in FREE and seed and not real:
                    continue  # the same for each seed
                folder = options.work / "cells" / name
                folder.mkdir(parents=True, exist_ok=True)
                if (folder / f"{label.replace(' ', '_')}-{seed}.json").exists():
                    continue
                data = data or read_data(options.work, name, options.assets, seed if real else 0)
                compute(data, folder, label, seed)
    found = {
        name: [
            Cell(**json.loads(path.read_text(encoding="utf-8")))
            for path in sorted((options.work / "cells" / name).glob("*.json"))
        ]
        for name in options.data
    }
    text = page(found, [*FREE, *TRAINED], STAGE, WIDTH, EPISODES)
    if options.page is None:
        print(text)
        return
    before = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
    conclusions = "".join(before.partition(CONCLUSIONS)[1:])
    options.page.write_text(f"{text}\n{conclusions}", encoding="utf-8")


if __name__ == "__main__":
    main()
