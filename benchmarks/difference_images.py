"""What images of the differences between frames add to the default method.

    python -m benchmarks.difference_images ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints the table of docs/decisions/difference-images.md, of development clips: ``fusion`` with 8 to
24 frames of motion, without the images and with them at several weights. The network runs once more
for each frame of the images, up to its middle.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.conditions import SHOTS, WAYS
from benchmarks.datasets import Part, fraction_of, parts, read_index
from benchmarks.pairs import CLIPS_AT_ONCE, Pairs, compare_within, encode_videos, episode_accuracies
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.data.conditions import with_condition
from fewact.data.simulated_camera import with_simulated_camera
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.features.request import DifferenceRequest
from fewact.methods.base import Method, Nodes
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion

MOTION_FRAMES = (8, 16, 24)
WEIGHTS = (0.5, 1.0, 1.5, 2.5)


def fusion(motion_frames: int, weight: float = 0.0) -> Fusion:
    """Return the default method with a number of frames and a weight of the images."""
    options = {"motion_frames": motion_frames, "weights": {"differences": weight}}
    method = methods.create("fusion", **options).eval()
    if not isinstance(method, Fusion):
        raise TypeError("fusion is another method")
    return method


def of_images(method: Fusion, nodes: Nodes) -> Tensor:
    """Return the similarities (v v) of the images of videos (1 v …)."""
    term = next(one for one in method.map_terms.terms if one.name == "differences")
    if not isinstance(term.term, Motion) or not isinstance(term.term.view, DifferenceRequest):
        raise TypeError("not the term of the images")
    each = nodes[term.name]
    return torch.cat(
        [term.term.similarity(some, each)[0] for some in each.split(CLIPS_AT_ONCE, dim=1)]
    )


def with_images(pairs: Pairs, images: Tensor, weight: float) -> Pairs:
    """Return similarities with those of the images; the appearance alone stays."""
    exact = pairs.exact.clone()
    exact[: -1 if pairs.appearance else None] += weight * images
    return replace(pairs, exact=exact)


def accuracies(method: Fusion, pairs: Pairs, drawn: list[EpisodeSet]) -> str:
    """Return the accuracies at all numbers of shots."""
    found = (episode_accuracies(method, pairs.exact, pairs, one).mean() for one in drawn)
    return " / ".join(f"{one:.1f}" for one in found)


def rows(part: Part, backbone: Backbone, options: argparse.Namespace) -> list[str]:
    """Return a row for each number of frames of motion."""
    groups = part.videos.groups
    drawn = [
        draw(part.videos, Protocol(WAYS, k, options.queries, options.episodes, groups=groups))
        for k in SHOTS
    ]
    plain = [fusion(number) for number in MOTION_FRAMES]
    shown = fusion(MOTION_FRAMES[-1], 1.0)
    every: list[Method] = [*plain, shown]
    *nodes, last = encode_videos(every, backbone, part.videos)
    images = of_images(shown, last)
    found = []
    for number, method, own in zip(MOTION_FRAMES, plain, nodes, strict=True):
        pairs = compare_within(method, own)
        cells = [accuracies(method, pairs, drawn)]
        cells += [accuracies(method, with_images(pairs, images, w), drawn) for w in WEIGHTS]
        found.append(f"| {part.name} | {number} | " + " | ".join(cells) + " |")
    return found


def development(options: argparse.Namespace) -> list[Part]:
    """Return development clips: as they are, before textured backgrounds, and hand-held there."""
    depth, web = (
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(read_index(options.assets), development=True)
    )
    rooms = with_condition(depth.videos, "background:1")
    return [
        depth,
        Part("the same before other backgrounds", rooms),
        Part("the same, hand-held", with_simulated_camera(rooms, "hand")),
        web,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--fraction", type=float, default=0.5, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    backbone = backbones.create()
    heads = ["clips", "frames of motion", "without images", *(f"weight {w:g}" for w in WEIGHTS)]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    with torch.inference_mode():
        for part in development(options):
            for row in rows(part, backbone, options):
                print(row, flush=True)


if __name__ == "__main__":
    main()
