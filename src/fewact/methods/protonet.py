"""Prototype baselines: mean frame, concatenated frames, frame by frame.

Snell et al., Prototypical Networks, NeurIPS 2017, applied to video: the baseline of every
comparison.
"""

from typing import Annotated, Any, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from fewact import align
from fewact.core.array_api import namespace
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Labels, Logits, Method, Nodes, promoted
from fewact.methods.common.kernel import mean_over_shots
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.common.shots import ShotAggregation, SupportFrames, support_frames
from fewact.methods.common.temporal import SHORTEST, lengths, normalised
from fewact.methods.protocols import BankScorer
from fewact.networks.card import Card


@options_dataclass
class ProtoNetOptions:
    """Options of ``protonet``.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        frame_matching: How frames are compared: ``pooled`` compares mean frames; ``concatenated``
            compares all frames as one vector; ``diagonal`` compares frame i with frame i;
            ``all_pairs`` sums over the support's frames and averages over the query's.
        distance: Distance of mean frames or concatenated frames; the other values of
            ``frame_matching`` use the cosine.
        shot_aggregation: Aggregation over the shots of a class: ``prototype`` averages the videos,
            ``mean`` averages the scores.
        unit_frames: Scale the vector of each frame to length 1 first.
        eps: ε added to the product of the norms in a cosine.
        temperature: Temperature of the logits: logits = similarity / temperature.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    frame_matching: Literal["pooled", "concatenated", "diagonal", "all_pairs"] = "pooled"
    distance: Annotated[
        Literal["cosine", "squared_euclidean", "euclidean"],
        Only("frame_matching", "pooled", "concatenated"),
    ] = "cosine"
    shot_aggregation: ShotAggregation = "prototype"
    unit_frames: bool = False
    eps: Annotated[NonNegativeFloat, Only("distance", "cosine")] = 0.01
    temperature: PositiveFloat = 1.0


class ProtoNet(Method[ProtoNetOptions, SupportFrames]):
    """Nearest prototype, without training."""

    Options = ProtoNetOptions
    paper = "Prototypical Networks, NeurIPS 2017"
    takes_tensors = True
    scoring = frozenset({"distance", "shot_aggregation", "eps", "temperature"})

    def __init__(self, options: ProtoNetOptions) -> None:
        super().__init__(options)
        # For cosines, fitted on the development clips; distances have the scale of the features.
        calibrated = 0.022 if options.distance == "cosine" else 1.0
        if options.frame_matching == "all_pairs":  # sums of cosines with all frames of the support
            calibrated *= options.frames
        self.temperature = calibrated / options.temperature

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self._request,)

    @property
    def _request(self) -> Request:
        return FeatureRequest("vectors", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d); pooled or concatenated frames are one vector (… 1 d)."""
        frames = promoted(features[self._request])
        if self.options.unit_frames:
            frames = normalised(frames)
        if self.options.frame_matching == "pooled":
            frames = namespace(frames).mean(frames, axis=-2, keepdims=True)
        elif self.options.frame_matching == "concatenated":
            frames = frames.reshape(*frames.shape[:-2], 1, -1)
        return {"frames": frames}

    def support(self, nodes: Nodes, labels: Labels, n: int) -> SupportFrames:
        """Return the support videos with their classes, or prototypes (b n t d)."""
        return support_frames(nodes["frames"], labels, n, self.options.shot_aggregation)

    def score(self, state: SupportFrames, nodes: Nodes) -> Logits:
        """Return logits (b q n): cosine or negative distance, over the temperature."""
        pairs = self._pairs(nodes["frames"], state.frames)  # (b q p)
        logits: Logits = state.average(pairs) * (1 / self.options.temperature)
        return logits

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer from the products of the videos' vectors, for cosines of one vector."""
        options = self.options
        pairs_of_vectors = options.frame_matching in ("pooled", "concatenated")
        if not pairs_of_vectors or options.distance != "cosine":
            return None
        support_bank, query_bank = support["frames"], query["frames"]  # (v 1 d), (w 1 d)
        own_norms, other_norms = (_norms(bank)[:, 0, 0] for bank in (support_bank, query_bank))

        def score(rows: Any, labels: Any, n: int, queries: Any) -> Any:
            if options.shot_aggregation == "prototype" and rows.shape[1] > n:
                state = self.support({"frames": support_bank[rows]}, labels, n)
                return self.score(state, {"frames": query_bank[queries]})
            products = align.block_products(query_bank, queries, support_bank, rows)
            norms = other_norms[queries][..., None] * own_norms[rows][:, None]  # (b q s)
            cosines = products[..., 0, 0] / (norms + options.eps)
            return mean_over_shots(cosines, labels, n) * (1 / options.temperature)

        return score

    def _pairs(self, query: Any, support: Any) -> Any:
        """Compare videos: (b q t d), (b p t d) → (b q p)."""
        options, xp = self.options, namespace(query)
        if options.frame_matching in ("diagonal", "all_pairs"):
            cosines = 1 - align.pairwise_cosine_cost(query, support, options.eps)  # (b q p t u)
            if options.frame_matching == "all_pairs":
                return xp.mean(xp.sum(cosines, axis=-1), axis=-1)
            return -align.diagonal(1 - cosines, plan=False).value
        query, support = (x.reshape(*x.shape[:2], -1) for x in (query, support))
        if options.distance == "cosine":
            return query @ support.mT / (_norms(query) * _norms(support).mT + options.eps)
        apart = [
            query[:, :, None] - frames[:, None, None] for frames in xp.unstack(support, axis=1)
        ]
        distance = xp.concat([lengths(x)[..., 0] for x in apart], axis=-1)
        return -distance if options.distance == "euclidean" else -(distance**2)


def _norms(vectors: Any) -> Any:
    """Return the norms (… 1) of vectors (… d), never 0: a zero vector has cosine 0."""
    return namespace(vectors).clip(lengths(vectors), min=SHORTEST)
