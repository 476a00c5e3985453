"""Similarities that fusion adds up: appearance, motion and second-order moments; and their sum.

A term encodes each video alone and compares two sets of videos. None is trained on real videos.

Removing a linear trend makes motion robust to a moving camera, but also removes sitting down, which
is nearly linear. So motion is compared with and without detrending, and the support clips weigh the
two, once for each episode: by the log-odds that their cameras moved, and by how well the clips
classify each other.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.align import otam
from fewact.core.workers import side_by_side
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    Request,
    SmallFrameRequest,
    motion_weights,
    moving_vectors,
)
from fewact.methods.base import Labels, Nodes
from fewact.methods.common.kernel import Compare, PairTable, leave_one_out
from fewact.methods.common.reduction import affordable, parts
from fewact.methods.common.temporal import inverse_lengths, linear_detrend, normalised
from fewact.methods.fusion.crop import averaged, motion_centred_crop
from fewact.methods.fusion.motion_network import FRAMES, LENGTH, motion_vectors
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.moments import multi_scale_moments

if TYPE_CHECKING:
    from fewact.methods.fusion.joint_term import BesideDecision, JointTerm

Values = NDArray[np.floating[Any]]
"""Numbers in float32, or in float64 where the features are."""

TermView = FeatureRequest | SmallFrameRequest | DifferenceRequest | DifferenceImageRequest
"""Features that a term reads."""

Detrend = Literal["constant", "linear"]
"""What is removed over time: the mean, or the least-squares line."""

CROP_SAMPLES_PER_CELL = 3
"""Rows and columns of the motion-centred crop that are averaged to a cell of the grid."""


class _InnerProducts:
    """Similarity of encoded videos that are compared by their inner products."""

    def similarity(self, first: Values, second: Values) -> Values:
        """Return the cosines, or mean cosines: (b q d), (b s d) → (b q s)."""
        return first @ second.mT

    quick_similarity = similarity


@dataclass(frozen=True)
class AppearanceTerm(_InnerProducts):
    """Cosine of the frames' vectors, joined in the order of time.

    Args:
        view: Vectors of the frames, or of what moves in them.
    """

    compares: ClassVar[str] = "appearance"
    """``appearance``, ``motion`` or ``moments``: terms of one type are shown together."""

    view: FeatureRequest

    def encode(self, features: Features) -> Values:
        """Return unit vectors (… t·d)."""
        return self.of_frames(unit_frames(features[self.view]))

    def of_frames(self, frames: Values) -> Values:
        joined: Values = normalised(_joined(frames))
        return joined

    def of_maps(self, maps: Values) -> Values:
        """Return what ``encode`` returns of the maps (t c h w) that the vectors are means of."""
        return self.of_frames(unit_frames(moving_vectors(maps)))

    def cells(self, maps: Values, second: Values) -> Values:
        """Return what each cell of the first video's frames adds to the cosine.

        A frame's vector is a weighted mean of its map. Each channel's contribution is divided among
        the cells in proportion to their part of the channel's mean.

        Args:
            maps: Maps of a video (t c h w), whose weighted means over the cells are its vectors.
            second: Another video, encoded (t·c).

        Returns:
            (t h w); the sum over all cells is the similarity.
        """
        vectors = moving_vectors(maps)  # (t c)
        products = (self.of_maps(maps) * second).reshape(vectors.shape)
        means = np.where(vectors == 0, 1, vectors)  # a channel of mean 0 adds nothing
        t, c, h, w = maps.shape
        cells = (products / means)[:, None] @ maps.reshape(t, c, h * w)  # (t 1 h·w)
        return cells.reshape(t, h, w) * motion_weights(maps)


class MeanAppearanceTerm(_InnerProducts):
    """Cosine of the means of the frames' vectors, whatever their order."""

    def of_frames(self, frames: Values) -> Values:
        """Return unit vectors (… d) of ``unit_frames`` (… t d)."""
        mean: Values = normalised(frames.mean(-2))
        return mean


class AlignedFrames(ABC):
    """Similarity of encoded videos whose frames are aligned in their order."""

    compares: ClassVar[str] = "motion"
    smoothing: float
    """λ of the soft minimum of the alignment."""

    def similarity(self, first: Values, second: Values) -> Values:
        """Return minus the cost of the alignment per frame: (b q t d), (b s t d) → (b q s)."""
        cost = _cosine_cost(self.vectors(first), self.vectors(second))
        value = otam(cost, self.smoothing, plan=False).value  # (b q s)
        return -value / sum(cost.shape[-2:])

    def plan(self, first: Values, second: Values) -> Values:
        """Return how the frames of two videos are aligned: (t d), (t d) → (t t)."""
        cost = _cosine_cost(*(self.vectors(x)[None, None] for x in (first, second)))
        path: Values | None = otam(cost[0, 0, 0], self.smoothing).plan
        if path is None:
            raise TypeError("otam returned no plan")
        return path

    def match(self, first: Values, second: Values) -> FrameMatch:
        """Return the same with the times of the frames: (t d), (t d)."""
        return frame_match("motion", self.plan(first, second))

    def quick_similarity(self, first: Values, second: Values) -> Values:
        """Return half the mean cosine of frames at the same time."""
        queries, supports = (_joined(self.vectors(x)) for x in (first, second))
        similarity: Values = queries @ supports.mT / (2 * first.shape[-2])
        return similarity

    def vectors(self, encoded: Values) -> Values:
        """Return the vectors of encoded frames that are compared: (… t d) → (… t d')."""
        return encoded

    @abstractmethod
    def horizontal_flip(self, encoded: Values) -> Values:
        """Return what ``encode`` would return for flipped frames: (… t d) → (… t d)."""


@dataclass(frozen=True)
class MotionTerm(AlignedFrames):
    """Ordered alignment of what changes in the frames.

    A frame is represented by its deviation from the trend of the clip and by the change between its
    neighbours, each of length 1.

    Args:
        view: Maps, averaged to a grid of cells; or vectors.
        detrend: What is removed from each cell over time. ``linear`` also removes most of a slow
            pan that stabilisation has left.
        crop: Crop the maps around the motion.
        grid: Rows and columns of cells.
        velocity: Weight of the change between neighbours, next to 1 for the deviation.
        smoothing: λ of the soft minimum of the alignment; from 0 to 0.05 it hardly matters.
    """

    view: TermView
    detrend: Detrend = "linear"
    crop: bool = False
    grid: int = 4
    velocity: float = 1.0
    smoothing: float = 0.01

    def encode(self, features: Features) -> Values:
        """Return vectors of the frames (… t d) of length 1, or 0 where nothing moves."""
        values = features[self.view]
        vectors = self.view.level == "vectors"
        return self.of_frames(unit_frames(values) if vectors else self._cells(values))

    def of_frames(self, frames: Values) -> Values:
        """Return what ``encode`` returns, of unit vectors of the frames or of their cells."""
        detrended = _detrended(frames, self.detrend, axis=-2)
        deviation = detrended - detrended.mean(-2, keepdims=True)
        if self.velocity == 0:
            unit: Values = deviation * inverse_lengths(deviation, frames)
            return unit
        change = np.empty_like(detrended)
        change[..., :-1, :] = detrended[..., 1:, :]
        change[..., -1:, :] = detrended[..., -1:, :]
        change[..., 1:, :] -= detrended[..., :-1, :]
        change[..., :1, :] -= detrended[..., :1, :]
        factors = [inverse_lengths(x, frames) for x in (deviation, change)]
        squares = (factors[0] > 0) + self.velocity**2 * (factors[1] > 0)
        length = np.sqrt(np.where(squares == 0, 1, squares)).astype(frames.dtype)
        d = frames.shape[-1]
        joined = np.empty((*frames.shape[:-1], 2 * d), frames.dtype)
        np.multiply(deviation, factors[0] / length, out=joined[..., :d])
        np.multiply(change, self.velocity * factors[1] / length, out=joined[..., d:])
        return joined

    def _cells(self, maps: Values) -> Values:
        """Return the cells of each frame as a unit vector: (… t c h w) → (… t c·grid²)."""
        if self.crop:
            detrended = _detrended(maps, self.detrend, axis=-4)
            changes = detrended - detrended.mean(-4, keepdims=True)
            cells = motion_centred_crop(maps, changes, self.grid, CROP_SAMPLES_PER_CELL)
        else:
            across, down = (
                parts(size, self.grid).astype(maps.dtype, copy=False)
                for size in (maps.shape[-1], maps.shape[-2])
            )
            cells = averaged(maps, across, down)
        unit: Values = normalised(cells.reshape(*cells.shape[:-3], -1))
        return unit

    def cells(self, first: Values, second: Values) -> Values:
        """Return what each cell of the first video's frames adds to their aligned cosines.

        Args:
            first: Encoded maps of a video (t d).
            second: Encoded maps of another video (t d).

        Returns:
            (t grid grid); the cells add up to the sum of all cosines, weighted by ``plan``.
        """
        matched = self.plan(first, second) @ second  # (t d)
        products: Values = first * matched
        return np.asarray(products.reshape(len(first), -1, self.grid, self.grid).sum(1))

    def horizontal_flip(self, encoded: Values) -> Values:
        cells = encoded.reshape(*encoded.shape[:-1], -1, self.grid, self.grid)
        return cells[..., ::-1].reshape(encoded.shape)


@dataclass(frozen=True)
class LearnedMotionTerm(AlignedFrames):
    """Ordered alignment of vectors that a network gives to images of differences.

    Args:
        view: The images.
        flips: Encode the flipped frames, too.
        smoothing: λ of the soft minimum of the alignment.
    """

    view: DifferenceImageRequest
    flips: bool = False
    smoothing: float = 0.01

    def similarity(self, first: Values, second: Values) -> Values:
        """Return how much more alike than different motions two videos are: (b q s), from 0 on."""
        return _above(self.alignment(first, second))

    def alignment(self, first: Values, second: Values) -> Values:
        """Return minus the cost of the alignment per frame: (b q t d), (b s t d) → (b q s)."""
        return super().similarity(first, second)

    def quick_similarity(self, first: Values, second: Values) -> Values:
        """Return the same of frames at the same time."""
        return _above(2 * super().quick_similarity(first, second) - 1)

    def encode(self, features: Features) -> Values:
        """Return unit vectors of the frames, then of the flipped frames: (… 24 d).

        The last column has the probability that the images show one moving figure, the same in all
        frames. Black images have zeros.
        """
        images = features[self.view]
        videos = [self._of_video(video) for video in images.reshape(-1, *images.shape[-3:])]
        encoded = np.stack(videos).reshape(*images.shape[:-3], *videos[0].shape)
        return encoded.astype(images.dtype) if images.dtype == np.float64 else encoded

    def _of_video(self, images: NDArray[Any]) -> Values:
        encoded = np.zeros((FRAMES, LENGTH * (1 + self.flips) + 1), np.float32)
        if images.any():
            vectors, probability = motion_vectors(images, flips=self.flips)
            encoded[:, :-1] = np.concatenate(list(vectors), -1)
            encoded[:, -1] = probability
        return encoded

    def sure(self, encoded: Values) -> Values:
        """Return how sure the network is of each video: (… t d) → (…)."""
        return encoded[..., 0, -1]

    def without_vectors(self, encoded: Values) -> Values:
        """Return what ``sure`` reads alone: (… t d) → (… 1 1)."""
        return encoded[..., :1, -1:]

    def horizontal_flip(self, encoded: Values) -> Values:
        """Return what ``encode`` would return for flipped frames; needs ``flips``."""
        if not self.flips:
            raise TypeError("flipped frames are not encoded")
        upright, flipped, sure = np.split(encoded, (LENGTH, 2 * LENGTH), -1)
        return np.concatenate([flipped, upright, sure], -1)

    def vectors(self, encoded: Values) -> Values:
        """Return the vectors alone: (… t d) → (… t 64).

        With ``flips`` the vectors of both sides are joined, (… t 128). The network encodes a
        flipped figure differently; joined, flipped videos are as similar as upright videos.
        """
        if self.flips:
            return encoded[..., : 2 * LENGTH] / math.sqrt(2)
        return encoded[..., :LENGTH]


UNLIKE = -0.4
"""Similarity of learned motion that different motions reach too. Chosen on development clips, like
SOFTNESS."""

SOFTNESS = 0.05
"""How gently what is above UNLIKE begins to count."""


def _above(similarity: Values) -> Values:
    softplus: Values = np.logaddexp(0, (similarity - UNLIKE) / SOFTNESS)
    return SOFTNESS * softplus


@dataclass(frozen=True)
class MomentsTerm(_InnerProducts):
    """Mean cosine of the second-order moments M² of A²M²-Net, in the order of time.

    More than 128 channels are reduced by a fixed projection.

    Args:
        view: Maps.
        detrend: Trend that is removed from each position over time; the mean is always removed.
        lengths: Lengths of the temporal windows in frames.
    """

    compares: ClassVar[str] = "moments"

    view: TermView
    detrend: Detrend = "linear"
    lengths: tuple[int, ...] = (2, 4, 8)

    def encode(self, features: Features) -> Values:
        """Return the descriptors of all windows (… m·D), each of length 1/√m."""
        maps: Values = affordable(features[self.view])
        moments = multi_scale_moments(
            _detrended(maps, self.detrend, axis=-4), lengths=self.lengths, subtract_clip_mean=True
        )  # (… m D)
        return _joined(normalised(moments)) / math.sqrt(moments.shape[-2])


def _joined(frames: Values) -> Values:
    """Return the vectors of frames one after the other: (… t d) → (… t·d)."""
    return frames.reshape(*frames.shape[:-2], -1)


def _cosine_cost(first: Values, second: Values) -> Values:
    """Return one minus the cosines of encoded frames: (b q t d), (b s u d) → (b q s t u).

    They have the length 1, or 0: their products are their cosines.
    """
    (b, q, t, _), (_, s, u, _) = first.shape, second.shape
    products = first.reshape(b, q * t, -1) @ second.reshape(b, s * u, -1).mT
    cost = np.subtract(1, products, out=products)
    return cost.reshape(b, q, t, s, u).swapaxes(2, 3)


def unit_frames(vectors: Values) -> Values:
    """Return the signed square roots of the frames' vectors, normalised: (… t d) → (… t d)."""
    roots = np.abs(vectors)
    np.copysign(np.sqrt(roots, out=roots), vectors, out=roots)
    unit: Values = normalised(roots)
    return unit


def _detrended(values: Values, detrend: Detrend, axis: int) -> Values:
    detrended: Values = linear_detrend(values, axis) if detrend == "linear" else values
    return detrended


Term = AppearanceTerm | MotionTerm | LearnedMotionTerm | MomentsTerm

When = Literal["always", "moving", "static"]
"""When a term counts: always, or by the probability that the cameras of the support are so."""

LOG_ODDS = "camera_log_odds"
"""Name of the node that has the log-odds (… 1) that the camera of each video moved."""

LOG_ODDS_WEIGHT = 4.0
"""Weight of the cameras' log-odds next to the log-likelihoods of the clips' labels. Chosen on
development clips, like LOG_ODDS_OFFSET, TEMPERATURE and MAX_BY_CAMERAS: the best values that cost
no simulated camera there more than half a point."""

LOG_ODDS_OFFSET = 0.6
"""What is added to the log-odds."""

TEMPERATURE = 0.2
"""Temperature of the leave-one-out classification."""

MAX_BY_CAMERAS = 0.4
"""Maximum static probability that the log-odds reach without support from the labels."""

SAME_SCENE = 0.7
"""Clips of different classes with this mean similarity of appearance may show one scene.
Chosen on development clips, like OTHER_SCENES."""

OTHER_SCENES = 0.6
"""Mean similarity of appearance below which they show different scenes."""


class SupportDecision(NamedTuple):
    """What a support decides, once for each episode.

    Args:
        static: Probability (b) that the cameras are static, or one for all.
        appearance: Factor (b) of the weight of appearance, or one for all: less than 1 where one
            figure moves in each video and the scenes differ, so that appearance may be the scene.
        joints: What it says of joints beside the picture; None without.
    """

    static: Values | float = 0.0
    appearance: Values | float = 1.0
    joints: "BesideDecision | None" = None

    def of(self, episodes: NDArray[np.int64]) -> "SupportDecision":
        joints = None if self.joints is None else self.joints.of(episodes)
        return self._changed(lambda x: x[episodes])._replace(joints=joints)

    def of_pairs(self) -> "SupportDecision":
        """Return the decision with axes for the videos of a pair: (b 1 1), without joints."""
        return self._changed(lambda x: x[:, None, None])

    def _changed(self, change: Callable[[Values], Values]) -> "SupportDecision":
        static, appearance = (
            change(x) if isinstance(x, np.ndarray) else x for x in (self.static, self.appearance)
        )
        return SupportDecision(static, appearance)


UNDECIDED = SupportDecision()
"""The decision without a support: cameras move, and appearance counts."""


def appearance_factor(similarity: Values, figure: Values | float, labels: Labels) -> Values:
    """Return the factor (b) of appearance: 1 − ρ · how certain it is that the scenes differ.

    Appearance of clips in one scene differs by what moves, and is worth what it distinguishes. If
    scenes differ, appearance may be the scene: then its weight is small where motion distinguishes
    the classes.

    Args:
        similarity: Similarities of appearance (b s s) of the support videos.
        figure: ρ, mean probability (b) that a support video shows one moving figure.
        labels: (b s).
    """
    different = labels[:, :, None] != labels[:, None, :]
    count = different.sum((1, 2))
    total = (similarity * different).sum((1, 2))
    mean = total / np.maximum(count, 1).astype(total.dtype)
    scenes = np.clip((SAME_SCENE - mean) / (SAME_SCENE - OTHER_SCENES), 0, 1) * (count > 0)
    factor: Values = 1 - figure * scenes
    return factor


def static_probability(
    log_odds: Values, moving: Values, static: Values, labels: Labels, n: int
) -> Values:
    """Return the probability (b) that the cameras of each support are static.

    Its logit is the sum of the cameras' log-odds of being static, limited from above, and the
    difference between the log-likelihoods of the labels under the two similarities.

    Args:
        log_odds: Log-odds (b s 1) that the cameras moved.
        moving: Similarities (b s s) of the support videos if they did.
        static: Similarities if they did not.
        labels: (b s).
        n: Number of classes.
    """
    likelihood_static, likelihood_moving = (
        leave_one_out(pairs, labels, n, TEMPERATURE) for pairs in (static, moving)
    )
    limit = math.log(MAX_BY_CAMERAS / (1 - MAX_BY_CAMERAS))
    by_cameras = -LOG_ODDS_WEIGHT * (log_odds.mean((1, 2)) + LOG_ODDS_OFFSET)
    logit = np.minimum(by_cameras, limit) + likelihood_static - likelihood_moving
    probability: Values = np.exp(-np.logaddexp(0, -logit))
    return probability


NUMBER = "number"
"""Name of the node that has the number of a video in the tables."""


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the sum.

    Args:
        name: Name of the term's node.
        term: The term.
        weight: Its weight; 0 skips it.
        when: When it counts.
        table: Its similarities and their approximations (… 2), looked up by the node ``NUMBER``;
            None to compute them.
    """

    name: str
    term: Term
    weight: float
    when: When = "always"
    table: Compare | None = None

    def similarity(self, first: Nodes, second: Nodes, *, quick: bool = False) -> Values:
        """Return the similarity of nodes: (b q …), (b s …) → (b q s)."""
        if self.table is not None:
            looked_up: Values = self.table(first[NUMBER], second[NUMBER])[..., int(quick)]
            return looked_up
        compare = self.term.quick_similarity if quick else self.term.similarity
        return compare(first[self.name], second[self.name])

    def tabulated(self, encoded: Values, columns: int) -> "WeightedTerm":
        """Return the term with a table of encoded videos (v …): all with the first ``columns``."""

        def compare(first: Labels, second: Labels) -> Values:
            pair = encoded[first], encoded[second]
            exact, quick = self.term.similarity(*pair), self.term.quick_similarity(*pair)
            return np.stack([exact, quick], -1)

        number = np.arange(len(encoded))
        symmetric, pairs = columns == len(encoded), columns * len(encoded)
        table = PairTable(compare, number, number[:columns], symmetric=symmetric, comparisons=pairs)
        return replace(self, table=table)

    def as_static(self) -> "WeightedTerm":
        """Return the same term of motion for static cameras: only the mean over time is removed."""
        term: Any = self.term
        term = replace(term, detrend="constant")
        return replace(self, name=f"static_{self.name}", term=term, when="static")

    def factor(self, decision: SupportDecision) -> Values | float:
        """Return the weight of the term."""
        if isinstance(self.term, AppearanceTerm):
            return self.weight * decision.appearance
        if self.when == "always":
            return self.weight
        return self.weight * (decision.static if self.when == "static" else 1 - decision.static)


@dataclass(frozen=True)
class WeightedTerms:
    """A similarity of videos: the sum of weighted terms.

    Args:
        terms: The terms.
        camera: Request for the log-odds that the camera moved; None if all cameras count as moving.
        horizontal_flip: Compare motion with the flipped second videos too; the greater counts.
            Appearance and moments hardly distinguish left and right.
        joints: Term of the joints beside the picture; None without.
    """

    terms: tuple[WeightedTerm, ...]
    camera: CameraRequest | None
    horizontal_flip: bool = False
    joints: "JointTerm | None" = None

    @property
    def requests(self) -> tuple[Request, ...]:
        views: dict[Request, None] = dict.fromkeys(weighted.term.view for weighted in self.terms)
        requests = tuple(views) if self.camera is None else (*views, self.camera)
        return requests if self.joints is None else (*requests, self.joints.view)

    @property
    def names(self) -> set[str]:
        """Names of the nodes that are compared of the picture."""
        return {weighted.name for weighted in self.terms}

    def encode(self, features: Features) -> Nodes:
        encoded = side_by_side(lambda weighted: weighted.term.encode(features), self.terms)
        nodes = {
            weighted.name: values for weighted, values in zip(self.terms, encoded, strict=True)
        }
        if self.camera is not None:
            nodes[LOG_ODDS] = features[self.camera]
        return nodes if self.joints is None else {**nodes, **self.joints.encode(features)}

    def tabulated(
        self, nodes: Nodes, columns: int
    ) -> "tuple[WeightedTerms, dict[str, NDArray[Any]]]":
        """Return the terms with tables of videos (v …), and the nodes that are still read."""
        terms = tuple(term.tabulated(nodes[term.name], columns) for term in self.terms)
        rest = {name: value for name, value in nodes.items() if name not in self.names}
        rest |= {
            weighted.name: weighted.term.without_vectors(nodes[weighted.name])
            for weighted in self.terms
            if isinstance(weighted.term, LearnedMotionTerm)
        }
        number = np.arange(len(next(iter(nodes.values()))))
        return replace(self, terms=terms), {**rest, NUMBER: number}

    def similarity(
        self,
        first: Nodes,
        second: Nodes,
        decision: SupportDecision = UNDECIDED,
        *,
        quick: bool = False,
    ) -> Values:
        """Return the sum: (b q …), (b s …) → (b q s).

        Args:
            first: Nodes of a set of videos, the queries.
            second: Nodes of another set.
            decision: What the support decides.
            quick: Use the terms' approximations, which align no frames, and no joints.
        """
        beside, decision = decision.joints, decision.of_pairs()
        motion = [
            (weighted, weighted.term)
            for weighted in self.terms
            if isinstance(weighted.term, AlignedFrames)
        ]
        moving_terms = [weighted for weighted, _ in motion]
        unmoving_terms = [weighted for weighted in self.terms if weighted not in moving_terms]
        unmoving, moving = (
            _sum(terms, first, second, decision, quick=quick)
            for terms in (unmoving_terms, moving_terms)
        )
        if self.horizontal_flip:
            flipped = {
                weighted.name: term.horizontal_flip(second[weighted.name])
                for weighted, term in motion
            }
            moving = np.maximum(moving, _sum(moving_terms, first, flipped, decision, quick=quick))
        total = unmoving + moving
        if self.joints is not None and beside is not None and beside.factor.any() and not quick:
            total = total + self.joints.similarity(first, second, beside)
        if isinstance(total, np.ndarray):
            return total
        query, support = next(iter(first.values())), next(iter(second.values()))
        # Without any term the sum is 0 for each pair.
        return np.zeros((*query.shape[:2], support.shape[1]), np.float32)

    def decide(
        self,
        nodes: Nodes,
        appearance: Values,
        similarity: Callable[[SupportDecision], Values],
        labels: Labels,
        n: int,
    ) -> SupportDecision:
        """Return what each support decides.

        Args:
            nodes: Nodes of the support videos (b s …).
            appearance: Similarities of their appearance (b s s).
            similarity: Returns all their similarities (b s s), approximately.
            labels: (b s).
            n: Number of classes.
        """
        factor = appearance_factor(appearance, self._figure(nodes), labels)
        joints = None if self.joints is None else self.joints.decide(nodes)
        if self.camera is None:
            return SupportDecision(np.zeros_like(factor), factor, joints)
        moving, static = (similarity(SupportDecision(p, factor)) for p in (0.0, 1.0))
        probability = static_probability(nodes[LOG_ODDS], moving, static, labels, n)
        return SupportDecision(probability, factor, joints)

    def _figure(self, nodes: Nodes) -> Values | float:
        """Return how sure (b) the network of learned motion is of one figure; 0 without it."""
        for weighted in self.terms:
            if isinstance(weighted.term, LearnedMotionTerm):
                figure: Values = weighted.term.sure(nodes[weighted.name]).mean(1)
                return figure
        return 0.0

    def parts(self, first: Nodes, second: Nodes, decision: SupportDecision) -> dict[str, Values]:
        """Return the sums (b q s) of the terms that compare the same; together ``similarity``."""
        groups: dict[str, list[WeightedTerm]] = {}
        for weighted in self.terms:
            groups.setdefault(weighted.term.compares, []).append(weighted)
        picture = decision._replace(joints=None)
        found = {
            name: replace(self, terms=tuple(terms)).similarity(first, second, picture)
            for name, terms in groups.items()
        }
        if self.joints is not None and decision.joints is not None:
            found[self.joints.compares] = self.joints.similarity(first, second, decision.joints)
        return found


def _sum(
    terms: Iterable[WeightedTerm],
    first: Nodes,
    second: Nodes,
    decision: SupportDecision,
    *,
    quick: bool,
) -> Values | float:
    """Add up terms: (b q …), (b s …) → (b q s), or 0 if all are skipped."""
    total: Values | float = 0.0
    for weighted in terms:
        factor = weighted.factor(decision)
        if np.any(factor):
            total = total + factor * weighted.similarity(first, second, quick=quick)
    return total
