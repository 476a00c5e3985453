"""TRX: each tuple of a query's frames attends to all tuples of a class, which builds its prototype.

Perrett et al., Temporal-Relational CrossTransformers for Few-Shot Action Recognition, CVPR 2021,
arXiv 2101.06184.
"""

import math
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod
from fewact.lab.methods.common.inputs import frame_vectors, seeded
from fewact.lab.methods.common.tuples import (
    ClassTuples,
    Positions,
    TupleAttention,
    check_cardinalities,
    class_tuples,
    matched_frames,
    tuple_scores,
)
from fewact.methods.common.options import check_nodes, options_dataclass
from fewact.methods.protocols import FrameMatch, frame_match
from fewact.networks.card import Card


def several(sizes: Any) -> Any:
    """Return a tuple of a single number, as in ``--option cardinalities=2``."""
    return (sizes,) if isinstance(sizes, int) else sizes


@options_dataclass
class TRXOptions:
    """Options of ``trx``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        cardinalities: Numbers of frames ω of a tuple: 2 for pairs, 3 for triples. The score is the
            mean over them.
        key_width: Length of the keys and values of a tuple.
        position_scale: Factor of the sinusoidal positions that are added to the frames.
        dropout: Dropout of the frames, after the positions are added.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 2048
    cardinalities: Annotated[
        tuple[PositiveInt, ...], Field(min_length=1), BeforeValidator(several)
    ] = (2, 3)
    key_width: PositiveInt = 1152
    position_scale: NonNegativeFloat = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_cardinalities(self.cardinalities, self.frames, "cardinalities")
        tuples = sum(math.comb(self.frames, size) for size in self.cardinalities)
        check_nodes("frames, cardinalities, key_width", 8 * tuples * self.key_width)


class TRX(TorchMethod[TRXOptions, tuple[ClassTuples, ...]]):
    """Query-specific prototypes of tuples of frames."""

    Options = TRXOptions
    paper = "TRX, CVPR 2021"
    trained = False

    def __init__(self, options: TRXOptions) -> None:
        super().__init__(options)
        positions = Positions(options.position_scale, options.dropout)
        with seeded(options.seed):
            self.attention = nn.ModuleDict(
                {
                    str(size): TupleAttention(
                        options.vector_width, size, options.key_width, positions
                    )
                    for size in options.cardinalities
                }
            )

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return keys and values (… m e) of the m tuples of each cardinality."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        nodes: dict[str, Tensor] = {}
        for size, attention in self.attention.items():
            nodes[f"keys{size}"], nodes[f"values{size}"] = attention(frames)
        return nodes

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> tuple[ClassTuples, ...]:
        return tuple(
            class_tuples(nodes[f"keys{size}"], nodes[f"values{size}"], labels, n)
            for size in self.options.cardinalities
        )

    def score(self, state: tuple[ClassTuples, ...], nodes: Nodes) -> Tensor:
        """Return logits (b q n): the mean over the cardinalities, at most 0."""
        return torch.stack(self.scores(state, nodes)).mean(0)

    def scores(self, state: tuple[ClassTuples, ...], nodes: Nodes) -> list[Tensor]:
        """Return the scores (b q n) of each cardinality, see ``tuple_scores``."""
        return [
            tuple_scores(nodes[f"keys{size}"], nodes[f"values{size}"], tuples)
            for size, tuples in zip(self.options.cardinalities, state, strict=True)
        ]

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch:
        """Return the attention of the query's tuples to a support video's tuples, by frames."""
        t, sizes = self.options.frames, self.options.cardinalities
        plans = [
            matched_frames(query[f"keys{size}"], support[f"keys{size}"], t, size) for size in sizes
        ]
        return frame_match("attention", torch.stack(plans).mean(0))
