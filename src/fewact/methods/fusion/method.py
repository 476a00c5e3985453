"""Fusion: the training-free default, a sum of similarities of appearance and motion; ours."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fewact.backbones.card import Card
from fewact.errors import OptionError
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Method, Nodes, TrainingBatch, cross_entropy
from fewact.methods.common.kernel import KernelState, intra_class_similarity
from fewact.methods.explaining import FrameMatch, equal_parts, plan_of
from fewact.methods.fusion.any_order import describe
from fewact.methods.fusion.camera_weight import camera_moved
from fewact.methods.fusion.channel_mixing import ChannelMixing
from fewact.methods.fusion.mismatch import intra_class_factor, mean_appearance
from fewact.methods.fusion.options import FusionOptions, map_terms, vector_terms
from fewact.methods.fusion.terms import Appearance, Motion
from fewact.methods.fusion.weighted_terms import UNDECIDED, Decision, WeightedTerms

MEANS_OF_MAPS = 0.99
"""Least cosine of a video's vectors with the means of its maps that rounding explains."""


@dataclass(frozen=True)
class FusionState(KernelState):
    """Support of fusion.

    Args:
        decision: What the support decides: the probability that the cameras are static, and the
            share of the permissive view; of vectors, the probability that the order of the frames
            does not matter.
        appearance: Mean appearance similarity (b) of the support videos with each other; None for
            vectors only, whose origin is not known.
    """

    decision: Decision
    appearance: Tensor | None = None


class Fusion(Method[FusionOptions, FusionState]):
    """Class score: mean similarity to the support minus the intra-class similarity."""

    Options = FusionOptions
    paper = "ours"
    scoring = frozenset({"horizontal_flip", "intra_class_weight"})
    temperature = 0.03
    """Between the best for one shot and for five shots, on the development clips."""

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        channels = options.channel_mixing
        self.mixing = None if channels is None else ChannelMixing(channels)
        self.map_terms = map_terms(options)
        self.vector_terms = vector_terms(options)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of all terms; of a backbone without maps, for vectors only.

        Raises:
            OptionError: Clips must be flipped, and there are no maps.
        """
        if card.has("middle"):
            return self.map_terms.requests
        if self.options.horizontal_flip:
            raise OptionError(
                "needs a backbone with maps: vectors have no left and right",
                where="horizontal_flip",
                got=card.name,
            )
        return self.vector_terms.requests

    def requests_if_moved(self, card: Card) -> tuple[Request, ...]:
        """Return the request for the middle maps of the frames of motion."""
        return self.map_terms.requests_if_moved if card.has("middle") else ()

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request of the maps whose means are the vectors of appearance."""
        return (self._appearance_maps,) if card.has("middle") and card.has("maps") else ()

    @property
    def _appearance_maps(self) -> FeatureRequest:
        return FeatureRequest("maps", View(self.options.frames))

    def encode(self, features: Features) -> Nodes:
        """Return the node of each term, and the log-odds that the camera moved."""
        complete = features.keys() >= set(self.map_terms.requests)
        terms = self.map_terms if complete else self.vector_terms
        return terms.encode(features, self.mixing)

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> FusionState:
        """Return the support with what it decides."""
        decision = self._decision(nodes, labels, n)
        inside = intra_class_similarity(
            lambda videos, episodes: self.similarity(videos, videos, decision.of(episodes)),
            nodes,
            labels,
            n,
        )
        found = self.appearance(nodes, nodes)
        appearance = None if found is None else mean_appearance(found)
        return FusionState(nodes, labels, inside, decision, appearance)

    def score(self, state: FusionState, nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: FusionState, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """Return logits (b q n) and the similarities (b q s) that they average."""
        pairs = self.similarity(nodes, state.nodes, state.decision)
        return state.logits(pairs, self._intra_class_weight(state, nodes)), pairs

    def pair_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the similarities (b q s): appearance, motion and moments."""
        return self._terms_of(state.nodes).parts(
            nodes,
            state.nodes,
            state.decision,
            horizontal_flip=self.options.horizontal_flip,
        )

    def score_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the logits (b q n): appearance, motion and moments."""
        n, decision = state.intra_class_similarity.shape[-1], state.decision

        def inside(part: str) -> Tensor:
            return intra_class_similarity(
                lambda videos, episodes: self.pair_parts(
                    replace(state, nodes=videos, decision=decision.of(episodes)),
                    videos,
                )[part],
                state.nodes,
                state.labels,
                n,
            )

        weight = self._intra_class_weight(state, nodes)
        return {
            name: replace(state, intra_class_similarity=inside(name)).logits(pairs, weight)
            for name, pairs in self.pair_parts(state, nodes).items()
        }

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the motion term of the largest weight."""
        moving = [one for one in self._terms_of(query).terms if isinstance(one.term, Motion)]
        moved = camera_moved(query)
        if not moving:
            return None
        weight, largest = max(
            ((float(one.factor(UNDECIDED, moved)), one) for one in moving),
            key=lambda pair: pair[0],
        )
        first, second = query[largest.name], support[largest.name]  # (t d)
        term = largest.term
        if weight == 0 or not isinstance(term, Motion):
            return None
        plan = term.plan(first, second)
        return FrameMatch(
            "motion", equal_parts(len(first)), equal_parts(len(second)), plan_of(plan)
        )

    def match_cells(self, query: Nodes, support: Nodes, features: Features) -> dict[str, Tensor]:
        """Return where appearance agrees, and the full-frame motion: (t g g) each.

        Those of appearance add up to its part of the similarity. A backbone whose vectors are not
        the means of its maps has none.
        """
        cells: dict[str, Tensor] = {}
        if self._terms_of(query) is self.vector_terms:
            return cells
        maps = features.get(self._appearance_maps)
        for one in self.map_terms.terms:
            name, term = one.name, one.term
            if one.weight == 0 or term.compares in cells:
                continue
            if isinstance(term, Appearance) and maps is not None:
                encoded = term.encode({term.view: maps.mean((-2, -1))})
                if encoded.shape == query[name].shape and encoded @ query[name] > MEANS_OF_MAPS:
                    cells["appearance"] = one.weight * term.cells(maps, support[name])
            elif isinstance(term, Motion) and not term.crop:
                cells["motion"] = term.cells(query[name], support[name])
        return cells

    def similarity(
        self,
        first: Nodes,
        second: Nodes,
        decision: Decision = UNDECIDED,
        *,
        quick: bool = False,
    ) -> Tensor:
        """Return the similarity of two sets of videos: (b q …), (b s …) → (b q s).

        The similarity of a video with itself is the greatest. A video without motion has motion and
        moments of similarity 0 with all others. It is symmetric but for the weights of motion,
        which depend on the cameras of the first videos.

        Args:
            first: Nodes of a set of videos, the queries.
            second: Nodes of another set.
            decision: See ``FusionState``.
            quick: Compare frames at the same time instead of aligning them.
        """
        return self._terms_of(second).similarity(
            first,
            second,
            decision,
            quick=quick,
            horizontal_flip=self.options.horizontal_flip,
        )

    def appearance(self, first: Nodes, second: Nodes) -> Tensor | None:
        """Return the appearance similarity alone: (b q …), (b s …) → (b q s); None for vectors."""
        if self._terms_of(second) is self.vector_terms:
            return None
        term = next(one for one in self.map_terms.terms if isinstance(one.term, Appearance))
        return term.term.similarity(first[term.name], second[term.name])

    def _intra_class_weight(self, state: FusionState, nodes: Nodes) -> Tensor | float:
        """Return the weight of the intra-class similarity, for each query (b q) or for all."""
        weight = self.options.intra_class_weight
        found = self.appearance(nodes, state.nodes)
        if found is None or state.appearance is None:
            return weight
        return weight * intra_class_factor(found, state.appearance)

    def findings(self, state: FusionState) -> tuple[str, ...]:
        """Return how well the parts of vectors predict the support clips by leave-one-out."""
        if self._terms_of(state.nodes) is not self.vector_terms:
            return ()
        return describe(self.vector_terms, state, float(state.decision.alternative))

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy of the probabilities, softmax(scores / temperature)."""
        state = self.support(support, batch.support_labels, batch.n)
        logits = self.score(state, query) / self.temperature  # (b q n)
        return {"cross_entropy": cross_entropy(logits, batch.query_labels)}

    def _terms_of(self, nodes: Nodes) -> WeightedTerms:
        """Return the terms that nodes were encoded by."""
        return self.vector_terms if self.vector_terms.names <= nodes.keys() else self.map_terms

    def _decision(self, nodes: Nodes, labels: Tensor, n: int) -> Decision:
        """Return what each support decides."""
        terms = self._terms_of(nodes)
        with torch.no_grad():
            return terms.decide(
                nodes, lambda one: self.similarity(nodes, nodes, one, quick=True), labels, n
            )
