"""What maps of the network's first blocks add to the default method, and what it can do without.

    python -m benchmarks.shallow_maps ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints the table of docs/decisions/shallow-maps.md, of development clips: motion in maps at strides
16 and 8, by their weights and the grid of the latter; images of differences by the depth of their
maps, their size and their grid; the frames of moments; the size of frames.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from benchmarks.datasets import Part
from benchmarks.development import development, drawn, parse_options
from benchmarks.difference_images import ImageRequest
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.backbones import Backbone, Level
from fewact.data.simulated_camera import with_simulated_camera
from fewact.features.request import DifferenceRequest
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
        by_camera: Whether a query whose camera is static is compared at stride 8 alone.
        grid: Rows and columns of cells at stride 8.
        images: Request for the images of differences.
        image_grid: Rows and columns of cells of the images.
        moments: Weight of moments.
        size: Height and width of frames.
    """

    motion: float = 1.0
    shallow: float = 1.0
    by_camera: bool = False
    grid: int = 6
    images: ImageRequest = SMALL
    image_grid: int = 6
    moments: float = 0.75
    size: int = 224

    def method(self) -> Fusion:
        """Return the method."""
        weights = {
            "motion": self.motion,
            "shallow_motion": self.shallow,
            "moments": self.moments,
            "learned_motion": 0,
        }
        made = fusion(weights=weights)
        terms = map(self._changed, made.map_terms.terms)
        counted = tuple(one for one in terms if one.weight or one.static_weight)
        made.map_terms = replace(made.map_terms, terms=counted)
        return made

    def _changed(self, one: WeightedTerm) -> WeightedTerm:
        if not self.by_camera:
            one = replace(one, static_weight=None)
        if not isinstance(one.term, Motion):
            return one
        if isinstance(one.term.view, DifferenceRequest):  # of the conservative or permissive view
            images = replace(self.images, view=one.term.view.view)
            return replace(one, term=replace(one.term, view=images, grid=self.image_grid))
        if "shallow" in one.name:
            return replace(one, term=replace(one.term, grid=self.grid))
        return one


SHALLOW = Variant(motion=0, shallow=1.5)
FORMER = Variant(motion=2, shallow=0, images=MiddleImageRequest(scale=4 / 7), image_grid=4)

VARIANTS: Mapping[str, Variant] = {
    "stride 16 alone, images at stride 16, 4/7, 4 × 4": FORMER,
    "both strides, 4 × 4": replace(FORMER, motion=1, shallow=1, grid=4),
    "both strides, 6 × 6": replace(FORMER, motion=1, shallow=1),
    "both strides, 8 × 8": replace(FORMER, motion=1, shallow=1, grid=8),
    "images at stride 8, 4/7, 4 × 4": Variant(images=LARGER, image_grid=4),
    "images at stride 8, 4/7, 6 × 6": Variant(images=LARGER),
    "images at stride 8, 3/7, 4 × 4": Variant(image_grid=4),
    "images at stride 8, 3/7, 6 × 6": Variant(),
    "**the same, stride 16 only where the camera moved, 1.5 to 0.5**": Variant(
        1.5, 0.5, by_camera=True
    ),
    "stride 8 alone, moments of 8 frames": SHALLOW,
    "stride 8 alone, no moments": replace(SHALLOW, moments=0),
    "stride 8 alone, frames of 192 pixels": replace(SHALLOW, size=192),
    "*stride 8 alone, frames of 160 pixels*": replace(SHALLOW, size=160),
    "stride 8 alone, frames of 160 pixels, no moments": replace(SHALLOW, moments=0, size=160),
}
"""Each differs from one before in what its name says."""


def rows(parts: list[Part], options: argparse.Namespace) -> list[str]:
    """Return a row for each variant, those of a size together."""
    found = []
    for size in dict.fromkeys(one.size for one in VARIANTS.values()):
        made = {name: one.method() for name, one in VARIANTS.items() if one.size == size}
        found += _rows(made, parts, backbones.create(size=size), options)
    return found


def _rows(
    made: Mapping[str, Fusion], parts: list[Part], backbone: Backbone, options: argparse.Namespace
) -> list[str]:
    cells: dict[str, list[str]] = {name: [] for name in made}
    means: dict[str, list[list[float]]] = {name: [] for name in made}
    for part in parts:
        episodes = drawn(part.videos, options)
        nodes = encode_videos(list(made.values()), backbone, part.videos)
        for (name, method), each in zip(made.items(), nodes, strict=True):
            pairs = compare_within(method, each)
            found = [
                float(episode_accuracies(method, pairs.exact, pairs, one).mean())
                for one in episodes
            ]
            means[name].append(found)
            cells[name].append(" / ".join(f"{one:.1f}" for one in found))
    return [f"| {name} | " + " | ".join([*cells[name], _mean(means[name])]) + " |" for name in made]


def _mean(found: list[list[float]]) -> str:
    return " / ".join(f"{sum(one) / len(one):.1f}" for one in zip(*found, strict=True))


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    depth, *others = development(options)
    moved = Part("the first, hand-held", with_simulated_camera(depth.videos, "hand"))
    parts = [depth, moved, *others]
    heads = ["motion", *(part.name for part in parts), "mean"]
    print(heading(*heads))
    with torch.inference_mode():
        for row in rows(parts, options):
            print(row, flush=True)


if __name__ == "__main__":
    main()
