"""Fusion: the default, a weighted sum of similarities, not trained on real videos; ours.

``terms`` defines the similarities of a backbone with maps (appearance, motion, second-order
moments) and adds them up, with weights that the support decides; ``vectors`` does so for a backbone
without maps, ``joints`` for skeletons and landmarks. ``motion_network`` sees motion in images of
differences; ``crop`` prepares maps and images.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    MovingRequest,
    Request,
    SmallFrameRequest,
    Stabilise,
    View,
)
from fewact.methods.base import BankScorer, FrameMatch, Method, Nodes, promoted
from fewact.methods.common.kernel import KernelState, intra_class_similarity
from fewact.methods.common.options import OptionModel, options_dataclass
from fewact.methods.fusion.joints import JointDecision, JointTerms
from fewact.methods.fusion.motion_network import WEIGHTS_SHA256
from fewact.methods.fusion.terms import (
    UNDECIDED,
    AlignedFrames,
    AppearanceTerm,
    LearnedMotionTerm,
    MomentsTerm,
    MotionTerm,
    SupportDecision,
    WeightedTerm,
    WeightedTerms,
    When,
)
from fewact.methods.fusion.vector_bank import VectorBank
from fewact.methods.fusion.vectors import VECTORS, SupportTerms, VectorDecision, VectorTerms
from fewact.networks.card import Card

INTRA_CLASS_WEIGHT = 0.5
"""Weight of the intra-class similarity that is subtracted from the score of a class; less for a
query that looks unlike all support videos."""

ALIKE = 0.95
"""Fraction of the support's own appearance similarity from which on a query is like the support.
Chosen on development clips under simulated conditions, like POWER, so that clean clips keep their
scores; see docs/decisions/fusion.md."""

MOST_UNLIKE = 3.0
"""Largest ratio of the support's own appearance similarity to that of a query."""

POWER = 4
"""Motion suffers more than appearance: the factor is this power of the ratio of similarities."""


def mean_appearance(similarity: Tensor) -> Tensor:
    """Return the mean similarity of different support videos: (b s s) → (b); 0 for one video."""
    s = similarity.shape[-1]
    between = similarity.sum((1, 2)) - similarity.diagonal(dim1=1, dim2=2).sum(1)
    return between / max(1, s * (s - 1))


def intra_class_factor(similarity: Tensor, in_support: Tensor) -> Tensor:
    """Return the factor a of the intra-class weight of each query, from 0 to 1.

    A query that was recorded otherwise, in other light or with noise, is less similar to all
    videos. If its features are a times those of a clip of its class, and something that no class
    has, the nearest of the scaled class means has the largest

        mean over s of K(q, s) − a/2 · mean over s, s' of K(s, s')

    The appearance says how large a is: its cosines are high between all videos of one place.

    Args:
        similarity: Appearance similarities (b q s) of queries with support videos.
        in_support: Mean appearance similarity (b) of the support videos.

    Returns:
        (b q).
    """
    ratio: Tensor = similarity.mean(-1) / (ALIKE * in_support[:, None]).clamp_min(1e-6)
    return ratio.clamp(0, 1) ** POWER


MIDDLE_GRID, SMALL_GRID = 4, 6
"""Rows and columns of cells in which motion is compared, in middle maps and in small ones."""


class TermWeights(OptionModel):
    """Weights of the terms; a term of weight 0 is not computed, but for appearance.

    Args:
        appearance: Weight of the appearance of what moves; of vectors two thirds of it.
        moments: Weight of moments.
        motion: Weight of motion in small stabilised frames, cropped, and of motion in the frames of
            appearance, without a crop. Motion in images of the differences between frames has one
            and a half times of it, motion of vectors twice.
        learned_motion: Weight of learned motion, which a small network computes from images of
            differences.
    """

    appearance: NonNegativeFloat = 1.5
    moments: NonNegativeFloat = 0.3
    motion: NonNegativeFloat = 0.5
    learned_motion: NonNegativeFloat = 1.0


@options_dataclass
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Number of frames for appearance, moments and full-frame motion.
        motion_frames: Number of frames for motion, differences and learned motion.
        stabilise: Remove camera motion from the frames of motion: ``auto``, where the camera moved;
            ``on``; or ``off``, which does not estimate it, and takes all cameras to move: a linear
            trend over time is removed, and with it some of sitting down. Otherwise the support
            clips decide how static the cameras are. Needs a backbone with maps.
        horizontal_flip: Treat a clip and its horizontal flip alike, for actions of either hand.
            Classes that differ only in left and right become equal. Needs a backbone with maps.
        joints: Layout of the joints in vectors, such as ``kinect20:xyz``; empty without joints. A
            file of features names it in an array ``joints``.
        weights: Group of options: weights of the terms.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 32
    stabilise: Stabilise = "auto"
    horizontal_flip: bool = False
    joints: str = ""
    weights: TermWeights = TermWeights()


def map_terms(options: FusionOptions) -> WeightedTerms:
    """Return the terms for a backbone with maps."""
    frames, view = View(options.frames), View(options.motion_frames, options.stabilise)
    middle = FeatureRequest("middle", frames)
    weights = options.weights
    small, differences = (
        MotionTerm(request, crop=True, grid=SMALL_GRID)
        for request in (SmallFrameRequest(view), DifferenceRequest(view))
    )
    learned = LearnedMotionTerm(DifferenceImageRequest(view), options.horizontal_flip)
    estimated = options.stabilise != "off"
    when: When = "moving" if estimated else "always"
    motion = WeightedTerm("motion", small, weights.motion, when)
    full_frame = MotionTerm(middle, grid=MIDDLE_GRID)
    full_motion = WeightedTerm("full_frame_motion", full_frame, weights.motion, when)
    terms = [
        WeightedTerm("appearance", AppearanceTerm(MovingRequest(view=frames)), weights.appearance),
        WeightedTerm("moments", MomentsTerm(middle), weights.moments),
        motion,
        WeightedTerm("differences", differences, 1.5 * weights.motion),
        WeightedTerm("learned_motion", learned, weights.learned_motion),
        full_motion,
    ]
    if estimated:
        terms += [motion.as_static(), full_motion.as_static()]
    needed = tuple(term for term in terms if term.weight or term.name == "appearance")
    camera = CameraRequest(View(options.motion_frames, "auto")) if estimated else None
    return WeightedTerms(needed, camera, options.horizontal_flip)


def vector_terms(options: FusionOptions) -> SupportTerms:
    """Return the terms for a backbone without maps, whose vectors say nothing of the camera."""
    vectors = FeatureRequest("vectors", View(options.frames))
    weights = options.weights.appearance / 1.5, 2 * options.weights.motion
    if options.joints:
        return JointTerms(vectors, options.joints, weights)
    return VectorTerms(AppearanceTerm(vectors), MotionTerm(vectors, "constant"), weights)


def compares_maps(card: Card) -> bool:
    """Return whether a backbone has the maps that the terms compare; else its vectors are."""
    return card.has("middle") and card.has("maps")


MEANS_OF_MAPS = 0.99
"""Least cosine of a video's vectors with the means of its maps that rounding explains."""


Decision = SupportDecision | VectorDecision | JointDecision
"""What a support decides: of maps, of vectors, or of joints."""


@dataclass(frozen=True)
class FusionState(KernelState):
    """Support of fusion.

    Args:
        decision: What the support decides.
        appearance: Mean appearance similarity (b) of the support videos with each other; None of
            vectors, whose origin is not known.
    """

    decision: Decision
    appearance: Tensor | None = None


class Fusion(Method[FusionOptions, FusionState]):
    """Class score: mean similarity to the support minus the intra-class similarity."""

    Options = FusionOptions
    paper = "ours"
    packaged_weights = WEIGHTS_SHA256
    averages_pairs = True
    temperature = loss_temperature = 0.035
    """Between the best for one shot and for five shots, on the development clips."""

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        self.map_terms = map_terms(options)
        self.vector_terms = vector_terms(options)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of all terms; of a backbone without maps, for vectors only."""
        if compares_maps(card):
            return self.map_terms.requests
        if self.options.horizontal_flip:
            raise OptionError(
                "needs a backbone with maps: vectors have no left and right",
                where="horizontal_flip",
                got=card.name,
            )
        return (self.vector_terms.request,)

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request of the maps whose means are the vectors of appearance."""
        return (self._appearance_maps,) if compares_maps(card) else ()

    @property
    def _appearance_maps(self) -> FeatureRequest:
        return FeatureRequest("maps", View(self.options.frames))

    def encode(self, features: Features) -> Nodes:
        """Return the node of each term, and the log-odds that the camera moved.

        Differences of frames are computed in float32, inside autocast too.
        """
        features = {
            request: value.to(promoted(value)) if value.is_floating_point() else value
            for request, value in features.items()
        }
        if not features.keys() >= set(self.map_terms.requests):
            return self.vector_terms.encode(features)
        with torch.autocast(next(iter(features.values())).device.type, enabled=False):
            return self.map_terms.encode(features)

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> FusionState:
        """Return the support with what it decides, from frames that are not aligned."""
        decision: Decision
        appearance = None
        if VECTORS in nodes:
            decision, nodes = self.vector_terms.decide(nodes, labels, n)
        else:
            quick = partial(self.map_terms.similarity, nodes, nodes, quick=True)
            visible = self.appearance(nodes, nodes, quick=True)
            with torch.no_grad():
                decision = self.map_terms.decide(nodes, visible, quick, labels, n)
            appearance = mean_appearance(visible)
        inside = intra_class_similarity(
            lambda videos, episodes: self.similarity(videos, videos, decision.of(episodes)),
            nodes,
            labels,
            n,
        )
        return FusionState(nodes, labels, inside, decision, appearance)

    def summary(self, state: FusionState) -> dict[str, Tensor]:
        """Return what the support of maps decides, and its similarities; of vectors nothing."""
        if state.appearance is None or not isinstance(state.decision, SupportDecision):
            return {}
        static, factor = state.decision
        return {
            "intra_class_similarity": state.intra_class_similarity,
            "appearance": state.appearance,
            "static": torch.as_tensor(static),
            "appearance_factor": torch.as_tensor(factor).to(state.appearance),
        }

    def restored_support(
        self, nodes: Nodes, labels: Tensor, n: int, summary: Mapping[str, Tensor]
    ) -> FusionState:
        if VECTORS in nodes:
            return self.support(nodes, labels, n)
        b, like = len(labels), next(iter(nodes.values()))
        static, factor, appearance = (
            summary[name].to(like).view(b) for name in ("static", "appearance_factor", "appearance")
        )
        inside = summary["intra_class_similarity"].to(like).view(b, n)
        decision = SupportDecision(static, factor)
        return FusionState(nodes, labels, inside, decision, appearance)

    def score(self, state: FusionState, nodes: Nodes) -> Tensor:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: FusionState, nodes: Nodes) -> tuple[Tensor, Tensor]:
        pairs = self.similarity(self._compared(nodes, state), state.nodes, state.decision)
        return state.logits(pairs, self._intra_class_weight(state, nodes)), pairs

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer from the products of vectors, or from tables of pairs of maps."""
        if VECTORS not in support:
            return super().bank_scorer(support, query, comparisons)
        if not isinstance(self.vector_terms, VectorTerms):
            return None
        banks = support[VECTORS], query[VECTORS]
        return VectorBank(self.vector_terms, *banks, INTRA_CLASS_WEIGHT, comparisons)

    def tabulated(
        self, nodes: dict[str, Tensor], columns: int | None = None
    ) -> "tuple[Fusion, dict[str, Tensor]] | None":
        """Return the method with tables of its terms' similarities; vectors have none."""
        if not self.map_terms.names <= nodes.keys() or self.options.horizontal_flip:
            return None
        method, columns = copy(self), columns or len(next(iter(nodes.values())))
        method.map_terms, nodes = self.map_terms.tabulated(nodes, columns)
        return method, nodes

    def pair_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the similarities (b q s): appearance, motion and moments."""
        return self._parts(self._compared(nodes, state), state.nodes, state.decision)

    def appearance_ratio(self, state: FusionState, nodes: Nodes) -> Tensor | None:
        if state.appearance is None:
            return None
        alike = self.appearance(nodes, state.nodes).mean(-1).clamp_min(1e-6)
        return (state.appearance[:, None] / alike).clamp(1, MOST_UNLIKE)

    def score_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the logits (b q n): appearance, motion and moments."""
        n, decision = state.intra_class_similarity.shape[-1], state.decision

        def inside(part: str) -> Tensor:
            return intra_class_similarity(
                lambda videos, episodes: self._parts(videos, videos, decision.of(episodes))[part],
                state.nodes,
                state.labels,
                n,
            )

        weight = self._intra_class_weight(state, nodes)
        return {
            name: replace(state, intra_class_similarity=inside(name)).logits(pairs, weight)
            for name, pairs in self.pair_parts(state, nodes).items()
        }

    def _compared(self, nodes: Nodes, state: FusionState) -> Nodes:
        if not isinstance(state.decision, SupportDecision):
            return self.vector_terms.compared(nodes, state.decision)
        return nodes

    def _parts(self, first: Nodes, second: Nodes, decision: Decision) -> dict[str, Tensor]:
        if not isinstance(decision, SupportDecision):
            return self.vector_terms.parts(first, second, decision)
        return self.map_terms.parts(first, second, decision)

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the motion term of the largest weight."""
        if VECTORS in query:
            return self.vector_terms.match_frames(query, support)
        moving = [
            (float(weighted.factor(UNDECIDED)), weighted)
            for weighted in self.map_terms.terms
            if isinstance(weighted.term, AlignedFrames)
        ]
        if not moving:
            return None
        weight, largest = max(moving, key=lambda pair: pair[0])
        if weight == 0 or not isinstance(largest.term, AlignedFrames):
            return None
        return largest.term.match(query[largest.name], support[largest.name])

    def match_cells(
        self,
        query: Nodes,
        support: Nodes,
        features: Features,
        state: FusionState,
    ) -> dict[str, Tensor]:
        """Return where appearance agrees, and the full-frame motion: (t g g) each.

        Those of appearance add up to its part of the similarity. A backbone whose vectors are not
        the means of its maps has none.
        """
        cells: dict[str, Tensor] = {}
        if not isinstance(state.decision, SupportDecision):
            return cells
        maps = features.get(self._appearance_maps)
        for weighted in self.map_terms.terms:
            name, term = weighted.name, weighted.term
            if weighted.weight == 0 or term.compares in cells:
                continue
            if isinstance(term, AppearanceTerm) and maps is not None:
                encoded = term.of_maps(maps)
                if encoded.shape == query[name].shape and encoded @ query[name] > MEANS_OF_MAPS:
                    weight = weighted.factor(state.decision)  # (b), of one episode
                    cells["appearance"] = weight * term.cells(maps, support[name])
            elif isinstance(term, MotionTerm) and not term.crop:
                cells["motion"] = term.cells(query[name], support[name])
        return cells

    def similarity(
        self,
        first: Nodes,
        second: Nodes,
        decision: Decision = UNDECIDED,
    ) -> Tensor:
        """Return the similarity of two sets of videos: (b q …), (b s …) → (b q s).

        The similarity of a video with itself is the greatest. A video without motion has motion and
        moments of similarity 0 with all others.

        Args:
            first: Nodes of a set of videos, the queries; of vectors what is compared of them.
            second: Nodes of another set.
            decision: See ``FusionState``.
        """
        if not isinstance(decision, SupportDecision):
            return self.vector_terms.similarity(first, second, decision)
        return self.map_terms.similarity(first, second, decision)

    def appearance(self, first: Nodes, second: Nodes, *, quick: bool = False) -> Tensor:
        """Return the similarity of the appearance in maps alone: (b q …), (b s …) → (b q s)."""
        term = next(
            weighted
            for weighted in self.map_terms.terms
            if isinstance(weighted.term, AppearanceTerm)
        )
        return term.similarity(first, second, quick=quick)

    def _intra_class_weight(self, state: FusionState, nodes: Nodes) -> Tensor | float:
        """Return the weight of the intra-class similarity, for each query (b q) or for all."""
        if state.appearance is None:
            return INTRA_CLASS_WEIGHT
        factor = intra_class_factor(self.appearance(nodes, state.nodes), state.appearance)
        return INTRA_CLASS_WEIGHT * factor

    def findings(self, state: FusionState) -> tuple[str, ...]:
        """Return how well the parts of vectors predict the support clips by leave-one-out."""
        if not isinstance(state.decision, SupportDecision):
            return self.vector_terms.findings(state, state.decision)
        return ()
