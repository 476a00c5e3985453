"""Similarity of vectors whose details each support decides: the contract, and the scores."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewact.features.request import FeatureRequest, Features, JointRequest, Request
from fewact.methods.base import Labels, Logits, Method, Nodes, OptionsT, promoted
from fewact.methods.common.kernel import KernelState, intra_class_similarity
from fewact.methods.protocols import FrameMatch
from fewact.networks.card import Card

Values = NDArray[np.floating[Any]]

INTRA_CLASS_WEIGHT = 0.5
"""Weight of the intra-class similarity that is subtracted from the score of a class."""


class SupportTerms(Protocol):
    """Similarity of vectors whose details a support decides."""

    @property
    def request(self) -> FeatureRequest | JointRequest:
        """Request for the vectors."""

    def encode(self, features: Features) -> Nodes:
        """Return the nodes of videos."""

    def decide(self, nodes: Nodes, labels: Labels, n: int) -> tuple[Any, Nodes]:
        """Return what the support says, and what is compared of its videos."""

    def compared(self, nodes: Nodes, decision: Any) -> Nodes:
        """Return what is compared of other videos."""

    def similarity(self, first: Nodes, second: Nodes, decision: Any) -> Values:
        """Return the similarity of nodes of ``compared``: (b q …), (b s …) → (b q s)."""

    def parts(self, first: Nodes, second: Nodes, decision: Any) -> dict[str, Values]:
        """Return the parts of ``similarity``: (b q s) each."""

    def match_frames(self, first: Nodes, second: Nodes) -> FrameMatch | None:
        """Return the alignment of two videos."""


@dataclass(frozen=True)
class DecidedState(KernelState):
    """Support of fusion.

    Args:
        decision: What the support decides.
    """

    decision: Any


class DecidedKernel(Method[OptionsT, DecidedState]):
    """Class score: mean similarity to the support minus the intra-class similarity.

    Args:
        options: Options of the method.
        terms: The similarity.
    """

    paper = "ours"
    averages_pairs = True
    temperature = 0.035
    """Between the best for one shot and for five shots, on the development clips."""

    def __init__(self, options: OptionsT, terms: SupportTerms) -> None:
        super().__init__(options)
        self.terms = terms

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self.terms.request,)

    def encode(self, features: Features) -> Nodes:
        vectors = features[self.terms.request]
        return self.terms.encode({self.terms.request: promoted(vectors)})

    def support(self, nodes: Nodes, labels: Labels, n: int) -> DecidedState:
        """Return the support with what it decides."""
        decision, compared = self.terms.decide(nodes, labels, n)
        inside = intra_class_similarity(
            lambda videos, episodes: self.terms.similarity(videos, videos, decision.of(episodes)),
            compared,
            labels,
            n,
        )
        return DecidedState(compared, labels, inside, decision)

    def score(self, state: DecidedState, nodes: Nodes) -> Logits:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: DecidedState, nodes: Nodes) -> tuple[Logits, Values]:
        compared = self.terms.compared(nodes, state.decision)
        pairs = self.terms.similarity(compared, state.nodes, state.decision)
        logits: Logits = state.logits(pairs, INTRA_CLASS_WEIGHT)
        return logits, pairs

    def pair_parts(self, state: DecidedState, nodes: Nodes) -> dict[str, Values]:
        """Return the parts of the similarities (b q s): appearance and motion."""
        compared = self.terms.compared(nodes, state.decision)
        return self.terms.parts(compared, state.nodes, state.decision)

    def score_parts(self, state: DecidedState, nodes: Nodes) -> dict[str, Values]:
        """Return the parts of the logits (b q n): appearance and motion."""
        return state.logits_of_parts(
            lambda x, episodes: self.terms.parts(x, x, state.decision.of(episodes)),
            self.pair_parts(state, nodes),
            INTRA_CLASS_WEIGHT,
        )

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        return self.terms.match_frames(query, support)
