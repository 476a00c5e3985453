"""Accuracy under simulated cameras: the tables of docs/results/hand-held-cameras.md.

    python -m benchmarks.handheld ASSETS [--backbone mobilenet-v2 --weights FILE]
        [--cameras fixed hand] [--sets utd5_rgb] [--share 0.5 --queries 3] [--episodes 1000]
        [--seed 0] [--default]

ASSETS, protocol and halves are those of ``benchmarks/clips.py``: no option is chosen here. Each
clip is recorded by a simulated camera with its own path, support and query alike; in the last
column the support is recorded by the fixed camera. The set ``motions`` has ten rendered videos of
each test class of the preset ``misaligned``. The set ``bodies``, for ``--choosing`` only, has
simulated full-body motion on a textureless background (``bodies.py``).
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.bodies import acting
from benchmarks.clips import WAYS, LookedUp, Pairs, Part, compared, inside, parts, read_index
from fewact import backbones
from fewact.backbones import Backbone
from fewact.camera.simulated import CAMERAS
from fewact.data import VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.features.extract import extract
from fewact.features.request import Request, Stabilise
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion, FusionOptions, TermWeights
from fewact.methods.fusion.terms import Detrend, Moments, Motion
from fewact.synthetic import motions

SETS = ("utd27_depth", "utd5_rgb", "ucf7", "motions", "bodies")


@dataclass(frozen=True)
class Column:
    """Fusion with some of its steps against camera motion.

    Args:
        stabilise: See ``FusionOptions``.
        detrend: What is removed over time from motion and moments.
        crop: Whether motion is compared in a motion-centred crop.
        full_frame_motion: Weight of the term.
    """

    stabilise: Stabilise = "off"
    detrend: Detrend = "constant"
    crop: bool = False
    full_frame_motion: float = 0.0

    def method(self) -> Fusion:
        """Return fusion that assumes moving cameras, with these steps alone."""
        weights = TermWeights(full_frame_motion=self.full_frame_motion)
        method = Fusion(FusionOptions(stabilise=self.stabilise, cameras="moving", weights=weights))
        terms = method.map_terms.with_fields(Motion, detrend=self.detrend)
        terms = terms.with_fields(Moments, detrend=self.detrend)
        method.map_terms = terms if self.crop else terms.with_fields(Motion, crop=False)
        return method.eval()


def default() -> Fusion:
    """Return fusion with all steps."""
    return Fusion(FusionOptions()).eval()


COLUMNS: Mapping[str, Callable[[], Fusion]] = {
    "without camera steps": Column().method,
    "linear detrend": Column(detrend="linear").method,
    "motion-centred crop": Column(crop=True).method,
    "stabilised": Column(stabilise="auto").method,
    "**all steps (default)**": default,
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
    """Return accuracy and the half-width of its interval, in per cent.

    Args:
        method: Method that the similarities are of.
        across: Similarities (r v v) of queries with support videos.
        examples: Similarities of the support videos.
        episodes: Episodes of the same videos.
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
    named: Mapping[str, Callable[[], Fusion]],
    seed: int,
) -> Iterator[tuple[str, list[str], float]]:
    """For each camera its cells and the widest interval; the last named column is the default."""
    fusions = [make() for make in named.values()]
    drawn = [
        draw(part.videos, Protocol(WAYS, shots, queries, count, groups=part.videos.groups))
        for shots in (1, 5)
    ]
    fixed: tuple[Nodes, Pairs] | None = None
    for name in cameras:
        nodes = encode(fusions, backbone, with_simulated_camera(part.videos, name, seed))
        found = []
        each = [inside(method, own) for method, own in zip(fusions, nodes, strict=True)]
        for method, same in zip(fusions, each, strict=True):
            found.append([accuracy(method, same.exact, same, one) for one in drawn])
        if name == "fixed":
            fixed = nodes[-1], each[-1]
        if fixed is not None:
            across = compared(fusions[-1], nodes[-1], fixed[0])
            found.append([accuracy(fusions[-1], across, fixed[1], one) for one in drawn])
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
    given = parser.parse_args()

    named = dict(list(COLUMNS.items())[-1:]) if given.default else COLUMNS
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
