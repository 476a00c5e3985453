"""Fusion: the default, a weighted sum of similarities, not trained on real videos; ours.

``terms`` defines the similarities of a backbone with maps (appearance, motion, second-order
moments) and adds them up, with weights that the support decides. ``motion_network`` sees motion in
images of differences; ``crop`` prepares maps and images. For a backbone without maps there is
``fusion_vectors``, for skeletons and landmarks ``fusion_joints``. ``joint_term`` compares joints
that clips have beside their picture.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt

from fewact.core.errors import OptionError
from fewact.data.joints import parse_joints
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    JointRequest,
    MovingRequest,
    Request,
    SmallFrameRequest,
    Stabilise,
    View,
)
from fewact.methods.base import Labels, Logits, Method, Nodes, promoted
from fewact.methods.common.kernel import ClassSimilarity, intra_class_similarity
from fewact.methods.common.options import OptionModel, options_dataclass
from fewact.methods.fusion.decided import INTRA_CLASS_WEIGHT, DecidedState
from fewact.methods.fusion.motion_network import WEIGHTS_SHA256
from fewact.methods.fusion.terms import (
    UNDECIDED,
    AlignedFrames,
    AppearanceTerm,
    LearnedMotionTerm,
    MomentsTerm,
    MotionTerm,
    SupportDecision,
    Values,
    WeightedTerm,
    WeightedTerms,
    When,
)
from fewact.methods.protocols import FrameMatch
from fewact.networks.card import Card

ALIKE = 0.95
"""A query with this fraction of the support's own appearance similarity is like the support.
Chosen on development clips under simulated conditions, like POWER, so that clean clips keep their
scores; see docs/decisions/fusion.md."""

MOST_UNLIKE = 3.0
"""Largest ratio between the appearance similarities inside the support and of a query with it."""

POWER = 4
"""Motion suffers more than appearance: the factor is this power of the ratio of similarities."""


def mean_appearance(similarity: Values) -> Values:
    """Return the mean similarity of different support videos: (b s s) → (b); 0 for one video."""
    s = similarity.shape[-1]
    between = similarity.sum((1, 2)) - np.trace(similarity, axis1=1, axis2=2)
    mean: Values = between / max(1, s * (s - 1))
    return mean


def intra_class_factor(similarity: Values, in_support: Values) -> Values:
    """Return the factor a of the intra-class weight of each query, from 0 to 1.

    A query that was recorded otherwise, in other light or with noise, is less similar to all
    videos. Let its features be a times the features of a clip of its class, plus something that no
    class has. Then the nearest of the scaled class means has the largest

        mean over s of K(q, s) − a/2 · mean over s, s' of K(s, s')

    The appearance says how large a is: its cosines are high between all videos of one place.

    Args:
        similarity: Appearance similarities (b q s) of queries with support videos.
        in_support: Mean appearance similarity (b) of the support videos.

    Returns:
        (b q).
    """
    ratio = similarity.mean(-1) / np.maximum(ALIKE * in_support[:, None], 1e-6)
    factor: Values = np.clip(ratio, 0, 1) ** POWER
    return factor


def redundancy(similarity: Values, level: Values) -> Values:
    """Return how far the videos of a class repeat each other, from 0 to 1.

    Appearance says whether two clips are of one recording: by how much they are more similar than
    the support's videos are.

    Args:
        similarity: Appearance similarities (r k k) of the videos of classes.
        level: Mean appearance similarity (r) of different support videos.

    Returns:
        (r k k); 1 for a video and itself.
    """
    level = np.minimum(level, 1 - 1e-6)[:, None, None]
    repeated: Values = np.clip((similarity - level) / (1 - level), 0, 1)
    return np.maximum(repeated, np.eye(similarity.shape[-1], dtype=similarity.dtype))


MIDDLE_GRID = 4
"""Rows and columns of cells in which motion is compared, in middle maps."""

SMALL_GRID = 6
"""The same in the maps of small frames."""


class TermWeights(OptionModel):
    """Weights of the terms; a term of weight 0 is not computed, but for appearance.

    Args:
        appearance: Weight of the appearance of what moves.
        moments: Weight of moments.
        motion: Weight of motion in small stabilised frames, cropped, and of motion in the frames of
            appearance, without a crop. Motion in images of the differences between frames has one
            and a half times of it.
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
            clips decide how static the cameras are.
        horizontal_flip: Treat a clip and its horizontal flip alike, for actions of either hand.
            Classes that differ only in left and right become equal.
        joints: Layout of the joints that clips have beside their picture, such as ``pose33:xyzc``;
            empty to compare the picture alone.
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
    joints = None
    if options.joints:
        from fewact.methods.fusion.joint_term import JointTerm  # few models have it

        parse_joints(options.joints)
        joints = JointTerm(JointRequest(View(options.motion_frames), options.joints))
    return WeightedTerms(needed, camera, options.horizontal_flip, joints)


def compares_maps(card: Card) -> bool:
    """Return whether a backbone has the maps that the terms compare."""
    return card.has("middle") and card.has("maps")


MEANS_OF_MAPS = 0.99
"""Least cosine of a video's vectors with the means of its maps that rounding explains."""


@dataclass(frozen=True)
class FusionState(DecidedState):
    """Support of fusion.

    Args:
        decision: What the support decides.
        appearance: Mean appearance similarity (b) of the support videos with each other.
    """

    decision: SupportDecision
    appearance: Values


class Fusion(Method[FusionOptions, FusionState]):
    """Class score: mean similarity to the support minus the intra-class similarity."""

    Options = FusionOptions
    paper = "ours"
    packaged_weights = WEIGHTS_SHA256
    averages_pairs = True
    temperature = 0.035
    """Between the best for one shot and for five shots, on the development clips."""

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        self.terms = map_terms(options)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of all terms."""
        if not compares_maps(card):
            raise OptionError(
                "needs a backbone with maps",
                where="fusion",
                got=card.name,
                hint="For vectors there is fusion_vectors, for joints fusion_joints.",
            )
        return self.terms.requests

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request of the maps whose means are the vectors of appearance."""
        return (self._appearance_maps,)

    @property
    def _appearance_maps(self) -> FeatureRequest:
        return FeatureRequest("maps", View(self.options.frames))

    def encode(self, features: Features) -> Nodes:
        """Return the node of each term, and the log-odds that the camera moved."""
        return self.terms.encode(
            {
                request: promoted(value) if value.dtype.kind == "f" else value
                for request, value in features.items()
            }
        )

    def support(self, nodes: Nodes, labels: Labels, n: int) -> FusionState:
        """Return the support with what it decides, from frames that are not aligned."""
        quick = partial(self.terms.similarity, nodes, nodes, quick=True)
        visible = self.appearance(nodes, nodes, quick=True)
        decision = self.terms.decide(nodes, visible, quick, labels, n)
        level = mean_appearance(visible)
        nodes = self._compared(nodes, decision)
        inside = intra_class_similarity(
            lambda videos, episodes: self.similarity(videos, videos, decision.of(episodes)),
            nodes,
            labels,
            n,
            self._redundancy(level),
        )
        return FusionState(nodes, labels, inside, decision, level)

    def summary(self, state: FusionState) -> dict[str, NDArray[Any]]:
        """Return what the support decides, and its similarities."""
        joints = state.decision.joints
        return {
            "intra_class_similarity": state.intra_class_similarity,
            "appearance": state.appearance,
            "static": np.asarray(state.decision.static),
            "appearance_factor": np.asarray(state.decision.appearance),
            **({} if joints is None else joints.summary()),
        }

    def restored_support(
        self, nodes: Nodes, labels: Labels, n: int, summary: Mapping[str, NDArray[Any]]
    ) -> FusionState:
        b = len(labels)
        static, factor, appearance = (
            summary[name].reshape(b) for name in ("static", "appearance_factor", "appearance")
        )
        inside = summary["intra_class_similarity"].reshape(b, n)
        joints = None if self.terms.joints is None else self.terms.joints.restored(summary, b)
        decision = SupportDecision(static, factor, joints)
        compared = self._compared(nodes, decision)
        return FusionState(compared, labels, inside, decision, appearance)

    def _compared(self, nodes: Nodes, decision: SupportDecision) -> Nodes:
        """Return nodes of the support with what is compared of their joints."""
        if self.terms.joints is None or decision.joints is None:
            return nodes
        return self.terms.joints.compared(nodes, decision.joints)

    def score(self, state: FusionState, nodes: Nodes) -> Logits:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: FusionState, nodes: Nodes) -> tuple[Logits, Values]:
        pairs = self.similarity(nodes, state.nodes, state.decision)
        logits: Logits = state.logits(pairs, self._intra_class_weight(state, nodes))
        return logits, pairs

    def tabulated(
        self, nodes: Nodes, columns: int | None = None
    ) -> "tuple[Fusion, dict[str, NDArray[Any]]] | None":
        """Return the method with tables of its terms' similarities."""
        if not self.terms.names <= nodes.keys() or self.options.horizontal_flip:
            return None
        method, columns = copy(self), columns or len(next(iter(nodes.values())))
        method.terms, nodes = self.terms.tabulated(nodes, columns)
        return method, nodes

    def pair_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Values]:
        """Return the parts of the similarities (b q s): appearance, motion, moments and joints."""
        return self.terms.parts(nodes, state.nodes, state.decision)

    def appearance_ratio(self, state: FusionState, nodes: Nodes) -> Values:
        alike = np.maximum(self.appearance(nodes, state.nodes).mean(-1), 1e-6)
        ratio: Values = np.clip(state.appearance[:, None] / alike, 1, MOST_UNLIKE)
        return ratio

    def score_parts(self, state: FusionState, nodes: Nodes) -> dict[str, Values]:
        """Return the parts of the logits (b q n): appearance, motion, moments and joints."""
        return state.logits_of_parts(
            lambda x, episodes: self.terms.parts(x, x, state.decision.of(episodes)),
            self.pair_parts(state, nodes),
            self._intra_class_weight(state, nodes),
            self._redundancy(state.appearance),
        )

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the joints, or of the motion term of the largest weight."""
        by_joints = self.terms.joints and self.terms.joints.match(query, support)
        if by_joints:
            return by_joints
        moving = [
            (float(weighted.factor(UNDECIDED)), weighted)
            for weighted in self.terms.terms
            if isinstance(weighted.term, AlignedFrames)
        ]
        if not moving:
            return None
        weight, largest = max(moving, key=lambda pair: pair[0])
        if weight == 0 or not isinstance(largest.term, AlignedFrames):
            return None
        return largest.term.match(query[largest.name], support[largest.name])

    def match_cells(
        self, query: Nodes, support: Nodes, features: Features, state: FusionState
    ) -> dict[str, Values]:
        """Return where appearance agrees, and the full-frame motion: (t g g) each.

        Those of appearance add up to its part of the similarity. A backbone whose vectors are not
        the means of its maps has none.
        """
        cells: dict[str, Values] = {}
        maps = features.get(self._appearance_maps)
        for weighted in self.terms.terms:
            name, term = weighted.name, weighted.term
            if weighted.weight == 0 or term.compares in cells:
                continue
            if isinstance(term, AppearanceTerm) and maps is not None:
                maps = promoted(maps)
                encoded = term.of_maps(maps)
                if encoded.shape == query[name].shape and encoded @ query[name] > MEANS_OF_MAPS:
                    weight = weighted.factor(state.decision)  # (b), of one episode
                    cells["appearance"] = weight * term.cells(maps, support[name])
            elif isinstance(term, MotionTerm) and not term.crop:
                cells["motion"] = term.cells(query[name], support[name])
        return cells

    def similarity(
        self, first: Nodes, second: Nodes, decision: SupportDecision = UNDECIDED
    ) -> Values:
        """Return the similarity of two sets of videos: (b q …), (b s …) → (b q s).

        The similarity of a video with itself is the greatest. A video without motion has motion and
        moments of similarity 0 with all others.

        Args:
            first: Nodes of a set of videos, the queries.
            second: Nodes of another set.
            decision: See ``FusionState``.
        """
        return self.terms.similarity(first, second, decision)

    def appearance(self, first: Nodes, second: Nodes, *, quick: bool = False) -> Values:
        """Return the similarity of the appearance alone: (b q …), (b s …) → (b q s)."""
        term = next(
            weighted for weighted in self.terms.terms if isinstance(weighted.term, AppearanceTerm)
        )
        return term.similarity(first, second, quick=quick)

    def _redundancy(self, level: Values) -> ClassSimilarity:
        """Return the redundancy of the videos of classes, by the appearance level (b)."""
        return lambda videos, episodes: redundancy(
            self.appearance(videos, videos, quick=True), level[episodes]
        )

    def _intra_class_weight(self, state: FusionState, nodes: Nodes) -> Values:
        """Return the weight of the intra-class similarity for each query (b q)."""
        factor = intra_class_factor(self.appearance(nodes, state.nodes), state.appearance)
        return INTRA_CLASS_WEIGHT * factor
