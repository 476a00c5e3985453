"""How large frames of motion must be, and what the default method can do without.

    python -m benchmarks.small_frames ASSETS [--fraction 1] [--queries 3] [--episodes 2000]

Prints the table of docs/decisions/small-frames.md, of development clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import Part
from benchmarks.development import clean, development, drawn, parse_options
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies, paired_cell
from fewact import backbones
from fewact.backbones.card import Card
from fewact.data.simulated_camera import with_simulated_camera
from fewact.features.request import ClipViews, SmallFrameRequest
from fewact.features.small import SCALE, image_side
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import WeightedTerm


@dataclass(frozen=True, order=True)
class SizedFrameRequest(SmallFrameRequest):
    """Frames of any size.

    Args:
        scale: Their height, as a fraction of the frames'.
    """

    scale: float = SCALE

    def shape(self, card: Card) -> tuple[int, ...]:
        """Shape of one video's features: (t c h w)."""
        channels, *cells = card.shape_of(self.level)
        sides = zip(cells, card.input_size, strict=True)
        return (self.frames, channels, *(n * image_side(px, self.scale) // px for n, px in sides))

    def prepare(self, clip: ClipViews) -> Tensor:
        """Return the frames (n 3 h w) uint8."""
        frames = clip.frames(self.view)
        size = [image_side(side, self.scale) for side in frames.shape[-2:]]
        return functional.interpolate(frames, size, mode="bilinear", antialias=True)


@dataclass(frozen=True)
class Variant:
    """Another default.

    Args:
        weights: Weights of the terms that differ.
        scale: Height of the small frames, as a fraction of the frames'.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    scale: float = SCALE

    def method(self) -> Fusion:
        """Return the method."""
        made = fusion(weights=dict(self.weights))
        terms = tuple(map(self._sized, made.map_terms.terms))
        made.map_terms = replace(made.map_terms, terms=terms)
        return made

    def _sized(self, one: WeightedTerm) -> WeightedTerm:
        term = one.term
        if not isinstance(term, Motion) or not isinstance(term.view, SmallFrameRequest):
            return one
        return replace(one, term=replace(term, view=SizedFrameRequest(term.view.view, self.scale)))


VARIANTS: Mapping[str, Variant] = {
    "**small frames of 3/7, weight 1.5**": Variant(),
    "of 2/7": Variant(scale=2 / 7),
    "of 4/7": Variant(scale=4 / 7),
    "of 1": Variant(scale=1.0),
    "weight 1": Variant({"motion": 1.0}),
    "weight 2": Variant({"motion": 2.0}),
    "no small frames": Variant({"motion": 0.0}),
    "no full frames": Variant({"full_frame_motion": 0.0}),
    "no moments": Variant({"moments": 0.0}),
    "no differences": Variant({"differences": 0.0}),
}
"""The first is the one that others are compared with."""


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    depth, *others = development(options)
    hand = Part("the first, hand-held", with_simulated_camera(clean(options)[0].videos, "hand"))
    parts, backbone = [depth, hand, *others], backbones.create(engine="onnx")
    made = {name: one.method() for name, one in VARIANTS.items()}
    cells: dict[str, list[str]] = {name: [] for name in made}
    for part in parts:
        episodes = drawn(part.videos, options)
        found: dict[str, list[NDArray[np.float64]]] = {}
        nodes = encode_videos(list(made.values()), backbone, part.videos)
        for (name, method), each in zip(made.items(), nodes, strict=True):
            pairs = compare_within(method, each)
            found[name] = [episode_accuracies(method, pairs.exact, pairs, one) for one in episodes]
        base = next(iter(found.values()))
        for name, accuracies in found.items():
            cells[name].append(paired_cell(accuracies, None if accuracies is base else base))
    print(heading("variant", *(part.name for part in parts)))
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
