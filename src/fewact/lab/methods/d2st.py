"""D²ST-Adapter: a bottleneck with deformable attention in space and in time; set matching.

Pei et al., D²ST-Adapter: Disentangled-and-Deformable Spatio-Temporal Adapter for Few-shot Action
Recognition, ICCV 2025, arXiv 2312.01431, as implemented by its public code: the last of its
adapters, which follows the last stage of a ResNet.
"""

from typing import Any

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.core.errors import ShapeError
from fewact.features.request import Request
from fewact.lab.methods.base import Features, Nodes, TorchMethod
from fewact.lab.methods.common.inputs import frame_maps, map_request, seeded
from fewact.methods.common.options import options_dataclass
from fewact.methods.common.shots import SupportFrames, support_frames
from fewact.networks.card import Card

Size = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Frames, rows and columns."""


@options_dataclass
class D2STOptions:
    """Options of ``d2st``; it must be trained.

    Args:
        frames: Frames of a video.
        map_channels: Channels of the backbone's maps.
        map_size: Rows and columns of the backbone's maps.
        divisor: Number of channels of the maps for one of the adapter.
        heads: Heads of each attention; each has its own offsets.
        spatial_samples: Frames, rows and columns of the points that the spatial attention samples.
        temporal_grid: Rows, and columns, of the points that the temporal attention samples in each
            frame.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    map_channels: PositiveInt = 2048
    map_size: tuple[PositiveInt, PositiveInt] = (7, 7)
    divisor: PositiveInt = 4
    heads: PositiveInt = 8
    spatial_samples: Size = (2, 2, 2)
    temporal_grid: PositiveInt = 1
    seed: NonNegativeInt = 0


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of maps (v c t h w)."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


class DeformableAttention(nn.Module):
    """Attention of all cells to a few points, which the cells around each of them move.

    Args:
        width: Channels c, a multiple of the heads.
        heads: Number of heads.
        size: Size of the maps.
        samples: Number of points along each axis, at most the size.
    """

    def __init__(self, width: int, heads: int, size: Size, samples: Size) -> None:
        super().__init__()
        self.heads = heads
        group = width // heads
        self.points = [min(pair) for pair in zip(size, samples, strict=True)]
        axes = list(zip(size, self.points, strict=True))
        strides: Any = tuple(cells // number for cells, number in axes)
        kernel: Any = tuple(  # as wide as reaches the last cell
            cells - cells // number * (number - 1) for cells, number in axes
        )
        self.offsets = nn.Sequential(
            nn.Conv3d(group, group, kernel, strides, groups=group),
            ChannelNorm(group),
            nn.GELU(),
            nn.Conv3d(group, 3, 1, bias=False),
        )
        self.query, self.key, self.value, self.out = (nn.Conv3d(width, width, 1) for _ in range(4))

    def forward(self, maps: Tensor) -> Tensor:
        """Return what each cell of maps (v c t h w) attends to, of the same shape."""
        v, c, *size = maps.shape
        queries = self.query(maps)
        groups = v * self.heads, c // self.heads
        centres = [(2 * torch.arange(n).to(maps) + 1) / n - 1 for n in self.points]
        reach = maps.new_tensor([min(1.0, 2 / n) for n in self.points])
        offsets = self.offsets(queries.reshape(*groups, *size)).movedim(1, -1)
        places = torch.stack(torch.meshgrid(*centres, indexing="ij"), -1) + offsets.tanh() * reach
        grid = places.flip(-1)  # (v·heads t' h' w' 3) in −1 … 1: column, row, frame
        sampled = functional.grid_sample(maps.reshape(*groups, *size), grid, align_corners=True)
        sampled = sampled.view(v, c, *sampled.shape[2:])
        query, key, value = (
            x.reshape(v, self.heads, groups[1], -1).mT  # (v heads m e)
            for x in (queries, self.key(sampled), self.value(sampled))
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(attended.mT.reshape(maps.shape))
        return out


class DeformableAdapter(nn.Module):
    """Both attentions between a narrowing and a widening map, added to the maps."""

    def __init__(self, options: D2STOptions) -> None:
        super().__init__()
        width = options.heads * max(1, options.map_channels // options.divisor // options.heads)
        size = (options.frames, *options.map_size)
        of_frame = options.temporal_grid
        self.down = nn.Conv3d(options.map_channels, width, 1)
        self.positions = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.pathways = nn.ModuleList(
            nn.Sequential(
                ChannelNorm(width), DeformableAttention(width, options.heads, size, samples)
            )
            for samples in (options.spatial_samples, (options.frames, of_frame, of_frame))
        )
        self.up = nn.Conv3d(width, options.map_channels, 1)
        for weight in self.up.parameters():
            nn.init.zeros_(weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Return adapted maps (v c t h w)."""
        narrow = self.down(maps)
        narrow = narrow + self.positions(narrow)
        attended = sum(pathway(narrow) for pathway in self.pathways) / len(self.pathways)
        adapted: Tensor = maps + self.up(functional.gelu(narrow + attended))
        return adapted


class D2ST(TorchMethod[D2STOptions, SupportFrames]):
    """Mean vectors of adapted maps, matched as sets of frames (Bi-MHM)."""

    Options = D2STOptions
    paper = "D²ST-Adapter, ICCV 2025"
    trained = False

    def __init__(self, options: D2STOptions) -> None:
        super().__init__(options)
        with seeded(options.seed):
            self.adapter = DeformableAdapter(options)

    @classmethod
    def fitting(cls, options: D2STOptions, card: Card) -> dict[str, Any]:
        """Return the size of the backbone's maps."""
        return {"map_size": tuple(card.maps[1:]) if card.maps else (1, 1)}

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (map_request(card, self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d): the means over the adapted maps."""
        maps = frame_maps(features, self.options.frames, self.options.map_channels)
        if maps.shape[-2:] != self.options.map_size:
            raise ShapeError(
                "the method was made for maps of another size",
                where="maps",
                got=str(tuple(maps.shape[-2:])),
                expected=str(self.options.map_size),
                hint="Make the method with the option map_size of these features.",
            )
        videos = maps.reshape(-1, *maps.shape[-4:]).transpose(1, 2)  # (v c t h w)
        frames = self.adapter(videos).mean((-2, -1)).mT  # (v t c)
        return {"frames": frames.reshape(*maps.shape[:-2])}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SupportFrames:
        """Return the mean frames (b n t d) of each class."""
        return support_frames(nodes["frames"], labels, n, "prototype")

    def score(self, state: SupportFrames, nodes: Nodes) -> Tensor:
        cost = align.pairwise_cosine_cost(nodes["frames"], state.frames, 0.0)
        logits: Tensor = -align.bi_mhm(cost, plan=False).value
        return logits
