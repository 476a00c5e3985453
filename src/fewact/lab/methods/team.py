"""TEAM: pattern tokens gather a video's frames without order, and are compared one by one.

Lee et al., Temporal Alignment-Free Video Matching for Few-shot Action Recognition, CVPR 2025, arXiv
2504.05956, as implemented by its public code.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch, cross_entropy
from fewact.lab.methods.common.inputs import frame_vectors, seeded
from fewact.lab.methods.common.shots import class_means
from fewact.lab.methods.common.tuples import Positions
from fewact.methods.common.options import options_dataclass
from fewact.networks.card import Card


@options_dataclass
class TEAMOptions:
    """Options of ``team``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        tokens: Number of pattern tokens.
        heads: Divisor d/heads of the attention's temperature √(d/heads); there is one head.
        position_scale: Factor of the sinusoidal positions that are added to the frames.
        dropout: Dropout after the positions, of the attention and of what it gathers.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 2048
    tokens: PositiveInt = 60
    heads: PositiveInt = 8
    position_scale: NonNegativeFloat = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class TEAMState:
    """Pattern tokens (b n p d) of the classes: instance and exclusive ones."""

    instance: Tensor
    exclusive: Tensor


class TEAM(TorchMethod[TEAMOptions, TEAMState]):
    """Instance tokens meet in the same class, exclusive ones in the others."""

    Options = TEAMOptions
    paper = "TEAM, CVPR 2025"
    trained = False

    def __init__(self, options: TEAMOptions) -> None:
        super().__init__(options)
        width = options.vector_width
        self.positions = Positions(options.position_scale, options.dropout)
        with seeded(options.seed):
            self.patterns = nn.Parameter(torch.randn(options.tokens, width))
            self.norm = nn.LayerNorm(width)
            self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d), and instance and exclusive tokens (… p d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        instance, exclusive = self.pair(self.gathered(frames))
        return {"frames": frames, "instance": instance, "exclusive": exclusive}

    def gathered(self, frames: Tensor) -> Tensor:
        """Return what each pattern token gathers of frames (… t d): (… p d)."""
        options = self.options
        frames = self.norm(self.positions(frames))
        scale = (options.vector_width // options.heads) ** -0.5
        weights = (self.norm(self.patterns) * scale @ frames.mT).softmax(-1)  # (… p t)
        weights = functional.dropout(weights, options.dropout, self.training)
        return functional.dropout(weights @ frames, options.dropout, self.training)

    def pair(self, added: Tensor, removed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return instance and exclusive tokens: with (… p d) added, and ``removed`` taken away."""
        return (
            self._finished(self.patterns + added),
            self._finished(self.patterns - (added if removed is None else removed)),
        )

    def _finished(self, tokens: Tensor) -> Tensor:
        return functional.relu(tokens + self.mlp(tokens))

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> TEAMState:
        """Return the classes' tokens without what they share with the other classes."""
        own = self.gathered(class_means(nodes["frames"], labels, n))
        if n == 1:
            return TEAMState(*self.pair(own))
        # (b n n p 1): how similar a token of two classes is.
        instance, exclusive = (
            torch.einsum("bnpd,bmpd->bnmp", unit, unit)[..., None]
            for unit in map(_unit, self.pair(own))
        )
        shared = own[:, None] - own[:, :, None]  # (b n n p d)
        tokens = self.pair(
            own[:, :, None] - instance * shared, own[:, :, None] - exclusive * shared
        )
        others = ~torch.eye(n, dtype=torch.bool, device=own.device)[..., None, None]  # (n n 1 1)
        return TEAMState(*((x * others).sum(2) / (n - 1) for x in tokens))

    def score(self, state: TEAMState, nodes: Nodes) -> Tensor:
        """Return logits (b q n): the negative sum of both distances."""
        alike, unlike = self.distances(state, nodes)
        return -(alike + unlike)

    def distances(self, state: TEAMState, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """Return the distances (b q n) of instance tokens, and to the other classes' tokens.

        The second is the largest distance of a class other than c: small if the query's exclusive
        tokens are near the instance tokens of all other classes, and the reverse.
        """
        alike = _distance(nodes["instance"], state.instance)
        pairs = ((nodes["exclusive"], state.instance), (nodes["instance"], state.exclusive))
        unlike = [_farthest_other(_distance(query, tokens)) for query, tokens in pairs]
        return alike, (unlike[0] + unlike[1]) / 2

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropies of both distances."""
        state = self.support(support, batch.support_labels, batch.n)
        alike, unlike = self.distances(state, query)
        return {
            "cross_entropy": cross_entropy(-alike, batch.query_labels),
            "exclusive": cross_entropy(-unlike, batch.query_labels),
        }


def _unit(tokens: Tensor) -> Tensor:
    return functional.normalize(tokens, dim=-1, eps=1e-8)


def _distance(query: Tensor, tokens: Tensor) -> Tensor:
    """Return Σ_p 1 − cos of tokens (b q p d) and (b n p d), one by one: (b q n)."""
    products = _unit(query).flatten(2) @ _unit(tokens).flatten(2).mT
    return query.shape[2] - products


def _farthest_other(distance: Tensor) -> Tensor:
    """Return for each class the largest distance (b q n) of the other classes, or 0."""
    n = distance.shape[-1]
    if n == 1:
        return torch.zeros_like(distance)
    own = torch.eye(n, dtype=torch.bool, device=distance.device)
    others = distance[..., None, :].masked_fill(own, -torch.inf)  # (b q n n)
    return others.amax(-1)
