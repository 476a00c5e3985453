"""STRM: TRX on features enriched over patches, then over frames, and a nearest-tuple classifier.

Thatipelli et al., Spatio-temporal Relation Modeling for Few-shot Action Recognition, CVPR 2022,
arXiv 2112.05132.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact.features.request import Request
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch, cross_entropy
from fewact.lab.methods.common.inputs import frame_maps, map_request, seeded
from fewact.lab.methods.common.tuples import (
    ClassTuples,
    Positions,
    TupleAttention,
    check_cardinalities,
    class_tuples,
    map_tuples,
    matched_frames,
    nearest_tuple_scores,
    tuple_scores,
)
from fewact.methods.common.options import options_dataclass
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.networks.card import Card


@options_dataclass
class STRMOptions:
    """Options of ``strm``; it must be trained.

    Args:
        frames: Frames of a video.
        map_channels: Channels of the backbone's maps, or length of its vectors if it has no maps.
        grid: Side of the grid of patches that maps are max-pooled to. Vectors are one patch.
        cardinality: Number of frames ω of a tuple: 2 for pairs.
        key_width: Length of the keys and values of a tuple.
        query_class: Projection of the tuples that the nearest-tuple classifier compares:
            ``trained``; ``frozen`` stays random, as in the public code.
        query_class_weight: Weight of the nearest-tuple classifier in the logits, and of its loss.
        position_scale: Factor of the sinusoidal positions that are added to patches and frames.
        dropout: Dropout after the positions are added.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    map_channels: PositiveInt = 2048
    grid: PositiveInt = 4
    cardinality: PositiveInt = 2
    key_width: PositiveInt = 1152
    query_class: Literal["trained", "frozen"] = "trained"
    query_class_weight: NonNegativeFloat = 0.1
    position_scale: NonNegativeFloat = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_cardinalities((self.cardinality,), self.frames, "cardinality")


State = tuple[ClassTuples, ClassTuples]
"""Tuples of the support by class: of the frames, and of the nearest-tuple classifier."""


class PatchLevel(nn.Module):
    """Attention among the patches of a frame, without scaling, then three layers for each patch."""

    def __init__(self, width: int, positions: Positions) -> None:
        super().__init__()
        self.positions = positions
        self.queries, self.keys, self.values = (nn.Linear(width, width) for _ in range(3))
        self.gate = nn.Parameter(torch.zeros(()))
        half = max(1, width // 2)
        self.layers = nn.Sequential(
            *(nn.Linear(width, half), nn.ReLU(), nn.Linear(half, half), nn.ReLU()),
            nn.Linear(half, width),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return frames (… d) of patches (… p d)."""
        patches = self.positions(patches)
        attention = (self.queries(patches) @ self.keys(patches).mT).softmax(-1)  # (… p p)
        patches = self.gate * (attention @ self.values(patches)) + patches
        enriched: Tensor = (self.layers(patches) + patches).mean(-2)
        return enriched


class FrameLevel(nn.Module):
    """Two layers over time, then two layers over channels, each added to its input."""

    def __init__(self, frames: int, width: int, positions: Positions) -> None:
        super().__init__()
        self.positions = positions
        self.time, self.channels = (
            nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))
            for size in (frames, width)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return enriched frames (… t d)."""
        frames = self.positions(frames)
        frames = frames + self.time(frames.mT).mT
        enriched: Tensor = frames + self.channels(frames)
        return enriched


class STRM(TorchMethod[STRMOptions, State]):
    """TRX on enriched frames, plus the distance to the nearest tuple of a class."""

    Options = STRMOptions
    paper = "STRM, CVPR 2022"
    trained = False
    scoring = frozenset({"query_class_weight"})

    def __init__(self, options: STRMOptions) -> None:
        super().__init__(options)
        width, size = options.map_channels, options.cardinality
        positions = Positions(options.position_scale, options.dropout)
        with seeded(options.seed):
            self.patch = PatchLevel(width, positions)
            self.frame = FrameLevel(options.frames, width, positions)
            self.attention = TupleAttention(width, size, options.key_width, positions)
            self.query_class = nn.Linear(size * width, max(1, width // 2))
        self.query_class.requires_grad_(options.query_class == "trained")

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (map_request(card, self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Return keys, values and embeddings (… m e) of the m tuples of frames."""
        maps = frame_maps(features, self.options.frames, self.options.map_channels)
        grid = self.options.grid
        if maps.shape[-2:] != (1, 1):
            pooled = functional.adaptive_max_pool2d(maps.flatten(0, -4), grid)
            maps = pooled.unflatten(0, maps.shape[:-3])
        return self.encode_patches(maps.flatten(-2).mT)

    def encode_patches(self, patches: Tensor) -> Nodes:
        """Return the nodes of patches (… t p d)."""
        frames = self.patch(patches)  # (… t d)
        keys, values = self.attention(self.frame(frames))
        dropped = self.patch.positions.dropout(frames)
        embedded = map_tuples(self.query_class, dropped, self.options.cardinality)
        return {"keys": keys, "values": values, "embedded": functional.relu(embedded)}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> State:
        return (
            class_tuples(nodes["keys"], nodes["values"], labels, n),
            class_tuples(nodes["embedded"], None, labels, n),
        )

    def score(self, state: State, nodes: Nodes) -> Tensor:
        """Return logits (b q n): TRX's scores plus the weighted query–class similarity."""
        scores = tuple_scores(nodes["keys"], nodes["values"], state[0])
        weight = self.options.query_class_weight
        return scores + weight * self.similarity(state, nodes) if weight else scores

    def similarity(self, state: State, nodes: Nodes) -> Tensor:
        """Return the query–class similarities (b q n), at most 0."""
        return nearest_tuple_scores(nodes["embedded"], state[1])

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch:
        """Return the attention of the query's tuples to a support video's tuples, by frames."""
        t, size = self.options.frames, self.options.cardinality
        return frame_match("attention", matched_frames(query["keys"], support["keys"], t, size))

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropies of the logits, and of the query–class similarities."""
        state = self.support(support, batch.support_labels, batch.n)
        similarity = self.similarity(state, query)
        scores = tuple_scores(query["keys"], query["values"], state[0])
        weight, labels = self.options.query_class_weight, batch.query_labels
        return {
            "cross_entropy": cross_entropy(scores + weight * similarity, labels),
            "query_class": weight * cross_entropy(similarity, labels),
        }
