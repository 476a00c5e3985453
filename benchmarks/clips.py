"""Accuracy of the training-free methods on labelled clips: the table of the README.

    python benchmarks/clips.py ASSETS [--backbone mobilenet-v2 --weights FILE] [--episodes 2000]

ASSETS holds ``clips/index.tsv`` (path, dataset, class, group …) and the clips. Support and query
never share a group; five ways, five queries a class. Nothing here chooses anything: the options of
the methods were chosen on classes 1-13 of ``utd27_depth`` and groups 1-12 of ``ucf7``, and the rows
are the other classes, the other groups, and a set that was never looked at.
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fewact import backbones, methods
from fewact.backbones import Tap
from fewact.data import Clip
from fewact.methods.base import Method, Nodes
from fewact.store import extract

WAYS, QUERIES = 5, 5
BATCH = 8
PLACES_A_CLIP = 128

COLUMNS = {
    "mean of frames": ("protonet", {"unit_frames": True}),
    "in order": ("protonet", {"unit_frames": True, "order": "joined", "shots": "average"}),
    "A²M² as written, PCA to 64": (
        "a2m2",
        {
            "tap": "maps",
            "reduction": "pca",
            "width": 64,
            "centre_clip": False,
            "time_weight": 0.0,
            "shots": "mean",
        },
    ),
    "A²M², stride 16, clip mean removed": ("a2m2", {"time_weight": 0.0}),
    "A²M², the same with time (default)": ("a2m2", {}),
    "grey pixels, no network": ("pixels", {}),
    "fusion": ("fusion", {}),
}


@dataclass(frozen=True)
class Item:
    """A clip of the index."""

    clip: Clip
    dataset: str
    label: str
    group: str


@dataclass(frozen=True)
class Part:
    """What episodes are drawn from; ``shared`` groups are the same in all classes."""

    name: str
    items: tuple[int, ...]
    shared: bool


def read_index(assets: Path) -> list[Item]:
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Item(Clip(assets / row["path"], row["class"]), row["dataset"], row["class"], row["group"])
        for row in rows
    ]


def development(item: Item) -> bool:
    """Whether options may be chosen on it."""
    if item.dataset == "utd27_depth":
        return class_number(item.label) <= 13
    return item.dataset == "ucf7" and int(item.group[1:]) <= 12


def class_number(label: str) -> int:
    return int("".join(c for c in label.split("_")[0] if c.isdigit()))


def parts(items: Sequence[Item], *, choosing: bool) -> list[Part]:
    names = [("utd27_depth", "classes 1-13" if choosing else "classes 14-27", True)]
    names += [] if choosing else [("utd5_rgb", "", True)]
    names += [("ucf7", "groups 1-12" if choosing else "groups 13-25", False)]
    return [
        Part(
            f"`{dataset}` {which}".strip(),
            tuple(
                i
                for i, item in enumerate(items)
                if item.dataset == dataset and development(item) == choosing
            ),
            shared,
        )
        for dataset, which, shared in names
    ]


def draw(
    items: Sequence[Item], part: Part, shots: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Support and query clips of one episode, classes one after the other."""
    classes = rng.permutation(sorted({items[i].label for i in part.items}))[:WAYS]
    people = rng.permutation(sorted({items[i].group for i in part.items}))
    support: list[int] = []
    query: list[int] = []
    for label in classes:
        own = [i for i in part.items if items[i].label == label]
        groups = people if part.shared else rng.permutation(sorted({items[i].group for i in own}))
        for group in groups[:shots]:
            support.append(int(rng.choice([i for i in own if items[i].group == group])))
        rest = [i for i in own if items[i].group not in set(groups[:shots])]
        query.extend(int(i) for i in rng.choice(rest, QUERIES, replace=False))
    return support, query


def accuracies(
    method: Method,
    nodes: Nodes,
    items: Sequence[Item],
    part: Part,
    *,
    shots: int,
    episodes: int,
    seed: int = 0,
) -> np.ndarray:
    """Accuracy of each episode, in per cent."""
    drawn = [
        draw(items, part, shots, np.random.default_rng([seed, index])) for index in range(episodes)
    ]
    labels = torch.arange(WAYS).repeat_interleave(shots)
    truth = torch.arange(WAYS).repeat_interleave(QUERIES)
    right = []
    for start in range(0, episodes, BATCH):
        batch = drawn[start : start + BATCH]
        support, query = (torch.tensor([pair[i] for pair in batch]) for i in (0, 1))
        with torch.inference_mode():
            state = method.support(
                {name: value[support] for name, value in nodes.items()},
                labels.expand(len(support), -1),
                WAYS,
            )
            logits = method.score(state, {name: value[query] for name, value in nodes.items()})
        right.append((logits.argmax(-1) == truth).float().mean(-1))
    return 100 * torch.cat(right).double().numpy()


def encode_all(
    backbone: backbones.Backbone, items: Sequence[Item], columns: dict[str, Method]
) -> dict[str, Nodes]:
    """Nodes of every clip for every method, from one pass over the clips."""
    taps = sorted({tap for method in columns.values() for tap in method.taps(backbone.card)})
    kept: dict[str, list[Nodes]] = {name: [] for name in columns}
    for done, found in enumerate(extract([item.clip for item in items], backbone, taps)):
        if found.features is None:
            raise found.error
        for name, method in columns.items():
            with torch.inference_mode():
                kept[name].append(method.encode(found.features))
        if done % 100 == 99:
            print(f"{done + 1} clips", flush=True)
    return {
        name: {key: torch.stack([one[key] for one in nodes]) for key in nodes[0]}
        for name, nodes in kept.items()
    }


def places(backbone: backbones.Backbone, items: Sequence[Item], tap: Tap) -> Iterator[Tensor]:
    """Some places (m c) of the maps of the clips on which options may be chosen."""
    clips = [item.clip for item in items if development(item)]
    for found in extract(clips, backbone, [tap]):
        if found.features is None:
            raise found.error
        samples = found.features[tap].movedim(-3, -1).flatten(0, -2)
        yield samples[:: max(1, len(samples) // PLACES_A_CLIP)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--choosing", action="store_true", help="the development halves instead")
    given = parser.parse_args()

    items = read_index(given.assets)
    backbone = backbones.create(given.backbone, weights=given.weights, precision=given.precision)
    columns = {name: methods.create(kind, **o).eval() for name, (kind, o) in COLUMNS.items()}
    written = columns["A²M² as written, PCA to 64"]
    (tap,) = written.taps(backbone.card)
    written.fit_reduction({tap: torch.cat(list(places(backbone, items, tap)))[..., None, None]})
    start = time.perf_counter()
    nodes = encode_all(backbone, items, columns)
    print(
        f"{backbone.card.name}, {backbone.card.precision}: {len(items)} clips in "
        f"{time.perf_counter() - start:.0f} s\n"
    )
    print(f"| 5-way, 1 / 5 shots, {given.episodes} episodes | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    widest = 0.0
    for part in parts(items, choosing=given.choosing):
        cells = []
        for name, method in columns.items():
            figures = []
            for shots in (1, 5):
                each = accuracies(
                    method, nodes[name], items, part, shots=shots, episodes=given.episodes
                )
                widest = max(widest, 1.96 * each.std(ddof=1) / len(each) ** 0.5)
                figures.append(f"{each.mean():.1f}")
            cells.append(" / ".join(figures))
        print(f"| {part.name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n95 % intervals: at most ± {widest:.2f}")


if __name__ == "__main__":
    main()
