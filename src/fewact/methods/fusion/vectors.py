"""Fusion of vectors alone: their similarity under assumptions that the support weighs; ours.

Vectors of frames may come from anywhere: their channels may have any units and offsets, and their
order may say nothing of the class. Each assumption gives a similarity. Its weight is its
probability, by how well the support videos classify each other with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt

from fewact.features.request import FeatureRequest, Features, View
from fewact.methods.base import Labels, Nodes
from fewact.methods.common.kernel import (
    LIKELIHOOD_WEIGHT,
    KernelState,
    leave_one_out_logits,
    likeliest_leave_one_out,
    log_softmax,
)
from fewact.methods.common.options import OptionModel, options_dataclass
from fewact.methods.fusion.decided import INTRA_CLASS_WEIGHT, DecidedKernel, DecidedState
from fewact.methods.fusion.terms import (
    AppearanceTerm,
    MeanAppearanceTerm,
    MotionTerm,
    Values,
    unit_frames,
)
from fewact.methods.protocols import BankScorer, FrameMatch

VECTORS = "vectors"
"""Name of the node: the vectors of a video's frames (t d) as they are."""

UNORDERED = 0.2
"""Probability that the order does not matter, if each class has one video. Chosen on the vectors of
development clips, like CHANNELS and LIKELIHOOD_WEIGHT; see docs/decisions/fusion.md."""

TEMPERATURES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Temperatures of the leave-one-out classification; the likeliest counts. Similarities of unknown
vectors have no common scale."""

PARTS = {
    "appearance": "the frames in order",
    "motion": "their changes",
    "mean": "the mean of the frames",
}
"""What the terms compare."""

CONSTANT = 1e-6
"""A channel whose standard deviation is below this fraction of its root mean square is constant:
only rounding errors are left."""


Weighted = tuple[Values, Values, Values]
"""Weighted similarities (b q s) of appearance, of motion and of means."""


@dataclass(frozen=True)
class Channels:
    """An assumption about the channels: how they must be changed before they are compared.

    Args:
        text: The change in a few words.
        probability: Its probability, if each class has one video.
        divided: Whether each channel is divided by its standard deviation in the support.
        centred: Whether its mean in the support is subtracted.
    """

    text: str
    probability: float
    divided: bool = False
    centred: bool = False


CHANNELS = (
    Channels("as they are", 0.75),
    Channels("divided by their standard deviations", 0.2, divided=True),
    Channels("standardised", 0.05, divided=True, centred=True),
)


class VectorDecision(NamedTuple):
    """Details of the similarity that a support decides.

    Args:
        mean: Mean (b 1 1 d) of each channel.
        scale: One over the standard deviation (b 1 1 d) of each channel; 0 of constant ones.
        weights: Probabilities (b c 2) of the assumptions about c changes of the channels, if the
            order matters and if it does not; their sum is 1.
    """

    mean: Values
    scale: Values
    weights: Values

    def of(self, episodes: NDArray[np.int64] | slice) -> "VectorDecision":
        return VectorDecision(*(value[episodes] for value in self))


@dataclass(frozen=True)
class VectorTerms:
    """Similarity of vectors: appearance plus motion or, if the order does not matter, mean vectors.

    Args:
        appearance: Compares the frames in order.
        motion: Compares what changes.
        weights: Weights of appearance and of motion; mean vectors have their sum.
        channels: Assumptions about the channels.
        unordered: Probability that the order does not matter, if each class has one video.
    """

    appearance: AppearanceTerm
    motion: MotionTerm
    weights: tuple[float, float]
    channels: tuple[Channels, ...] = CHANNELS
    unordered: float = UNORDERED

    @property
    def request(self) -> FeatureRequest:
        return self.appearance.view

    def encode(self, features: Features) -> Nodes:
        """Return the vectors: what is compared of them depends on the support."""
        return {VECTORS: features[self.request]}

    def decide(self, nodes: Nodes, labels: Labels, n: int) -> tuple[VectorDecision, Nodes]:
        """Return what the support says, and what is compared of its videos."""
        b, s, t, d = nodes[VECTORS].shape
        frames = nodes[VECTORS].reshape(b, s * t, d)
        decision = self.prior(frames.std(1), frames.mean(1))
        compared = self.compared(nodes, decision)
        similarities = self._similarities(compared, compared, quick=True)
        return self.posterior(decision, similarities, labels, n), compared

    def prior(self, deviation: Values, mean: Values) -> VectorDecision:
        """Return what is known of support videos without their labels.

        Args:
            deviation: Standard deviation (b d) of each channel.
            mean: Mean (b d) of each channel.
        """
        constant = deviation <= CONSTANT * np.hypot(deviation, mean)
        scale = np.where(constant, 0, 1 / np.where(constant, 1, deviation))
        probabilities = [channels.probability for channels in self.channels]
        weights = np.outer(probabilities, [1 - self.unordered, self.unordered])
        weights = np.broadcast_to(weights.astype(mean.dtype), (len(mean), *weights.shape))
        return VectorDecision(mean[:, None, None], scale[:, None, None], weights)

    def posterior(
        self, decision: VectorDecision, similarities: Iterable[Weighted], labels: Labels, n: int
    ) -> VectorDecision:
        """Return a decision with weights by how well the support videos classify each other.

        Args:
            decision: The decision without labels.
            similarities: Those of the support videos (b s s) under each assumption, see
                ``weighted``.
            labels: (b s).
            n: Number of classes.
        """
        likelihoods = [
            likeliest_leave_one_out(pairs, labels, n, TEMPERATURES)
            for appearance, motion, mean in similarities
            for pairs in (appearance + motion, mean)
        ]
        with np.errstate(divide="ignore"):  # an assumption of probability 0 stays impossible
            prior = np.log(decision.weights).reshape(len(labels), -1)
        posterior = np.exp(log_softmax(prior + LIKELIHOOD_WEIGHT * np.stack(likelihoods, 1)))
        return decision._replace(weights=posterior.reshape(decision.weights.shape))

    def compared(self, nodes: Nodes, decision: VectorDecision) -> Nodes:
        """Return what each term keeps of videos (b v …) under each assumption."""
        terms = {}
        for i, channels in enumerate(self.channels):
            values = nodes[VECTORS]
            if channels.centred:
                values = values - decision.mean
            if channels.divided:
                values = values * decision.scale
            frames = unit_frames(values)
            for name, term in self._terms.items():
                terms[f"{name}.{i}"] = term.of_frames(frames)
        return terms

    @property
    def _terms(self) -> dict[str, AppearanceTerm | MotionTerm | MeanAppearanceTerm]:
        return {"appearance": self.appearance, "motion": self.motion, "mean": MeanAppearanceTerm()}

    def similarity(self, first: Nodes, second: Nodes, decision: VectorDecision) -> Values:
        """Return the similarity of nodes of ``compared``: (b q …), (b s …) → (b q s)."""
        appearance, motion = self.parts(first, second, decision).values()
        return appearance + motion

    def parts(self, first: Nodes, second: Nodes, decision: VectorDecision) -> dict[str, Values]:
        """Return the parts of ``similarity``, appearance and motion: (b q s) each."""
        return self.mixed(self._similarities(first, second), decision)

    def mixed(
        self, similarities: Iterable[Weighted], decision: VectorDecision
    ) -> dict[str, Values]:
        """Return the parts from similarities under each assumption, see ``weighted``."""
        by_term = zip(*similarities, strict=True)
        appearance, motion, mean = (
            np.stack(by_channels, 1) for by_channels in by_term
        )  # (b c q s)
        ordered, unordered = (decision.weights[:, :, i, None, None] for i in (0, 1))  # (b c 1 1)
        return {
            "appearance": (ordered * appearance + unordered * mean).sum(1),
            "motion": (ordered * motion).sum(1),
        }

    def weighted(self, appearance: Values, motion: Values, mean: Values) -> Weighted:
        """Return the similarities under one assumption, weighted: (b q s) each."""
        of_appearance, of_motion = self.weights
        return (
            of_appearance * appearance,
            of_motion * motion,
            (of_appearance + of_motion) * mean,
        )

    def _similarities(
        self, first: Nodes, second: Nodes, *, quick: bool = False
    ) -> Iterator[Weighted]:
        for i in range(len(self.channels)):
            yield self.weighted(
                *(
                    (term.quick_similarity if quick else term.similarity)(
                        first[f"{name}.{i}"], second[f"{name}.{i}"]
                    )
                    for name, term in self._terms.items()
                )
            )

    def match_frames(self, first: Nodes, second: Nodes) -> FrameMatch | None:
        """Return the alignment of the motion of two videos; None if motion has no weight."""
        if not self.weights[1]:
            return None
        query, support = (self.motion.encode({self.request: x[VECTORS]}) for x in (first, second))
        return self.motion.match(query, support)

    def findings(self, state: KernelState, decision: VectorDecision) -> tuple[str, ...]:
        """Say how well each term predicts the support videos of one episode from each other.

        Returns:
            Two sentences; none if no class has two videos.
        """
        n, compared = state.intra_class_similarity.shape[-1], state.nodes
        of_channels = decision.weights[0].sum(-1)  # (c)
        best = int(of_channels.argmax())
        right, held_out = [], 0
        for name, what in PARTS.items():
            nodes = compared[f"{name}.{best}"]
            pairs = self._terms[name].similarity(nodes, nodes)
            logits, counts = leave_one_out_logits(pairs, state.labels, n)
            right.append(f"{what} {int(((logits.argmax(-1) == state.labels) & counts).sum())}")
            held_out = int(counts.sum())
        if not held_out:
            return ()
        ordered = float(decision.weights[0, :, 0].sum())
        shares = [
            f"for {100 * share:.0f} % {channels.text}"
            for channels, share in zip(self.channels, of_channels.tolist(), strict=True)
        ]
        return (
            f"Of {held_out} training clips, the others predict: {', '.join(right)}; the order of "
            f"the frames counts for {100 * ordered:.0f} %",
            f"The channels count {', '.join(shares)}",
        )


class VectorWeights(OptionModel):
    """Weights of the parts; the means of the frames have their sum.

    Args:
        appearance: Weight of the frames in order.
        motion: Weight of their changes.
    """

    appearance: NonNegativeFloat = 1.0
    motion: NonNegativeFloat = 1.0


@options_dataclass
class FusionVectorsOptions:
    """Options of ``fusion_vectors``.

    Args:
        frames: Number of frames.
        weights: Group of options: weights of the parts.
    """

    frames: PositiveInt = 8
    weights: VectorWeights = VectorWeights()


class FusionVectors(DecidedKernel[FusionVectorsOptions]):
    """Class score: mean similarity to the support minus the intra-class similarity."""

    Options = FusionVectorsOptions
    terms: VectorTerms

    def __init__(self, options: FusionVectorsOptions) -> None:
        request = FeatureRequest("vectors", View(options.frames))
        weights = options.weights.appearance, options.weights.motion
        motion = MotionTerm(request, "constant")
        super().__init__(options, VectorTerms(AppearanceTerm(request), motion, weights))

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer from the products of vectors."""
        from fewact.methods.fusion.vector_bank import VectorBank

        banks = support[VECTORS], query[VECTORS]
        return VectorBank(self.terms, *banks, INTRA_CLASS_WEIGHT, comparisons)

    def findings(self, state: DecidedState) -> tuple[str, ...]:
        """Return how well the parts of vectors predict the support clips by leave-one-out."""
        return self.terms.findings(state, state.decision)
