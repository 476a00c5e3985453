"""Fusion: the training-free default, a sum of three cosines that need no learning.

Appearance in order, motion by ordered alignment, and second-order moments of the motion; ours. The
two terms of motion look at frames from which the camera's motion was taken, and most of the aligned
one at a window around what still moves there.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card, Stabilise, Tap
from fewact.methods.base import Features, Nodes
from fewact.methods.kernel import KernelMethod
from fewact.methods.reduction import ChannelReduction
from fewact.methods.steady import centred, searched, windows, without_line
from fewact.moments import multi_scale_moments


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Frames of appearance.
        motion_frames: Frames of motion and moments.
        stabilise: Take the camera's motion out of the frames of motion and moments: ``auto`` where
            it moved. Needs maps.
        trend: What is taken away from each place over time: its ``mean``, or a straight ``line``,
            which also takes most of a slow pan that stabilising has left.
        centre_share: Share of the motion term that looks at a window around what moves, so that
            people may stand apart, and nearer or farther, in two clips; the whole map has the rest.
        shift_search: Cells of the whole map, each way, by which two clips are moved to find where
            they agree most; 0 for none.
        grid: The motion term keeps grid × grid places of a frame.
        velocity: How much the change between a frame's neighbours weighs beside the frame itself.
        motion_weight: Of the motion term; appearance has weight 1.
        moment_weight: Of the moments' term.
        smoothing: λ of the ordered alignment.
        lengths: Window lengths of the moments, in motion frames.
        compactness: How much of a class's mean similarity with itself is subtracted.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 16
    stabilise: Stabilise = "auto"
    trend: Literal["mean", "line"] = "line"
    centre_share: Annotated[float, Field(ge=0, le=1)] = 2 / 3
    shift_search: Annotated[int, Field(ge=0, le=4)] = 0
    grid: PositiveInt = 4
    velocity: NonNegativeFloat = 1.0
    motion_weight: NonNegativeFloat = 2.0
    moment_weight: NonNegativeFloat = 0.75
    smoothing: NonNegativeFloat = 0.01
    lengths: tuple[PositiveInt, ...] = (2, 4, 8)
    compactness: NonNegativeFloat = 0.5


class Fusion(KernelMethod):
    """Kernel K = appearance + w·motion + v·moments; a class scores its mean K less compactness."""

    Options = FusionOptions
    options: FusionOptions
    scoring = frozenset({"motion_weight", "smoothing", "compactness"})
    temperature = 0.03  # between the best of one shot and of five, on the development clips

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        self.reduction = ChannelReduction("auto", width=0)

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """Vectors, and the middle stage of more frames; vectors alone where it is missing."""
        vectors = Tap("vectors", self.options.frames)
        return (vectors, self._middle) if card.has("middle") else (vectors,)

    @property
    def _middle(self) -> Tap:
        return Tap("middle", self.options.motion_frames, self.options.stabilise)

    def encode(self, features: Features) -> Nodes:
        """Unit vectors whose products are the three cosines.

        Returns:
            ``appearance`` (… t·d); ``motion`` (… t d'), a frame less the clip's trend beside the
            change around it, or with a search (… v t d'), of each window; of a middle stage also
            ``centred`` (… t d'), the same around what moves, and ``moments`` (… m·D), nodes of
            length 1/√m.
        """
        vectors = features[Tap("vectors", self.options.frames)]
        rooted = vectors.sign() * vectors.abs().sqrt()
        frames = functional.normalize(rooted, dim=-1)
        nodes = {"appearance": functional.normalize(frames.flatten(-2), dim=-1)}
        maps = features.get(self._middle)
        if maps is None:
            nodes["motion"] = self._moving(frames)
            return nodes
        options = self.options
        if options.centre_share < 1:
            nodes["motion"] = self._moving(self._whole(maps))
        if options.centre_share > 0:
            rest = self._rest(maps, dim=-4)
            changes = rest - rest.mean(-4, keepdim=True)
            nodes["centred"] = self._moving(self._places(centred(maps, changes, 3 * options.grid)))
        if options.moment_weight > 0:
            nodes["moments"] = self._moments(maps)
        return nodes

    def _whole(self, maps: Tensor) -> Tensor:
        """Places of the whole map (… t d), or of the windows that are searched (… v t d)."""
        if not self.options.shift_search:
            return self._places(maps)
        cut = windows(maps, self.options.shift_search)  # (… t v c h w)
        return self._places(cut).transpose(-3, -2)

    def _places(self, maps: Tensor) -> Tensor:
        """A frame's grid × grid places, at length 1: (… c h w) → (… c·grid²)."""
        pooled = functional.adaptive_avg_pool2d(maps.flatten(0, -4), self.options.grid)
        places = functional.normalize(pooled.flatten(1), dim=-1)
        return places.reshape(*maps.shape[:-3], places.shape[-1])

    def _moving(self, frames: Tensor) -> Tensor:
        """Where a frame differs from the clip's trend, and how it changes: (… t d) → (… t 2d)."""
        rest = self._rest(frames, dim=-2)
        place = _unit(rest - rest.mean(-2, keepdim=True), frames)
        if self.options.velocity == 0:
            return place
        padded = torch.cat([rest[..., :1, :], rest, rest[..., -1:, :]], -2)
        change = _unit(padded[..., 2:, :] - padded[..., :-2, :], frames)
        both = torch.cat([place, self.options.velocity * change], -1)
        return functional.normalize(both, dim=-1)

    def _rest(self, values: Tensor, dim: int) -> Tensor:
        return without_line(values, dim) if self.options.trend == "line" else values

    def _moments(self, maps: Tensor) -> Tensor:
        moments = multi_scale_moments(
            self._rest(self.reduction(maps), dim=-4),
            lengths=self.options.lengths,
            centre_clip=True,
        )  # (… m D)
        joined: Tensor = functional.normalize(moments, dim=-1).flatten(-2)  # (… m·D)
        return joined / math.sqrt(moments.shape[-2])

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """The kernel K between two sets of videos: (b q …), (b s …) → (b q s), symmetric.

        Two videos that are the same have K = 1 + motion + moment weight at most; a static one has
        cosine 0 with everything.
        """
        options = self.options
        kernel = first["appearance"] @ second["appearance"].transpose(-1, -2)  # (b q s)
        if "moments" in first:
            moments = first["moments"] @ second["moments"].transpose(-1, -2)
            kernel = kernel + options.moment_weight * moments
        if options.motion_weight > 0:
            kernel = kernel + options.motion_weight * self._motion(first, second)
        return kernel

    def _motion(self, first: Nodes, second: Nodes) -> Tensor:
        """(b q …), (b s …) → (b q s): minus the ordered alignments' cost a frame."""
        share = self.options.centre_share if "centred" in first else 0.0
        motion = first["appearance"].new_zeros(())
        if share > 0:
            motion = motion + share * self._aligned(first["centred"], second["centred"])
        if share < 1:
            motion = motion + (1 - share) * self._aligned(first["motion"], second["motion"])
        return motion

    def _aligned(self, first: Tensor, second: Tensor) -> Tensor:
        """(b q t d), (b s t d), or with v windows each → (b q s)."""
        reach, smoothing = self.options.shift_search, self.options.smoothing
        if first.ndim == 5:
            return searched(first, second, reach, smoothing)
        cost = align.pairwise_cosine_cost(first, second, eps=0)
        value = align.otam(cost, lam=smoothing, plan=False).value  # (b q s)
        return -value / sum(cost.shape[-2:])


def _unit(moving: Tensor, frames: Tensor) -> Tensor:
    """(… t d) at length 1; zero where no more is left of the frames than rounding leaves."""
    length = vector_norm(moving, dim=-1, keepdim=True)
    still = length <= 1e-4 * vector_norm(frames, dim=-1, keepdim=True)
    return torch.where(still, 0.0, moving / length.clamp_min(1e-12))
