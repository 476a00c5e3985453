"""Similarity of skeletons and landmarks: the shape of the body and how it moves, aligned in time.

Each frame is centred on its joints and each clip is divided by the size of its body. Joints that
are near each other count more for their small distances: a joint's place is compared relative to
each other joint, in units of the distance between the two. So the fingers of a hand matter although
they move little beside an arm. A clip is also compared with the mirror image of the other one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.core.errors import OptionError
from fewact.data.joints import Joints, parse_joints
from fewact.features.request import FeatureRequest, Features
from fewact.methods.base import FrameMatch, Nodes, frame_match
from fewact.methods.common.kernel import KernelState
from fewact.methods.fusion.vectors import VECTORS

DISTANCES = "distances"
"""Name of the node: mean squared distances (j j) of a video's joints, 0 where one is missing."""

MIRROR_COST = 0.1
"""Cost of a match with a mirrored video. Chosen on the development skeletons, like DISPLACEMENT:
without it the two hands cannot be distinguished; see docs/decisions/fusion.md."""

DISPLACEMENT = 1.0
"""Weight of the whole body's movement, in sizes of the body, beside that of its joints."""

CONFIDENT = 0.0
"""A joint whose confidence is not above this is missing."""

TINY = 1e-6
"""Sizes, squared distances and changes up to this fraction of a body's size are rounding errors."""


class JointDecision(NamedTuple):
    """What a support says of joints.

    Args:
        relative: Symmetric matrix (b j j) that turns the places of joints into the places relative
            to each other, in units of the support's mean distances.
    """

    relative: Tensor

    def of(self, episodes: Tensor) -> "JointDecision":
        return JointDecision(self.relative[episodes])


@dataclass(frozen=True)
class JointTerms:
    """Similarity of videos of joints: minus the cost of the best alignment in time.

    Args:
        vectors: Request for the numbers of the joints.
        layout: Layout of the joints in them.
        weights: Weights of the places and of the movements of joints.
    """

    vectors: FeatureRequest
    layout: str
    weights: tuple[float, float]

    @property
    def request(self) -> FeatureRequest:
        return self.vectors

    @property
    def joints(self) -> Joints:
        """Where the joints are."""
        return parse_joints(self.layout)

    def encode(self, features: Features) -> Nodes:
        """Return centred and scaled joints, with the body's displacement as the last one."""
        values = features[self.request]
        joints = self.joints
        if values.shape[-1] != joints.width:
            raise OptionError(
                "the vectors have another length than the joints",
                where=f"joints={self.layout}",
                got=str(values.shape[-1]),
                expected=str(joints.width),
            )
        places = values[..., torch.tensor(joints.coordinates)]  # (… t j 2 or 3)
        confidences = torch.tensor([max(i, 0) for i in joints.confidences])
        measured = torch.tensor([i >= 0 for i in joints.confidences], device=values.device)
        present = (places != 0).any(-1) & (~measured | (values[..., confidences] > CONFIDENT))
        places, present = filled(places, present)
        seen = present[..., None, :, None].to(places)  # (… 1 j 1)
        number = seen.sum(-2, keepdim=True).clamp_min(1)
        center = (places * seen).sum(-2, keepdim=True) / number  # (… t 1 c)
        centred = (places - center) * seen
        sizes = (centred.square().sum((-2, -1)) / number[..., 0, 0]).sqrt()  # (… t)
        size = sizes.median(-1).values.clamp_min(TINY)[..., None, None, None]
        body, way = centred / size, center / size
        displacement = way - way.mean(-3, keepdim=True)
        return {
            VECTORS: torch.cat([body, displacement], -2).flatten(-2),
            DISTANCES: _mean_squared_distances(body, present),
        }

    def decide(self, nodes: Nodes, labels: Tensor, n: int) -> tuple[JointDecision, Nodes]:
        """Return what the support says, and what is compared of its videos."""
        decision = self._decision(nodes[DISTANCES].detach())
        return decision, self.compared(nodes, decision)

    def _decision(self, distances: Tensor) -> JointDecision:
        """Return the square root of a graph's Laplacian: pairs weigh 1 / their mean distance²."""
        known = distances > 0  # (b s j j)
        mean = distances.sum(1) / known.sum(1).clamp_min(1)
        mirror = torch.tensor(self.joints.mirror, device=mean.device)
        mean = (mean + mean[:, mirror][:, :, mirror]) / 2
        weights = torch.where(mean > TINY, 1 / mean.clamp_min(TINY), 0.0).double()
        laplacian = torch.diag_embed(weights.sum(-1)) - weights
        values, vectors = torch.linalg.eigh(laplacian)
        root = (vectors * values.clamp_min(0).sqrt()[:, None]) @ vectors.mT
        return JointDecision(root.to(distances))

    def compared(self, nodes: Nodes, decision: JointDecision) -> Nodes:
        """Return places and movements of videos (b v t …), and those of their mirror images."""
        joints = self.joints
        values = nodes[VECTORS].unflatten(-1, (len(joints.mirror) + 1, -1))  # (b v t j+1 c)
        mirror = torch.tensor([*joints.mirror, len(joints.mirror)], device=values.device)
        flip = values.new_tensor([-1.0, *[1.0] * (values.shape[-1] - 1)])
        compared: dict[str, Tensor] = {}
        for prefix, bodies in (("", values), ("mirrored_", values[..., mirror, :] * flip)):
            relative = decision.relative[:, None, None] @ bodies[..., :-1, :]
            places = relative.flatten(-2)
            length = places.norm(dim=-1).mean(-1)[..., None, None].clamp_min(TINY)
            places = places / length
            moved = torch.cat([places, DISPLACEMENT * bodies[..., -1, :]], -1)
            compared |= {f"{prefix}places": places, f"{prefix}movement": _movement(moved)}
        return compared

    def similarity(self, first: Nodes, second: Nodes, decision: JointDecision) -> Tensor:
        """Return the similarity of nodes of ``compared``: (b q …), (b s …) → (b q s)."""
        direct, mirrored = (
            _aligned(places + movement, plan=False).value / (2 * places.shape[-1])
            for places, movement in self._costs(first, second)
        )
        return -direct.minimum(mirrored + MIRROR_COST)

    def _costs(self, first: Nodes, second: Nodes) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the costs (b q s t u) of places and of movements, then of mirrored ones."""
        for prefix in ("", "mirrored_"):
            yield self._costs_of(first, second, prefix)

    def _costs_of(self, first: Nodes, second: Nodes, prefix: str) -> tuple[Tensor, Tensor]:
        places = _pairs(first["places"], second[f"{prefix}places"], torch.cdist)
        cosines = _pairs(first["movement"], second[f"{prefix}movement"], lambda x, y: x @ y.mT)
        place, movement = self.weights
        return place * places, movement * (1 - cosines)

    def parts(self, first: Nodes, second: Nodes, decision: JointDecision) -> dict[str, Tensor]:
        """Return the parts of ``similarity``, appearance and motion: (b q s) each."""
        found = []
        for places, movement in self._costs(first, second):
            path = _aligned(places + movement).plan
            if path is None:
                raise TypeError("dtw returned no plan")
            found.append([(path * cost).sum((-2, -1)) for cost in (places, movement)])
        steps = 2 * first["places"].shape[-2]
        (places, movement), (other_places, other_movement) = found
        penalty = MIRROR_COST * steps
        direct = places + movement <= other_places + other_movement + penalty
        return {
            "appearance": -torch.where(direct, places, other_places) / steps,
            "motion": -torch.where(direct, movement, other_movement + penalty) / steps,
        }

    def match_frames(self, first: Nodes, second: Nodes) -> FrameMatch:
        """Return the alignment of two videos, or of the first and the second one's mirror image."""
        query, support = ({name: x[None, None] for name, x in y.items()} for y in (first, second))
        decision = self._decision(support[DISTANCES])
        encoded = [self.compared(nodes, decision) for nodes in (query, support)]
        direct, mirrored = (
            _aligned(places + movement) for places, movement in self._costs(*encoded)
        )
        penalty = MIRROR_COST * 2 * first[VECTORS].shape[-2]
        best = direct if direct.value <= mirrored.value + penalty else mirrored
        if best.plan is None:
            raise TypeError("dtw returned no plan")
        return frame_match("motion", best.plan[0, 0, 0])

    def findings(self, state: KernelState, decision: JointDecision) -> tuple[str, ...]:
        """Return nothing: the support decides no assumption."""
        return ()


_aligned = partial(align.dtw, diagonal=2.0)
"""Alignment whose costs have the same total weight for all paths: t + u."""


def filled(places: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate missing joints over time, between the frames before and after that have them.

    Args:
        places: (… t j c).
        present: Whether a joint is there (… t j).

    Returns:
        Places, those of a joint that is in no frame as they are; and which joints (… j) are in
        some frame.
    """
    frames = places.shape[-3]
    times = torch.arange(frames, device=places.device)[:, None].expand(present.shape)
    before = torch.where(present, times, -1).cummax(-2).values
    after = torch.where(present, times, frames).flip(-2).cummin(-2).values.flip(-2)
    first, last = before.clamp_min(0), after.clamp_max(frames - 1)
    first = torch.where(before < 0, last, first)  # before the first frame that has the joint
    last = torch.where(after == frames, first, last)
    ends = [places.gather(-3, i[..., None].expand(places.shape)) for i in (first, last)]
    fraction = ((times - first) / (last - first).clamp_min(1)).clamp(0, 1)[..., None]
    ever = present.any(-2)
    values = torch.lerp(ends[0], ends[1], fraction.to(places))
    return torch.where(ever[..., None, :, None], values, places), ever


def _mean_squared_distances(body: Tensor, present: Tensor) -> Tensor:
    """Return the mean squared distances (… j j) of joints (… t j c); 0 where one is missing."""
    products = torch.einsum("...tic,...tjc->...ij", body, body) / body.shape[-3]
    squares = products.diagonal(dim1=-2, dim2=-1)
    distances = squares[..., None] + squares[..., None, :] - 2 * products
    both = present[..., None] & present[..., None, :]
    return torch.where(both, distances.clamp_min(0), 0.0)


def _movement(places: Tensor) -> Tensor:
    """Return deviations from the mean over time and changes, of length 1 (… t 2d), or 0."""
    deviation = places - places.mean(-2, keepdim=True)
    padded = torch.cat([places[..., :1, :], places, places[..., -1:, :]], -2)
    change = padded[..., 2:, :] - padded[..., :-2, :]
    both = [functional.normalize(x, dim=-1, eps=TINY) for x in (deviation, change)]
    return functional.normalize(torch.cat(both, -1), dim=-1, eps=TINY)


def _pairs(first: Tensor, second: Tensor, compare: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Compare all frames of videos: (b q t d), (b s u d) → (b q s t u)."""
    (b, q, t, _), (_, s, u, _) = first.shape, second.shape
    table = compare(first.flatten(1, 2), second.flatten(1, 2))
    return table.view(b, q, t, s, u).transpose(2, 3)
