"""Training on one set, episodes on others.

Stored features of eight frames are reduced to the first principal directions of the base set's
training videos. Every trained method gets the same budget; validation classes of the base set
choose its checkpoint. Half of the queries are of classes outside an episode. FOLDER keeps what is
finished.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.court.open_sets import evaluated, protocol, read_set
from benchmarks.methods_trained import LOSSES, SMALL, STAGE, principal, same_budget
from benchmarks.shared import difference_cell, table
from fewact.core.random import RandomStream
from fewact.data.videos import SPLITS, VideoList
from fewact.lab import methods
from fewact.lab.benchmarks.leak import refuse_leaks
from fewact.lab.evaluation import ArrayFeatures, Result, checkpoint
from fewact.lab.evaluation.episodes import draw
from fewact.lab.methods.base import TorchMethod
from fewact.lab.training import TrainingData, train

WIDTH, FRAMES, STEPS = 48, 8, 150
LINEAR = {
    "moments": {
        "level": "vectors",
        "reduction": "linear",
        "in_channels": WIDTH,
        "width": WIDTH,
        "lengths": [1, 2, 4],
    },
    "frames": FRAMES,
}

FREE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mean frame": ("protonet", {}),
    "frames in order": ("protonet", {"frame_matching": "concatenated"}),
    "otam": ("otam", {}),
    "ridge": ("ridge", {}),
}
"""Methods that are not trained."""

DIAGONAL = {**LINEAR, "alignment": {"name": "diagonal"}}
TRAINED: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "classifier, then moments in order": ("a2m2", DIAGONAL, {"kind": "classify", "batch": 25}),
    "moments in order": ("a2m2", DIAGONAL, {}),
    "moments, aligned (OTAM)": ("a2m2", {**LINEAR, "alignment": {"name": "otam"}}, {}),
    "moments, aligned (EMD)": ("a2m2", LINEAR, {}),
    "safsar, mean frame": ("safsar", {}, {}),
    "safsar, λ 100": ("safsar", {}, {"loss_weights": {"discriminator": 100.0}}),
    "cpm": ("cpm", {}, {}),
    "hyrsm, set matching": ("hyrsm", {}, {}),
    "trx": ("trx", {}, {}),
}
"""Methods, options, and changes of the stage. One learns to classify all base classes: plain
transfer."""

IN_ORDER = "moments in order"
PAIRS = (
    ("classifier, then moments in order", IN_ORDER),
    ("moments, aligned (OTAM)", IN_ORDER),
    ("moments, aligned (EMD)", IN_ORDER),
    ("trx", "otam"),
    ("hyrsm, set matching", "otam"),
    ("cpm", "otam"),
    ("safsar, mean frame", "mean frame"),
)
"""Methods whose paired differences are shown."""

DOMAINS: Mapping[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "utd27_depth": ((15, 5), ("utd5_rgb", "ucf7")),
    "kinder58": ((36, 10), ("utkinect10",)),
}
"""Base sets with their numbers of training and validation classes, and novel sets."""


def split(
    videos: VideoList, sizes: tuple[int, int], novel: Sequence[VideoList]
) -> dict[str, VideoList]:
    """Return the classes of each split, in random order; those of novel sets are test classes."""
    order = RandomStream("domains", videos.name).choose(sorted(videos.classes), len(videos.classes))
    order.sort(key=lambda label: any(label in other.classes for other in novel))
    ends = (sizes[0], sum(sizes), len(order))
    parts = zip(SPLITS, (0, *ends), ends, strict=False)
    return {
        name: replace(
            videos,
            videos=tuple(
                replace(video, split=name)
                for video in videos.videos
                if video.label in order[first:end]
            ),
        )
        for name, first, end in parts
    }


def frames_of(vectors: NDArray[Any], videos: VideoList, every: VideoList) -> Tensor:
    """Return eight frames (v 8 d) of the videos of a list."""
    place = {video.id: i for i, video in enumerate(every.videos)}
    chosen = torch.from_numpy(vectors[[place[video.id] for video in videos.videos]]).float()
    at = np.linspace(0, chosen.shape[1] - 1, FRAMES).round().astype(int)
    return torch.nan_to_num(chosen[:, at])


def recipe(label: str, groups: str, steps: int) -> Any:
    """Return the recipe of a method: the same for all but the method and its options."""
    name, options, changes = TRAINED[label]
    sizes = {**SMALL, "key_width": WIDTH, "vector_width": WIDTH, "frames": FRAMES}
    stage = {**STAGE, "steps": steps, "accumulate": 1, "loss_weights": LOSSES.get(name, {})}
    stage |= changes
    if stage["kind"] == "classify":
        del stage["queries"], stage["loss_weights"]
    content: dict[str, Any] = {"name": "domains", "data": "CLIPS", "groups": groups}
    content["validation"] = {"every": steps // 3, "count": 200}
    return same_budget(name, {**sizes, **options}, content, stage)


def trained(label: str, data: TrainingData, folder: Path, steps: int) -> TorchMethod:
    """Train a method, or continue its run, and return it."""
    run = train(recipe(label, data.train.groups, steps), data, folder / label, device="cpu")
    return checkpoint.load(run.folder)


def measure(
    assets: Path, work: Path, base: str, episodes: int, steps: int
) -> Iterator[tuple[str, str, str, Result]]:
    """Yield base, novel set, method and result."""
    sizes, novel = DOMAINS[base]
    every, vectors = read_set(assets, base)
    others = {name: read_set(assets, name) for name in novel}
    lists = split(every, sizes, [videos for videos, _ in others.values()])
    raw = {name: frames_of(vectors, videos, every) for name, videos in lists.items()}
    mean = raw["train"].mean((0, 1))
    directions = principal(raw["train"] - mean)[:, :WIDTH]

    def reduced(name: str, vectors: Tensor) -> ArrayFeatures:
        return ArrayFeatures(((vectors - mean) @ directions).half().numpy(), name)

    sources = {name: reduced(base, vectors) for name, vectors in raw.items()}
    data = TrainingData(lists["train"], lists["val"], sources["train"], sources["val"])
    tests = {base: (lists["test"], sources["test"])}
    for name, (videos, unreduced) in others.items():
        refuse_leaks(lists["train"], videos, allow_leak=False)
        tests[name] = videos, reduced(name, frames_of(unreduced, videos, videos))
    for label in (*FREE, *TRAINED):
        if label in FREE:
            method = partial(methods.create, FREE[label][0], frames=FRAMES, **FREE[label][1])
        else:
            method = partial(trained, label, data, work / base, steps)
        for name, (videos, features) in tests.items():
            drawn = draw(videos, protocol(videos, 1, episodes)) if episodes else None
            file = f"{base}-{name}-{label}"
            result = evaluated(work, file, method, features, videos, drawn)
            if result is not None:
                yield base, name, label, result


def tables(assets: Path, work: Path, episodes: int) -> str:
    """Return the tables of each base set: accuracies, rejection, and paired differences."""
    return "\n\n".join(
        text
        for base in DOMAINS
        for text in _tables(base, list(measure(assets, work, base, episodes, STEPS)))
    )


def _tables(base: str, found: Sequence[tuple[str, str, str, Result]]) -> list[str]:
    by_label: dict[str, dict[str, Result]] = {}
    for _, name, label, result in found:
        by_label.setdefault(label, {})[name] = result
    names = [f"`{name}`" for name in next(iter(by_label.values()))]
    by_label = {label: rs for label, rs in by_label.items() if len(rs) == len(names)}
    accuracies, rejection = [], []
    for label, results in by_label.items():
        validation = results[base].setup.method.validation
        cells = [f"{r.accuracy:.1f}" for r in results.values()]
        accuracies.append([label, "–" if validation is None else f"{validation:.1f}", *cells])
        if all("discriminator" in r.open_set for r in results.values()):
            for score in ("max-softmax", "best", "discriminator"):
                aurocs = [f"{r.open_set[score]['auroc'].mean:.1f}" for r in results.values()]
                rejection.append([f"{label}: {score}", *aurocs])
    widest = max(r.ci95 or 0 for _, _, _, r in found)
    of_auroc = max(r.open_set["best"]["auroc"].ci95 or 0 for _, _, _, r in found)
    differences = [
        [f"{first} − {second}", *map(difference_cell, ones.values(), others.values())]
        for first, second in PAIRS
        if (ones := by_label.get(first)) and (others := by_label.get(second))
    ]
    head = [f"trained on `{base}`", "validation", *names]
    return [
        table(head, accuracies),
        table(["AUROC of a score", *names], rejection),
        f"95 % intervals are at most ± {widest:.1f} (accuracy) and {of_auroc:.1f} (AUROC).",
        table(["paired difference", *names], differences),
    ]
