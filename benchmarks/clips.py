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
from functools import partial
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
from fewact.methods.common.kernel import intra_class_similarity
from fewact.methods.fusion import Fusion, FusionState
from fewact.methods.fusion.camera_weight import CameraWeight
from fewact.methods.fusion.weighted_terms import LOG_ODDS

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
    """Similarities of all pairs of clips.

    Args:
        exact: (r v v): one table, or one for moving and one for static cameras.
        quick: (r v v) likewise, from which the static probability is estimated.
        camera: Estimator of the static probability; None where it is 0.
        log_odds: (v 1) that the camera of each clip moved, for the estimator.
    """

    exact: Tensor
    quick: Tensor
    camera: CameraWeight | None = None
    log_odds: Tensor | None = None


class LookedUp(Method[Any, FusionState]):
    """A method that averages pair similarities, with the similarities taken from a table.

    Thousands of episodes use the same pairs of a few hundred clips.
    """

    def __init__(self, method: Fusion | A2M2, pairs: Pairs) -> None:
        super().__init__(method.options)
        self.pairs = pairs

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(1)),)

    def encode(self, features: Features) -> Nodes:
        return {"at": features[FeatureRequest("vectors", View(1))][..., 0, 0]}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> FusionState:
        static = self._static_probability(nodes, labels, n)
        inside = intra_class_similarity(
            lambda videos, episodes: self.similarity(videos, videos, static[episodes]),
            nodes,
            labels,
            n,
        )
        return FusionState(nodes, labels, inside, static)

    def _static_probability(self, nodes: Nodes, labels: Tensor, n: int) -> Tensor:
        camera, log_odds = self.pairs.camera, self.pairs.log_odds
        if camera is None or log_odds is None:
            return self.pairs.exact.new_zeros(len(labels))
        moving, static = (_entries(table, nodes, nodes) for table in self.pairs.quick)
        return camera.static_probability(log_odds[nodes["at"].long()], moving, static, labels, n)

    def score(self, state: FusionState, nodes: Nodes) -> Tensor:
        pairs = self.similarity(nodes, state.nodes, state.static_probability)
        return state.logits(pairs, self.options.intra_class_weight)

    def similarity(self, first: Nodes, second: Nodes, static_probability: Tensor) -> Tensor:
        moving, *static = (_entries(table, first, second) for table in self.pairs.exact)
        if not static:
            return moving
        weight = static_probability[:, None, None]
        return (1 - weight) * moving + weight * static[0]


def _entries(table: Tensor, first: Nodes, second: Nodes) -> Tensor:
    return table[first["at"].long()[:, :, None], second["at"].long()[:, None, :]]


def compared(method: Fusion | A2M2, first: Nodes, second: Nodes, *, quick: bool = False) -> Tensor:
    """Similarities of all videos (1 v …) with all support videos (1 w …).

    Returns:
        (r v w): one table, or one for moving and one for static cameras; see ``Pairs``.
    """
    ways: list[Callable[[Nodes, Nodes], Tensor]] = [method.similarity]
    if isinstance(method, Fusion):
        both = (0.0, 1.0) if method.map_terms.camera is not None else (0.0,)
        ways = [partial(method.similarity, static_probability=p, quick=quick) for p in both]
    count = next(iter(first.values())).shape[1]
    with torch.inference_mode():
        found = [
            [
                similarity({name: value[:, some] for name, value in first.items()}, second)[0]
                for some in torch.arange(count).split(CLIPS_AT_ONCE)
            ]
            for similarity in ways
        ]
    return torch.stack([torch.cat(rows) for rows in found])


def inside(method: Fusion | A2M2, nodes: Nodes) -> Pairs:
    """Similarities of videos (1 v …) with each other."""
    exact = compared(method, nodes, nodes)
    if not isinstance(method, Fusion) or method.map_terms.camera is None:
        return Pairs(exact, exact)
    quick = compared(method, nodes, nodes, quick=True)
    return Pairs(exact, quick, method.map_terms.camera, nodes[LOG_ODDS][0])


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
