"""How large frames of motion must be, and what the default method can do without.

    python -m benchmarks.small_frames ASSETS [--fraction 1] [--queries 3] [--episodes 2000]

Compares other sizes and weights with the default, on development clips; see
docs/decisions/small-frames.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from benchmarks.datasets import Part
from benchmarks.development import clean, development, parse_options, print_paired
from benchmarks.fusion_variants import fusion
from fewact import backbones
from fewact.features.request import ClipViews, SmallFrameRequest
from fewact.features.small import SIDE, small_frames
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import WeightedTerm
from fewact.synthetic.processing import with_simulated_camera


@dataclass(frozen=True, order=True)
class SizedFrameRequest(SmallFrameRequest):
    """Frames of any size.

    Args:
        side: Their height in pixels.
    """

    side: int = SIDE

    def prepare(self, clip: ClipViews) -> Tensor:
        """Return the frames (n 3 h w) uint8."""
        return small_frames(clip.frames(self.view), self.side)


@dataclass(frozen=True)
class Variant:
    """Another default.

    Args:
        weights: Weights of the terms that differ.
        side: Height of the small frames in pixels.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    side: int = SIDE

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
        return replace(one, term=replace(term, view=SizedFrameRequest(term.view.view, self.side)))


VARIANTS: Mapping[str, Variant] = {
    "**small frames of 64 pixels, weight 1.5**": Variant(),
    "of 48 pixels": Variant(side=48),
    "of 96 pixels": Variant(side=96),
    "of 128 pixels": Variant(side=128),
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
    made = {name: one.method() for name, one in VARIANTS.items()}
    print_paired(made, [depth, hand, *others], backbones.create(engine="onnx"), options)


if __name__ == "__main__":
    main()
