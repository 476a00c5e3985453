"""Compound prototype matching: global prototypes by index, focused ones by optimal assignment.

After Huang, Yang, Sato, Compound Prototype Matching for Few-shot Action Recognition, ECCV 2022,
arXiv 2207.05515. Only its abstract was read, and no public code is known: the two groups and how
they are matched are the paper's; encoder, decoder, regularisers and all values are ours.
"""

from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch
from fewact.lab.methods.common.inputs import frame_vectors, seeded
from fewact.lab.methods.common.transformer import Transformer
from fewact.lab.methods.common.tuples import Positions
from fewact.methods.common.kernel import mean_over_shots
from fewact.methods.common.options import options_dataclass
from fewact.networks.card import Card


@options_dataclass
class CPMOptions:
    """Options of ``cpm``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        global_prototypes: Number of prototypes that are compared index by index.
        focused_prototypes: Number of prototypes that are matched one to one.
        focused_weight: Weight ω of the focused similarity beside the global one.
        temperature: Temperature of the similarities.
        diversity_weight: Weight of the loss that separates what global prototypes attend to.
        focus_weight: Weight of the loss that concentrates what focused prototypes attend to.
        layers: Number of layers of the encoder, and of the decoder.
        heads: Attention heads of each layer, each of width vector_width/heads.
        hidden: Hidden width of the feed-forward layers.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 2048
    global_prototypes: PositiveInt = 8
    focused_prototypes: PositiveInt = 8
    focused_weight: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 0.1
    diversity_weight: NonNegativeFloat = 0.1
    focus_weight: NonNegativeFloat = 0.1
    layers: PositiveInt = 1
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class CPMState:
    """Prototypes (b s m d) of the support videos, by group, and the videos' classes (b s).

    Args:
        prototypes: Prototypes by name of the group.
        labels: Classes of the support videos.
        n: Number of classes.
    """

    prototypes: Nodes
    labels: Tensor
    n: int


class CrossAttention(nn.Module):
    """Pre-norm attention of queries to tokens, added to the queries."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * max(1, width // heads)
        self.norm, self.token_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries = nn.Linear(width, inner, bias=False)
        self.keys = nn.Linear(width, inner, bias=False)
        self.values = nn.Linear(width, inner, bias=False)
        self.out = nn.Linear(inner, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries (… m d), and their attention (… m t) to tokens (… t d)."""
        tokens = self.token_norm(tokens)
        projected = (self.queries(self.norm(queries)), self.keys(tokens), self.values(tokens))
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for x in projected  # (… h m e)
        )
        attention = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)  # (… h m t)
        attended: Tensor = self.out((attention @ value).transpose(-3, -2).flatten(-2))
        return queries + attended, attention.mean(-3)


class CPM(TorchMethod[CPMOptions, CPMState]):
    """Prototypes of videos from learned queries; a design of ours in the spirit of the paper."""

    Options = CPMOptions
    paper = "after CPM, ECCV 2022"
    trained = False
    averages_pairs = True
    scoring = frozenset({"focused_weight", "temperature", "diversity_weight", "focus_weight"})

    def __init__(self, options: CPMOptions) -> None:
        super().__init__(options)
        width, heads, hidden = options.vector_width, options.heads, options.hidden
        self.positions = Positions(0.1, 0.1)
        with seeded(options.seed):
            self.encoder, self.decoder = (
                nn.ModuleList(
                    Transformer(width, heads=heads, hidden=hidden) for _ in range(options.layers)
                )
                for _ in range(2)
            )
            self.attention = nn.ModuleList(
                CrossAttention(width, heads) for _ in range(options.layers)
            )
            number = options.global_prototypes + options.focused_prototypes
            self.queries = nn.Parameter(0.02 * torch.randn(number, width))

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return the prototypes (… m d) of both groups, and their attention (… m t)."""
        options = self.options
        tokens = self.positions(frame_vectors(features, options.frames, options.vector_width))
        for layer in self.encoder:
            tokens = layer(tokens)
        queries = self.queries.to(tokens).expand(*tokens.shape[:-2], -1, -1)
        attentions = []
        for layer, cross in zip(self.decoder, self.attention, strict=True):
            queries, attention = cross(layer(queries), tokens)
            attentions.append(attention)
        m, last = options.global_prototypes, attentions[-1]
        return {
            "global": queries[..., :m, :],
            "focused": queries[..., m:, :],
            "global_attention": last[..., :m, :],
            "focused_attention": last[..., m:, :],
        }

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> CPMState:
        return CPMState({name: nodes[name] for name in ("global", "focused")}, labels, n)

    def score(self, state: CPMState, nodes: Nodes) -> Tensor:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: CPMState, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """Return logits (b q n) and the similarities (b q s) that they average."""
        by_index, assigned = similarities(nodes, state.prototypes)
        pairs = (by_index + self.options.focused_weight * assigned) / self.options.temperature
        return mean_over_shots(pairs, state.labels, state.n), pairs

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy of the scores, and the weighted diversity and focus losses."""
        losses = super().losses_of_nodes(support, query, batch)
        together = {name: torch.cat([x, query[name]], 1) for name, x in support.items()}
        unit = functional.normalize(together["global_attention"], dim=-1)
        m = unit.shape[-2]
        upper = unit.new_ones(m, m).triu(1)  # each pair of different prototypes once
        between = (unit @ unit.mT).square() * upper
        focused = together["focused_attention"]
        diversity = between.sum((-2, -1)).mean() / max(1, m * (m - 1) // 2)
        entropy = torch.special.entr(focused).sum(-1).mean()
        return losses | {
            "diversity": self.options.diversity_weight * diversity,
            "focus": self.options.focus_weight * entropy,
        }


def similarities(first: Nodes, second: Nodes) -> tuple[Tensor, Tensor]:
    """Return the global and the focused similarities (b q s) of videos (b q …) and (b s …).

    Global prototypes are compared index by index, by their mean cosine; focused ones one to one, by
    the mean cosine of the best assignment.
    """
    queries_joined, supports_joined = (
        functional.normalize(x["global"], dim=-1).flatten(-2) for x in (first, second)
    )
    by_index = queries_joined @ supports_joined.mT / first["global"].shape[-2]  # (b q s)
    queries, supports = (functional.normalize(x["focused"], dim=-1) for x in (first, second))
    (q, m), s = queries.shape[1:3], supports.shape[1]
    cosines = queries.flatten(1, 2) @ supports.flatten(1, 2).mT  # (b q·m s·m)
    cosines = cosines.unflatten(2, (s, m)).unflatten(1, (q, m)).transpose(2, 3)  # (b q s m m)
    return by_index, 1 - align.hungarian(1 - cosines, plan=False).value
