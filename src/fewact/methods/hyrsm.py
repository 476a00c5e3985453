"""HyRSM: attention inside each video, then among the videos of a query's task; set matching.

Wang et al., Hybrid Relation Guided Set Matching for Few-shot Action Recognition, CVPR 2022, arXiv
2204.13423, as implemented by its public code. The set matching alone is option ``relations``.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Method, Nodes, one_hot_mean
from fewact.methods.common.chunks import in_chunks
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.common.inputs import frame_vectors, seeded
from fewact.methods.common.prototypes import ShotAggregation, SupportFrames, support_frames
from fewact.methods.common.scaled_positions import ScaledPositions
from fewact.methods.explaining import FrameMatch, attention_of
from fewact.methods.hyrsm_parts import Attention, Relation, cost_of_shifted

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


@plain_dataclass(frozen=True)
class Task:
    """Support of a query's task.

    Args:
        items: What ``Relation.of_video`` returns, of the videos or prototypes (b p …).
        classes: (b n p) weights that average the scores of each class.
    """

    items: dict[str, Tensor]
    classes: Tensor


class HyRSM(Method[HyRSMOptions, SupportFrames | Task]):
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
            self.relation = Relation(width, heads)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request one vector per frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d), and what the relations need of each video."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        if self.options.relations == "none":
            return {"frames": frames}
        frames = self.inside(frames)
        return {"frames": frames, **self.relation.of_video(frames)}

    def inside(self, frames: Tensor) -> Tensor:
        """Return frames (… t d) after attention inside their video."""
        frames = self.positions(frames)
        return functional.relu(frames + self.intra(self.intra.norm(frames)))

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the weights of the attention inside a video."""
        if self.options.relations == "none":
            return None
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return attention_of(self.intra.weights(self.intra.norm(self.positions(frames))))

    def class_vectors(self, nodes: Nodes) -> Tensor:
        """Return the frames (b v t d): in training each of them is classified."""
        return nodes["frames"]

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SupportFrames | Task:
        """Return the support videos with their classes, or prototypes (b n …)."""
        if self.options.relations == "none":
            return support_frames(nodes["frames"], labels, n, self.options.shot_aggregation)
        mean = one_hot_mean(labels, n, nodes["mapped"].dtype)  # (b n s)
        if self.options.shot_aggregation == "mean":
            return Task(dict(nodes), mean)
        items = {name: torch.einsum("bns,bs...->bn...", mean, x) for name, x in nodes.items()}
        return Task(items, torch.eye(n).to(mean).expand(len(mean), n, n))

    def score(self, state: SupportFrames | Task, nodes: Nodes) -> Tensor:
        """Return logits (b q n): the negative distance."""
        if isinstance(state, SupportFrames):
            cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, self.options.eps)
            return state.average(-self._distance(cost))
        b, q, t, d = nodes["mapped"].shape
        p = state.classes.shape[-1]
        distance = in_chunks(
            lambda rows, columns: self._related(
                {name: x[rows] for name, x in state.items.items()},
                {name: x[rows, columns] for name, x in nodes.items()},
            ),
            *(b, q, max((p + 1) * d, p * t * t)),
        )  # (b q p)
        return torch.einsum("bqp,bnp->bqn", -distance, state.classes)

    def _related(self, items: Nodes, query: Nodes) -> Tensor:
        """Return the distances (b q p) of queries (b q …) and items (b p …) of their tasks."""
        shifts = self.relation.shifts(items, query)
        eps = self.options.eps
        return self._distance(cost_of_shifted(query["mapped"], items["mapped"], shifts, eps))

    def _distance(self, cost: Tensor) -> Tensor:
        """Return the distance (…) of two sets of frames with costs (… t t)."""
        options = self.options
        return align.bi_mhm(
            cost, reduction=options.reduction, bidirectional=options.bidirectional, plan=False
        ).value
