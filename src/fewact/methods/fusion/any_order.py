"""Whether the order of the frames matters: estimated from the support, once for each episode.

Vectors of frames may come from anywhere. If their order says nothing of the class, comparing them
in order adds noise that their mean removes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact.features.request import Features, Request
from fewact.methods.base import Nodes
from fewact.methods.common.kernel import (
    LIKELIHOOD_WEIGHT,
    KernelState,
    leave_one_out_logits,
    likeliest_leave_one_out,
)
from fewact.methods.fusion.weighted_terms import WeightedTerms

PRIOR = 0.2
"""Probability that the order does not matter, if each class has one clip. Chosen on the vectors of
development clips, like LIKELIHOOD_WEIGHT; see docs/decisions/vectors.md."""

TEMPERATURES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Temperatures of the leave-one-out classification; the likeliest counts. Similarities of unknown
vectors have no common scale."""


@dataclass(frozen=True)
class AnyOrder:
    """The alternative that the order of the frames does not matter."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """Nothing besides the features of the terms."""
        return ()

    def encode(self, features: Features) -> Nodes:
        """Return nothing besides the nodes of the terms."""
        return {}

    def probability(
        self, nodes: Nodes, default: Tensor, alternative: Tensor, labels: Tensor, n: int
    ) -> Tensor:
        """Return the probability (b) that the order does not matter for each support.

        Its logit is the prior's plus the weighted difference between the log-likelihoods of the
        labels under the two similarities, each at its likeliest temperature.
        """
        unordered, ordered = (
            likeliest_leave_one_out(pairs, labels, n, TEMPERATURES)
            for pairs in (alternative, default)
        )
        prior = torch.logit(torch.as_tensor(PRIOR).to(ordered))
        return torch.sigmoid(prior + LIKELIHOOD_WEIGHT * (unordered - ordered))


PARTS = {
    "mean_appearance": "the mean of the frames",
    "appearance": "the frames in order",
    "vector_motion": "their changes",
}
"""What the terms of vectors compare."""


def describe(terms: WeightedTerms, state: KernelState, probability: float) -> tuple[str, ...]:
    """Say how well each term predicts the support videos of one episode from each other.

    Args:
        terms: Terms of vectors.
        state: Support of one episode.
        probability: That the order does not matter.

    Returns:
        A sentence; none if no class has two videos.
    """
    n = state.intra_class_similarity.shape[-1]
    right = []
    held_out = 0
    for one in terms.terms:
        nodes = state.nodes[one.name]
        logits, counts = leave_one_out_logits(one.term.similarity(nodes, nodes), state.labels, n)
        hits = (logits.argmax(-1) == state.labels) & counts
        held_out = int(counts.sum())
        right.append(f"{PARTS[one.name]} {int(hits.sum())}")
    if not held_out:
        return ()
    return (
        f"Of {held_out} training clips, the others predict: {', '.join(right)}; the order of the "
        f"frames counts for {100 * (1 - probability):.0f} %",
    )
