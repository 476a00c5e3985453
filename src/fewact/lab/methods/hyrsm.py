"""HyRSM: attention inside each video, then among the videos of a query's task; set matching.

Wang et al., Hybrid Relation Guided Set Matching for Few-shot Action Recognition, CVPR 2022, arXiv
2204.13423, as implemented by its public code. The set matching alone is option ``relations``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.align import cosine_cost_of_products
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, one_hot_mean
from fewact.lab.methods.common.attention import ScaledPositions
from fewact.lab.methods.common.inputs import frame_vectors, seeded
from fewact.lab.methods.common.shots import in_chunks
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.common.shots import ShotAggregation, SupportFrames, support_frames
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.networks.card import Card


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

    def projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (… h m e) of tokens (… m d)."""
        parts = self.project(tokens).unflatten(-1, (3, self.heads, -1))  # (… m 3 h e)
        query, key, value = parts.movedim(-3, 0).transpose(-2, -3)
        return query, key, value

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights (… m m) among tokens (… m d), averaged over the heads."""
        query, key, _ = self.projected(tokens)
        weights: Tensor = (query @ key.mT / key.shape[-1] ** 0.5).softmax(-1).mean(-3)
        return weights

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among tokens (… m d)."""
        query, key, value = self.projected(tokens)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        out: Tensor = self.out_dropout(self.out(attended.transpose(-2, -3).flatten(-2)))
        return out


class Relation(nn.Module):
    """Attention among the mean frames of a task's videos, and its fusion with their frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.inter = Attention(width, heads, dropout=0.1, out_dropout=0.05)
        self.fuse = nn.Linear(2 * width, width)  # of [frame; token]

    def of_video(self, frames: Tensor) -> dict[str, Tensor]:
        """Return all of frames (… t d) that is linear in them.

        Returns:
            ``mapped``: frames (… t d) after their half of the last map; ``token``: mean frame
            (… d); ``query``, ``key``: (… h e); ``value``: (… h d), after the output map.
        """
        token = frames.mean(-2)
        query, key, value = (part[..., 0, :] for part in self.inter.projected(token[..., None, :]))
        leave = self.inter.out.weight.unflatten(1, (self.inter.heads, -1))  # (d h e)
        return {
            "mapped": functional.linear(frames, self.fuse.weight[:, : frames.shape[-1]]),
            "token": token,
            "query": query,
            "key": key,
            "value": torch.einsum("...he,dhe->...hd", value, leave),
        }

    def shifts(self, items: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Tensor:
        """Return what is added to all frames of a video in the task of each query.

        Args:
            items: The support's p videos or prototypes (b p …), as ``of_video`` returns them.
            query: Queries (b q …).

        Returns:
            Shifts (b q p+1 d); the last one is for the query itself.
        """
        shared = torch.einsum("bphe,brhe->bhpr", items["query"], items["key"])
        rows = torch.einsum("bphe,bqhe->bqhp", items["query"], query["key"])
        last = torch.einsum("bqhe,bphe->bqhp", query["query"], items["key"])
        alone = (query["query"] * query["key"]).sum(-1)  # (b q h)
        shared = shared[:, None].expand(-1, rows.shape[1], -1, -1, -1)  # (b q h p p)
        above = torch.cat([shared, rows[..., None]], -1)  # (b q h p p+1)
        below = torch.cat([last, alone[..., None]], -1)[..., None, :]  # (b q h 1 p+1)
        scale = items["key"].shape[-1] ** -0.5
        weights = (torch.cat([above, below], -2) * scale).softmax(-1)  # (b q h p+1 p+1)
        weights = functional.dropout(weights, self.inter.dropout, self.training)
        mixing = weights.permute(0, 1, 3, 2, 4)  # (b q p+1 h p+1)
        values = items["value"].transpose(1, 2).flatten(1, 2)  # (b h·p d)
        attended = (mixing[..., :-1].flatten(3).flatten(1, 2) @ values).view(
            *mixing.shape[:3], values.shape[-1]
        )
        attended = attended + mixing[..., -1] @ query["value"] + self.inter.out.bias
        tokens = torch.cat(
            [
                items["token"][:, None].expand(-1, attended.shape[1], -1, -1),
                query["token"][:, :, None],
            ],
            2,
        )  # (b q p+1 d)
        related = functional.relu(self.inter.norm(tokens + self.inter.out_dropout(attended)))
        of_token = self.fuse.weight[:, tokens.shape[-1] :]
        return functional.linear(related, of_token, self.fuse.bias)


def cost_of_shifted(query: Tensor, items: Tensor, shifts: Tensor, eps: float) -> Tensor:
    """Return the cosine cost of frames to which each query's task adds a shift.

    Args:
        query: Frames (b q t d).
        items: Frames (b p u d), shifted for each query without a copy.
        shifts: (b q p+1 d); the last one is for the query.
        eps: ε added to the product of the norms.

    Returns:
        (b q p t u).
    """
    query = query + shifts[:, :, -1:]
    shifts = shifts[:, :, :-1]
    products = (query.flatten(1, 2) @ items.flatten(1, 2).mT).view(
        *query.shape[:3], *items.shape[1:3]
    )  # (b q t p u)
    products = products + (query @ shifts.mT)[..., None]
    squares = 2 * torch.einsum("bpud,bqpd->bqpu", items, shifts)
    squares = squares + items.square().sum(-1)[:, None] + shifts.square().sum(-1)[..., None]
    lengths = query.square().sum(-1)[:, :, None, :, None]
    return cosine_cost_of_products(products.transpose(2, 3), lengths, squares[..., None, :], eps)


@options_dataclass
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
    heads: Annotated[PositiveInt, Only("relations", "hybrid")] = 8
    feature_divisor: Annotated[PositiveFloat, Only("relations", "hybrid")] = 10.0
    position_weight: Annotated[NonNegativeFloat, Only("relations", "hybrid")] = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1), Only("relations", "hybrid")] = 0.1
    seed: Annotated[NonNegativeInt, Only("relations", "hybrid")] = 0


@dataclass(frozen=True)
class Task:
    """Support of a query's task.

    Args:
        items: What ``Relation.of_video`` returns, of the videos or prototypes (b p …).
        classes: (b n p) weights that average the scores of each class.
    """

    items: dict[str, Tensor]
    classes: Tensor


class HyRSM(TorchMethod[HyRSMOptions, SupportFrames | Task]):
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
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        return self.requests(card)

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
        return frame_match("attention", self.intra.weights(self.intra.norm(self.positions(frames))))

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
        if isinstance(state, SupportFrames):
            cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, self.options.eps)
            logits: Tensor = state.average(-self._distance(cost))
            return logits
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
