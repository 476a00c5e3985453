"""OTAM: frames aligned in order, by a soft minimum over all paths.

Cao et al., Few-Shot Video Classification via Temporal Alignment, CVPR 2020, arXiv 1906.11415.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Literal

import torch
from pydantic import ConfigDict, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact import align
from fewact.backbones.card import Card, Stabilise, Tap
from fewact.methods.base import Features, Method, Nodes, one_hot_mean


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OTAMOptions:
    """Options of ``otam``.

    Args:
        frames: Frames of a video.
        stabilise: Take the camera's motion out of the frames first; ``auto`` where it moved.
        lam: λ of the soft minimum; later papers take 0.5.
        eps: Added to the product of the norms in the cosine cost of two frames.
        both: Align both ways, query to support and support to query.
        shots: ``average`` averages the distances to a class's videos, as first published;
            ``prototype`` averages its videos frame by frame and takes one distance, as CLIP-FSAR.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    lam: NonNegativeFloat = 0.1
    eps: NonNegativeFloat = 0.01
    both: bool = True
    shots: Literal["average", "prototype"] = "average"


@plain_dataclass(frozen=True)
class OTAMState:
    """Frames (b p t d) that queries are aligned with, and how these average to classes (b n p)."""

    frames: Tensor
    classes: Tensor


class OTAM(Method):
    """Ordered temporal alignment; without training, or on features that were trained for it."""

    Options = OTAMOptions
    options: OTAMOptions
    scoring = frozenset({"lam", "eps", "both", "shots"})

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """One vector a frame."""
        return (self._tap,)

    @property
    def _tap(self) -> Tap:
        return Tap("vectors", self.options.frames, self.options.stabilise)

    def encode(self, features: Features) -> Nodes:
        """The frames' vectors (… t d)."""
        return {"frames": features[self._tap]}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> OTAMState:
        """The support's own frames with their classes, or prototypes (b n t d)."""
        frames = nodes["frames"]
        mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
        if self.options.shots == "average":
            return OTAMState(frames, mean)
        prototypes = torch.einsum("bns,bstd->bntd", mean, frames)
        one_each = torch.eye(n, dtype=frames.dtype, device=frames.device)
        return OTAMState(prototypes, one_each.expand(len(frames), n, n))

    def score(self, state: OTAMState, nodes: Nodes) -> Tensor:
        """Logits (b q n): minus the distance."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: OTAMState, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Logits (b q n), and with ``average`` the similarities (b q s) that they average."""
        options = self.options
        cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, eps=options.eps)
        pairs = -align.otam(cost, options.lam, both=options.both, plan=False).value  # (b q p)
        logits = torch.einsum("bqp,bnp->bqn", pairs, state.classes)
        return logits, pairs if options.shots == "average" else None
