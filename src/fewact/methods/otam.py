"""OTAM: frames aligned in temporal order, by a soft minimum over all paths.

Cao et al., Few-Shot Video Classification via Temporal Alignment, CVPR 2020, arXiv 1906.11415.
"""

from pydantic import NonNegativeFloat, PositiveInt

from fewact import align
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Labels, Logits, Method, Nodes, promoted
from fewact.methods.common.options import options_dataclass
from fewact.methods.common.shots import ShotAggregation, SupportFrames, support_frames
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.networks.card import Card


@options_dataclass
class OTAMOptions:
    """Options of ``otam``.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        smoothing: λ of the soft minimum; later papers use 0.5.
        eps: ε added to the product of the norms in the cosine cost of two frames.
        bidirectional: Align in both directions, query to support and support to query.
        shot_aggregation: Aggregation over the shots of a class: ``mean`` averages the distances, as
            first published; ``prototype`` averages the videos frame by frame, as in CLIP-FSAR.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    smoothing: NonNegativeFloat = 0.1
    eps: NonNegativeFloat = 0.01
    bidirectional: bool = True
    shot_aggregation: ShotAggregation = "mean"


class OTAM(Method[OTAMOptions, SupportFrames]):
    """Ordered temporal alignment of frame vectors; without training, or on trained features."""

    Options = OTAMOptions
    paper = "OTAM, CVPR 2020"
    takes_tensors = True
    scoring = frozenset({"smoothing", "eps", "bidirectional", "shot_aggregation"})

    def __init__(self, options: OTAMOptions) -> None:
        super().__init__(options)
        self.averages_pairs = options.shot_aggregation == "mean"

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self._request,)

    @property
    def _request(self) -> Request:
        return FeatureRequest("vectors", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        return {"frames": promoted(features[self._request])}

    def support(self, nodes: Nodes, labels: Labels, n: int) -> SupportFrames:
        """Return the support videos with their classes, or prototypes (b n t d)."""
        return support_frames(nodes["frames"], labels, n, self.options.shot_aggregation)

    def score(self, state: SupportFrames, nodes: Nodes) -> Logits:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: SupportFrames, nodes: Nodes) -> tuple[Logits, Logits | None]:
        """Return logits (b q n), and for ``mean`` the averaged similarities (b q s)."""
        options = self.options
        cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, eps=options.eps)
        alignment = align.otam(
            cost, options.smoothing, bidirectional=options.bidirectional, plan=False
        )
        pairs = -alignment.value  # (b q p)
        logits: Logits = state.average(pairs)
        return logits, pairs if self.averages_pairs else None

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the frames, from the query to the support video."""
        options = self.options
        first, second = query["frames"], support["frames"]  # (t d)
        cost = align.pairwise_cosine_cost(first[None, None], second[None, None], options.eps)
        alignment = align.otam(
            cost[0, 0, 0], options.smoothing, bidirectional=options.bidirectional
        )
        if alignment.plan is None:
            return None
        return frame_match("frames", alignment.plan)
