"""HyRSM: attention inside each video, then among the videos of a query's task; set matching.

Wang et al., Hybrid Relation Guided Set Matching for Few-shot Action Recognition, CVPR 2022, arXiv
2204.13423, as implemented by its public code. The set matching alone is option ``relations``.
"""

from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Method, Nodes
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.common.inputs import frame_vectors, seeded
from fewact.methods.common.prototypes import ShotAggregation, SupportFrames, support_frames
from fewact.methods.common.scaled_positions import ScaledPositions

Dropout = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HyRSMOptions:
    """Options of ``hyrsm``; it must be trained, except with ``relations`` = ``none``.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        relations: Attention before the matching: ``hybrid``, as published, or ``none``, which
            matches the backbone's vectors (Bi-MHM alone).
        shot_aggregation: Aggregation over the shots of a class: ``prototype`` averages the videos
            frame by frame before the task's attention, as the five-shot runs; ``mean`` lets each
            video attend and averages the distances, as the one-shot runs.
        reduction: Sum over the frames of both videos, as the public code, or their means.
        bidirectional: Match in both directions, query to support and support to query.
        eps: ε added to the product of the norms in the cosine cost of two frames.
        heads: Heads of both attentions.
        feature_divisor: A, the vectors are multiplied by √(vector_width/A) first.
        position_weight: B, factor of the positions that are added to the vectors.
        dropout: Dropout after the positions are added.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 2048
    relations: Literal["hybrid", "none"] = "hybrid"
    shot_aggregation: ShotAggregation = "prototype"
    reduction: Literal["sum", "mean"] = "sum"
    bidirectional: bool = True
    eps: NonNegativeFloat = 0.0
    heads: PositiveInt = 8
    feature_divisor: PositiveFloat = 10.0
    position_weight: NonNegativeFloat = 1.0
    dropout: Dropout = 0.1
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        hybrid = self.relations == "hybrid"
        names = ("heads", "feature_divisor", "position_weight", "dropout", "seed")
        why = (f"relations={self.relations}", "relations hybrid")
        refuse_without_effect(self, [Effect(name, hybrid, *why) for name in names])


class Attention(nn.Module):
    """Self-attention of heads of width d/heads; only the output map has a bias.

    Args:
        width: Length d of a token.
        heads: Number of heads.
        dropout: Dropout of the attention weights.
        out_dropout: Dropout of the output.
    """

    def __init__(self, width: int, heads: int, dropout: float, out_dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        inner = heads * max(1, width // heads)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * inner, bias=False)  # queries, keys, values
        self.out = nn.Linear(inner, width)
        self.out_dropout = nn.Dropout(out_dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among tokens (… m d)."""
        parts = self.project(tokens).unflatten(-1, (3, self.heads, -1))  # (… m 3 h e)
        query, key, value = parts.movedim(-3, 0).transpose(-2, -3)  # each (… h m e)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        out: Tensor = self.out_dropout(self.out(attended.transpose(-2, -3).flatten(-2)))
        return out


class HyRSM(Method[HyRSMOptions, SupportFrames]):
    """Frames that are related to all videos of a query's task, matched as sets."""

    Options = HyRSMOptions
    paper = "HyRSM, CVPR 2022"
    trained = False
    scoring = frozenset({"shot_aggregation", "reduction", "bidirectional", "eps"})

    def __init__(self, options: HyRSMOptions) -> None:
        super().__init__(options)
        self.trained = options.relations == "none"
        if self.trained:
            return
        width, heads = options.vector_width, options.heads
        self.positions = ScaledPositions(
            options.feature_divisor, options.position_weight, options.dropout
        )
        with seeded(options.seed):
            self.intra = Attention(width, heads, dropout=0.0, out_dropout=0.2)
            self.inter = Attention(width, heads, dropout=0.1, out_dropout=0.05)
            self.fuse = nn.Linear(2 * width, width)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request one vector per frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d), after attention inside their video."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        if self.options.relations == "none":
            return {"frames": frames}
        frames = self.positions(frames)
        return {"frames": functional.relu(frames + self.intra(self.intra.norm(frames)))}

    def class_vectors(self, nodes: Nodes) -> Tensor:
        """Return the frames (b v t d): in training each of them is classified."""
        return nodes["frames"]

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SupportFrames:
        """Return the support videos with their classes, or prototypes (b n t d)."""
        return support_frames(nodes["frames"], labels, n, self.options.shot_aggregation)

    def score(self, state: SupportFrames, nodes: Nodes) -> Tensor:
        """Return logits (b q n): the negative distance."""
        options, query = self.options, nodes["frames"]
        if options.relations == "none":
            cost = align.pairwise_cosine_cost(query, state.frames, options.eps)
        else:
            items, query = self.relate(state.frames, query)  # (b q p t d), (b q t d)
            cost = align.cosine_cost(query, items.flatten(2, 3), options.eps)  # (b q t p·t)
            cost = cost.unflatten(-1, items.shape[2:4]).transpose(2, 3)  # (b q p t t)
        distance = align.bi_mhm(
            cost, reduction=options.reduction, bidirectional=options.bidirectional, plan=False
        ).value
        return state.average(-distance)

    def relate(self, items: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Relate the videos of each query's task: the support's items and the query itself.

        Args:
            items: Frames of the support videos or prototypes (b p t d).
            query: Frames of the queries (b q t d).

        Returns:
            Frames of the items for each query (b q p t d), and of the queries (b q t d).
        """
        q, p = query.shape[1], items.shape[1]
        shared = items.mean(2)[:, None].expand(-1, q, -1, -1)  # (b q p d)
        tokens = torch.cat([shared, query.mean(2)[:, :, None]], 2)  # (b q p+1 d)
        related = functional.relu(self.inter.norm(tokens + self.inter(tokens)))
        # The map of both halves of [frame; token], so that a frame's half is computed once.
        of_frame, of_token = self.fuse.weight.split(query.shape[-1], dim=1)
        shift = functional.linear(related, of_token, self.fuse.bias)[..., None, :]  # (b q p+1 1 d)
        fused = functional.linear(items, of_frame)[:, None] + shift[:, :, :p]
        return fused, functional.linear(query, of_frame) + shift[:, :, p]
