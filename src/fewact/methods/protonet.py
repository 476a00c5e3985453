"""Prototype baselines: time means, frames in order, frame by frame.

Snell et al., Prototypical Networks, NeurIPS 2017, carried to video; the floor of every comparison.
"""

from typing import Literal

import torch
from pydantic import ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Method, Nodes
from fewact.methods.common.prototypes import ShotAggregation, SupportFrames, support_frames


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ProtoNetOptions:
    """Options of ``protonet``.

    Args:
        frames: Frames of a video.
        stabilise: Take the camera's motion out of the frames first; ``auto`` where it moved.
        order: ``pooled`` averages the frames; ``joined`` puts them behind one another; ``diagonal``
            compares frame i with frame i; ``all_pairs`` sums over the support's frames and averages
            over the query's.
        distance: Between what was made so; ``diagonal`` and ``all_pairs`` take the cosine.
        shots: ``prototype`` compares with the mean of a class's videos, ``average`` averages the
            scores with each of them.
        unit_frames: Scale each frame's vector to length 1 first.
        eps: Added to the product of the norms in a cosine.
        scale: Logits are multiplied by it.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    order: Literal["pooled", "joined", "diagonal", "all_pairs"] = "pooled"
    distance: Literal["cosine", "squared_euclidean", "euclidean"] = "cosine"
    shots: Literal["prototype", "average"] = "prototype"
    unit_frames: bool = False
    eps: NonNegativeFloat = 0.01
    scale: PositiveFloat = 1.0


class ProtoNet(Method[ProtoNetOptions, SupportFrames]):
    """Nearest prototype, without training."""

    Options = ProtoNetOptions
    scoring = frozenset({"distance", "shots", "eps", "scale"})

    def __init__(self, options: ProtoNetOptions) -> None:
        super().__init__(options)
        # Of cosines it was measured on the development clips; distances have the features' scale.
        self.temperature = options.scale * (0.022 if options.distance == "cosine" else 1.0)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (self._tap,)

    @property
    def _tap(self) -> Request:
        return FeatureRequest("vectors", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """Frames (… t d), pooled and joined ones as one frame (… 1 d)."""
        frames = features[self._tap]
        if self.options.unit_frames:
            frames = functional.normalize(frames, dim=-1)
        if self.options.order == "pooled":
            frames = frames.mean(-2, keepdim=True)
        elif self.options.order == "joined":
            frames = frames.flatten(-2).unsqueeze(-2)
        return {"frames": frames}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SupportFrames:
        """The support's own frames with their classes, or prototypes (b n t d)."""
        aggregation: ShotAggregation = "mean" if self.options.shots == "average" else "prototype"
        return support_frames(nodes["frames"], labels, n, aggregation)

    def score(self, state: SupportFrames, nodes: Nodes) -> Tensor:
        """Logits (b q n): cosine, or minus a distance."""
        pairs = self._pairs(nodes["frames"], state.frames)  # (b q p)
        return self.options.scale * state.average(pairs)

    def _pairs(self, query: Tensor, support: Tensor) -> Tensor:
        """(b q t d), (b p t d) → (b q p)."""
        if self.options.order in ("diagonal", "all_pairs"):
            lengths = vector_norm(support, dim=-1)[:, None, :, None, :]  # (b 1 p 1 t)
            norms = vector_norm(query, dim=-1)[:, :, None, :, None] * lengths
            products = torch.einsum("bqtd,bpud->bqptu", query, support)
            cosines: Tensor = products / (norms + self.options.eps).clamp_min(TINY)
            if self.options.order == "all_pairs":
                return cosines.sum(-1).mean(-1)
            return cosines.diagonal(dim1=-2, dim2=-1).mean(-1).sub(1)
        query, support = query.flatten(-2), support.flatten(-2)
        if self.options.distance == "cosine":
            lengths = vector_norm(support, dim=-1)[:, None, :]
            norms = vector_norm(query, dim=-1)[:, :, None] * lengths
            cosine: Tensor = query @ support.mT / (norms + self.options.eps).clamp_min(TINY)
            return cosine
        distance = torch.cdist(query, support, compute_mode="donot_use_mm_for_euclid_dist")
        return -distance if self.options.distance == "euclidean" else -(distance**2)


TINY = 1e-12
"""A smaller product of norms counts as this much: a zero vector has cosine 0 with everything."""
