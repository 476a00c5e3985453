"""OTAM: frames aligned in order, by a soft minimum over all paths.

Cao et al., Few-Shot Video Classification via Temporal Alignment, CVPR 2020, arXiv 1906.11415.
"""

from typing import Literal

from pydantic import ConfigDict, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Method, Nodes
from fewact.methods.common.prototypes import ShotAggregation, SupportFrames, support_frames


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OTAMOptions:
    """Options of ``otam``.

    Args:
        frames: Frames of a video.
        stabilise: Take the camera's motion out of the frames first; ``auto`` where it moved.
        lam: λ of the soft minimum; later papers take 0.5.
        eps: Added to the product of the norms in the cosine cost of two frames.
        both: Align both ways, query to support and support to query.
        shots: ``average`` averages the distances to a class's videos, as first published;
            ``prototype`` averages its videos frame by frame and takes one distance, as CLIP-FSAR.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    lam: NonNegativeFloat = 0.1
    eps: NonNegativeFloat = 0.01
    both: bool = True
    shots: Literal["average", "prototype"] = "average"


class OTAM(Method[OTAMOptions, SupportFrames]):
    """Ordered temporal alignment; without training, or on features that were trained for it."""

    Options = OTAMOptions
    scoring = frozenset({"lam", "eps", "both", "shots"})

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (self._tap,)

    @property
    def _tap(self) -> Request:
        return FeatureRequest("vectors", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """The frames' vectors (… t d)."""
        return {"frames": features[self._tap]}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SupportFrames:
        """The support's own frames with their classes, or prototypes (b n t d)."""
        aggregation: ShotAggregation = "mean" if self.options.shots == "average" else "prototype"
        return support_frames(nodes["frames"], labels, n, aggregation)

    def score(self, state: SupportFrames, nodes: Nodes) -> Tensor:
        """Logits (b q n): minus the distance."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: SupportFrames, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Logits (b q n), and with ``average`` the similarities (b q s) that they average."""
        options = self.options
        cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, eps=options.eps)
        found = align.otam(cost, options.lam, bidirectional=options.both, plan=False)
        pairs = -found.value  # (b q p)
        logits = state.average(pairs)
        return logits, pairs if options.shots == "average" else None
