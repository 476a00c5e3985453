"""What images of the differences between frames add to the default method.

    python -m benchmarks.difference_images ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints a table of docs/decisions/difference-images.md, of development clips: ``fusion`` without the
images, and with images of several sizes at several weights.
"""

import argparse
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.datasets import Part, episode_sets
from benchmarks.development import development, parse_options
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import CLIPS_AT_ONCE, Pairs, compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.backbones import Backbone, Card
from fewact.evaluation.episodes import EpisodeSet
from fewact.features.request import ClipViews, DifferenceRequest, Features, Request
from fewact.features.small import SIDE, difference_images
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.method import SMALL_GRID
from fewact.methods.fusion.terms import Motion

SIDES = (SIDE, 96, 128, 160, 224)
"""Heights of the images in pixels."""

WEIGHTS = (1.0, 1.5, 2.0)


@dataclass(frozen=True, order=True)
class ImageRequest(DifferenceRequest):
    """Images of any size.

    Args:
        side: Their height in pixels.
    """

    side: int = SIDE

    @property
    def images(self) -> object:
        """Images of one size are shared."""
        return type(self), self.side

    def prepare(self, clip: ClipViews) -> Tensor:
        """Return the images (n 3 h w) uint8."""
        return difference_images(clip.frames(self.view), self.side)


class Images:
    """Encodes images of several sizes as ``fusion`` does."""

    def __init__(self) -> None:
        self.terms = {
            side: Motion(ImageRequest(side=side), crop=True, grid=SMALL_GRID) for side in SIDES
        }

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of all sizes."""
        return tuple(ImageRequest(side=side) for side in self.terms)

    def encode(self, features: Features) -> Nodes:
        """Return a node for each size."""
        return {
            str(side): term.encode({term.view: features[ImageRequest(side=side)]})
            for side, term in self.terms.items()
        }

    def similarities(self, nodes: Nodes) -> dict[int, Tensor]:
        """Return the similarities (v v) of videos (1 v …) by the size of the images."""
        found = {}
        for side, term in self.terms.items():
            each = nodes[str(side)]
            some = each.split(CLIPS_AT_ONCE, dim=1)
            found[side] = torch.cat([term.similarity(one, each)[0] for one in some])
        return found


def with_images(pairs: Pairs, images: Tensor, weight: float) -> Pairs:
    """Return similarities with those of the images; the appearance alone stays."""
    exact = pairs.exact.clone()
    exact[: -1 if pairs.appearance else None] += weight * images
    return replace(pairs, exact=exact)


def accuracies(method: Fusion, pairs: Pairs, episodes: list[EpisodeSet]) -> str:
    """Return the accuracies at all numbers of shots."""
    found = (episode_accuracies(method, pairs.exact, pairs, one).mean() for one in episodes)
    return " / ".join(f"{one:.1f}" for one in found)


def rows(part: Part, backbone: Backbone, options: argparse.Namespace) -> list[str]:
    """Return a row for each size of the images."""
    episodes = episode_sets(part.videos, options.queries, options.episodes)
    plain, shown = fusion(weights={"differences": 0}), Images()
    nodes, of_images = encode_videos([plain, shown], backbone, part.videos)
    pairs = compare_within(plain, nodes)
    without = accuracies(plain, pairs, episodes)
    found = []
    for side, images in shown.similarities(of_images).items():
        cells = [accuracies(plain, with_images(pairs, images, w), episodes) for w in WEIGHTS]
        found.append(f"| {part.name} | {side} | {without} | " + " | ".join(cells) + " |")
    return found


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    backbone = backbones.create()
    heads = [
        "clips",
        "height of the images",
        "without images",
        *(f"weight {w:g}" for w in WEIGHTS),
    ]
    print(heading(*heads))
    with torch.inference_mode():
        for part in development(options):
            for row in rows(part, backbone, options):
                print(row, flush=True)


if __name__ == "__main__":
    main()
