"""Accuracy under simulated cameras: the tables of docs/results/hand-held-cameras.md.

    python -m benchmarks.handheld ASSETS [--backbone mobilenet-v2 --weights FILE]
        [--cameras fixed hand] [--sets utd5_rgb] [--share 0.5 --queries 3] [--episodes 1000]
        [--seed 0] [--default] [--began]

ASSETS, protocol and halves are those of ``benchmarks/clips.py``: nothing here chooses anything.
Every clip is filmed by a camera on a way of its own, support and query alike; in the last column
the queries only, and the support by the fixed camera. The set ``motions`` is ten rendered videos of
each test class of the preset ``misaligned``; the set ``bodies``, for choosing alone, is people on
black who are made to move as a whole (``bodies.py``).
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.bodies import acting
from benchmarks.clips import WAYS, LookedUp, Pairs, Part, compared, inside, parts, read_index
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.camera.simulated import CAMERAS
from fewact.data import VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.features.extract import extract
from fewact.features.request import Request
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.synthetic import motions

OFF = {
    "stabilise": "off",
    "trend": "mean",
    "centre": False,
    "whole_weight": 0,
    "cameras": "moving",
}
SETS = ("utd27_depth", "utd5_rgb", "ucf7", "motions", "bodies")
COLUMNS: Mapping[str, Mapping[str, object]] = {
    "without camera steps": OFF,
    "linear detrend": OFF | {"trend": "line"},
    "shift search": OFF | {"shift_search": 2},
    "motion-centred crop": OFF | {"centre": True},
    "stabilised": OFF | {"stabilise": "auto"},
    "**all steps (default)**": {},
}
BEGAN = OFF | {"velocity": 0, "motion_weight": 1, "moment_weight": 0.5}
AS_IT_BEGAN: Mapping[str, Mapping[str, object]] = {
    "fusion as it began": BEGAN,
    "line removed": BEGAN | {"trend": "line"},
    "stabilised": BEGAN | {"stabilise": "auto"},
    "stabilised, shift search": BEGAN | {"stabilise": "auto", "shift_search": 2},
    "**all steps (default)**": {},
}


def encode(columns: Sequence[Fusion], backbone: Backbone, videos: VideoList) -> list[Nodes]:
    """Nodes of each column of all videos, (1 v …)."""
    requests: list[Request] = [
        request for method in columns for request in method.requests(backbone.card)
    ]
    requests = list(dict.fromkeys(requests))
    clips = [video.source for video in videos.videos if video.source]
    each: list[list[Nodes]] = [[] for _ in columns]
    with torch.inference_mode():
        for found in extract(clips, backbone, requests):
            if found.features is None:
                raise SystemExit(str(found.error))
            features = {request: value[None] for request, value in found.features.items()}
            for kept, method in zip(each, columns, strict=True):
                kept.append(method.encode(features))
    return [
        {name: torch.cat([one[name] for one in kept])[None] for name in kept[0]} for kept in each
    ]


def accuracy(
    method: Fusion, across: Tensor, examples: Pairs, episodes: EpisodeSet
) -> tuple[float, float]:
    """Accuracy and the half-width of its interval, in per cent.

    Args:
        method: Whose similarities they are.
        across: (r v v) of queries with support videos.
        examples: Of the support videos.
        episodes: Drawn from the same videos.
    """
    own = examples.exact
    count = own.shape[-1]
    whole = torch.cat([torch.cat([own, across.mT], 2), torch.cat([across, across], 2)], 1)
    looked_up = LookedUp(method, replace(examples, exact=whole))
    support = torch.from_numpy(episodes.support).long().flatten(1)
    queries = torch.from_numpy(episodes.query).long().flatten(1)
    shots, asked = episodes.protocol.shots, episodes.protocol.queries
    labels = torch.arange(WAYS).repeat_interleave(shots).expand(len(support), -1)
    state = looked_up.support({"at": support}, labels, WAYS)
    found = looked_up.score(state, {"at": queries + count}).argmax(-1)
    truth = torch.arange(WAYS).repeat_interleave(asked)
    right = 100 * (found == truth).double().mean(1)
    return right.mean().item(), 1.96 * right.std().item() / len(right) ** 0.5


def rows(
    part: Part,
    backbone: Backbone,
    cameras: Sequence[str],
    queries: int,
    count: int,
    named: Mapping[str, Mapping[str, object]],
    seed: int,
) -> Iterator[tuple[str, list[str], float]]:
    """For each camera its cells and the widest interval; the last named column is the default."""
    columns = [methods.create("fusion", **options).eval() for options in named.values()]
    fusions = [method for method in columns if isinstance(method, Fusion)]
    drawn = [
        draw(part.videos, Protocol(WAYS, shots, queries, count, groups=part.videos.groups))
        for shots in (1, 5)
    ]
    still: tuple[Nodes, Pairs] | None = None
    for name in cameras:
        nodes = encode(fusions, backbone, with_simulated_camera(part.videos, name, seed))
        found = []
        each = [inside(method, own) for method, own in zip(fusions, nodes, strict=True)]
        for method, same in zip(fusions, each, strict=True):
            found.append([accuracy(method, same.exact, same, one) for one in drawn])
        default = fusions[-1]
        if name == "fixed":
            still = nodes[-1], each[-1]
        if still is not None:
            across = compared(default.similarity, nodes[-1], still[0])
            found.append([accuracy(default, across, still[1], one) for one in drawn])
        cells = [" / ".join(f"{value:.1f}" for value, _ in cell) for cell in found]
        yield name, cells, max(width for cell in found for _, width in cell)


def some(videos: VideoList, share: float) -> VideoList:
    """Evenly spread videos of each class, of all groups."""
    step = round(1 / share)
    places: dict[str, int] = {}
    kept = []
    for video in videos.videos:
        places[video.label] = places.get(video.label, -1) + 1
        if places[video.label] % step == 0:
            kept.append(video)
    return replace(videos, videos=tuple(kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--cameras", nargs="+", default=list(CAMERAS), choices=list(CAMERAS))
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--share", type=float, default=1.0, help="of the clips of each class")
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the cameras' ways")
    parser.add_argument("--choosing", action="store_true", help="the development halves instead")
    parser.add_argument("--default", action="store_true", help="the columns of the default alone")
    parser.add_argument("--began", action="store_true", help="columns of fusion as it began")
    given = parser.parse_args()

    columns = AS_IT_BEGAN if given.began else COLUMNS
    named = dict(list(columns.items())[-1:]) if given.default else columns
    backbone = backbones.create(given.backbone, weights=given.weights, precision=given.precision)
    print(f"{backbone.card.name}, {backbone.card.precision}, {given.episodes} episodes")
    widest = 0.0
    index = read_index(given.assets)
    chosen = [
        Part(part.name, some(part.videos, given.share))
        for part in parts(index, choosing=given.choosing)
        if part.videos.name in given.sets
    ]
    if "bodies" in given.sets and given.choosing:
        people = parts(index, choosing=True)[0].videos
        chosen.append(Part("simulated full-body motion, textureless background", acting(people)))
    if "motions" in given.sets and not given.choosing:
        rendered = motions("misaligned", videos=10).videos.of("test")
        chosen.append(Part("`motions` misaligned, test classes", rendered))
    for part in chosen:
        heads = [*named, "all steps, queries only"]
        print(f"\n| {part.name}, {len(part.videos.videos)} clips | " + " | ".join(heads) + " |")
        print("|---" * (len(heads) + 1) + "|")
        found = rows(
            part, backbone, given.cameras, given.queries, given.episodes, named, given.seed
        )
        for name, cells, width in found:
            widest = max(widest, width)
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n95 % intervals: at most ± {widest:.1f}")


if __name__ == "__main__":
    main()
