"""Accuracy of the training-free methods on labelled clips: the table of the README.

    python benchmarks/clips.py ASSETS [--backbone mobilenet-v2 --weights FILE] [--episodes 2000]

ASSETS holds ``clips/index.tsv`` (path, dataset, class, group …) and the clips. Support and query
never share a group; five ways, five queries a class. Nothing here chooses anything: the options of
the methods were chosen on classes 1-13 of ``utd27_depth`` and groups 1-12 of ``ucf7``, and the rows
are the other classes, the other groups, and a set that chose nothing.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact import backbones, methods
from fewact.backbones import Card
from fewact.data import Clip, Video, VideoList
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation import ArrayFeatures, Result, VideoFeatures, evaluate_method
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import Method, Nodes
from fewact.methods.common.kernel import KernelMethod, KernelState
from fewact.methods.fusion import Fusion, standing, stood_still

WAYS, QUERIES = 5, 5
PLACES_A_CLIP = 128
CLIPS_AT_ONCE = 8
CHECKED = 10

COLUMNS = {
    "mean of frames": ("protonet", {"unit_frames": True}),
    "frames in order": ("protonet", {"unit_frames": True, "order": "joined"}),
    "A²M² as published, PCA to 64": (
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
    "A²M², stride 16, clip mean subtracted": ("a2m2", {"time_weight": 0.0}),
    "A²M², the same with time (default)": ("a2m2", {}),
    "grey pixels, no network": ("pixels", {}),
    "fusion": ("fusion", {}),
}


@dataclass(frozen=True)
class Part:
    """What episodes are drawn from."""

    name: str
    videos: VideoList


def read_index(assets: Path) -> dict[str, VideoList]:
    """The clips of each data set; the actors of the ``utd`` sets are the same in all classes."""
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found: dict[str, list[Video]] = {}
    for row in rows:
        clip = Clip(assets / row["path"], row["class"])
        video = Video(row["path"], row["class"], group=row["group"], source=clip)
        found.setdefault(row["dataset"], []).append(video)
    return {
        name: VideoList(name, tuple(videos), "within-class" if name == "ucf7" else "shared")
        for name, videos in found.items()
    }


def development(dataset: str, video: Video) -> bool:
    """Whether options may be chosen on it."""
    if dataset == "utd27_depth":
        return class_number(video.label) <= 13
    return dataset == "ucf7" and int((video.group or "")[1:]) <= 12


def class_number(label: str) -> int:
    return int("".join(c for c in label.split("_")[0] if c.isdigit()))


def parts(datasets: Mapping[str, VideoList], *, choosing: bool) -> list[Part]:
    names = [("utd27_depth", "classes 1-13" if choosing else "classes 14-27")]
    names += [] if choosing else [("utd5_rgb", "")]
    names += [("ucf7", "groups 1-12" if choosing else "groups 13-25")]
    found = []
    for name, which in names:
        whole = datasets[name]
        chosen = tuple(v for v in whole.videos if development(name, v) == choosing)
        found.append(Part(f"`{name}` {which}".strip(), replace(whole, videos=chosen)))
    return found


def places(
    backbone: backbones.Backbone, datasets: Mapping[str, VideoList], request: Request
) -> Iterator[Tensor]:
    """Some places (m c) of the maps of the clips on which options may be chosen."""
    clips = [
        video.clip
        for name, videos in datasets.items()
        for video in videos.videos
        if video.clip and development(name, video)
    ]
    for found in extract(clips, backbone, [request]):
        if found.features is None:
            raise found.error
        samples = found.features[request].movedim(-3, -1).flatten(0, -2)
        yield samples[:: max(1, len(samples) // PLACES_A_CLIP)]


@dataclass(frozen=True)
class Pairs:
    """Similarities of videos if cameras moved and, where clips speak for theirs, if they did not.

    Args:
        exact: (r v v), of which the kernel is the sum by shares.
        quick: (r v v), by which the shares are found.
        moved: (v 1) evidence that the camera of each moved, where clips speak for theirs.
    """

    exact: Tensor
    quick: Tensor
    moved: Tensor | None


class LookedUp(KernelMethod[Any]):
    """A method that averages similarities of pairs of clips, all of which are looked up.

    A few hundred clips make fewer pairs than thousands of episodes ask for.
    """

    def __init__(self, method: Fusion | A2M2, pairs: Pairs) -> None:
        super().__init__(method.options)
        self.pairs = pairs

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(1)),)

    def encode(self, features: Features) -> Nodes:
        return {"at": features[FeatureRequest("vectors", View(1))][..., 0, 0]}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> KernelState:
        if self.pairs.moved is not None:
            moved = self.pairs.moved[nodes["at"].long()]  # (b s 1)
            moving, still = (_entries(table, nodes, nodes) for table in self.pairs.quick)
            share = stood_still(moved, moving, still, labels, n, self.options.still_share)
            nodes = standing({**nodes, "moved": moved}, share)
        return super().support(nodes, labels, n)

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        moving, *still = (_entries(table, first, second) for table in self.pairs.exact)
        if not still:
            return moving
        share = second["still"][:, :1]  # (b 1 1)
        return (1 - share) * moving + share * still[0]


def _entries(table: Tensor, first: Nodes, second: Nodes) -> Tensor:
    return table[first["at"].long()[:, :, None], second["at"].long()[:, None, :]]


def compared(way: Callable[[Nodes, Nodes], Tensor], first: Nodes, second: Nodes) -> Tensor:
    """Of all videos (1 v …) with all (1 w …), which are taught: (r v w), as ``Pairs`` has them."""
    count = next(iter(first.values())).shape[1]
    found = []
    with torch.inference_mode():
        for examples in (second, standing(second, 1)) if "moved" in second else (second,):
            rows = (
                way({name: value[:, some] for name, value in first.items()}, examples)[0]
                for some in torch.arange(count).split(CLIPS_AT_ONCE)
            )
            found.append(torch.cat(list(rows)))
    return torch.stack(found)


def inside(method: Fusion | A2M2, nodes: Nodes) -> Pairs:
    """Of videos (1 v …) among themselves."""
    exact = compared(method.similarity, nodes, nodes)
    if not isinstance(method, Fusion) or "moved" not in nodes:
        return Pairs(exact, exact, None)
    return Pairs(exact, compared(method.rough, nodes, nodes), nodes["moved"][0])


def look_up(
    method: Fusion | A2M2, source: VideoFeatures, videos: VideoList
) -> tuple[LookedUp, ArrayFeatures]:
    """The same method by look-up, and what it takes for features: each clip's number."""
    count = len(videos.videos)
    with torch.inference_mode():
        found = source.features(range(count), method.requests(source.card))
        each = [
            method.encode({request: f[None] for request, f in features.items()})
            for features in found
        ]
        nodes = {name: torch.cat([one[name] for one in each])[None] for name in each[0]}
    numbers = ArrayFeatures(np.arange(count)[:, None, None] * 1.0)
    return LookedUp(method, inside(method, nodes)), numbers


def measure(
    method: Method, source: VideoFeatures, videos: VideoList, drawn: Sequence[EpisodeSet]
) -> list[Result]:
    """Results on each set of episodes."""
    averages = isinstance(method, Fusion) or (
        isinstance(method, A2M2) and method.options.shots == "average"
    )
    if not averages:
        return [evaluate_method(method, source, videos, episodes) for episodes in drawn]
    quick, numbers = look_up(method, source, videos)
    few = draw(videos, replace(drawn[-1].protocol, count=CHECKED))
    slowly = evaluate_method(method, source, videos, few)
    if slowly.accuracy != evaluate_method(quick, numbers, videos, few).accuracy:
        raise SystemExit("what is looked up is not what the method says")
    return [evaluate_method(quick, numbers, videos, episodes) for episodes in drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--choosing", action="store_true", help="the development halves instead")
    parser.add_argument("--only", choices=COLUMNS, nargs="+", help="these columns")
    given = parser.parse_args()

    datasets = read_index(given.assets)
    backbone = backbones.create(given.backbone, weights=given.weights, precision=given.precision)
    columns = {
        name: methods.create(kind, **options).eval()
        for name, (kind, options) in COLUMNS.items()
        if name in (given.only or COLUMNS)
    }
    for method in columns.values():
        if isinstance(method, A2M2) and method.options.reduction == "pca":
            (request,) = method.requests(backbone.card)
            some = torch.cat(list(places(backbone, datasets, request)))  # (m c)
            method.fit_reduction({request: some[..., None, None]})
    print(f"{backbone.card.name}, {backbone.card.precision}\n")
    print(f"| 5-way, 1 / 5 shots, {given.episodes} episodes | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    widest = 0.0
    for part in parts(datasets, choosing=given.choosing):
        source = VideoFeatures(part.videos, backbone, keep=True)
        drawn = [
            draw(
                part.videos,
                Protocol(WAYS, shots, QUERIES, given.episodes, groups=part.videos.groups),
            )
            for shots in (1, 5)
        ]
        cells = []
        for method in columns.values():
            results = measure(method, source, part.videos, drawn)
            widest = max(widest, *(result.ci95 for result in results))
            cells.append(" / ".join(f"{result.accuracy:.1f}" for result in results))
        print(f"| {part.name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n95 % intervals: at most ± {widest:.2f}")


if __name__ == "__main__":
    main()
