"""TA2N: warps each video in time, then aligns a query with a support in time and in space.

Li et al., TA2N: Two-Stage Action Alignment Network for Few-shot Action Recognition, AAAI 2022,
arXiv 2107.04782.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact.features.request import Request
from fewact.lab.methods.base import Features, Nodes, TorchMethod, one_hot_mean
from fewact.lab.methods.common.inputs import frame_maps, map_request, seeded
from fewact.lab.methods.common.shots import class_means, in_chunks
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.common.temporal import SHORTEST
from fewact.networks.card import Card

CANVAS = 3
"""Side of a constant map whose 3×3 convolution has all values of a larger map's: corners, edges and
the inside."""

PERTURBATIONS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))


def max_pool(maps: Tensor, *kernel: int) -> Tensor:
    """Max-pool maps (r c t h w); an axis that is shorter than its kernel becomes 1."""
    sizes = [min(side, size) for side, size in zip(kernel, maps.shape[-3:], strict=True)]
    return functional.max_pool3d(maps, sizes)


class Warp(nn.Module):
    """Linear warp of a video in time: frames at the times a·u + b, u from −1 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = ((channels, 64), (64, 128))
        self.convolutions = nn.ModuleList(nn.Conv3d(*size, 3, padding=1) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm3d(size) for _, size in sizes)
        last = nn.Linear(32, 2)
        nn.init.zeros_(last.weight)
        last.bias.data.copy_(torch.tensor([2.0, 0.0]))
        self.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), last, nn.Tanh())

    def forward(self, maps: Tensor) -> Tensor:
        hidden = maps.transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = functional.relu(max_pool(norm(convolution(hidden)), 2, 2, 2))
        scale, shift = self.head(hidden.amax((-3, -2, -1))).unbind(-1)  # (r)
        return torch.einsum("rtu,ruchw->rtchw", warp_weights(scale, shift, maps.shape[1]), maps)


def warp_weights(scale: Tensor, shift: Tensor, t: int) -> Tensor:
    """Return the weights (r t t) of frames at the times scale·u + shift, interpolated linearly.

    Times −1 and 1 are the first and the last frame. Frames before and after the video are zero.
    """
    times = torch.linspace(-1, 1, t, dtype=scale.dtype, device=scale.device)
    positions = (scale[:, None] * times + shift[:, None] + 1) / 2 * (t - 1)  # (r t)
    index = torch.arange(t, dtype=scale.dtype, device=scale.device)
    return functional.relu(1 - (positions[..., None] - index).abs())


def box_masks(offsets: Tensor, size: Sequence[int], perturbation: float) -> Tensor:
    """Return the mean of nine shifted boxes, each of sum 1.

    Args:
        offsets: (… 2) shifts along x and y; 2 is the side of a map.
        size: Height and width of a map.
        perturbation: Distance of the nine boxes along each axis.

    Returns:
        (… h w).
    """
    around = perturbation * offsets.new_tensor(PERTURBATIONS)  # (9 2)
    x, y = (offsets[..., None, :] + around).unbind(-1)  # (… 9)
    masks = _ramp(y, size[0])[..., :, None] * _ramp(x, size[1])[..., None, :]  # (… 9 h w)
    return (masks / masks.sum((-2, -1), keepdim=True)).mean(-3)


def _ramp(offset: Tensor, size: int) -> Tensor:
    """Return 1 at cells within −1 … 1 after the shift, and a slope of one cell: (…) → (… size)."""
    first = -1 if size > 1 else 0
    cells = torch.linspace(first, 1, size, dtype=offset.dtype, device=offset.device)
    distance = (cells + offset[..., None]).abs()
    slope = functional.relu(1 - (distance - 1) * (size - 1) / 2)
    return torch.where(distance < 1, torch.ones_like(slope), slope)


class Offsets(nn.Module):
    """Offsets in space of each frame, from the maps of a support video and a query.

    Args:
        channels: Number of channels c of each video's maps.
        largest: Largest offset; 2 is the side of a map.
    """

    def __init__(self, channels: int, largest: float) -> None:
        super().__init__()
        self.channels, self.largest = channels, largest
        self.first = nn.Conv3d(2 * channels, 128, 3, padding=1)
        self.second = nn.Conv3d(128, 128, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm3d(128) for _ in range(2))
        last = nn.Conv1d(64, 2, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(nn.Conv1d(128, 64, 1), nn.ReLU(), last, nn.Tanh())

    def support_response(self, maps: Tensor) -> Tensor:
        """Return a support's part of the first convolution, by tap: (r t c h w) → (r t 3 e h w)."""
        return self._taps(maps, self.first.weight[:, : self.channels])

    def query_response(self, maps: Tensor) -> Tensor:
        """Return a query's part of the first convolution: (r t c h w) → (r e t h w)."""
        weight = self.first.weight[:, self.channels :]
        return functional.conv3d(maps.transpose(1, 2), weight, self.first.bias, padding=1)

    def value_response(self, values: Tensor, size: Sequence[int]) -> Tensor:
        """Return the share of vectors that are added to all cells: (r t c) → (r t 3 e h' w').

        h' and w' are at most ``CANVAS``: ``spread`` repeats what is inside.
        """
        height, width = (min(side, CANVAS) for side in size)
        maps = values[..., None, None].expand(*values.shape, height, width)
        return self._taps(maps, self.first.weight[:, self.channels :])

    @staticmethod
    def _taps(maps: Tensor, weight: Tensor) -> Tensor:
        kernels = weight.movedim(2, 0).flatten(0, 1)  # (3·e c 3 3)
        responses = functional.conv2d(maps.flatten(0, 1), kernels, padding=1)
        taps: Tensor = responses.unflatten(0, maps.shape[:2]).unflatten(2, (3, -1))
        return taps

    def forward(self, response: Tensor) -> Tensor:
        """Return offsets (… t 2) from the first convolution's output (… e t h w)."""
        hidden = response.flatten(0, -5)
        hidden = functional.relu(max_pool(self.norms[0](hidden), 1, 2, 2))
        hidden = functional.relu(max_pool(self.norms[1](self.second(hidden)), 1, 2, 2))
        offsets = self.largest * self.head(hidden.amax((-2, -1))).transpose(1, 2)  # (r t 2)
        by_pair: Tensor = offsets.unflatten(0, response.shape[:-4])
        return by_pair


def sum_of_taps(taps: Tensor) -> Tensor:
    """Add each tap at its time, with zeros before and after: (… t 3 e h w) → (… e t h w)."""
    before, at, after = taps.unbind(-4)  # (… t e h w); tap 0 is of the frame before
    pad = (0, 0, 0, 0, 0, 0)
    shifted = functional.pad(before[..., :-1, :, :, :], (*pad, 1, 0))
    ahead = functional.pad(after[..., 1:, :, :, :], (*pad, 0, 1))
    return (shifted + at + ahead).transpose(-4, -3)


def spread(canvas: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps of a size from canvases with the values of corners, edges and inside."""
    for dim, side in zip((-2, -1), size, strict=True):
        inside = max(0, side - 2)
        index = [0] + [1] * inside + [min(side, CANVAS) - 1] * (side > 1)
        canvas = canvas.index_select(dim, torch.tensor(index, device=canvas.device))
    return canvas


@options_dataclass
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
    largest_offset: Annotated[float, Field(gt=0, le=1), Only("stages", "both", "second")] = 0.75
    perturbation: Annotated[NonNegativeFloat, Only("stages", "both", "second")] = 0.2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    seed: NonNegativeInt = 0


class TimeMaps(nn.Module):
    """Linear maps of the frames for attention over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.keys, self.queries, self.values = (
            nn.Linear(width, width, bias=False) for _ in range(3)
        )


class TA2N(TorchMethod[TA2NOptions, Nodes]):
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
        return (map_request(card, self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Return the warped maps (… t c h w) and their linear maps, or frames (… t c)."""
        unwarped = frame_maps(features, self.options.frames, self.options.map_channels)
        leading = unwarped.shape[:-4]
        maps: Tensor = self.dropout(unwarped.reshape(-1, *unwarped.shape[-4:]))
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

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> Nodes:
        """Return the nodes of each class, averaged over its shots."""
        names = {"frames", "maps", "keys", "values", "support_response"} & nodes.keys()
        if self.shots is None:
            return {x: class_means(nodes[x], labels, n) for x in names}
        keys, queries = nodes["shot_keys"], nodes["shot_queries"]
        mean = one_hot_mean(labels, n, keys.dtype)  # (b n s)
        scaled = torch.einsum("brtd,bsud->brstu", queries, keys) / keys.shape[-1] ** 0.5
        mixing = torch.einsum("bnr,bns,brstu->bnstu", mean, mean, scaled.softmax(-1))
        return {x: torch.einsum("bnstu,bsu...->bnt...", mixing, nodes[x]) for x in names}

    def score(self, state: Nodes, nodes: Nodes) -> Tensor:
        """Return logits (b q n): minus the sum over time of 1 − cosine."""
        if self.offsets is None:
            support = functional.normalize(state["frames"], dim=-1).flatten(-2)
            query = functional.normalize(nodes["frames"], dim=-1).flatten(-2)
            return query @ support.mT - self.options.frames
        # Batch norm sees all pairs of a training step together.
        b, q = nodes["keys"].shape[:2]
        whole = slice(None)
        if self.training:
            return self._pairs(state, nodes, whole, whole)
        n, elements = state["keys"].shape[1], nodes["query_response"][0, 0].numel()
        return in_chunks(
            lambda rows, columns: self._pairs(state, nodes, rows, columns), b, q, n * elements
        )

    def _pairs(self, support: Nodes, query: Nodes, episodes: slice, queries: slice) -> Tensor:
        support = {name: value[episodes] for name, value in support.items()}
        query = {name: value[episodes, queries] for name, value in query.items()}
        size = query["maps"].shape[-2:]
        scaled = torch.einsum("bntd,bqud->bqntu", support["keys"], query["queries"])
        attention = (scaled / query["queries"].shape[-1] ** 0.5).softmax(-1)  # (b q n t u)
        masks = self._masks(support, query, attention, size)
        support_mask, query_mask = (x.flatten(-2) for x in masks)  # (b q n t h·w)
        maps = support["maps"].flatten(-2) + support["values"][..., None]
        first = torch.einsum("bqntx,bntcx->bqntc", support_mask, maps)
        second = torch.einsum("bqntx,bqtcx->bqntc", query_mask, query["maps"].flatten(-2))
        second = second + torch.einsum("bqntu,bquc->bqntc", attention, query["values"])
        cosines = functional.cosine_similarity(first, second, dim=-1, eps=SHORTEST)
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
        support_mask, query_mask = (
            box_masks(shift, size, self.options.perturbation) for shift in (offsets, -offsets)
        )
        return support_mask, query_mask
