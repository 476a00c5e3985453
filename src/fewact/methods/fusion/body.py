"""Similarity of bodies by their joints: their shape and how they move, aligned; ours.

Each frame is centred on its joints and each clip is divided by the size of its body. Joints that
are near each other count more for their small distances: a joint's place is compared relative to
each other joint, in units of the distance between the two. So the fingers of a hand matter although
they move little beside an arm. A clip is also compared with the mirror image of the other one.

Beside the path over time, the second-order moments of places and of movements are compared: they
are the same in whatever phase a repeated movement begins. Where the clips show people from
different sides, only heights agree: the support decides how much other directions count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact import align
from fewact.data.joints import Joints, parse_joints
from fewact.features.request import FeatureRequest, Features, JointRequest
from fewact.methods.base import Labels, Nodes
from fewact.methods.common.temporal import normalised
from fewact.methods.protocols import FrameMatch, frame_match

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

JOINTS = "joints"
"""Name of the node: the joints of a video, and its displacement as the last one (t (j+1)·c)."""

MIRROR_COST = 0.1
"""Cost of a match with a mirrored video. Chosen on the development skeletons, like DISPLACEMENT:
without it the two hands cannot be distinguished; see docs/decisions/fusion.md."""

DISPLACEMENT = 1.0
"""Weight of the whole body's movement, in sizes of the body; joints have weight 1."""

MOMENTS = 0.25
"""Weight of each of the two moments, of places and of changes, beside the movements' weight 1."""

DEPTH = 0.25
"""Weight of the depth of the skeletons ``OF_PICTURES``, which is not measured but guessed."""

OF_PICTURES = ("pose33", "hand21")
"""Skeletons that MediaPipe estimates from one picture."""

VERTICAL = 1
"""Axis of the coordinates that points up or down."""

BODY_SIDES = 10.0
"""How fast the weight of horizontal directions falls with the difference of views: the cube of this
difference times this is subtracted from 1. Chosen on development videos and skeletons, like
LEAST_SIDES, so that none of them loses."""

LEAST_SIDES = 0.05
"""Smallest weight of horizontal directions."""

SURE_CONFIDENCE = 0.8
"""Mean confidence from which joints are sure. Chosen on development videos."""

CONFIDENT = 0.0
"""A joint whose confidence is not above this is missing."""

TINY = 1e-6
"""Sizes, squared distances and changes up to this fraction of a body's size are rounding errors."""


class JointDecision(NamedTuple):
    """What a support says of joints.

    Args:
        relative: Symmetric matrix (b j j) that turns the places of joints into the places relative
            to each other, in units of the support's mean distances.
        horizontal: Weight (b) of the horizontal directions, next to 1 for the vertical one.
    """

    relative: Values
    horizontal: Values

    def of(self, episodes: NDArray[np.int64]) -> "JointDecision":
        return JointDecision(*(value[episodes] for value in self))


@dataclass(frozen=True)
class JointTerms:
    """Similarity of videos of joints: minus the cost of the best alignment in time.

    Args:
        vectors: Request for the numbers of the joints.
        layout: Layout of the joints in them.
        weights: Weights of the places and of the movements of joints.
    """

    vectors: FeatureRequest | JointRequest
    layout: str
    weights: tuple[float, float]

    @property
    def request(self) -> FeatureRequest | JointRequest:
        return self.vectors

    @property
    def joints(self) -> Joints:
        """Where the joints are."""
        return parse_joints(self.layout)

    def encode(self, features: Features) -> Nodes:
        """Return centred and scaled joints, with the body's displacement as the last one."""
        places, present = self._present(features[self.request])
        if places.shape[-1] > 2 and any(x.startswith(OF_PICTURES) for x in self.layout.split("+")):
            places = places * np.array([1, 1, DEPTH], places.dtype)
        places, present = filled(places, present)
        seen = present[..., None, :, None].astype(places.dtype)  # (… 1 j 1)
        number = np.maximum(seen.sum(-2, keepdims=True), 1)
        center = (places * seen).sum(-2, keepdims=True) / number  # (… t 1 c)
        centred = (places - center) * seen
        sizes = np.sqrt(np.square(centred).sum((-2, -1)) / number[..., 0, 0])  # (… t)
        median = np.sort(sizes, -1)[..., (sizes.shape[-1] - 1) // 2]  # the lower one of two
        size = np.maximum(median, TINY)[..., None, None, None]
        body, way = centred / size, center / size
        displacement = way - way.mean(-3, keepdims=True)
        joined = np.concatenate([body, displacement], -2)
        return {JOINTS: joined.reshape(*joined.shape[:-2], -1)}

    def _present(self, values: Values) -> tuple[Values, Mask]:
        """Return the places (… t j 2 or 3) of joints, and whether each is there (… t j)."""
        joints = self.joints
        places = values[..., np.array(joints.coordinates)]
        measured = np.array(joints.confidences) >= 0
        confident = values[..., np.maximum(joints.confidences, 0)] > CONFIDENT
        return places, (places != 0).any(-1) & (~measured | confident)

    def decide(self, nodes: Nodes, labels: Labels, n: int) -> tuple[JointDecision, Nodes]:
        """Return what the support says, and what is compared of its videos."""
        decision = self.decision(nodes)
        return decision, self.compared(nodes, decision)

    def decision(self, nodes: Nodes) -> JointDecision:
        """Return what support videos say: pairs of joints weigh 1 / their mean distance².

        The matrix is the square root of the Laplacian of the graph of these weights.
        """
        bodies = self._bodies(nodes)[..., :-1, :]  # (b s t j c)
        horizontal = _horizontal(bodies.mean(2))
        distances = _mean_squared_distances(bodies * _directions(horizontal, bodies.shape[-1]))
        known = (distances > 0).sum(1)  # (b j j)
        mean = distances.sum(1) / np.maximum(known, 1)
        mirror = np.array(self.joints.mirror)
        mean = (mean + mean[:, mirror][:, :, mirror]) / 2
        weights = np.where(mean > TINY, 1 / np.maximum(mean, TINY), 0)
        laplacian = np.eye(mean.shape[-1]) * weights.sum(-1)[..., None] - weights
        values, vectors = np.linalg.eigh(laplacian)
        root = (vectors * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.mT
        return JointDecision(root.astype(distances.dtype), horizontal)

    def _bodies(self, nodes: Nodes) -> Values:
        """Return the joints of videos, then the body's displacement: (b v t j+1 c)."""
        vectors = nodes[JOINTS]
        return vectors.reshape(*vectors.shape[:-1], len(self.joints.mirror) + 1, -1)

    def compared(self, nodes: Nodes, decision: JointDecision) -> Nodes:
        """Return places, movements and moments of videos (b v t …) and of mirrored videos."""
        joints = self.joints
        values = self._bodies(nodes)
        values = values * _directions(decision.horizontal, values.shape[-1])
        mirror = np.array([*joints.mirror, len(joints.mirror)])
        flip = np.array([-1.0, *[1.0] * (values.shape[-1] - 1)], values.dtype)
        compared: dict[str, Values] = {}
        for prefix, bodies in (("", values), ("mirrored_", values[..., mirror, :] * flip)):
            relative = decision.relative[:, None, None] @ bodies[..., :-1, :]
            places = relative.reshape(*relative.shape[:-2], -1)
            length = np.sqrt(np.vecdot(places, places)).mean(-1)[..., None, None]
            places = places / np.maximum(length, TINY)
            moved = np.concatenate([places, DISPLACEMENT * bodies[..., -1, :]], -1)
            compared |= {f"{prefix}places": places, f"{prefix}movement": _movement(moved)}
            compared |= {
                f"{prefix}{name}": _root_of_moments(x)
                for name, x in zip(OF_MOMENTS, _deviation_and_change(places), strict=True)
            }
        return compared

    def similarity(self, first: Nodes, second: Nodes, decision: JointDecision) -> Values:
        """Return the similarity of nodes of ``compared``: (b q …), (b s …) → (b q s)."""
        direct, mirrored = (
            _aligned(places + movement, plan=False).value / (2 * places.shape[-1]) + moments
            for places, movement, moments in self._costs(first, second)
        )
        similarity: Values = -np.minimum(direct, mirrored + MIRROR_COST)
        return similarity

    def _costs(self, first: Nodes, second: Nodes) -> Iterator[tuple[Values, Values, Values]]:
        """Yield the costs of places and of movements (b q s t u), and of moments (b q s).

        First those of the second videos as they are, then of the mirrored ones.
        """
        place, movement = self.weights
        for prefix in ("", "mirrored_"):
            places = _pairs(first["places"], second[f"{prefix}places"], _distances)
            cosines = _pairs(first["movement"], second[f"{prefix}movement"], lambda x, y: x @ y.mT)
            deviation, change = (
                1 - _cosine_of_moments(first[name], second[f"{prefix}{name}"])
                for name in OF_MOMENTS
            )
            moments = MOMENTS * (deviation + change)
            yield place * places, movement * (1 - cosines), movement * moments

    def parts(self, first: Nodes, second: Nodes, decision: JointDecision) -> dict[str, Values]:
        """Return the parts of ``similarity``, appearance and motion: (b q s) each."""
        found = []
        steps = 2 * first["places"].shape[-2]
        for places, movement, moments in self._costs(first, second):
            path = _aligned(places + movement).plan
            if path is None:
                raise TypeError("dtw returned no plan")
            of_places, moved = ((path * x).sum((-2, -1)) / steps for x in (places, movement))
            found.append((of_places, moved + moments))
        (places, motion), (other_places, other_motion) = found
        direct = places + motion <= other_places + other_motion + MIRROR_COST
        return {
            "appearance": -np.where(direct, places, other_places),
            "motion": -np.where(direct, motion, other_motion + MIRROR_COST),
        }

    def sureness(self, features: Features) -> Values:
        """Return how sure and complete joints are: (… t d) → (… 1), from 0 to 1.

        It is the fraction of frames that show a joint, times the square of the mean confidence in
        these, as a fraction of ``SURE_CONFIDENCE``.
        """
        values = features[self.request]
        _, present = self._present(values)
        shown = present.any(-1)  # (… t)
        fraction = shown.mean(-1, dtype=values.dtype)
        measured = [place for place in self.joints.confidences if place >= 0]
        if measured:
            confidence = (values[..., measured].mean(-1) * shown).sum(-1)
            confidence = confidence / np.maximum(shown.sum(-1), 1)
            fraction = fraction * np.square(np.clip(confidence / SURE_CONFIDENCE, 0, 1))
        return np.asarray(fraction[..., None], values.dtype)

    def match_frames(self, first: Nodes, second: Nodes) -> FrameMatch:
        """Return the alignment of two videos, or of the first and the second one's mirror image."""
        query, support = ({name: x[None, None] for name, x in y.items()} for y in (first, second))
        decision = self.decision(support)
        encoded = [self.compared(nodes, decision) for nodes in (query, support)]
        (direct, moments), (mirrored, other_moments) = (
            (_aligned(places + movement), moments)
            for places, movement, moments in self._costs(*encoded)
        )
        penalty = (MIRROR_COST + other_moments - moments) * 2 * first[JOINTS].shape[-2]
        best = direct if direct.value <= mirrored.value + penalty else mirrored
        if best.plan is None:
            raise TypeError("dtw returned no plan")
        return frame_match("motion", best.plan[0, 0, 0])


_aligned = partial(align.dtw, diagonal=2.0)
"""Alignment whose costs have the same total weight for all paths: t + u."""


def filled(places: Values, present: Mask) -> tuple[Values, Mask]:
    """Interpolate missing joints over time, between the frames before and after that have them.

    Args:
        places: (… t j c).
        present: Whether a joint is there (… t j).

    Returns:
        The places, unchanged for a joint that is in no frame; and whether a joint is in some frame
        (… j).
    """
    frames = places.shape[-3]
    times = np.broadcast_to(np.arange(frames)[:, None], present.shape)
    before = np.maximum.accumulate(np.where(present, times, -1), -2)
    after = np.where(present, times, frames)[..., ::-1, :]
    after = np.minimum.accumulate(after, -2)[..., ::-1, :]
    first, last = np.maximum(before, 0), np.minimum(after, frames - 1)
    first = np.where(before < 0, last, first)  # before the first frame that has the joint
    last = np.where(after == frames, first, last)
    start, end = (np.take_along_axis(places, i[..., None], -3) for i in (first, last))
    fraction = np.clip((times - first) / np.maximum(last - first, 1), 0, 1)[..., None]
    ever = np.asarray(present.any(-2))
    values = start + (end - start) * fraction.astype(places.dtype)
    return np.where(ever[..., None, :, None], values, places), ever


def _mean_squared_distances(bodies: Values) -> Values:
    """Return the mean squared distances (b s j j) of joints (b s t j c).

    A joint that is missing in a video is 0 in all its frames, and so are its distances.
    """
    b, s, t, j, c = bodies.shape
    flat = bodies.swapaxes(-3, -2).reshape(b, s, j, t * c)
    present = (flat != 0).any(-1)
    products = flat @ flat.mT / t
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    distances = squares[..., None] + squares[..., None, :] - 2 * products
    both = present[..., None] & present[..., None, :]
    return np.where(both, np.maximum(distances, 0), 0)


def _directions(horizontal: Values, count: int) -> Values:
    """Return the weights of the directions (b 1 1 1 c), of the horizontal ones (b) alike."""
    directions = np.tile(horizontal[:, None], count)
    directions[:, VERTICAL] = 1
    return directions[:, None, None, None]


def _horizontal(bodies: Values) -> Values:
    """Return the weight (b) of horizontal directions, by the mean bodies of videos (b s j c).

    Bodies that are seen from different sides differ in x while their heights are alike. Where
    heights differ too, as from above, no direction is better.
    """
    across, up = (_mean_cosine(bodies[..., axis]) for axis in (0, VERTICAL))
    weight: Values = 1 - BODY_SIDES * np.clip(up - across, 0, 1) ** 3
    return np.clip(weight, LEAST_SIDES, 1).astype(bodies.dtype)


def _mean_cosine(vectors: Values) -> Values:
    """Return the mean cosine (b) of different vectors (b s d); those of length 0 do not count."""
    unit = normalised(vectors, shortest=TINY)
    count = np.vecdot(unit, unit).sum(1)  # each is 1 or 0
    total = unit.sum(1)
    mean: Values = (np.vecdot(total, total) - count) / np.maximum(count * (count - 1), 1)
    return mean


OF_MOMENTS = ("moments_of_places", "moments_of_changes")
"""Names of the compared nodes of videos, apart from their path over time."""


def _root_of_moments(values: Values) -> Values:
    """Return Y (… t d), so that YᵀY is the square root of the moments XᵀX of values X (… t d).

    The trace of the moments is 1, or 0 for values that are 0. With t < d, the eigenvalues of XXᵀ
    are those of the moments.
    """
    energy = np.square(values).sum((-2, -1), keepdims=True)
    some = energy > TINY**2
    scaled = values / np.sqrt(np.where(some, energy, 1))
    squares, vectors = np.linalg.eigh(scaled @ scaled.mT)
    known = (squares > TINY) & some[..., 0]
    powers = np.where(known, np.where(known, squares, 1) ** -0.25, 0)
    root: Values = (vectors * powers[..., None, :]) @ vectors.mT @ scaled
    return root


def _cosine_of_moments(first: Values, second: Values) -> Values:
    """Return the cosines (b q s) of the square roots of moments: (b q t d), (b s u d)."""
    products = _pairs(first, second, lambda x, y: x @ y.mT)
    cosine: Values = np.square(products, out=products).sum((-2, -1))
    return cosine


def _deviation_and_change(places: Values) -> tuple[Values, Values]:
    """Return the deviations from the mean over time and the changes: (… t d) each."""
    deviation = places - places.mean(-2, keepdims=True)
    padded = np.concatenate([places[..., :1, :], places, places[..., -1:, :]], -2)
    return deviation, padded[..., 2:, :] - padded[..., :-2, :]


def _movement(places: Values) -> Values:
    """Return deviations from the mean over time and changes, of length 1 (… t 2d), or 0."""
    both = [normalised(x, shortest=TINY) for x in _deviation_and_change(places)]
    joined: Values = normalised(np.concatenate(both, -1), shortest=TINY)
    return joined


def _distances(first: Values, second: Values) -> Values:
    """Return the distances of vectors: (b n d), (b m d) → (b n m)."""
    squares = [np.vecdot(x, x) for x in (first, second)]
    distances = squares[0][:, :, None] + squares[1][:, None] - 2 * (first @ second.mT)
    root: Values = np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
    return root


def _pairs(first: Values, second: Values, compare: Callable[[Values, Values], Values]) -> Values:
    """Compare all frames of videos: (b q t d), (b s u d) → (b q s t u)."""
    (b, q, t, _), (_, s, u, _) = first.shape, second.shape
    table = compare(first.reshape(b, q * t, -1), second.reshape(b, s * u, -1))
    return table.reshape(b, q, t, s, u).swapaxes(2, 3)
