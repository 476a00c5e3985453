"""TA2N: warps each video in time, then aligns a query with a support in time and in space.

Li et al., TA2N: Two-Stage Action Alignment Network for Few-shot Action Recognition, AAAI 2022,
arXiv 2107.04782.
"""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact.backbones.card import Card
from fewact.features.request import Features, Request
from fewact.methods.base import Method, Nodes, one_hot_mean
from fewact.methods.common.chunks import in_chunks
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.common.inputs import frame_maps, map_request, seeded
from fewact.methods.ta2n_parts import Offsets, Warp, box_masks, spread, sum_of_taps


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TA2NOptions:
    """Options of ``ta2n``; it must be trained.

    Args:
        frames: Frames of a video.
        map_channels: Channels of the backbone's maps, or length of its vectors if it has no maps.
        stages: Stages that are used: ``first`` warps each video in time; ``second`` aligns each
            query with each class; ``none`` compares the mean frames in order.
        shot_aggregation: Aggregation over the shots of a class: ``prototype`` averages the videos
            frame by frame, which is the published method at one shot; ``attention`` first aligns
            all shots with each shot in time, as for several shots, and maps query and support
            linearly.
        largest_offset: Largest offset in space; 2 is the side of a map.
        perturbation: Distance of the nine boxes over which a frame is averaged.
        dropout: Dropout of the maps.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    map_channels: PositiveInt = 2048
    stages: Literal["both", "first", "second", "none"] = "both"
    shot_aggregation: Literal["prototype", "attention"] = "prototype"
    largest_offset: Annotated[float, Field(gt=0, le=1)] = 0.75
    perturbation: NonNegativeFloat = 0.2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        second, reason = self.stages in ("both", "second"), f"stages={self.stages}"
        effects = (
            Effect("largest_offset", second, reason, "stages both or second"),
            Effect("perturbation", second, reason, "stages both or second"),
        )
        refuse_without_effect(self, effects)


@plain_dataclass(frozen=True)
class TA2NState:
    """Nodes of a class's videos, averaged after alignment in time: (b n t …) by name."""

    nodes: Nodes


class TimeMaps(nn.Module):
    """Linear maps of the frames, for attention over time: keys and queries without bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.keys, self.queries, self.values = (
            nn.Linear(width, width, bias=False) for _ in range(3)
        )


class TA2N(Method[TA2NOptions, TA2NState]):
    """Frames of aligned maps, compared in order by their cosines."""

    Options = TA2NOptions
    paper = "TA2N, AAAI 2022"
    trained = False
    scoring = frozenset({"perturbation"})

    def __init__(self, options: TA2NOptions) -> None:
        super().__init__(options)
        channels, stages = options.map_channels, options.stages
        self.dropout = nn.Dropout(options.dropout)
        with seeded(options.seed):
            self.warp = Warp(channels) if stages in ("both", "first") else None
            self.shots = TimeMaps(channels) if options.shot_aggregation == "attention" else None
            second = stages in ("both", "second")
            self.coordination = TimeMaps(channels) if second else None
            self.offsets = Offsets(channels, options.largest_offset) if second else None
        # Without random parts there is nothing to train.
        self.trained = not any(True for _ in self.parameters())

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request maps, or vectors of a backbone without maps."""
        return (map_request(card, self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Return the warped maps (… t c h w) with what is linear in them, or frames (… t c)."""
        found = frame_maps(features, self.options.frames, self.options.map_channels)
        leading = found.shape[:-4]
        maps: Tensor = self.dropout(found.reshape(-1, *found.shape[-4:]))
        if self.warp is not None:
            maps = self.warp(maps)
        nodes = {}
        if self.shots is not None:
            frames = maps.mean((-2, -1))
            nodes = {
                "shot_keys": self.shots.keys(frames),
                "shot_queries": self.shots.queries(frames),
            }
            maps = torch.einsum("dc,rtchw->rtdhw", self.shots.values.weight, maps)
        nodes |= self._aligned(maps)
        return {name: value.reshape(*leading, *value.shape[1:]) for name, value in nodes.items()}

    def _aligned(self, maps: Tensor) -> dict[str, Tensor]:
        """Return what the second stage needs of maps (r t c h w)."""
        frames = maps.mean((-2, -1))
        if self.coordination is None or self.offsets is None:
            return {"frames": frames}
        values = self.coordination.values(frames)
        return {
            "maps": maps,
            "keys": self.coordination.keys(frames),
            "queries": self.coordination.queries(frames),
            "values": values,
            "support_response": self.offsets.support_response(maps + values[..., None, None]),
            "query_response": self.offsets.query_response(maps),
            "value_response": self.offsets.value_response(values, maps.shape[-2:]),
        }

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> TA2NState:
        """Return the nodes of each class, averaged over its shots."""
        names = {"frames", "maps", "keys", "values", "support_response"} & nodes.keys()
        mean = one_hot_mean(labels, n, next(iter(nodes.values())).dtype)  # (b n s)
        if self.shots is None:
            return TA2NState({x: torch.einsum("bns,bs...->bn...", mean, nodes[x]) for x in names})
        keys, queries = nodes["shot_keys"], nodes["shot_queries"]
        scaled = torch.einsum("brtd,bsud->brstu", queries, keys) / keys.shape[-1] ** 0.5
        mixing = torch.einsum("bnr,bns,brstu->bnstu", mean, mean, scaled.softmax(-1))
        return TA2NState({x: torch.einsum("bnstu,bsu...->bnt...", mixing, nodes[x]) for x in names})

    def score(self, state: TA2NState, nodes: Nodes) -> Tensor:
        """Return logits (b q n): minus the sum over time of 1 − cosine."""
        if self.offsets is None:
            support = functional.normalize(state.nodes["frames"], dim=-1).flatten(-2)
            query = functional.normalize(nodes["frames"], dim=-1).flatten(-2)
            return query @ support.mT - self.options.frames
        # Batch norm sees all pairs of a training step together.
        b, q = nodes["keys"].shape[:2]
        whole = slice(None)
        if self.training:
            return self._pairs(state.nodes, nodes, whole, whole)
        n, elements = state.nodes["keys"].shape[1], nodes["query_response"][0, 0].numel()
        return in_chunks(
            lambda rows, columns: self._pairs(state.nodes, nodes, rows, columns), b, q, n * elements
        )

    def _pairs(self, support: Nodes, query: Nodes, episodes: slice, queries: slice) -> Tensor:
        """Return the logits of some queries of some episodes."""
        support = {name: value[episodes] for name, value in support.items()}
        query = {name: value[episodes, queries] for name, value in query.items()}
        size = query["maps"].shape[-2:]
        scaled = torch.einsum("bntd,bqud->bqntu", support["keys"], query["queries"])
        attention = (scaled / query["queries"].shape[-1] ** 0.5).softmax(-1)  # (b q n t u)
        masks = self._masks(support, query, attention, size)
        own, other = (x.flatten(-2) for x in masks)  # (b q n t h·w)
        maps = support["maps"].flatten(-2) + support["values"][..., None]
        first = torch.einsum("bqntx,bntcx->bqntc", own, maps)
        second = torch.einsum("bqntx,bqtcx->bqntc", other, query["maps"].flatten(-2))
        second = second + torch.einsum("bqntu,bquc->bqntc", attention, query["values"])
        cosines = functional.cosine_similarity(first, second, dim=-1, eps=SMALLEST_NORM)
        return (cosines - 1).sum(-1)

    def _masks(
        self, support: Nodes, query: Nodes, attention: Tensor, size: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Return masks (b q n t h w) of the support's and of the query's frames."""
        if self.offsets is None:
            raise RuntimeError("there is no second stage")
        mixed = torch.einsum("bqntu,bqu...->bqnt...", attention, query["value_response"])
        response = spread(sum_of_taps(mixed), size) + query["query_response"][:, :, None]
        response = response + sum_of_taps(support["support_response"])[:, None]
        offsets = self.offsets(response)  # (b q n t 2)
        own, other = (
            box_masks(shift, size, self.options.perturbation) for shift in (offsets, -offsets)
        )
        return own, other


SMALLEST_NORM = 1e-12
"""Smallest norm that a vector is divided by: a zero vector has cosine 0 with everything."""
