"""What maps of the network's first blocks add to the default method.

    python -m benchmarks.shallow_maps ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints the table of docs/decisions/shallow-maps.md, of development clips: motion in maps at strides
16 and 8, by their weights and the grid of the latter, and images of differences by the depth of
their maps, their size and their grid.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.conditions import SHOTS, WAYS
from benchmarks.datasets import Part
from benchmarks.difference_images import ImageRequest, development
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies
from fewact import backbones, methods
from fewact.backbones import Backbone, Level
from fewact.episodes import Protocol, draw
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import WeightedTerm


@dataclass(frozen=True, order=True)
class MiddleImageRequest(ImageRequest):
    """Images of any size whose maps are those at stride 16."""

    level: ClassVar[Level] = "middle"


SMALL, LARGER = ImageRequest(scale=3 / 7), ImageRequest(scale=4 / 7)


@dataclass(frozen=True)
class Variant:
    """Another default.

    Args:
        motion: Weight of motion at stride 16.
        shallow: Weight of motion at stride 8.
        grid: Rows and columns of cells at stride 8.
        images: Request for the images of differences.
        image_grid: Rows and columns of cells of the images.
    """

    motion: float = 1.0
    shallow: float = 1.0
    grid: int = 6
    images: ImageRequest = SMALL
    image_grid: int = 6

    def method(self) -> Fusion:
        """Return the method."""
        weights = {"motion": self.motion, "shallow_motion": self.shallow}
        made = methods.create("fusion", weights=weights).eval()
        if not isinstance(made, Fusion):
            raise TypeError("fusion is another method")
        terms = tuple(map(self._changed, made.map_terms.terms))
        made.map_terms = replace(made.map_terms, terms=terms)
        return made

    def _changed(self, one: WeightedTerm) -> WeightedTerm:
        if not isinstance(one.term, Motion):
            return one
        if one.name == "differences":
            return replace(one, term=replace(one.term, view=self.images, grid=self.image_grid))
        if "shallow" in one.name:
            return replace(one, term=replace(one.term, grid=self.grid))
        return one


FORMER = Variant(motion=2, shallow=0, images=MiddleImageRequest(scale=4 / 7), image_grid=4)

VARIANTS: Mapping[str, Variant] = {
    "stride 16 alone, images at stride 16, 4/7, 4 × 4": FORMER,
    "both strides, 4 × 4": replace(FORMER, motion=1, shallow=1, grid=4),
    "both strides, 6 × 6": replace(FORMER, motion=1, shallow=1),
    "both strides, 8 × 8": replace(FORMER, motion=1, shallow=1, grid=8),
    "images at stride 8, 4/7, 4 × 4": Variant(images=LARGER, image_grid=4),
    "images at stride 8, 4/7, 6 × 6": Variant(images=LARGER),
    "images at stride 8, 3/7, 4 × 4": Variant(image_grid=4),
    "**images at stride 8, 3/7, 6 × 6**": Variant(),
    "stride 8 alone, images at stride 8, 3/7, 6 × 6": Variant(motion=0, shallow=2),
}
"""Each differs from the one before in what its name says."""


def row_of(parts: list[Part], backbone: Backbone, options: argparse.Namespace) -> list[str]:
    """Return a row for each variant."""
    made = {name: variant.method() for name, variant in VARIANTS.items()}
    cells: dict[str, list[str]] = {name: [] for name in made}
    means: dict[str, list[list[float]]] = {name: [] for name in made}
    for part in parts:
        groups = part.videos.groups
        drawn = [
            draw(part.videos, Protocol(WAYS, k, options.queries, options.episodes, groups=groups))
            for k in SHOTS
        ]
        nodes = encode_videos(list(made.values()), backbone, part.videos)
        for (name, method), each in zip(made.items(), nodes, strict=True):
            pairs = compare_within(method, each)
            found = [
                float(episode_accuracies(method, pairs.exact, pairs, one).mean()) for one in drawn
            ]
            means[name].append(found)
            cells[name].append(" / ".join(f"{one:.1f}" for one in found))
    return [f"| {name} | " + " | ".join([*cells[name], _mean(means[name])]) + " |" for name in made]


def _mean(found: list[list[float]]) -> str:
    return " / ".join(f"{sum(one) / len(one):.1f}" for one in zip(*found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--fraction", type=float, default=0.5, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = development(options)
    heads = ["motion", *(part.name for part in parts), "mean"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    with torch.inference_mode():
        for row in row_of(parts, backbones.create(), options):
            print(row, flush=True)


if __name__ == "__main__":
    main()
